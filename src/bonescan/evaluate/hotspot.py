"""A classical hot-spot detector: counts above a multiple of the body's, as the floor to beat.

It knows no skeleton and no bladder: whatever is hot for this body is marked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import disk

from bonescan.config import Frozen
from bonescan.quantify.position import outline_body
from bonescan.scan import View

#: Multiples of the body's median that a curve goes through.
MULTIPLES = tuple(float(value) for value in np.geomspace(2, 50, 41))


class HotSpotSettings(Frozen):
    """Settings of the detector.

    ``times_body``: a pixel is hot from this multiple of the median counts of the body in its view.
    Six was fixed beforehand: in normal scans the hottest hundredth of the body lies near it.
    ``smooth_pixels``: sigma of the Gaussian before. ``top_hat_mm``: radius of the disc whose
    opening is taken off first, which leaves what is narrower than the disc; None for no top-hat.
    """

    times_body: float = 6.0
    smooth_pixels: float = 1.0
    top_hat_mm: float | None = None
    pixel_mm: float = 2.4
    """Pixel size where a view has no spacing."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Scores at `MULTIPLES` of the body's median counts."""
        return tuple(value / (value + self.times_body) for value in MULTIPLES)


def hot_spot_score(view: View, settings: HotSpotSettings | None = None) -> NDArray[np.float32]:
    """Score how hot each pixel is for its body.

    Parameters
    ----------
    view : View
        Counts (H, W).
    settings : HotSpotSettings, optional
        The defaults without it.

    Returns
    -------
    (H, W) float32
        r / (1 + r) in [0, 1), r being the smoothed counts over the limit of the settings; a pixel
        is hot from 0.5 upwards. 0 outside the body and in a view without counts.
    """
    settings = settings or HotSpotSettings()
    body = outline_body(view.counts)
    if not body.median_counts > 0:
        return np.zeros(view.counts.shape, np.float32)
    smooth = ndimage.gaussian_filter(view.counts, settings.smooth_pixels)
    if settings.top_hat_mm is not None:
        spacing = view.pixel_spacing_mm or (settings.pixel_mm, settings.pixel_mm)
        smooth = ndimage.white_tophat(smooth, footprint=disk(_radius(settings.top_hat_mm, spacing)))
    ratio = np.clip(smooth, 0, None) / (settings.times_body * body.median_counts)
    score: NDArray[np.float32] = np.where(body.mask, ratio / (1 + ratio), 0).astype(np.float32)
    return score


def _radius(length_mm: float, spacing_mm: tuple[float, float]) -> int:
    return max(1, round(length_mm / float(np.mean(spacing_mm))))
