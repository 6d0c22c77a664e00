"""The body's midline in a view."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats


class Midline(NamedTuple):
    """A straight line down the body: its column at row 0, and its slope in columns per row."""

    column: float
    slope: float

    def offset(self, row: float, column: float) -> float:
        """Return the distance to the right of the line along the row, in pixels."""
        return column - (self.column + self.slope * row)

    def mirror(
        self, rows: NDArray[Any], columns: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Reflect points about the line; square pixels are taken for granted."""
        away = (columns - self.column - self.slope * rows) / (1 + self.slope**2)
        return rows + 2 * self.slope * away, columns - 2 * away


def fit_midline(values: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> Midline:
    """Fit a straight line (Theil-Sen, robust) through the middles of a mask's rows.

    Parameters
    ----------
    values : (H, W) float
        A row's middle is the column with half of the row's values on either side. Counts with a
        ceiling: an arm that the frame cuts off then moves it less than the outline's middle would,
        and a hot spot hardly at all.
    mask : (H, W) bool
        With a pixel at least.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    sampled = rows[:: max(1, len(rows) // 96)]
    sums = np.cumsum(np.where(mask[sampled], values[sampled], 0), axis=1)
    middles = (sums < sums[:, -1:] / 2).sum(axis=1)
    if len(sampled) < 8:
        return Midline(float(np.median(middles)), 0.0)
    fit = stats.theilslopes(middles, sampled)
    return Midline(float(fit.intercept), float(fit.slope))
