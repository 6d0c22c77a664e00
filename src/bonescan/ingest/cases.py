"""Load a cohort's cases: the scan, and its annotation in the geometry of each view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.ingest.cohort import Case, LabelFile, ViewPlace
from bonescan.ingest.labelme import Annotation, annotated_shape, read_labelme
from bonescan.ingest.loading import load_files
from bonescan.scan import Flag, Scan, View, ViewName

#: Flags about a view's name, which a table that names the views settles.
_ABOUT_NAMES = ("view-guessed", "view-contradicted")


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
        If a file cannot be read, the files are not one study, or a named frame is not there.
    """
    whole = {place.path: place.view for place in case.views if place.frame is None}
    files = tuple(dict.fromkeys((*case.files, *(place.path for place in case.views))))
    scan = load_files(files, name=case.study, views=whole)
    for place in case.views:
        scan = _as_told(case, scan, place)
    return scan


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


def _as_told(case: Case, scan: Scan, place: ViewPlace) -> Scan:
    """Give the view that the table names its name; the other view of the file takes the other."""
    found = [view for view in scan.views if _lies_at(view, place)]
    if not found:
        frame = f" frame {place.frame}" if place.frame else ""
        raise BadInput(
            f"{place.path}:{frame} is not among the views read; correct {place.view} in row "
            f"{case.row} of cohort.csv"
        )
    if any(view.name == place.view for view in found):
        return _settled(scan, place.view)
    swapped = replace(
        scan,
        anterior=_named(scan.posterior, "anterior"),
        posterior=_named(scan.anterior, "posterior"),
    )
    return _settled(swapped, place.view)


def _lies_at(view: View, place: ViewPlace) -> bool:
    same_file = view.source.resolve() == place.path.resolve()
    return same_file and place.frame in (None, view.frame)


def _named(view: View | None, name: ViewName) -> View | None:
    return view and replace(view, name=name)


def _settled(scan: Scan, name: ViewName) -> Scan:
    """Note that the table named a view, and drop the doubts that this settles."""

    def told(view: View | None) -> View | None:
        return replace(view, recognised_by="cohort.csv") if view and view.name == name else view

    return replace(
        scan,
        anterior=told(scan.anterior),
        posterior=told(scan.posterior),
        flags=tuple(flag for flag in scan.flags if flag.code not in _ABOUT_NAMES),
    )


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
