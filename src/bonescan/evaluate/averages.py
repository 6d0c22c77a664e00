"""The averages that a run's figures are given in, each by its name."""

from __future__ import annotations

from collections.abc import Sequence

from bonescan.evaluate.folds import CaseScore, FoldScores
from bonescan.evaluate.table import Cell
from bonescan.measures.pixels import PixelCounts, f1_of, mean_of, pooled


def averages(scores: Sequence[FoldScores], area: str | None = None) -> list[tuple[Cell, ...]]:
    """Return the rows (average, folds, precision, sensitivity, F1, IoU) of one run, in percent.

    Parameters
    ----------
    scores : sequence of FoldScores
    area : str, optional
        One of `bonescan.evaluate.areas.AREAS`; the whole canvas without it.
    """
    per_fold = [pooled(_pixels(case, area) for case in fold.test) for fold in scores]
    everyone = [case for fold in scores for case in fold.test]
    per_patient = [
        pooled(_pixels(case, area) for case in everyone if case.patient == patient)
        for patient in dict.fromkeys(case.patient for case in everyone)
    ]
    number = len(scores)
    over_folds = _means(per_fold)
    f1_of_means = f1_of(over_folds[0], over_folds[1])
    return [
        ("F1 of the means", number, *percent(*over_folds[:2], f1_of_means, None)),
        ("mean over folds", number, *percent(*over_folds)),
        ("pooled over patients", number, *percent(*ratios(pooled(per_fold)))),
        ("mean over patients", number, *percent(*_means(per_patient))),
    ]


def ratios(counts: PixelCounts) -> tuple[float | None, ...]:
    """Return precision, sensitivity, F1 and IoU."""
    return (counts.precision, counts.sensitivity, counts.f1, counts.iou)


def percent(*values: float | None) -> tuple[float | None, ...]:
    """Return shares in percent, to two decimals."""
    return tuple(None if value is None else round(100 * value, 2) for value in values)


def rounded(value: float | None) -> float | None:
    """Return a number to two decimals."""
    return None if value is None else round(value, 2)


def _pixels(case: CaseScore, area: str | None) -> PixelCounts:
    return case.pixels if area is None else case.pixels_in(area)


def _means(counts: Sequence[PixelCounts]) -> tuple[float | None, ...]:
    columns = zip(*(ratios(one) for one in counts), strict=True)
    return tuple(mean_of(column) for column in columns) or (None,) * 4
