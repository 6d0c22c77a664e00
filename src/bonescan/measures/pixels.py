"""Pixel counts and what follows from them: precision, sensitivity, F1 and IoU of one class.

Equations 3 to 5 of Cheng et al., *Diagnostics* 2023, 13, 3042. Arrays in, numbers out: imports no
stage, so training validates with the same code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PixelCounts:
    """True positive, false positive and false negative pixels; counts add up with ``+``.

    The ratios are in [0, 1], and None where their denominator is zero: precision where nothing was
    marked, sensitivity where nothing was there, F1 and IoU where neither.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @classmethod
    def of(cls, marked: NDArray[np.bool_], truth: NDArray[np.bool_]) -> PixelCounts:
        """Count the pixels of two masks of one shape."""
        if marked.shape != truth.shape:
            raise ValueError(f"masks of shapes {marked.shape} and {truth.shape}")
        tp = int(np.count_nonzero(marked & truth))
        return cls(tp, int(np.count_nonzero(marked)) - tp, int(np.count_nonzero(truth)) - tp)

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def sensitivity(self) -> float | None:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and sensitivity (Dice)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float | None:
        """TP / (TP + FP + FN)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)


def pooled(counts: Iterable[PixelCounts]) -> PixelCounts:
    """Add up counts."""
    return sum(counts, PixelCounts())


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of the values that exist; None where there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def f1_of(precision: float | None, sensitivity: float | None) -> float | None:
    """Harmonic mean of a precision and a sensitivity; None without one.

    A sensitivity of 0 makes it 0, also where nothing is marked and there is no precision.
    """
    if sensitivity == 0:
        return 0.0
    if precision is None or sensitivity is None:
        return None
    return 2 * precision * sensitivity / (precision + sensitivity)


def best_threshold(probability: NDArray[Any], truth: NDArray[np.bool_]) -> tuple[int, PixelCounts]:
    """Return the threshold of the highest pooled F1, and its counts.

    Parameters
    ----------
    probability : (...) uint8
        Probabilities in steps of 1 / 255; a pixel is marked from the threshold upwards.
    truth : (...) bool
        Of the same shape.

    Returns
    -------
    threshold : int
        1 to 255; the middle of the run of equal F1 where several do equally well.
    """
    positive = np.bincount(probability[truth].ravel(), minlength=256)
    negative = np.bincount(probability[~truth].ravel(), minlength=256)
    tp = positive[::-1].cumsum()[::-1]
    fp = negative[::-1].cumsum()[::-1]
    f1 = 2 * tp / np.maximum(1, tp + fp + positive.sum())
    best = np.flatnonzero(f1[1:] == f1[1:].max()) + 1
    threshold = int(best[len(best) // 2])
    counts = PixelCounts(
        int(tp[threshold]), int(fp[threshold]), int(positive.sum() - tp[threshold])
    )
    return threshold, counts


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
