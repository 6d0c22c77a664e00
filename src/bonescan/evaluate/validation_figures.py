"""From the studies of a local validation to its figures, each with a patient bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LesionRule
from bonescan.evaluate.errors import CaseErrors
from bonescan.evaluate.hotspot import HotSpotSettings
from bonescan.evaluate.matching import MatchRule
from bonescan.evaluate.patients import patient_interval, roc_auc
from bonescan.evaluate.reliability import (
    Reliability,
    Stated,
    measure_reliability,
    put_together,
)
from bonescan.evaluate.run_errors import Analysed
from bonescan.evaluate.sweep import Proposal, Sweep, choose_threshold, propose_threshold
from bonescan.measures.statistics import Interval
from bonescan.package import Card

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Outcome:
    """One study.

    Attributes
    ----------
    metastasis : bool
        What the table says of the patient.
    annotated : bool
        Whether lesion figures can be had: metastases are drawn, or there are none.
    beyond : int
        True lesions wholly outside the rows that the model sees; they count as missed.
    model, hot_spots : Sweep
        Each with one row.
    model_score, hot_spot_score : float
        Scores of the patient.
    stated : Stated
        The probabilities of the candidates, and which are true lesions.
    errors : CaseErrors
        Of the model's marks, with what lies beneath the false ones where the case is simulated.
    """

    patient: str
    study: str
    metastasis: bool
    annotated: bool
    beyond: int
    flags: tuple[str, ...]
    model: Sweep
    hot_spots: Sweep
    model_score: float
    hot_spot_score: float
    stated: Stated
    errors: CaseErrors = field(default_factory=CaseErrors)

    @property
    def analysed(self) -> Analysed:
        """Its errors, for the tables of errors."""
        return Analysed(self.patient, self.metastasis, self.errors)


@dataclass(frozen=True)
class Figures:
    """How a method does at one threshold; None where a figure is not defined on these patients.

    ``marked_from`` tells the threshold to a reader. Lesion and pixel figures pool the studies, but
    for ``lesion_sensitivity_mean``, in which each study with lesions counts alike, and
    ``patient_lesion_sensitivity``, in which a metastasis that both views show counts once and is
    found in either (simulated cohorts only); false marks are means per study. ``any_mark_*`` take
    a patient as positive who has a mark. Intervals are 95 % bootstrap over patients.
    """

    method: str
    threshold: float
    marked_from: str
    lesion_sensitivity: Interval | None
    lesion_sensitivity_mean: Interval | None
    patient_lesion_sensitivity: Interval | None
    false_marks: Interval | None
    false_marks_lesion_free: Interval | None
    pixel_precision: Interval | None
    pixel_sensitivity: Interval | None
    pixel_f1: Interval | None
    patient_auc: Interval | None
    any_mark_sensitivity: Interval | None
    any_mark_specificity: Interval | None


@dataclass(frozen=True)
class Validation:
    """A local validation: the cohort, the figures of the model and of the floor, and a proposal."""

    cohort: Path
    card: Card
    rule: LesionRule
    match: MatchRule
    hot_spots: HotSpotSettings
    outcomes: tuple[Outcome, ...]
    model: Figures
    floor: Figures
    floor_matched: Figures
    model_sweep: Sweep
    floor_sweep: Sweep
    proposal: Proposal
    reliability: Reliability
    most_false: float
    problems: tuple[str, ...]
    made_at: str

    @property
    def lesions(self) -> int:
        """True lesions, each view by itself."""
        return int(self.model_sweep.lesions.sum())

    def __str__(self) -> str:
        from bonescan.evaluate.validation_report import summary_text

        return summary_text(self)


def summarise(
    outcomes: Sequence[Outcome],
    *,
    package: Card,
    rule: LesionRule,
    match: MatchRule,
    hot_spots: HotSpotSettings,
    cohort: Path,
    most_false: float,
    problems: tuple[str, ...],
) -> Validation:
    """Compute all figures of a validation.

    The floor is given at its fixed threshold and, in its favour, at the threshold that is best on
    these very patients without more false marks than the model makes.
    """
    usable = [outcome for outcome in outcomes if outcome.annotated]
    model = Sweep.stack([outcome.model for outcome in usable or outcomes])
    floor = Sweep.stack([outcome.hot_spots for outcome in usable or outcomes])
    patients = [outcome.patient for outcome in usable or outcomes]
    model_scores = [outcome.model_score for outcome in outcomes]
    floor_scores = [outcome.hot_spot_score for outcome in outcomes]
    at_model = model.index_of(rule.threshold)
    allowed = model.false_per_study(at_model) or 0.0
    fixed, matched = floor.index_of(0.5), choose_threshold(floor, allowed)
    times = hot_spots.times_body
    return Validation(
        cohort=cohort,
        card=package,
        rule=rule,
        match=match,
        hot_spots=hot_spots,
        outcomes=tuple(outcomes),
        model=_figures("model", outcomes, usable, model, at_model, model_scores),
        floor=_figures("hot spots", outcomes, usable, floor, fixed, floor_scores, times),
        floor_matched=_figures(
            "hot spots, matched", outcomes, usable, floor, matched, floor_scores, times
        ),
        model_sweep=model,
        floor_sweep=floor,
        proposal=propose_threshold(model, most_false, patients),
        reliability=_reliability(outcomes, usable, calibrated=package.lesions is not None),
        most_false=most_false,
        problems=problems,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _reliability(
    outcomes: Sequence[Outcome], usable: Sequence[Outcome], *, calibrated: bool
) -> Reliability:
    patients = Stated(
        np.array([outcome.model_score for outcome in outcomes]),
        np.array([outcome.metastasis for outcome in outcomes]),
        tuple(outcome.patient for outcome in outcomes),
    )
    lesions = put_together([outcome.stated for outcome in usable])
    return measure_reliability(lesions, patients, calibrated=calibrated)


def _figures(
    method: str,
    outcomes: Sequence[Outcome],
    usable: Sequence[Outcome],
    sweep: Sweep,
    at: int,
    scores: Sequence[float],
    times_body: float | None = None,
) -> Figures:
    threshold = float(sweep.thresholds[at])
    multiple = times_body and times_body * threshold / (1 - threshold)
    patients = [outcome.patient for outcome in usable]
    free = sweep.lesions == 0
    truth = np.array([outcome.metastasis for outcome in outcomes])
    marked = sweep.marks[:, at] > 0
    ill = np.array([outcome.metastasis for outcome in usable])
    values = np.array(scores)

    def auc(rows: Rows) -> float | None:
        return roc_auc(values[rows], truth[rows])

    def share(called: NDArray[np.bool_], among: NDArray[np.bool_]) -> Interval | None:
        def statistic(rows: Rows) -> float | None:
            chosen = rows[among[rows]]
            return float(called[chosen].mean()) if chosen.size else None

        return patient_interval(statistic, patients)

    return Figures(
        method=method,
        threshold=threshold,
        marked_from=f"{multiple:.3g} times the body" if multiple else f"{threshold:.3g}",
        lesion_sensitivity=patient_interval(lambda rows: sweep.sensitivity(at, rows), patients),
        lesion_sensitivity_mean=patient_interval(
            lambda rows: sweep.mean_sensitivity(at, rows), patients
        ),
        patient_lesion_sensitivity=patient_interval(
            lambda rows: sweep.patient_sensitivity(at, rows), patients
        ),
        false_marks=patient_interval(lambda rows: sweep.false_per_study(at, rows), patients),
        false_marks_lesion_free=patient_interval(
            lambda rows: sweep.false_per_study(at, rows[free[rows]]), patients
        ),
        pixel_precision=patient_interval(
            lambda rows: sweep.pixel_counts(at, rows).precision, patients
        ),
        pixel_sensitivity=patient_interval(
            lambda rows: sweep.pixel_counts(at, rows).sensitivity, patients
        ),
        pixel_f1=patient_interval(lambda rows: sweep.pixel_counts(at, rows).f1, patients),
        patient_auc=patient_interval(auc, [outcome.patient for outcome in outcomes]),
        any_mark_sensitivity=share(marked, ill),
        any_mark_specificity=share(~marked, ~ill),
    )
