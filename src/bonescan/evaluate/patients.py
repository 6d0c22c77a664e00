"""Patient by patient: area under the ROC curve, and intervals by drawing patients anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

#: Bootstrap samples, their seed, and the interval's coverage.
REPEATS = 2000
SEED = 20230101
COVERAGE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its bootstrap interval; each None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "not defined"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class RocCurve:
    """Sensitivity over 1 - specificity.

    Attributes
    ----------
    thresholds : (T,) float64
        A patient counts as positive at or above the threshold; descending, the first one infinite.
    sensitivity, false_positive_rate : (T,) float64
        From 0 to 1.
    """

    thresholds: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """Return the area under the ROC curve.

    Parameters
    ----------
    scores : (P,) float
        Higher means more likely metastatic.
    positive : (P,) bool
        Whether the patient has metastases.

    Returns
    -------
    float or None
        The chance that a patient with metastases scores above one without, ties counting half
        (Mann-Whitney's U over the number of pairs); None without patients of both kinds.
    """
    truth = np.asarray(positive, bool)
    present, absent = int(truth.sum()), int((~truth).sum())
    if not present or not absent:
        return None
    ranks = rankdata(np.asarray(scores, float))
    wins = float(ranks[truth].sum()) - present * (present + 1) / 2
    return wins / (present * absent)


def roc_curve(scores: ArrayLike, positive: ArrayLike) -> RocCurve:
    """Return the ROC curve through every distinct score.

    Raises
    ------
    ValueError
        Without patients of both kinds.
    """
    values, truth = np.asarray(scores, float), np.asarray(positive, bool)
    if truth.all() or not truth.any():
        raise ValueError("a ROC curve needs patients with and without metastases")
    thresholds = np.concatenate([[np.inf], np.unique(values)[::-1]])
    called = values[None, :] >= thresholds[:, None]
    return RocCurve(
        thresholds=thresholds,
        sensitivity=called[:, truth].mean(axis=1),
        false_positive_rate=called[:, ~truth].mean(axis=1),
    )


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float | None],
    patients: Sequence[Any],
    *,
    repeats: int = REPEATS,
    seed: int = SEED,
) -> Estimate:
    """Estimate a figure and its 95 % percentile interval by drawing patients with replacement.

    Parameters
    ----------
    statistic : callable
        Takes row indices (n,) and returns the figure over these rows, None where it is undefined.
    patients : sequence
        The patient of each row; all rows of a patient are drawn together.
    repeats, seed : int
        Number of samples and their random seed.

    Returns
    -------
    Estimate
        Over all rows, with the interval from the samples in which the figure is defined; without
        an interval where that is fewer than half of them.
    """
    value = statistic(np.arange(len(patients)))
    if value is None:
        return Estimate(None)
    rows_of: dict[Any, list[int]] = {}
    for row, patient in enumerate(patients):
        rows_of.setdefault(patient, []).append(row)
    groups = [np.array(rows, np.intp) for rows in rows_of.values()]
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(repeats):
        chosen = random.integers(0, len(groups), len(groups))
        sample = statistic(np.concatenate([groups[index] for index in chosen]))
        if sample is not None:
            drawn.append(sample)
    if len(drawn) < repeats / 2:
        return Estimate(value)
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Estimate(value, float(low), float(high))
