"""Load a cohort's cases: the scan, and its annotation in the geometry of each view."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.ingest.cohort import Case, LabelFile, ViewPlace
from bonescan.ingest.labelme import Annotation, annotated_shape, read_labelme
from bonescan.ingest.loading import load_study
from bonescan.ingest.resolve import BY_OTHER, GUESSED
from bonescan.ingest.sources import NamedPicture, Study
from bonescan.ingest.studies import find_studies
from bonescan.scan import VIEW_NAMES, Flag, Scan, View, ViewName


@dataclass(frozen=True)
class CaseMasks:
    """What the annotation of a case marks; for each view of the scan (H, W) bool."""

    metastasis: Mapping[ViewName, NDArray[np.bool_]]
    benign: Mapping[ViewName, NDArray[np.bool_]]
    flags: tuple[Flag, ...] = ()


def load_case(case: Case) -> Scan:
    """Load the scan of a case; views that the table names outrank what the files say.

    Raises
    ------
    BadInput
        If a file cannot be read, the files show a view twice, or a named frame is not there.
    """
    files = tuple(dict.fromkeys((*case.files, *(place.path for place in case.views))))
    with find_studies(files) as found:
        if found.failures:
            raise BadInput(found.failures[0].reason)
        pictures = [picture for study in found.studies for picture in study.views]
        flags = [flag for study in found.studies for flag in study.flags]
        views = _one_of_each(case, _as_told(case, pictures))
        return load_study(Study(case.study, views, tuple(dict.fromkeys(flags))))


def read_masks(case: Case, scan: Scan, names: LabelNames | None = None) -> CaseMasks:
    """Read all label files of a case.

    Parameters
    ----------
    case : Case
        A row of the cohort.
    scan : Scan
        Its scan, from `load_case`.
    names : LabelNames, optional
        What the label names mean.

    Raises
    ------
    BadInput
        If a label file is damaged, belongs to no view or to a picture of another size, or if the
        labels contradict the column ``metastasis``: marks where it is no, no label file where it
        is yes. Label files without a mark there, as of a reader who saw none, are a flag.
    """
    metastasis = {view.name: np.zeros(view.counts.shape, np.bool_) for view in scan.views}
    benign = {view.name: np.zeros(view.counts.shape, np.bool_) for view in scan.views}
    flags: list[Flag] = []
    labelled: set[ViewName] = set()
    for label in case.labels:
        for view in _views_of(label, scan):
            annotation = _read(label, view, names)
            metastasis[view.name] |= annotation.metastasis
            benign[view.name] |= annotation.benign
            flags += annotation.flags
            labelled.add(view.name)
    flags += _contradictions(case, any(mask.any() for mask in metastasis.values()))
    if case.metastasis:
        flags += [_unlabelled(view) for view in scan.views if view.name not in labelled]
    return CaseMasks(metastasis, benign, tuple(dict.fromkeys(flags)))


# --- views --------------------------------------------------------------------------------------


def _as_told(case: Case, pictures: list[NamedPicture]) -> list[NamedPicture]:
    """Give pictures the views that the table names; the one beside a named one is the other."""
    told: dict[int, NamedPicture] = {}
    for place in case.views:
        index = _index_of(case, pictures, place)
        told[index] = replace(pictures[index], view=place.view, by="cohort.csv")
    taken = {picture.view for picture in told.values()}
    rest = [number for number in range(len(pictures)) if number not in told]
    if len(taken) == len(rest) == 1:
        left = next(name for name in VIEW_NAMES if name not in taken)
        (index,) = rest
        if pictures[index].view != left or pictures[index].by in GUESSED:
            told[index] = replace(pictures[index], view=left, by=BY_OTHER)
    return [told.get(number, picture) for number, picture in enumerate(pictures)]


def _index_of(case: Case, pictures: list[NamedPicture], place: ViewPlace) -> int:
    """Return which picture lies where the table says."""
    frame = f" frame {place.frame}" if place.frame else ""
    hits = [
        number
        for number, picture in enumerate(pictures)
        if picture.source.origin.resolve() == place.path.resolve()
        and place.frame in (None, picture.picture.frame)
    ]
    if not hits:
        raise BadInput(
            f"{place.path}:{frame} is not among the views read; correct {place.view} in row "
            f"{case.row} of cohort.csv"
        )
    if len(hits) > 1:
        raise BadInput(
            f"{place.path}:{frame} shows {len(hits)} pictures; tell which is {place.view} by "
            f"file#frame in row {case.row} of cohort.csv"
        )
    return hits[0]


def _one_of_each(case: Case, pictures: list[NamedPicture]) -> tuple[NamedPicture, ...]:
    """Return the views of one study, anterior first; refuse a view that occurs twice."""
    for name in VIEW_NAMES:
        places = [
            f"{picture.source.origin.name} frame {picture.picture.frame} (by {picture.by})"
            for picture in pictures
            if picture.view == name
        ]
        if len(places) > 1:
            raise BadInput(
                f"{case.study}: {' and '.join(places)} are both {name}; name the views in the "
                f"columns anterior and posterior in row {case.row} of cohort.csv"
            )
    return tuple(sorted(pictures, key=lambda picture: VIEW_NAMES.index(picture.view)))


# --- labels -------------------------------------------------------------------------------------


def _views_of(label: LabelFile, scan: Scan) -> list[View]:
    """Return the views that a label file was drawn on: one, or both of a joint frame."""
    if label.view is not None:
        named = [view for view in scan.views if view.name == label.view]
        if not named:
            raise BadInput(f"{label.path}: the study has no {label.view} view; check cohort.csv")
        return named
    shape = annotated_shape(label.path)
    joint = [view for view in scan.views if _is_cut(view) and _frame_shape(view) == shape]
    views = joint or (list(scan.views) if len(scan.views) == 1 else [])
    if not views:
        raise BadInput(
            f"{label.path}: does not tell its view; write anterior: or posterior: before it in "
            "cohort.csv"
        )
    return views


def _read(label: LabelFile, view: View, names: LabelNames | None) -> Annotation:
    """Read a label file drawn on the view, or on the whole frame that the view was cut from."""
    if not _is_cut(view) or annotated_shape(label.path) != _frame_shape(view):
        height, width = view.counts.shape
        return read_labelme(label.path, (height, width), names=names)
    drawn = read_labelme(label.path, _frame_shape(view), names=names)
    crop = view.crop
    part = np.s_[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    return Annotation(drawn.metastasis[part], drawn.benign[part], drawn.flags)


def _is_cut(view: View) -> bool:
    return (view.crop.height, view.crop.width) != _frame_shape(view)


def _frame_shape(view: View) -> tuple[int, int]:
    return view.crop.frame_height, view.crop.frame_width


def _contradictions(case: Case, marked: bool) -> list[Flag]:
    """Compare the marks with the column metastasis; label files without a mark are a doubt."""
    where = f"{case.study}: metastasis is {'yes' if case.metastasis else 'no'} in row {case.row}"
    if marked and not case.metastasis:
        raise BadInput(
            f"{where} of cohort.csv, but its labels mark some; correct the labels or write yes"
        )
    if case.metastasis and not case.labels:
        raise BadInput(
            f"{where} of cohort.csv, but no label file is named; add its label files or write no"
        )
    if case.metastasis and not marked:
        message = "The patient has metastases by cohort.csv, but the label files mark none"
        return [Flag("label-none", message)]
    return []


def _unlabelled(view: View) -> Flag:
    message = f"No label file belongs to the {view.name} view; it counts as free of metastasis"
    return Flag("label-missing", message)


def pixels_digest(counts: NDArray[np.float32]) -> str:
    """Return the SHA-256 of a view's decoded pixels, the same however they were encoded."""
    digest = hashlib.sha256(repr(counts.shape).encode())
    digest.update(np.ascontiguousarray(counts, "<f4").tobytes())
    return digest.hexdigest()
