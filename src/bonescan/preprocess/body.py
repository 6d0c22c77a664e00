"""Where the body lies in a view, from projection profiles.

A profile of plain sums follows a full bladder, an injection site or a wrapped counter. Here each
row is described by an upper quantile of its smoothed pixels less their median: a few hot pixels
cannot move it, a handful of noise counts is smoothed away, and the even shadow of the table
cancels because it fills most of the row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

#: Gaussian sigma in pixels before the profile is taken.
SMOOTHING_PIXELS = 3.0
#: The row's bright end: more than a hot spot holds, less than a head or two feet do.
BRIGHT_QUANTILE = 0.95
#: A row belongs to the body above this share of the typical bright row.
BODY_SHARE = 0.08
#: Dim rows between two bright ones are bridged up to this share of the frame's height.
BRIDGED_SHARE = 0.05


class Extent(NamedTuple):
    """Pixels [first, end) along one axis."""

    first: int
    end: int

    @property
    def length(self) -> int:
        """Number of pixels."""
        return self.end - self.first


def body_rows(counts: NDArray[np.float32]) -> Extent | None:
    """Return the rows that the body takes, head to feet.

    Parameters
    ----------
    counts : (H, W) float32
        Counts per pixel.

    Returns
    -------
    Extent or None
        None where no row stands out, for instance in a constant picture.
    """
    smooth = gaussian_filter(counts, SMOOTHING_PIXELS, mode="constant")
    return _extent(smooth)


def body_columns(counts: NDArray[np.float32], rows: Extent) -> Extent | None:
    """Return the columns that the body takes within ``rows``, hand to hand; None as above."""
    smooth = gaussian_filter(counts[rows.first : rows.end], SMOOTHING_PIXELS, mode="constant")
    return _extent(smooth.T)


def _extent(smooth: NDArray[np.float32]) -> Extent | None:
    """Return the largest stretch of axis 0 whose profile shows a body."""
    middle, bright = np.quantile(smooth, (0.5, BRIGHT_QUANTILE), axis=1)
    profile = bright - middle
    if not (profile > 0).any():
        return None
    typical = float(np.quantile(profile[profile > 0], 0.75))
    inside = np.flatnonzero(profile > BODY_SHARE * typical)
    bridged = max(1, round(BRIDGED_SHARE * len(profile)))
    stretches = np.split(inside, np.flatnonzero(np.diff(inside) > bridged) + 1)
    largest = max(stretches, key=lambda stretch: float(profile[stretch].sum()))
    return Extent(int(largest[0]), int(largest[-1]) + 1)
