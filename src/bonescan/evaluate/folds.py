"""Scores of finished folds, from the predictions in their run folders. Never trains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bonescan.config import CanvasSettings
from bonescan.evaluate.areas import AreaScore, area_scores
from bonescan.evaluate.finished import finished
from bonescan.evaluate.halves import match_halves, smallest_mark
from bonescan.evaluate.matching import Matching
from bonescan.experiment import Experiment
from bonescan.measures.pixels import PixelCounts, pooled
from bonescan.train.predictions import STEPS, Predictions


@dataclass(frozen=True)
class CaseScore:
    """Pixels and lesions of one case, both views together.

    ``areas`` are the same for parts of the body; ``score`` is the highest probability anywhere, in
    [0, 1].
    """

    study: str
    patient: str
    set: str
    pixels: PixelCounts
    lesions: Matching
    areas: tuple[AreaScore, ...] = ()
    score: float = 0.0

    def pixels_in(self, area: str) -> PixelCounts:
        """Return the pixel counts within an area of the body, none where it was not found."""
        return pooled(score.pixels for score in self.areas if score.area == area)

    def lesions_in(self, area: str) -> Matching:
        """Return marks and lesions within an area of the body, none where it was not found."""
        own = (score.lesions for score in self.areas if score.area == area)
        return sum(own, Matching.none())


@dataclass(frozen=True)
class FoldScores:
    """One finished fold.

    ``test`` are the fold's test cases, ``healthy`` the cases without metastasis that it did not
    train on. ``training_patients`` is the size of its training part, ``chosen_epoch`` the epoch of
    the checkpoint, ``collapsed`` whether that marks nothing at all on the validation part, ``site``
    the one that was left out, where the split is by sites.
    """

    run: str
    fold: int
    test: tuple[CaseScore, ...]
    healthy: tuple[CaseScore, ...]
    training_patients: int
    chosen_epoch: int
    collapsed: bool
    site: str = ""

    @property
    def label(self) -> str:
        """How tables and plots name the fold: by its site, or by its number."""
        return self.site or str(self.fold)

    @property
    def tested(self) -> frozenset[str]:
        """The test patients; two runs' folds are the same fold if they test the same ones."""
        return frozenset(case.patient for case in self.test)

    @property
    def pixels(self) -> PixelCounts:
        """Pixel counts pooled over the test cases."""
        return pooled(case.pixels for case in self.test)


@dataclass(frozen=True)
class LesionScore:
    """Lesions of several patients together.

    ``sensitivity`` is the share of lesions hit, ``false_marks`` their mean number a patient,
    ``marked`` the share of patients with any mark; None without lesions or patients.
    """

    patients: int
    lesions: int
    sensitivity: float | None
    false_marks: float | None
    marked: float | None

    @classmethod
    def of(cls, cases: Iterable[CaseScore], area: str | None = None) -> LesionScore:
        """Add up the cases, of the whole canvas or of an area of the body."""
        cases = tuple(cases)
        found = [case.lesions if area is None else case.lesions_in(area) for case in cases]
        marked = {case.patient for case, own in zip(cases, found, strict=True) if own.marks}
        patients = len({case.patient for case in cases})
        total = sum(found, Matching.none())
        return cls(
            patients,
            total.lesions,
            total.hits / total.lesions if total.lesions else None,
            total.false_marks / patients if patients else None,
            len(marked) / patients if patients else None,
        )


def finished_folds(experiment: Experiment, runs: Path, run: str) -> tuple[FoldScores, ...]:
    """Score the finished folds of a run or of the floor; those not finished are left out.

    Raises
    ------
    BadInput
        As `bonescan.evaluate.finished.finished`.
    """
    return tuple(
        FoldScores(
            run=run,
            fold=done.fold,
            test=score_cases(done.predictions.of_part("test"), done.canvas),
            healthy=score_cases(done.predictions.of_part("healthy"), done.canvas),
            training_patients=done.training_patients,
            chosen_epoch=done.chosen_epoch,
            collapsed=done.collapsed,
            site=done.site,
        )
        for done in finished(experiment, runs, run)
    )


def score_cases(predictions: Predictions, canvas: CanvasSettings) -> tuple[CaseScore, ...]:
    """Score every case by the network's own rule.

    Parameters
    ----------
    predictions : Predictions
    canvas : CanvasSettings
        Its reduction gives the smallest size of a mark where no pixel spacing is known, its window
        the areas of the body.

    Notes
    -----
    Pixels are counted as marked. Lesions are 8-connected components in each half of the canvas;
    marks smaller than `LesionRule` allows are left out there.
    """
    return tuple(_score_case(predictions, at, canvas) for at in range(len(predictions.studies)))


def _score_case(predictions: Predictions, at: int, canvas: CanvasSettings) -> CaseScore:
    marked, truth = predictions.marked[at], predictions.metastasis[at]
    smallest = smallest_mark(float(predictions.pixel_area_mm2[at]), canvas.reduce)
    return CaseScore(
        study=predictions.studies[at],
        patient=predictions.patients[at],
        set=predictions.sets[at],
        pixels=PixelCounts.of(marked, truth),
        lesions=match_halves(marked, truth, smallest),
        areas=area_scores(predictions.grey[at], marked, truth, canvas, smallest),
        score=float(predictions.probability[at].max()) / STEPS,
    )
