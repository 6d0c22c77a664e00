"""The body by Otsu's threshold (section 3.4).

References
----------
.. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
   Systems, Man, and Cybernetics 9 (1), 62-66, 1979.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from bonescan.config import OtsuMask

#: A body takes this share of the canvas; anything else is doubtful.
PLAUSIBLE_SHARE = (0.2, 0.6)


def otsu_body(
    grey: NDArray[np.float32], settings: OtsuMask, *, reduce: int = 1
) -> NDArray[np.bool_]:
    """Separate the body from air.

    Parameters
    ----------
    grey : (H, W) float32
        Canvas grey values in [0, 255], the anterior view in the left half. A half without any
        count is a missing view: it takes no part in choosing the threshold.
    settings : OtsuMask
        ``log`` thresholds log(1 + grey) after a Gaussian and finds the body's soft tissue too;
        ``linear`` thresholds the grey values as they are and finds little but the skeleton.
    reduce : int
        How much coarser the canvas is than the one that ``smooth_pixels`` is meant for.

    Returns
    -------
    (H, W) bool
        Empty for a constant canvas, which has nothing to separate.
    """
    tone = grey
    if settings.on == "log":
        sigma = settings.smooth_pixels / reduce
        smooth = np.hstack([gaussian_filter(half, sigma) for half in _halves(grey)])
        tone = np.log1p(smooth)
    seen = present(grey)
    if not seen.any() or tone[:, seen].min() == tone[:, seen].max():
        return np.zeros(grey.shape, np.bool_)
    return np.asarray(tone > threshold_otsu(tone[:, seen]))


def present(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (W,) bool: the canvas columns that belong to a view with counts."""
    return np.concatenate([np.full(half.shape[1], bool(half.any())) for half in _halves(grey)])


def _halves(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    middle = grey.shape[1] // 2
    return grey[:, :middle], grey[:, middle:]
