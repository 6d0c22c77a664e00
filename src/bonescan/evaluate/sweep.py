"""The same patients at many thresholds: FROC curve, operating points, a proposed threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LesionRule
from bonescan.evaluate.matching import Matching, MatchRule, match_labels
from bonescan.measures.pixels import PixelCounts
from bonescan.quantify.lesions import label_components, smallest_lesion, threshold_components
from bonescan.scan import View

#: Thresholds of the curve; a model's own threshold is added.
THRESHOLDS = (
    *(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
)


class ScoredView(NamedTuple):
    """A view with its score map (H, W) float in [0, 1] and the true metastases (H, W) bool.

    ``numbers`` (H, W) uint8 numbers the metastases, one number for one of the patient's in all
    views, 0 for none; None where that is not known.
    """

    view: View
    score: NDArray[np.float32]
    truth: NDArray[np.bool_]
    numbers: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Sweep:
    """What each study gives at each threshold.

    Attributes
    ----------
    thresholds : (T,) float64
        Ascending.
    lesions : (R,) int64
        True lesions of each study, both views together.
    hits, marks, false_marks : (R, T) int64
        Lesions hit, marks made, and marks that belong to no lesion.
    pixels : (R, T, 3) int64
        True positive, false positive and false negative pixels.
    patient_lesions : (R,) int64
        Metastases of the patient that can be seen, each once; 0 where views are not numbered.
    patient_hits : (R, T) int64
        Those that are hit in one view at least.
    """

    thresholds: NDArray[np.float64]
    lesions: NDArray[np.int64]
    hits: NDArray[np.int64]
    marks: NDArray[np.int64]
    false_marks: NDArray[np.int64]
    pixels: NDArray[np.int64]
    patient_lesions: NDArray[np.int64]
    patient_hits: NDArray[np.int64]

    @classmethod
    def stack(cls, rows: Sequence[Sweep]) -> Sweep:
        """Put studies with equal thresholds together."""
        names = [field.name for field in fields(cls) if field.name != "thresholds"]
        joined = {name: np.concatenate([getattr(row, name) for row in rows]) for name in names}
        return cls(rows[0].thresholds, **joined)

    def index_of(self, threshold: float) -> int:
        """Return the position of a threshold that was swept."""
        return int(np.argmin(np.abs(self.thresholds - threshold)))

    def sensitivity(self, at: int, rows: NDArray[np.intp] | None = None) -> float | None:
        """Return the share of lesions that are hit; None without lesions."""
        chosen = slice(None) if rows is None else rows
        total = int(self.lesions[chosen].sum())
        return float(self.hits[chosen, at].sum() / total) if total else None

    def patient_sensitivity(self, at: int, rows: NDArray[np.intp] | None = None) -> float | None:
        """Return the share of the patients' metastases hit in either view; None without any."""
        chosen = slice(None) if rows is None else rows
        total = int(self.patient_lesions[chosen].sum())
        return float(self.patient_hits[chosen, at].sum() / total) if total else None

    def mean_sensitivity(self, at: int, rows: NDArray[np.intp]) -> float | None:
        """Return the mean over studies with lesions of the share that is hit; None without any."""
        chosen = rows[self.lesions[rows] > 0]
        if not chosen.size:
            return None
        return float((self.hits[chosen, at] / self.lesions[chosen]).mean())

    def false_per_study(self, at: int, rows: NDArray[np.intp] | None = None) -> float | None:
        """Return the mean number of false marks a study; None without studies."""
        chosen = self.false_marks[slice(None) if rows is None else rows, at]
        return float(chosen.mean()) if chosen.size else None

    def pixel_counts(self, at: int, rows: NDArray[np.intp] | None = None) -> PixelCounts:
        """Return the pixel counts of all studies together."""
        chosen = self.pixels[slice(None) if rows is None else rows, at]
        return PixelCounts(*(int(count) for count in chosen.sum(axis=0)))


class Proposal(NamedTuple):
    """A threshold chosen on the swept patients, and what it gives.

    ``sensitivity`` and ``false_per_study`` are on the same patients, hence too good;
    ``held_out_*`` come from choosing on all other patients each time.
    """

    threshold: float
    sensitivity: float | None
    false_per_study: float | None
    held_out_sensitivity: float | None
    held_out_false_per_study: float | None


def sweep_study(
    views: Sequence[ScoredView],
    rule: LesionRule,
    match: MatchRule | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Sweep:
    """Mark one study at every threshold and compare with the truth.

    Parameters
    ----------
    views : sequence of ScoredView
        The views that exist.
    rule : LesionRule
        Minimal size and lower threshold of the hysteresis; its ``threshold`` is added to the
        others, each of which takes its place in turn.
    match : MatchRule, optional
        When a mark belongs to a lesion.
    thresholds : sequence of float

    Returns
    -------
    Sweep
        Of one study.
    """
    levels = np.unique([*thresholds, rule.threshold])
    truths = [label_components(item.truth)[0] for item in views]
    numbered = [None if item.numbers is None else without_gaps(item.numbers) for item in views]
    patient_lesions = {number for own in numbered if own is not None for number in own[0]}
    hits, marks, false_marks, pixels, patient_hits = [], [], [], [], []
    for level in levels:
        found = Matching.none()
        counts = PixelCounts()
        met: set[int] = set()
        for item, truth, own in zip(views, truths, numbered, strict=True):
            labels = threshold_components(
                item.score, _at(rule, float(level)), smallest_lesion(item.view, rule)
            )
            found += match_labels(labels, truth, match)
            counts += PixelCounts.of(labels > 0, item.truth)
            if own is not None:
                met.update(np.array(own[0])[match_labels(labels, own[1], match).hit].tolist())
        hits.append(found.hits)
        marks.append(found.marks)
        false_marks.append(found.false_marks)
        pixels.append((counts.tp, counts.fp, counts.fn))
        patient_hits.append(len(met))
    return Sweep(
        thresholds=levels,
        lesions=np.array([sum(int(truth.max(initial=0)) for truth in truths)]),
        hits=np.array([hits]),
        marks=np.array([marks]),
        false_marks=np.array([false_marks]),
        pixels=np.array([pixels]),
        patient_lesions=np.array([len(patient_lesions)]),
        patient_hits=np.array([patient_hits]),
    )


def without_gaps(numbers: NDArray[np.uint8]) -> tuple[list[int], NDArray[np.int32]]:
    """Return the numbers but 0, and the picture with them counted from 1 without gaps."""
    own, places = np.unique(np.append(numbers.ravel(), np.uint8(0)), return_inverse=True)
    return own[1:].tolist(), places[:-1].reshape(numbers.shape).astype(np.int32)


def propose_threshold(sweep: Sweep, most_false: float, patients: Sequence[str]) -> Proposal:
    """Choose the most sensitive threshold within a number of false marks a study.

    Parameters
    ----------
    sweep : Sweep
        The patients to choose on.
    most_false : float
        False marks a study that are accepted.
    patients : sequence of str
        The patient of each row, so that none decides on its own held-out figures.

    Returns
    -------
    Proposal
        Of equally sensitive thresholds the highest; where none keeps within ``most_false``, the
        one with the fewest false marks.
    """
    best = choose_threshold(sweep, most_false)
    hits, lesions, false_marks = 0, 0, 0
    names = np.array(patients)
    for patient in dict.fromkeys(patients):
        own = np.flatnonzero(names == patient)
        rest = np.flatnonzero(names != patient)
        at = choose_threshold(sweep, most_false, rest) if rest.size else best
        hits += int(sweep.hits[own, at].sum())
        lesions += int(sweep.lesions[own].sum())
        false_marks += int(sweep.false_marks[own, at].sum())
    return Proposal(
        threshold=float(sweep.thresholds[best]),
        sensitivity=sweep.sensitivity(best),
        false_per_study=sweep.false_per_study(best),
        held_out_sensitivity=hits / lesions if lesions else None,
        held_out_false_per_study=false_marks / len(patients) if patients else None,
    )


def choose_threshold(sweep: Sweep, most_false: float, rows: NDArray[np.intp] | None = None) -> int:
    """Return the position of the most sensitive threshold within a number of false marks a study.

    Of equally sensitive ones it is the highest; where none keeps within ``most_false``, the one
    with the fewest false marks. ``rows`` are the studies to choose on, all without it.
    """
    rows = np.arange(len(sweep.lesions)) if rows is None else rows
    false_marks = sweep.false_marks[rows].mean(axis=0)
    hits = sweep.hits[rows].sum(axis=0)
    allowed = np.flatnonzero(false_marks <= most_false)
    if not allowed.size:
        allowed = np.flatnonzero(false_marks == false_marks.min())
    best = allowed[hits[allowed] == hits[allowed].max()]
    return int(best[-1])


def _at(rule: LesionRule, threshold: float) -> LesionRule:
    grow = None if rule.grow is None else min(rule.grow, threshold)
    return rule.model_copy(update={"threshold": threshold, "grow": grow})
