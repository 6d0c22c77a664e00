"""The outline of the body in a planar picture, and where the field of view cuts it.

This is a coarse look for checks and layout, on a reduced picture and without any assumption about
intensities. The mask that training and reading use is made in `bonescan.masks`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

#: The coarse picture's longer side is at most this, in pixels.
_COARSE_SIDE = 512

#: Gaussian that merges Poisson noise into tissue, in coarse pixels.
_SMOOTHING = 1.5

#: Value given to the 99th percentile before taking log(1 + x), so that scale does not matter.
_BRIGHT = 60.0

#: Height over width of an upright body; real ones have 2.8 to 3.8, the rest is for cut ones.
_ASPECT = (1.5, 6.5)

#: Share of its box that a body fills: 0.55 to 0.65 in real scans, less in hard-windowed captures.
_FILLED = (0.15, 0.9)

#: Share of the rows that may show air only: a capture with a high threshold loses the shins.
_BROKEN_ROWS = 0.4

#: Body over air; real scans have 7 and more, a flood source split by its own noise 1.5.
_CONTRAST = 3.0

#: Shoulders begin where the body is this share of its full breadth wide.
_SHOULDER = 0.6

#: The body counts as cut where it meets the frame's edge over this share of its height.
_CUT_SHARE = 0.02

#: A detector's edge shows so many pixels with counts beside the body.
_AIR_PIXELS = 5


@dataclass(frozen=True)
class Outline:
    """Where the body lies in a picture, in the picture's own pixels, last row/column exclusive.

    Attributes
    ----------
    top, left, bottom, right : int
        The body's box.
    filled : float
        Share of the box that the body covers.
    broken_rows : float
        Share of the box's rows without any body.
    shoulder : int
        First row as wide as 0.6 of ``breadth``.
    breadth : float
        Width of the body with its arms: the 95th percentile of its rows' extents.
    air_level : float
        Counts per pixel, smoothed, that separate body from air.
    contrast : float
        Mean of the body over mean of the air; infinite without any count in the air.
    """

    top: int
    left: int
    bottom: int
    right: int
    filled: float
    broken_rows: float
    shoulder: int
    breadth: float
    air_level: float = 0.0
    contrast: float = np.inf

    @property
    def height(self) -> int:
        """Rows from top to bottom."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns from left to right."""
        return self.right - self.left

    @property
    def looks_like_a_body(self) -> bool:
        """Tall, in one piece from head to feet, neither a line nor a box, and unlike the air."""
        tall = _ASPECT[0] <= self.height / self.width <= _ASPECT[1]
        shaped = _FILLED[0] <= self.filled <= _FILLED[1] and self.broken_rows < _BROKEN_ROWS
        return tall and shaped and self.contrast > _CONTRAST


def body_mask(grey: NDArray[Any]) -> tuple[NDArray[np.bool_], int, float]:
    """Separate body from air coarsely.

    Parameters
    ----------
    grey : (H, W) array
        Counts or grey values, high is hot.

    Returns
    -------
    mask : (H // factor, W // factor) bool
        Body, without specks; empty for a constant picture.
    factor : int
        Reduction from picture to mask.
    air_level : float
        Counts per picture pixel, smoothed, above which a pixel is taken as body.
    """
    factor = max(1, int(np.ceil(max(grey.shape) / _COARSE_SIDE)))
    rows, columns = grey.shape[0] // factor, grey.shape[1] // factor
    blocks = np.asarray(grey[: rows * factor, : columns * factor], np.float32)
    coarse = blocks.reshape(rows, factor, columns, factor).sum(axis=(1, 3))
    if coarse.size == 0 or np.ptp(coarse) == 0:
        return np.zeros(coarse.shape, bool), factor, 0.0
    bright = float(np.percentile(coarse, 99)) or float(coarse.max())
    gain = _BRIGHT / bright
    logged = np.log1p(ndimage.gaussian_filter(coarse, _SMOOTHING) * gain)
    threshold = float(threshold_otsu(logged))
    air_level = float(np.expm1(threshold)) / gain / factor**2
    return without_specks(logged > threshold), factor, air_level


def without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep components of at least 2 % of the largest: burned-in letters and noise go."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    kept: NDArray[np.bool_] = ((areas >= 0.02 * areas.max()) & (areas > 0))[labels]
    return kept


def outline_of(grey: NDArray[Any]) -> Outline | None:
    """Return the body's outline in a picture, or None where there is nothing in it."""
    mask, factor, air_level = body_mask(grey)
    found = outline_of_mask(mask, factor, air_level)
    if found is None:
        return None
    return replace(found, contrast=_contrast(grey, mask, factor))


def _contrast(grey: NDArray[Any], mask: NDArray[np.bool_], factor: int) -> float:
    sampled = grey[: mask.shape[0] * factor : factor, : mask.shape[1] * factor : factor]
    total, body = float(sampled.sum(dtype=np.float64)), float(sampled[mask].sum(dtype=np.float64))
    air_pixels = mask.size - int(mask.sum())
    if air_pixels == 0 or total <= body:
        return float(np.inf)
    return body / int(mask.sum()) / ((total - body) / air_pixels)


def outline_of_mask(mask: NDArray[np.bool_], factor: int, air_level: float = 0.0) -> Outline | None:
    """Return the outline of a coarse body mask of `body_mask`, or None where it is empty."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if rows.size == 0:
        return None
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    extents = _extents(box)
    breadth = float(np.percentile(extents[extents > 0], 95))
    shoulder = rows[0] + np.argmax(extents > _SHOULDER * breadth)
    return Outline(
        top=int(rows[0]) * factor,
        left=int(columns[0]) * factor,
        bottom=int(rows[-1] + 1) * factor,
        right=int(columns[-1] + 1) * factor,
        filled=float(box.mean()),
        broken_rows=float(1 - box.any(axis=1).mean()),
        shoulder=int(shoulder) * factor,
        breadth=breadth * factor,
        air_level=air_level,
    )


def _extents(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each row's distance from its first to its last true pixel, 0 without any."""
    first = mask.argmax(axis=1)
    last = mask.shape[1] - mask[:, ::-1].argmax(axis=1)
    return np.where(mask.any(axis=1), last - first, 0).astype(np.int64)


def cut_sides(counts: NDArray[np.float32], outline: Outline) -> dict[str, int]:
    """Return the sides where the field of view cuts the body, with the length in pixels.

    The field of view is what lies inside margins of exact zeros, as cameras leave them beside a
    narrower detector. Such an edge counts only where it shows air, too: else it is the body's own.
    """
    rows, columns = np.nonzero(counts.any(axis=1))[0], np.nonzero(counts.any(axis=0))[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    seen = counts[top:bottom, left:right]
    strips = {
        "top": (seen[:3].mean(axis=0), top == 0),
        "bottom": (seen[-3:].mean(axis=0), bottom == counts.shape[0]),
        "left": (seen[:, :3].mean(axis=1), left == 0),
        "right": (seen[:, -3:].mean(axis=1), right == counts.shape[1]),
    }
    window = max(3, outline.height // 60)
    cut = {}
    for side, (strip, at_frame) in strips.items():
        body = ndimage.uniform_filter1d(strip, window, mode="constant") > outline.air_level
        around = ndimage.binary_dilation(body, iterations=window)
        shows_air = int((strip[~around] > 0).sum()) >= _AIR_PIXELS
        if (at_frame or shows_air) and body.sum() >= _CUT_SHARE * outline.height:
            cut[side] = int(body.sum())
    return cut
