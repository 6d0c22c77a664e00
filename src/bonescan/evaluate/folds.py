"""Scores of finished folds, from the predictions in their run folders. Never trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonescan.config import CanvasSettings, LesionRule
from bonescan.evaluate.areas import AreaScore, area_scores
from bonescan.evaluate.matching import Matching, match_labels
from bonescan.experiment import Experiment
from bonescan.measures.pixels import PixelCounts, pooled
from bonescan.quantify.lesions import label_components, threshold_components
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import STEPS, Predictions


@dataclass(frozen=True)
class CaseScore:
    """Pixels and lesions of one case, both views together.

    ``areas`` are parts of the pixels; ``score`` is the highest probability anywhere, in [0, 1].
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
    def of(cls, cases: Iterable[CaseScore]) -> LesionScore:
        """Add up the cases."""
        cases = tuple(cases)
        patients = len({case.patient for case in cases})
        lesions = sum(case.lesions.lesions for case in cases)
        hits = sum(case.lesions.hits for case in cases)
        false_marks = sum(case.lesions.false_marks for case in cases)
        marked = len({case.patient for case in cases if case.lesions.marks})
        return cls(
            patients,
            lesions,
            hits / lesions if lesions else None,
            false_marks / patients if patients else None,
            marked / patients if patients else None,
        )


def finished_folds(experiment: Experiment, runs: Path, run: str) -> tuple[FoldScores, ...]:
    """Score the finished folds of a run; those that are not finished are left out.

    Raises
    ------
    BadInput
        If a folder says that it is finished but is not whole, or was trained by a version whose
        defaults are others.
    """
    settings = experiment.runs[run]
    found = []
    for fold in range(settings.training.folds):
        folder = RunFolder.of(runs, experiment, run, fold)
        if folder.is_done:
            folder.require_settings(settings)
            found.append(_score(folder, run, fold, settings.canvas))
    return tuple(found)


def _score(folder: RunFolder, run: str, fold: int, canvas: CanvasSettings) -> FoldScores:
    predictions = Predictions.load(folder.predictions)
    summary = folder.read_summary()
    return FoldScores(
        run=run,
        fold=fold,
        test=score_cases(predictions.of_part("test"), canvas),
        healthy=score_cases(predictions.of_part("healthy"), canvas),
        training_patients=summary["train_positives"] + summary["train_negatives"],
        chosen_epoch=summary["chosen_epoch"],
        collapsed=summary["collapsed"],
        site=summary.get("site", ""),
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
    return tuple(
        CaseScore(
            study=predictions.studies[i],
            patient=predictions.patients[i],
            set=predictions.sets[i],
            pixels=PixelCounts.of(predictions.marked[i], predictions.metastasis[i]),
            lesions=match_halves(
                predictions.marked[i],
                predictions.metastasis[i],
                smallest_mark(float(predictions.pixel_area_mm2[i]), canvas.reduce),
            ),
            areas=area_scores(
                predictions.grey[i], predictions.marked[i], predictions.metastasis[i], canvas
            ),
            score=float(predictions.probability[i].max()) / STEPS,
        )
        for i in range(len(predictions.studies))
    )


def smallest_mark(pixel_area_mm2: float, reduce: int, rule: LesionRule | None = None) -> float:
    """Return the smallest number of canvas pixels that counts as a mark."""
    rule = rule or LesionRule()
    if np.isnan(pixel_area_mm2):
        return rule.min_area_pixels / reduce**2
    return rule.min_area_mm2 / pixel_area_mm2


def match_halves(marked: NDArray[np.bool_], truth: NDArray[np.bool_], smallest: float) -> Matching:
    """Match marks and lesions of both views of a canvas (H, W), each view for itself."""
    found = Matching(np.zeros(0, bool), np.zeros(0, bool))
    for half in halves_of(marked, truth, smallest):
        found += half.matching
    return found


class Half(NamedTuple):
    """One view's columns of a canvas, with its numbered marks and lesions (H, W / 2) int32."""

    columns: slice
    marks: NDArray[np.int32]
    lesions: NDArray[np.int32]
    matching: Matching


def halves_of(
    marked: NDArray[np.bool_], truth: NDArray[np.bool_], smallest: float
) -> Iterator[Half]:
    """Yield the anterior and the posterior half of a canvas; smaller marks are left out."""
    middle = marked.shape[1] // 2
    for columns in (slice(0, middle), slice(middle, 2 * middle)):
        marks = threshold_components(marked[:, columns].astype(np.float32), LesionRule(), smallest)
        lesions, _ = label_components(truth[:, columns])
        yield Half(columns, marks, lesions, match_labels(marks, lesions))
