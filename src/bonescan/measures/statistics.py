"""Intervals and comparisons: bootstrap over patients, paired differences over folds.

Arrays and counts in, numbers out: imports no stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

T = TypeVar("T")


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval, and the confidence of that."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


def bootstrap(
    items: Sequence[T],
    statistic: Callable[[Sequence[T]], float | None],
    *,
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return the percentile bootstrap interval of a statistic over items (patients).

    Parameters
    ----------
    items : sequence
        What is drawn with replacement, one item a patient.
    statistic : callable
        Takes a sequence of items, returns a number, or None where it is not defined; such draws
        are left out.

    Returns
    -------
    Interval or None
        None without items or where the statistic of all items is not defined.

    References
    ----------
    Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13.
    """
    value = statistic(items) if items else None
    if value is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        result = statistic([items[i] for i in rng.integers(len(items), size=len(items))])
        if result is not None:
            drawn.append(result)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) if drawn else (value, value)
    return Interval(value, float(low), float(high), confidence)


@dataclass(frozen=True)
class PairedDifference:
    """Mean of the differences ``a - b`` of paired values (the same folds in both arms).

    The interval is Student's t on the differences, which takes the folds as independent. They share
    training patients, so the true interval is wider; `corrected_low` and `corrected_high` widen it
    by the factor of Nadeau and Bengio for the share of test to training data. ``corrected_p`` is
    the two-sided p value of that corrected t, ``wilcoxon_p`` of Wilcoxon's signed ranks; 1 where no
    fold differs.
    """

    pairs: int
    mean: float
    low: float
    high: float
    corrected_low: float
    corrected_high: float
    a_higher: int
    corrected_p: float
    wilcoxon_p: float
    confidence: float = 0.95


def paired_difference(
    a: Sequence[float], b: Sequence[float], *, test_share: float, confidence: float = 0.95
) -> PairedDifference | None:
    """Compare two arms over the same folds.

    Parameters
    ----------
    a, b : sequence of float
        The score of each fold, in the same order.
    test_share : float
        Test patients over training patients of a fold (1/8 in the paper's 8:1:1).

    Returns
    -------
    PairedDifference or None
        None with fewer than two pairs.

    References
    ----------
    Nadeau and Bengio, "Inference for the generalization error", *Machine Learning* 52, 2003.
    """
    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    n = len(difference)
    if n < 2:
        return None
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(stats.t.ppf((1 + confidence) / 2, n - 1))
    half = quantile * spread / np.sqrt(n)
    corrected = quantile * spread * np.sqrt(1 / n + test_share)
    return PairedDifference(
        n,
        mean,
        float(mean - half),
        float(mean + half),
        float(mean - corrected),
        float(mean + corrected),
        int((difference > 0).sum()),
        _corrected_p(mean, spread, n, test_share),
        float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0,
        confidence,
    )


def _corrected_p(mean: float, spread: float, n: int, test_share: float) -> float:
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    t = mean / (spread * np.sqrt(1 / n + test_share))
    return float(2 * stats.t.sf(abs(t), n - 1))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p values adjusted for their number by Holm's step-down method, in the same order.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", *Scand. J. Statist.* 6, 1979.
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return tuple(adjusted)
