"""Where in the body a lesion lies, as far as the body's outline tells: side and height.

This is not a skeleton. A side is told from the body's midline, a level from the height between
the top of the head and the soles; nothing here knows which bone a pixel shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from bonescan.preprocess.body import body_rows
from bonescan.preprocess.midline import Midline as Midline
from bonescan.preprocess.midline import fit_midline as fit_midline
from bonescan.scan import LEFT_EDGE_SIDE, View, ViewName

#: Lower end of each level as a share of the way from the top of the head to the soles. Measured on
#: the reference man of ICRP Publication 110 (stature 1760 mm): lower edge of the jaw at 1544 mm
#: above the soles, of the clavicles at 1440, of the twelfth thoracic vertebra at 1204; iliac crest
#: at 1072, lower edge of the ischium at 864, knee joint at 516.
LEVELS: tuple[tuple[str, float], ...] = (
    ("head level", 0.123),
    ("neck and shoulder level", 0.182),
    ("chest level", 0.316),
    ("abdomen level", 0.391),
    ("pelvis level", 0.509),
    ("thigh level", 0.707),
    ("lower leg level", 1.0),
)
UNKNOWN_LEVEL = "level unknown"

#: Half-width of the band about the midline in which no side is named.
MIDLINE_MM = 20.0
#: The same for pictures without a spacing: share of the frame's rows (whole-body frames are about
#: 2.4 m long).
MIDLINE_SHARE_OF_ROWS = 0.008

#: Counts above this many times the body's median do not pull the midline further.
MIDLINE_CEILING = 3.0

_SMOOTH_PIXELS = 2.0
_SMALLEST_PART = 0.02


@dataclass(frozen=True)
class Body:
    """The body's outline in one view.

    Attributes
    ----------
    mask : (H, W) bool
        Body against air.
    median_counts : float
        Median of the counts inside the body; 0 where there is no body.
    top, bottom : int
        First row of the body, and the row after its last, from `bonescan.preprocess.body`.
    whole : bool
        Whether head and feet lie inside the frame, so that heights mean something.
    midline : Midline
    """

    mask: NDArray[np.bool_]
    median_counts: float
    top: int
    bottom: int
    whole: bool
    midline: Midline

    def level(self, row: float) -> str:
        """Name the height in the body at which a row lies."""
        if not self.whole or self.bottom <= self.top:
            return UNKNOWN_LEVEL
        share = (row - self.top) / (self.bottom - self.top)
        return next((name for name, end in LEVELS if share < end), LEVELS[-1][0])


def outline_body(counts: NDArray[np.floating[Any]]) -> Body:
    """Find the body in a view.

    The body is what lies above the Otsu threshold [1]_ of log(1 + counts) after a Gaussian of 2
    pixels; the logarithm keeps a hot bladder from setting the threshold.

    Parameters
    ----------
    counts : (H, W) float
        Counts per pixel, 0 or more.

    Returns
    -------
    Body
        With an empty mask where all pixels are equal.

    References
    ----------
    .. [1] N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62-66.
    """
    return _outlined(counts.tobytes(), counts.dtype.str, counts.shape)


@lru_cache(maxsize=4)
def _outlined(raw: bytes, dtype: str, shape: tuple[int, ...]) -> Body:
    """Outline a view once, however many ask for it; the last few views are kept."""
    counts = np.frombuffer(raw, dtype).reshape(shape)
    smooth = ndimage.gaussian_filter(np.log1p(counts, dtype=np.float32), _SMOOTH_PIXELS)
    if not float(np.ptp(smooth)) > 0:
        empty = np.zeros(counts.shape, bool)
        return Body(empty, 0.0, 0, 0, False, Midline((counts.shape[1] - 1) / 2, 0.0))
    mask = _large_parts(smooth > threshold_otsu(smooth))
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = body_rows(counts.astype(np.float32)) or (int(rows[0]), int(rows[-1]) + 1)
    mask.flags.writeable = False
    median = float(np.median(counts[mask]))
    return Body(
        mask=mask,
        median_counts=median,
        top=top,
        bottom=bottom,
        whole=top > 0 and bottom < counts.shape[0],
        midline=fit_midline(np.minimum(counts, MIDLINE_CEILING * median), mask),
    )


def side_of(view: View, midline: Midline, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> str:
    """Tell the patient's side of a lesion in a view.

    Parameters
    ----------
    view : View
        Its orientation decides what the picture's left is.
    midline : Midline
        The body's, or the skeleton's, in that view.
    rows, columns : (n,) int
        The lesion's pixels.

    Returns
    -------
    str
        ``"R"``, ``"L"``, or ``"midline"`` where the centroid lies within 20 mm of the midline.
    """
    offset = midline.offset(float(rows.mean()), float(columns.mean()))
    band = MIDLINE_SHARE_OF_ROWS * view.counts.shape[0]
    if view.pixel_spacing_mm is not None:
        band = MIDLINE_MM / view.pixel_spacing_mm[1]
    if abs(offset) <= band:
        return "midline"
    return side_of_edge(view.name, left=offset < 0)


def side_of_edge(view: ViewName, *, left: bool) -> str:
    """Return the patient's side, ``"R"`` or ``"L"``, that one edge of a view's picture shows."""
    side = LEFT_EDGE_SIDE[view]
    return side if left else {"R": "L", "L": "R"}[side]


def _large_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop parts that are smaller than a fiftieth of the largest (noise, the table's edge)."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept: NDArray[np.bool_] = (sizes >= _SMALLEST_PART * sizes.max())[labels]
    return kept
