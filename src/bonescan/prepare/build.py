"""Prepare a cohort: each case to a canvas with its marks, restartable, case by case."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan import __version__
from bonescan.config import CanvasSettings, LabelNames, OtsuMask, Settings
from bonescan.errors import BadInput, BonescanError, ProcessEnded
from bonescan.files import remove_leftovers
from bonescan.ingest.cases import CaseMasks, load_case, pixels_digest, read_masks
from bonescan.ingest.cohort import Case, read_cohorts
from bonescan.ingest.truth import CaseTruth, read_truth
from bonescan.masks import label_map
from bonescan.prepare.data import (
    SCHEMA,
    CaseRecord,
    PreparedData,
    arrays_digest,
    case_path,
    flag_records,
    placement_records,
    read_record,
    write_case,
    write_index,
)
from bonescan.prepare.sheet import write_sheets
from bonescan.preprocess import (
    kept,
    place_labels,
    place_mask,
    placement_of,
    prepare_canvas,
    restore,
)
from bonescan.scan import VIEW_NAMES, Canvas, Flag, Scan, ViewName
from bonescan.work import run_pieces

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Job:
    """One case to prepare, with everything that decides the outcome."""

    case: Case
    out: Path
    canvas: CanvasSettings
    labels: LabelNames
    mask: OtsuMask


def prepare_cohort(
    cohort: Path | Sequence[Path],
    out: Path,
    canvas: CanvasSettings,
    *,
    labels: LabelNames | None = None,
    mask: OtsuMask | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[str]:
    """Turn scans and annotations into canvases and labels on disk.

    Parameters
    ----------
    cohort : Path or sequence of Path
        ``cohort.csv`` or its folder; those of several centres make one cohort. Where the folder has
        ``truth/<study>.npz``, as simulated cohorts do, its (2, H, W) uint8 pictures (anterior,
        posterior) come along as layers ``truth_<name>``.
    out : Path
        Folder to write: ``data.json``, ``cases/<study>.npz`` and ``sheets/`` to look at. Cases
        that are there already, made from the same files by the same settings, are kept.
    canvas : CanvasSettings
        The preset.
    labels : LabelNames, optional
        What the label names mean.
    mask : OtsuMask, optional
        The body mask that is checked for plausibility and shown in the sheets.
    workers : int
        Processes to use.
    progress : callable, optional
        Called with (done, total) cases.

    Returns
    -------
    list of str
        One line for each case that could not be prepared; the others are done.

    Raises
    ------
    BadInput
        If the table itself is wrong, or nothing can be written.
    """
    table = read_cohorts([cohort] if isinstance(cohort, Path) else cohort)
    mask = mask or OtsuMask()
    names = labels or LabelNames()
    jobs = [_Job(case, out, canvas, names, mask) for case in table.cases]
    report = progress or _silent
    report(0, len(jobs))
    outcomes: dict[str, CaseRecord | str] = {}
    for done, (job, outcome) in enumerate(_outcomes(jobs, workers), start=1):
        outcomes[job.case.study] = outcome
        report(done, len(jobs))
    ordered = [outcomes[job.case.study] for job in jobs]
    failures = [*table.problems, *(line for line in ordered if isinstance(line, str))]
    distinct, duplicates = without_duplicates([r for r in ordered if isinstance(r, CaseRecord)])
    failures += duplicates
    for refused in {job.case.study for job in jobs} - {record.study for record in distinct}:
        case_path(out, refused).unlink(missing_ok=True)
    write_index(out, canvas, distinct, failures)
    write_sheets(PreparedData.load(out), mask)
    return failures


def folders_of(out: Path, runs: Mapping[str, Settings]) -> dict[Path, Settings]:
    """Tell where the data of an experiment's runs goes, and by whose settings it is prepared.

    Parameters
    ----------
    out : Path
        Takes the data itself where all runs share a canvas.
    runs : mapping of str to Settings
        By name. Where they have several canvases, each goes into a folder of ``out`` with the name
        of the first run that has it; `PreparedData.on` finds it there.
    """
    first: dict[CanvasSettings, str] = {}
    for name, settings in runs.items():
        first.setdefault(settings.canvas, name)
    if len(first) == 1:
        return {out: next(iter(runs.values()))}
    return {out / name: runs[name] for name in first.values()}


def _silent(done: int, total: int) -> None:
    """Report to nobody."""


def _outcomes(jobs: list[_Job], workers: int) -> Iterator[tuple[_Job, CaseRecord | str]]:
    """Yield each job with its record or the line that says why there is none."""
    for index, outcome in run_pieces(
        _outcome, jobs, name=lambda job: job.case.study, workers=workers
    ):
        path = case_path(jobs[index].out, jobs[index].case.study)
        if isinstance(outcome, BonescanError):
            path.unlink(missing_ok=True)
        if isinstance(outcome, ProcessEnded):
            remove_leftovers(path)
        yield jobs[index], str(outcome) if isinstance(outcome, BonescanError) else outcome


def _outcome(job: _Job) -> CaseRecord:
    digest = _inputs_digest(job)
    record = read_record(case_path(job.out, job.case.study))
    if record is not None and record.made_from == digest:
        return record
    return _prepare(job, digest)


def _inputs_digest(job: _Job) -> str:
    """SHA-256 over all that decides what a case becomes."""
    parts = [__version__, str(SCHEMA), job.canvas.model_dump_json(), job.labels.model_dump_json()]
    parts += [job.mask.model_dump_json(), repr(job.case)]
    digest = hashlib.sha256("\n".join(parts).encode())
    truth = job.case.truth
    known = () if truth is None else (truth, truth.with_suffix(".json"))
    for path in (*job.case.paths, *known):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            digest.update(str(file).encode())
            digest.update(_content(file))
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the file") from error


# --- one case -----------------------------------------------------------------------------------


def _prepare(job: _Job, digest: str) -> CaseRecord:
    """Load, place and write one case."""
    case = job.case
    scan = load_case(case)
    masks = read_masks(case, scan, job.labels)
    canvas = prepare_canvas(scan, job.canvas)
    metastasis = place_mask(canvas, masks.metastasis)
    truth = None if case.truth is None else read_truth(case.truth)
    layers = _layers(scan, canvas, masks, truth, case)
    plausible = label_map(canvas.grey, metastasis, job.mask, reduce=canvas.reduce).flags
    flags = (*scan.flags, *canvas.flags, *masks.flags, *plausible)
    record = CaseRecord(
        study=case.study,
        patient=case.patient,
        set=case.set,
        cancer=case.cancer,
        site=case.site,
        made_from=digest,
        arrays_sha256=arrays_digest(canvas.grey, metastasis, layers),
        views_sha256={view.name: pixels_digest(view.counts) for view in scan.views},
        shape=(canvas.grey.shape[0], canvas.grey.shape[1]),
        reduce=canvas.reduce,
        canvas_spacing_mm=_spacing(scan, canvas),
        metastasis_pixels=int(metastasis.sum()),
        layers=tuple(layers),
        foci=None if truth is None else truth.foci,
        placements=placement_records(canvas),
        flags=flag_records((*flags, *_lost_marks(canvas, masks, metastasis))),
    )
    write_case(job.out, record, canvas.grey, metastasis, layers)
    return record


def _layers(
    scan: Scan, canvas: Canvas, masks: CaseMasks, truth: CaseTruth | None, case: Case
) -> dict[str, NDArray[np.uint8]]:
    """Return further label pictures.

    They are what the canvas' filters took out, benign marks, and the truth of a simulated case.
    """
    layers: dict[str, NDArray[np.uint8]] = {}
    if canvas.suppressed:
        layers["suppressed"] = place_labels(canvas, canvas.suppressed)
    if any(mask.any() for mask in masks.benign.values()):
        layers["benign"] = place_mask(canvas, masks.benign).astype(np.uint8)
    if truth is None:
        return layers
    for name, pictures in truth.pictures.items():
        views = dict(zip(VIEW_NAMES, pictures, strict=True))
        here: dict[ViewName, NDArray[np.uint8]] = {
            view.name: views[view.name]
            for view in scan.views
            if views[view.name].shape == view.counts.shape
        }
        if len(here) != len(scan.views):
            raise BadInput(f"{case.truth}: {name} is not of the size of the views; simulate again")
        layers[f"truth_{name}"] = place_labels(canvas, here)
    return layers


def _spacing(scan: Scan, canvas: Canvas) -> tuple[float, float] | None:
    """Size of a canvas pixel in mm; None where a view does not tell or the views differ."""
    sizes = set()
    for view in scan.views:
        if view.pixel_spacing_mm is None:
            return None
        place = placement_of(canvas, view.name)
        scale = (
            place.source_shape[0] / place.scaled_shape[0],
            place.source_shape[1] / place.scaled_shape[1],
        )
        row, column = (
            round(size * factor * canvas.reduce, 4)
            for size, factor in zip(view.pixel_spacing_mm, scale, strict=True)
        )
        sizes.add((row, column))
    return sizes.pop() if len(sizes) == 1 else None


def _lost_marks(canvas: Canvas, masks: CaseMasks, placed: NDArray[np.bool_]) -> list[Flag]:
    """Say which marks the canvas does not show: below its rows, or too small for its pixels."""
    flags = []
    for name, mask in masks.metastasis.items():
        patches, count = ndimage.label(mask, np.ones((3, 3)))
        numbers = np.arange(1, count + 1)
        shown = np.isin(numbers, patches[restore(canvas, placed, name)])
        inside = np.isin(numbers, patches[kept(canvas, name)])
        for lost, why in ((~inside, "lie outside the canvas"), (inside & ~shown, "are too small")):
            if lost.any():
                message = f"{lost.sum()} of {count} marks in the {name} view {why} and are lost"
                flags.append(Flag("label-lost", message))
        hidden = np.isin(numbers, patches[canvas.suppressed.get(name, np.zeros_like(mask)) > 0])
        if hidden.any():
            message = (
                f"{hidden.sum()} of {count} marks in the {name} view lie, at least in part, where "
                "the counts were replaced; the marks stay"
            )
            flags.append(Flag("label-suppressed", message))
    return flags


# --- all cases ----------------------------------------------------------------------------------


def without_duplicates(records: list[CaseRecord]) -> tuple[list[CaseRecord], list[str]]:
    """Refuse cases that share a picture with a case of another patient, and repeated studies.

    Returns
    -------
    kept : list of CaseRecord
        Cases with pictures of their own. Of studies of one patient that share a picture, the
        first stays; of different patients none does, as no one can tell whose it is.
    lines : list of str
        What was refused and why.
    """
    by_picture: dict[str, list[CaseRecord]] = {}
    for record in records:
        for digest in set(record.views_sha256.values()):
            by_picture.setdefault(digest, []).append(record)
    refused: dict[str, str] = {}
    for group in by_picture.values():
        for record in group:
            other = next((one for one in group if one.patient != record.patient), None)
            if other is not None:
                refused[record.study] = (
                    f"{record.study}: patient {record.patient} has the same picture as patient "
                    f"{other.patient} in {other.study}; find out whose it is and remove the other"
                )
        for record in group[1:]:
            refused.setdefault(
                record.study,
                f"{record.study}: has the same picture as {group[0].study} of the same patient; "
                "remove one of them",
            )
    distinct = [record for record in records if record.study not in refused]
    return distinct, [refused[one.study] for one in records if one.study in refused]
