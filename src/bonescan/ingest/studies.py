"""Find the studies in files, folders and zips."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from bonescan.errors import BadInput, NotABoneScan
from bonescan.ingest import dicom, headers, pictures
from bonescan.ingest.archives import InputFile, collect, is_zip
from bonescan.ingest.grouping import Group, group_into_studies
from bonescan.ingest.naming import study_name, unique_names
from bonescan.ingest.resolve import name_pictures
from bonescan.ingest.sources import Failure, NamedPicture, SourceFile, Study
from bonescan.ingest.views import Clue
from bonescan.scan import Flag, ViewName

#: Endings of files that claim to be scans: such a file in a folder is reported, not passed over.
_CLAIMS = {".dcm", ".dicom", ".ima", ".zip"} | pictures.SUFFIXES


#: So many files of a folder that fail for one reason are named each by itself; more, in one line.
_NAMED_FAILURES = 10


@dataclass(frozen=True)
class FoundStudies:
    """The studies found, in a context manager that removes what zips were unpacked to.

    Attributes
    ----------
    studies : tuple of Study
        Sorted by path, with unique names.
    failures : tuple of Failure
        Inputs that could not be used, each with its one line.
    skipped : tuple of Failure
        What lay in a folder or zip and is plainly no scan: reports, notes, our own outputs.
    """

    studies: tuple[Study, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Failure, ...] = ()
    _stack: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    def __enter__(self) -> Self:
        """Keep unpacked files until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove unpacked files."""
        self.close()

    def close(self) -> None:
        """Remove what zips were unpacked to; the studies can no longer be loaded from there."""
        self._stack.close()


class _Skip(Exception):
    """A file that is no scan and need not be one."""


def find_studies(
    paths: Sequence[Path],
    *,
    views: Mapping[Path, ViewName] | None = None,
    together: bool = False,
) -> FoundStudies:
    """Find the studies in files, folders (with subfolders) and zips.

    Files are grouped by Study and Series UID, by shared file names, and by the views they hold;
    names follow the file's stem, the shared stem of a pair, or the folder.

    Parameters
    ----------
    paths : sequence of Path
        DICOM files, pictures, folders or zips.
    views : mapping from Path to view name, optional
        Views that the caller knows, for files of one view each; they outrank what files say.
    together : bool
        The paths are one study, whatever their names and identifiers say. Two pictures that are
        named as such, and whose names tell no view, always are.

    Returns
    -------
    FoundStudies
        A context manager; nothing is raised for bad input, which is listed under ``failures``.

    Examples
    --------
    >>> with find_studies([Path("archive.zip")]) as found:
    ...     names = [study.name for study in found.studies]
    """
    stack = ExitStack()
    try:
        inputs, problems = collect(paths, stack)
        failures, skipped = list(problems), list[Failure]()
        sources: list[SourceFile] = []
        for item in inputs:
            try:
                sources.append(_as_given(_describe(item), views or {}))
            except _Skip as reason:
                skipped.append(Failure(item.origin, str(reason)))
            except dicom.NoPicture as error:
                (failures if item.named else skipped).append(Failure(item.origin, str(error)))
            except NotABoneScan as error:
                failures.append(Failure(item.origin, str(error)))
            except BadInput as error:
                failures.append(Failure(item.origin, str(error)))
            except OSError as error:
                reason_text = f"{item.origin}: cannot be read ({error.strerror}); check the file"
                failures.append(Failure(item.origin, reason_text))
        sources, notes = _without_duplicates(_without_label_pictures(sources, inputs, skipped))
        sources = _without_derived(sources, skipped, failures, together=together, given=views or {})
        sources = _without_scatter(sources, skipped)
        together = together or _is_pair(sources, inputs)
        named, broken = name_pictures(sources, together=together)
        failures += broken
        studies = _studies(group_into_studies(named, together=together), notes)
    except BaseException:
        stack.close()
        raise
    if not studies and not failures:
        shown = ", ".join(str(path) for path in paths) or "no input"
        failures.append(
            Failure(
                paths[0] if paths else Path(),
                f"{shown}: holds no DICOM file or picture of a scan; check the path",
            )
        )
    return FoundStudies(studies, tuple(_merged(failures)), tuple(_merged(skipped)), stack)


def _describe(item: InputFile) -> SourceFile:
    path, origin = item.path, item.origin
    if path.stat().st_size == 0:
        if item.named or path.suffix.lower() in _CLAIMS:
            raise BadInput(f"{origin}: the file is empty; export the study again")
        raise _Skip(f"{origin}: empty file")
    if is_zip(path):
        raise BadInput(f"{origin}: a zip inside a zip; unpack the outer one first")
    if headers.looks_like_dicom(path):
        return dicom.describe(path, origin)
    if pictures.looks_like_picture(path):
        if not item.named and _is_our_output(path):
            raise _Skip(f"{origin}: an output of bonescan")
        return pictures.describe(path, origin)
    if item.named or path.suffix.lower() in _CLAIMS:
        raise BadInput(
            f"{origin}: not a DICOM file, PNG, JPEG or TIFF picture, or zip; "
            "export the study as DICOM"
        )
    raise _Skip(f"{origin}: no scan")


def _as_given(source: SourceFile, views: Mapping[Path, ViewName]) -> SourceFile:
    """Put the view that the caller knows in the place of what the file says."""
    view = views.get(source.origin)
    if view is None or len(source.pictures) != 1:
        return source
    return replace(source, pictures=(replace(source.pictures[0], clue=Clue(view, "given")),))


def _is_our_output(path: Path) -> bool:
    return (path.parent / "result.json").exists()


def _without_label_pictures(
    sources: Sequence[SourceFile], inputs: Sequence[InputFile], skipped: list[Failure]
) -> list[SourceFile]:
    """Leave out pictures made for Labelme (their JSON beside them) where there is DICOM, too."""
    named = {item.path for item in inputs if item.named}
    has_dicom = any(source.kind == "dicom" for source in sources)
    kept = []
    for source in sources:
        labelled = source.kind == "picture" and source.path.with_suffix(".json").exists()
        if labelled and has_dicom and source.path not in named:
            skipped.append(Failure(source.origin, f"{source.origin}: a picture for Labelme"))
        else:
            kept.append(source)
    return kept


def _without_duplicates(
    sources: Sequence[SourceFile],
) -> tuple[list[SourceFile], dict[Path, Flag]]:
    """Use copies of one DICOM object once; the flag is noted for the file that is used."""
    by_uid: defaultdict[str, list[SourceFile]] = defaultdict(list)
    for source in sources:
        by_uid[source.sop_instance_uid].append(source)
    dropped: set[Path] = set()
    notes: dict[Path, Flag] = {}
    for uid, group in by_uid.items():
        if not uid or len(group) < 2:
            continue
        by_pixels: defaultdict[str, list[SourceFile]] = defaultdict(list)
        for source in group:
            by_pixels[_pixel_digest(source)].append(source)
        for copies in by_pixels.values():
            dropped |= {copy.path for copy in copies[1:]}
            if len(copies) > 1:
                names = ", ".join(str(copy.origin) for copy in copies[1:])
                notes[copies[0].path] = Flag(
                    "duplicate-file", f"Copies of the same object were left out: {names}", "info"
                )
        if len(by_pixels) > 1:
            for copies in by_pixels.values():
                notes[copies[0].path] = Flag(
                    "shared-instance-uid",
                    f"{len(by_pixels)} files with different pixels share SOP Instance UID {uid}; "
                    "an anonymiser may have mixed up studies",
                )
    return [source for source in sources if source.path not in dropped], notes


def _without_derived(
    sources: Sequence[SourceFile],
    skipped: list[Failure],
    failures: list[Failure],
    *,
    together: bool,
    given: Container[Path],
) -> list[SourceFile]:
    """Leave out files that hold only a geometric mean.

    Alone in their study, or ``given`` as a view, they are failures.
    """
    kept = [source for source in sources if source.pictures]
    for mean in (source for source in sources if not source.pictures):
        views = {
            source.path
            for source in kept
            if together or (mean.study_uid and source.study_uid == mean.study_uid)
        }
        reason = f"{mean.origin}: holds only a picture computed from views (geometric mean)"
        if not views or mean.origin in given:
            remedy = "give the original anterior and posterior views"
            failures.append(Failure(mean.origin, f"{reason}; {remedy}"))
            continue
        skipped.append(Failure(mean.origin, reason))
        flag = dicom.derived_flag(mean.origin.name)
        kept = [
            replace(source, flags=(*source.flags, flag)) if source.path in views else source
            for source in kept
        ]
    return kept


def _without_scatter(sources: Sequence[SourceFile], skipped: list[Failure]) -> list[SourceFile]:
    """Leave out files of other energy windows where a study has files of the photopeak."""

    def holds(source: SourceFile) -> bool | None:
        window = source.pictures[0].window
        return window.holds_photopeak if window else None

    with_peak = {source.study_uid for source in sources if source.study_uid and holds(source)}
    kept: list[SourceFile] = []
    left: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        if source.study_uid in with_peak and holds(source) is False:
            reason = f"energy window {source.pictures[0].window} does not hold 140.5 keV"
            skipped.append(Failure(source.origin, f"{source.origin}: {reason}"))
            left[source.study_uid].append(f"{source.origin.name}: {reason}")
        else:
            kept.append(source)
    return [_noting_windows(source, left[source.study_uid]) for source in kept]


def _noting_windows(source: SourceFile, left: Sequence[str]) -> SourceFile:
    if not left:
        return source
    flag = Flag("several-energy-windows", f"Not read: {'; '.join(left)}", "info")
    return replace(source, flags=(*source.flags, flag))


def _pixel_digest(source: SourceFile) -> str:
    try:
        data = headers.values(headers.read_dataset(source.path), "PixelData")
    except BadInput:
        return str(source.path)
    return hashlib.sha256(data[0] if data else b"").hexdigest()


def _is_pair(sources: Sequence[SourceFile], inputs: Sequence[InputFile]) -> bool:
    """Tell whether all that was given are two pictures whose names tell no view."""
    if not len(inputs) == len(sources) == 2 or not all(item.named for item in inputs):
        return False
    return all(
        source.kind == "picture" and len(source.pictures) == 1 and not source.pictures[0].clue
        for source in sources
    )


def _studies(groups: Sequence[Group], notes: dict[Path, Flag]) -> tuple[Study, ...]:
    origins = [tuple(sorted({view.source.origin for view in group})) for group in groups]
    names = unique_names([study_name(paths) for paths in origins])
    return tuple(
        Study(name, group, (*_repeated(group, groups), *_flags_of(group, notes)))
        for name, group in zip(names, groups, strict=True)
    )


def _repeated(group: Group, groups: Sequence[Group]) -> list[Flag]:
    """Say that a series (or file) holds more than one study's views."""

    def belongs(view: NamedPicture) -> tuple[str, str]:
        source = view.source
        if source.series_uid:
            return source.study_uid, source.series_uid
        return "", str(source.path)

    count = sum(belongs(other[0]) == belongs(group[0]) for other in groups)
    if count < 2:
        return []
    message = (
        f"Its series holds {count} pictures of the same view (passes or repeats); each became a "
        "study of its own"
    )
    return [Flag("repeated-view", message, "info")]


def _flags_of(group: Sequence[NamedPicture], notes: dict[Path, Flag]) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    for source in {view.source.path: view.source for view in group}.values():
        flags += source.flags
        if source.path in notes:
            flags.append(notes[source.path])
    return tuple(dict.fromkeys(flags))


def _merged(failures: Sequence[Failure]) -> list[Failure]:
    """Say once what holds for many files of a folder: a CT series is one failure, not 500."""
    alike: defaultdict[tuple[Path, str], list[Failure]] = defaultdict(list)
    for failure in failures:
        reason = failure.reason.removeprefix(f"{failure.path}: ")
        alike[failure.path.parent, reason].append(failure)
    return [
        merged
        for group in alike.values()
        for merged in (
            group
            if len(group) <= _NAMED_FAILURES
            else [
                replace(group[0], reason=f"{group[0].reason} ({len(group) - 1} more files alike)")
            ]
        )
    ]
