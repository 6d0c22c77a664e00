"""Lesions of an experiment's test patients by area of the body, and marks on healthy patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bonescan.evaluate.areas import AREAS, WHOLE
from bonescan.evaluate.averages import percent, rounded
from bonescan.evaluate.folds import FoldScores, LesionScore
from bonescan.evaluate.table import Cell, Table
from bonescan.experiment import Experiment
from bonescan.measures.pixels import mean_of


def lesion_table(experiment: Experiment, folds: Mapping[str, Sequence[FoldScores]]) -> Table:
    """Lesions of the test patients, and marks on patients without metastasis, in each area."""
    rows: list[tuple[Cell, ...]] = []
    for run, scores in folds.items():
        sets = sorted({case.set for fold in scores for case in fold.healthy})
        for area in (WHOLE, *AREAS) if scores else ():
            rows.append((run, area, "test", *_test_row(scores, area)))
        for name in sets:
            for area in (WHOLE, *AREAS):
                row = _healthy_row(scores, name, area)
                rows.append((run, area, f"{name}, not trained on", *row))
    return Table(
        f"{experiment.title}: lesions in each view",
        (
            "run",
            "area",
            "patients",
            "number",
            "lesions",
            "lesion sensitivity %",
            "false marks a patient",
            "patients with a mark %",
        ),
        tuple(rows),
    )


def _test_row(scores: Sequence[FoldScores], area: str) -> tuple[Cell, ...]:
    found = LesionScore.of((case for fold in scores for case in fold.test), _within(area))
    return (
        found.patients,
        found.lesions,
        *percent(found.sensitivity),
        rounded(found.false_marks),
        *percent(found.marked),
    )


def _healthy_row(scores: Sequence[FoldScores], name: str, area: str) -> tuple[Cell, ...]:
    """Mean over folds, because each fold's network reads the same healthy patients."""
    found = [
        LesionScore.of((case for case in fold.healthy if case.set == name), _within(area))
        for fold in scores
    ]
    return (
        max(score.patients for score in found),
        0,
        None,
        rounded(mean_of(score.false_marks for score in found)),
        *percent(mean_of(score.marked for score in found)),
    )


def _within(area: str) -> str | None:
    return None if area == WHOLE else area
