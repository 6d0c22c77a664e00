"""Names under which the results of studies are filed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bonescan.ingest.views import lettered_view, view_in, without_view

#: Longest name in bytes: file systems take 255, and a name gets additions.
_MAX_BYTES = 200

#: What no file system takes, and bytes of a name that are not UTF-8 (as Python stands them in).
_UNUSABLE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')

#: Endings that are no part of a study's name. Others may be: 1.2.840.10008 has none.
_SUFFIX = re.compile(
    r"\.(?:dcm|dicom|dic|ima|img|nm|png|jpe?g|tiff?|bmp|zip)$", flags=re.IGNORECASE
)


def stem_of(path: Path) -> str:
    """Return a file's name without the ending of its format; a UID as a name stays whole."""
    return _SUFFIX.sub("", path.name)


def shared_stem(path: Path) -> str:
    """Return a file's stem without words for its view: ``0001_ANT.jpg`` becomes ``0001``."""
    stem = stem_of(path)
    if lettered_view(path):
        stem = stem[:-1].rstrip("_-. ")
    return without_view(stem)


def shared_folder(path: Path) -> tuple[str, str]:
    """Return what the folders of a pair share: ``wholeBodyANT/1.jpg``, ``wholeBodyPOST/1.jpg``.

    The first item is the folder, or its parent where the folder's own name tells the view; the
    second what is left of that name.
    """
    folder = path.parent
    if view_in(folder.name):
        return str(folder.parent), without_view(folder.name)
    return str(folder), ""


def study_name(origins: Sequence[Path]) -> str:
    """Name a study: its file's stem, the stem its files share, or else their folder's name.

    Parameters
    ----------
    origins : sequence of Path
        The files of the study, as the user knows them.

    >>> study_name([Path("in/case7.dcm")])
    'case7'
    >>> study_name([Path("in/0001_ANT.jpg"), Path("in/0001_POST.jpg")])
    '0001'
    >>> study_name([Path("in/IM1.dcm"), Path("in/IM2.dcm")])
    'in'
    """
    if len(origins) == 1:
        return _usable(stem_of(origins[0]))
    shared = {shared_stem(path) for path in origins}
    if len(shared) == 1 and (stem := shared.pop()):
        return _usable(stem)
    return _usable(_folder_name(origins))


def _folder_name(origins: Sequence[Path]) -> str:
    folder = Path(os.path.commonpath([path.absolute().parent for path in origins]))
    while view_in(folder.name) and not without_view(folder.name):
        folder = folder.parent
    return stem_of(folder)


def _usable(name: str) -> str:
    """Make a name that every file system takes.

    >>> _usable("a/b."), _usable("\udcff"), _usable("")
    ('a_b', '_', 'study')
    """
    clean = _UNUSABLE.sub("_", name).strip(" .")
    short = clean.encode()[:_MAX_BYTES].decode(errors="ignore").strip(" .")
    return short or "study"


def unique_names(names: Sequence[str]) -> list[str]:
    """Give later bearers of a name ``-2``, ``-3``; names that differ in case only collide, too.

    >>> unique_names(["a", "b", "a", "A"])
    ['a', 'b', 'a-2', 'A-3']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        chosen, count = name, 1
        while chosen.casefold() in taken:
            count += 1
            chosen = f"{name}-{count}"
        taken.add(chosen.casefold())
        result.append(chosen)
    return result
