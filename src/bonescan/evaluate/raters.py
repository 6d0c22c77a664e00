"""A rater: a folder of readings, or a cohort with a reader's Labelme marks, study by study."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bonescan.config import LabelNames
from bonescan.errors import BadInput, BonescanError
from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import Case, read_cohort
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.report.record import stored_counts
from bonescan.report.stored import is_result, load_results
from bonescan.scan import Lesion, Marks, MarkSource, Reading, Scan, ViewName

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judgement:
    """One study as a rater sees it.

    Attributes
    ----------
    study, patient : str
        The result folder's name, or the table's; a patient who is not named is the study.
    pixels : str
        Digest of the views' counts: two judgements of one digest are of one scan.
    masks : mapping from view name to (H, W) uint8, sparse
        0 none, k the k-th lesion of the view.
    lesions : tuple of Lesion
    regions : frozenset of (view name, region)
        The skeletal regions that are seen.
    index : float or None
        Bone scan index of the whole skeleton.
    marked_by : frozenset of str
        ``model``, ``reader``, or both where they share the views.
    model : str
        Name and version of the model that named the regions.
    """

    study: str
    patient: str
    pixels: str
    masks: Mapping[ViewName, csr_array]
    lesions: tuple[Lesion, ...]
    regions: frozenset[tuple[ViewName, str]]
    index: float | None
    marked_by: frozenset[str]
    model: str


@dataclass(frozen=True)
class Rater:
    """All judgements of one rater; ``problems`` names what could not be read."""

    path: Path
    judgements: tuple[Judgement, ...]
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        models = ", ".join(sorted({judged.model for judged in self.judgements}))
        number = len(self.judgements)
        by = frozenset[str]().union(*(judged.marked_by for judged in self.judgements))
        if by == {"reader"}:
            return f"{self.path}: {number} studies, marks of a reader, regions of {models}"
        if by == {"model"}:
            return f"{self.path}: {number} studies, marks and regions of {models}"
        read = sum("reader" in judged.marked_by for judged in self.judgements)
        return f"{self.path}: {number} studies of {models}, in {read} of them marks of a reader"


def read_rater(
    path: Path,
    package: Package,
    *,
    names: LabelNames | None = None,
    progress: Progress | None = None,
) -> Rater:
    """Read what a rater marked.

    Parameters
    ----------
    path : Path
        A folder of result folders of `bonescan read`; or ``cohort.csv`` or its folder, whose
        Labelme files are then the marks, measured with the regions of ``package`` as
        ``bonescan read --marks`` does.
    package : Package
        For cohorts.
    names : LabelNames, optional
        What the names in Labelme files mean.
    progress : callable, optional
        Called with the number of studies done and their total.

    Raises
    ------
    BadInput
        If there is neither a table nor a reading, no study can be read, or a scan occurs twice.
    """
    problems: list[str] = []
    judgements: list[Judgement] = []
    for judged in _judgements(path, package, names or LabelNames(), progress):
        if isinstance(judged, Judgement):
            judgements.append(judged)
        else:
            problems.append(judged)
    if not judgements:
        raise BadInput(f"{path}: no study can be read ({problems[0]}); correct it")
    first: dict[str, Judgement] = {}
    for judged in judgements:
        other = first.setdefault(judged.pixels, judged)
        if other is not judged:
            raise BadInput(
                f"{path}: {other.study} and {judged.study} are the same scan; leave one of them"
            )
    return Rater(path, tuple(judgements), tuple(problems))


def _judgements(
    path: Path, package: Package, names: LabelNames, progress: Progress | None
) -> Iterator[Judgement | str]:
    """Yield each study as judged, or one line that says why it cannot be."""
    jobs: list[tuple[str, Callable[[], Judgement]]]
    if path.is_file() or (path / "cohort.csv").is_file():
        table = read_cohort(path)
        yield from table.problems
        engine = Engine(package)
        jobs = [(case.study, _CaseJob(case, engine, names)) for case in table.cases]
    else:
        jobs = [(folder.name, _ResultJob(folder)) for folder in _results(path)]
    for done, (study, job) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs))
        try:
            yield job()
        except BonescanError as error:
            yield f"{study}: {error}"
    if progress is not None:
        progress(len(jobs), len(jobs))


def _results(path: Path) -> list[Path]:
    if is_result(path):
        return [path]
    if not path.is_dir():
        raise BadInput(f"{path}: is no folder; name one of bonescan read --out, or a cohort's")
    found = sorted(folder for folder in path.iterdir() if is_result(folder))
    if not found:
        raise BadInput(
            f"{path}: holds no cohort.csv and no result folder; "
            "name a folder of bonescan read --out, or a cohort's"
        )
    return found


@dataclass(frozen=True)
class _ResultJob:
    folder: Path

    def __call__(self) -> Judgement:
        scan, reading = load_results(self.folder)
        study = self.folder.name
        return _judged(scan, reading, study, scan.identity.patient_id or study)


@dataclass(frozen=True)
class _CaseJob:
    case: Case
    engine: Engine
    names: LabelNames

    def __call__(self) -> Judgement:
        scan = load_case(self.case)
        drawn = read_masks(self.case, scan, self.names).metastasis
        marks = Marks(
            {name: mask.astype(np.int32) for name, mask in drawn.items()},
            (MarkSource(self.case.study, "", "labelme", tuple(drawn)),),
        )
        reading = read_scan(scan, self.engine, marks=marks)
        return _judged(scan, reading, self.case.study, self.case.patient)


def _judged(scan: Scan, reading: Reading, study: str, patient: str) -> Judgement:
    made = reading.provenance
    return Judgement(
        study=study,
        patient=patient,
        pixels=_digest(scan),
        masks={view.view: csr_array(view.mask) for view in reading.views},
        lesions=reading.lesions,
        regions=frozenset((item.view, item.region) for item in reading.regions),
        index=None if reading.index is None else reading.index.whole,
        marked_by=frozenset(view.marked_by for view in reading.views),
        model=f"{made.model_name} {made.model_version}",
    )


def _digest(scan: Scan) -> str:
    content = hashlib.sha256()
    for view in scan.views:
        stored: NDArray[np.uint16] = stored_counts(view.counts)
        content.update(f"{view.name} {stored.shape}".encode())
        content.update(np.ascontiguousarray(stored, "<u2").tobytes())
    return content.hexdigest()
