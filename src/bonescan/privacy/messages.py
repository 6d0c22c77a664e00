"""Take identity out of sentences: flags, failures, what the console shows.

Names of files and folders often hold a patient's name or number, so that they are covered, too: an
input is called by its place in the call.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bonescan.errors import BonescanError
from bonescan.ingest.naming import stem_of
from bonescan.ingest.views import without_view
from bonescan.scan import Scan

#: Shorter text is no name that could be told from the figures of a sentence; one in Chinese,
#: Japanese or Korean script is, and no space tells where it ends.
LEAST_LETTERS = 3
_ASIAN = "\u1100-\u11ff\u2e80-\u9fff\ua960-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
_ASIAN_LETTER = re.compile(f"[{_ASIAN}]")
#: Stands for what has no name of its own.
REMOVED = "[removed]"
#: Text quoted from a header: a description may hold anything.
_QUOTED = re.compile(r"""(?<!\w)(['"])(?:(?!\1).)+\1(?!\w)""")


@dataclass(frozen=True)
class Cover:
    """What identifies someone, and what stands in its place.

    Attributes
    ----------
    names : mapping from str to str
        Upper and lower case are alike. What is shorter than three letters is left out, and so are
        words for a view, as ``anterior.dcm`` gives them.
    """

    names: Mapping[str, str]

    def hide(self, text: str) -> str:
        """Return a text with every name replaced, the longest first."""
        for name, cover in sorted(self._worth().items(), key=lambda item: -len(item[0])):
            text = cover.join(_whole(name).split(text))
        return text

    def hides(self, text: str) -> bool:
        """Whether a text holds any of the names."""
        return any(_whole(name).search(text) for name in self._worth())

    def line(self, text: str) -> str:
        """Return a line that can be logged: names covered, quoted text of headers removed."""
        return _QUOTED.sub(REMOVED, self.hide(text))

    def _worth(self) -> dict[str, str]:
        return {
            name: cover
            for name, cover in self.names.items()
            if (len(name) >= LEAST_LETTERS or _ASIAN_LETTER.search(name)) and without_view(name)
        }

    def __or__(self, other: Cover) -> Cover:
        """Join two covers."""
        return Cover({**self.names, **other.names})


def _whole(name: str) -> re.Pattern[str]:
    """Match a name that is no part of a longer word or number, where its script parts words."""
    before = "" if _ASIAN_LETTER.match(name[0]) else rf"(?<![^\W_{_ASIAN}])"
    after = "" if _ASIAN_LETTER.match(name[-1]) else rf"(?![^\W_{_ASIAN}])"
    return re.compile(f"{before}{re.escape(name)}{after}", re.IGNORECASE)


def cover_scan(scan: Scan, patient: str, study: str) -> Cover:
    """Cover what a scan knows of its patient.

    Parameters
    ----------
    scan : Scan
    patient, study : str
        Their pseudonyms.
    """
    who = scan.identity
    names = {who.patient_id.strip(): patient, who.patient_name: patient, scan.study: study}
    for day in (who.birth_date, scan.acquisition.study_date or ""):
        names |= dict.fromkeys((day, f"{day[:4]}-{day[4:6]}-{day[6:]}"), REMOVED)
    uids = [view.sop_instance_uid or "" for view in scan.views]
    others = [who.accession_number, who.study_id, who.study_uid, who.series_uid, *uids]
    names |= dict.fromkeys(others, REMOVED)
    for path in (*scan.sources, *(view.source for view in scan.views)):
        names |= dict.fromkeys((str(path), path.name, stem_of(path)), study)
    return Cover({name: cover for name, cover in names.items() if name.strip("- ")})


def cover_inputs(paths: Iterable[Path]) -> Cover:
    """Cover the names of a call's inputs: ``input 2``, and below it ``input 2, file 14``.

    Files are counted from 1 in the order of their paths, members of a zip of their names.
    """
    names: dict[str, str] = {}
    for number, path in enumerate(paths, start=1):
        own = f"input {number}"
        for place, member in enumerate(sorted(_members(path)), start=1):
            names[str(path / member)] = f"{own}, file {place}"
            for part in (member, *member.parents):
                if part.name:
                    shown = f"{own}, file {place}" if part == member else own
                    names.setdefault(str(path / part), shown)
                    names.setdefault(part.name, shown)
                    names.setdefault(stem_of(part), shown)
        names |= dict.fromkeys((str(path), path.name, stem_of(path)), own)
    return Cover({name: cover for name, cover in names.items() if name})


def _members(path: Path) -> Iterator[Path]:
    """Yield the files below a folder or in a zip, relative to it."""
    try:
        if path.is_dir():
            yield from (item.relative_to(path) for item in path.rglob("*") if item.is_file())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from (Path(name) for name in packed.namelist() if not name.endswith("/"))
    except (OSError, zipfile.BadZipFile):
        return  # what is wrong with it is said where it is read


def cover_error(error: BonescanError | OSError, cover: Cover) -> BonescanError:
    """Return an error that can be logged: names covered, quoted header text removed."""
    if isinstance(error, BonescanError):
        return type(error)(cover.line(str(error)))
    reason = error.strerror or type(error).__name__
    return BonescanError(f"input or output: {reason}; check the paths, their rights and the disk")


@contextmanager
def covering(cover: Cover | None) -> Iterator[None]:
    """Let errors leave only covered; with None they pass as they are."""
    try:
        yield
    except (BonescanError, OSError) as error:
        if cover is None:
            raise
        raise cover_error(error, cover) from None


def cover_flags(scan: Scan, cover: Cover) -> Scan:
    """Return a scan whose flags name no one."""
    return replace(
        scan, flags=tuple(replace(flag, message=cover.hide(flag.message)) for flag in scan.flags)
    )
