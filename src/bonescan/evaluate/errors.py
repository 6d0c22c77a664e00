"""Errors of one case: what lies beneath its false marks, and which of its lesions were missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.evaluate.beneath import Beneath, Known, beneath, group_of
from bonescan.evaluate.matching import Matching
from bonescan.quantify.position import outline_body

#: The ring about a lesion that its contrast is measured against: its nearer and farther edge.
RING_MM = (6.0, 18.0)


@dataclass(frozen=True)
class LesionOutcome:
    """A true lesion in one view.

    ``diameter_mm`` is that of a disc of its area, None where the picture has no pixel spacing.
    ``contrast`` is the mean of its hottest tenth over the median of a ring about it, None where
    that is empty. ``region`` is its bone, where that is known.
    """

    hit: bool
    diameter_mm: float | None
    contrast: float | None
    region: str | None


@dataclass(frozen=True)
class FindingOutcome:
    """A finding that is no metastasis, in one view where it stands out; ``marked`` if falsely."""

    group: str
    what: str
    marked: bool


@dataclass(frozen=True)
class CaseErrors:
    """The errors of a case, or of one of its views.

    Attributes
    ----------
    lesions : tuple of LesionOutcome
        All true lesions, hit or missed.
    false_marks : tuple of Beneath or None
        None where nobody knows what lies beneath.
    findings : tuple of FindingOutcome
        What might have been marked falsely.
    """

    lesions: tuple[LesionOutcome, ...] = ()
    false_marks: tuple[Beneath, ...] | None = None
    findings: tuple[FindingOutcome, ...] = ()

    def __add__(self, other: CaseErrors) -> CaseErrors:
        known = self.false_marks is not None or other.false_marks is not None
        marks = (*(self.false_marks or ()), *(other.false_marks or ()))
        return CaseErrors(
            (*self.lesions, *other.lesions),
            marks if known else None,
            (*self.findings, *other.findings),
        )


def view_errors(
    marks: NDArray[np.int32],
    lesions: NDArray[np.int32],
    matching: Matching,
    counts: NDArray[np.floating],
    pixel_mm: float | None,
    known: Known | None = None,
) -> CaseErrors:
    """Return the errors of one view, or of one half of a canvas.

    Parameters
    ----------
    marks, lesions : (H, W) int32
        0 none, k the k-th mark, and the k-th true lesion.
    matching : Matching
        Of these.
    counts : (H, W) float
        The picture: counts, or grey values.
    pixel_mm : float or None
        Side of a pixel.
    known : Known, optional
        What a simulated case tells of this view.
    """
    outcomes = tuple(
        _lesion(lesions, number, bool(hit), counts, pixel_mm, known)
        for number, hit in enumerate(matching.hit, start=1)
    )
    if known is None:
        return CaseErrors(outcomes)
    wrong = [number for number, right in enumerate(matching.right, start=1) if not right]
    body = outline_body(counts).mask if wrong else np.zeros(counts.shape, bool)
    found = tuple(beneath(marks == number, body, known) for number in wrong)
    return CaseErrors(outcomes, found, _findings(known, found))


def _findings(known: Known, found: tuple[Beneath, ...]) -> tuple[FindingOutcome, ...]:
    """Return the findings that stand out in a view, with those that lie beneath a false mark."""
    shown = set(np.unique(known.benign).tolist()) - {0}
    marked = {one.finding for one in found}
    return tuple(
        FindingOutcome(group_of(focus), focus.category, focus.number in marked)
        for focus in known.foci.findings
        if focus.number in shown
    )


def _lesion(
    lesions: NDArray[np.int32],
    number: int,
    hit: bool,
    counts: NDArray[np.floating],
    pixel_mm: float | None,
    known: Known | None,
) -> LesionOutcome:
    mask = lesions == number
    area = None if pixel_mm is None else int(mask.sum()) * pixel_mm**2
    return LesionOutcome(
        hit=hit,
        diameter_mm=None if area is None else float(2 * np.sqrt(area / np.pi)),
        contrast=None if pixel_mm is None else _contrast(mask, lesions > 0, counts, pixel_mm),
        region=None if known is None else _region(mask, known),
    )


def _contrast(
    mask: NDArray[np.bool_],
    lesions: NDArray[np.bool_],
    counts: NDArray[np.floating],
    pixel_mm: float,
) -> float | None:
    reach = int(np.ceil(RING_MM[1] / pixel_mm)) + 1
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = np.s_[
        max(rows[0] - reach, 0) : rows[-1] + reach + 1,
        max(columns[0] - reach, 0) : columns[-1] + reach + 1,
    ]
    away = ndimage.distance_transform_edt(~mask[box]) * pixel_mm
    around = counts[box][(away >= RING_MM[0]) & (away < RING_MM[1]) & ~lesions[box]]
    level = float(np.median(around)) if around.size else 0.0
    own = np.sort(counts[mask])
    hottest = float(own[-max(1, own.size // 10) :].mean())
    return hottest / level if level > 0 else None


def _region(mask: NDArray[np.bool_], known: Known) -> str | None:
    """Return the bone of the metastasis that has most of a lesion's pixels."""
    counted = np.bincount(known.metastasis[mask], minlength=256)[1:]
    if not counted.any():
        return None
    number = int(counted.argmax()) + 1
    own = [focus.region for focus in known.foci.lesions if focus.number == number]
    return own[0].replace("_", " ") if own else None
