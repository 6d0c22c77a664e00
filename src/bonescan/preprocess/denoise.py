"""Poisson noise taken out of counts, as much of it as the counts ask for.

The counts x are split into what a wide Gaussian leaves, w, and the detail d between it and a fine
one, f - w. A fine Gaussian costs next to nothing, because a camera's own blur is wider. Of the
detail, noise alone would have the variance n w g, where n follows from both Gaussians, g is the
number of grey values a count (1 for counts), and w g is Poisson's variance; what d really has is
measured about each pixel, and the rest is signal. Keeping the share

    k = max(0, 1 - strength^2 n w g / <d^2>)

of the detail is the local linear filter of least mean square error [1]_, at ``strength`` 1. Where
counts are few k is 0 and the pixel gets the wide Gaussian; at a bright edge k goes to 1.

Why no variance-stabilising transform with a library's denoiser: at the 1 to 5 counts a pixel of a
body, Anscombe's transform followed by non-local means (scikit-image) was further from the
noise-free counts of simulated patients, though it kept a lesion's height better
(`benchmarks/preprocessing.py`).

References
----------
.. [1] J. S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE
   Transactions on Pattern Analysis and Machine Intelligence 2 (2), 165-168, 1980; for noise that
   depends on the signal: D. T. Kuan et al., the same journal 7 (2), 165-177, 1985.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bonescan.config import Denoise

#: Grey values a count are sought among pixels within these quantiles of the smoothed body.
FLAT_QUANTILES = (0.1, 0.6)
#: Gaussian sigma, in pixels, of the surroundings in which that is done.
FLAT_PIXELS = 3.0


def denoised(
    counts: NDArray[np.float32], settings: Denoise, *, per_count: float = 1.0
) -> NDArray[np.float32]:
    """Return a view without most of its Poisson noise.

    Parameters
    ----------
    counts : (H, W) float32
        Counts per pixel, or grey values in proportion to them; 0 or more.
    settings : Denoise
        Both Gaussians and the strength.
    per_count : float
        Grey values a count.

    Returns
    -------
    (H, W) float32
        0 or more, with the sum of ``counts`` within a part in 100,000 (single precision). Parts of
        the picture keep theirs only as far as smoothing lets them: counts move by some
        ``wide_pixels``. A picture without counts comes back as it is.
    """
    total = float(counts.sum(dtype=np.float64))
    if total <= 0:
        return counts
    exact = counts.astype(np.float64)
    fine = gaussian_filter(exact, settings.fine_pixels)
    wide = gaussian_filter(exact, settings.wide_pixels)
    detail = fine - wide
    noise = settings.strength**2 * _band_share(settings) * per_count * wide
    seen = gaussian_filter(detail**2, settings.wide_pixels)
    signal = np.maximum(0, 1 - noise / np.maximum(seen, np.finfo(np.float64).tiny))
    smooth = np.maximum(wide + signal * detail, 0)
    return np.asarray(smooth * (total / smooth.sum()), np.float32)


@lru_cache(maxsize=8)
def _band_share(settings: Denoise) -> float:
    """Return the variance of the detail of white noise of variance 1."""
    reach = int(np.ceil(6 * settings.wide_pixels))
    impulse = np.zeros((2 * reach + 1, 2 * reach + 1))
    impulse[reach, reach] = 1
    fine = gaussian_filter(impulse, settings.fine_pixels)
    wide = gaussian_filter(impulse, settings.wide_pixels)
    return float(((fine - wide) ** 2).sum())


def grey_per_count(grey: NDArray[np.float32]) -> float:
    """Estimate how many grey values stand for a count, from the noise of even tissue.

    Neighbouring pixels of even tissue differ by Poisson noise alone: half of the mean square of
    their difference, over their mean, is the grey values a count.

    Parameters
    ----------
    grey : (H, W) float32
        Grey values in proportion to counts.

    Returns
    -------
    float
        1 where there is nothing to measure. Counts that were smoothed come out too low.
    """
    smooth = gaussian_filter(grey, FLAT_PIXELS)
    body = smooth > smooth.max() / 50
    if not body.any():
        return 1.0
    low, high = np.quantile(smooth[body], FLAT_QUANTILES)
    even = (smooth >= low) & (smooth <= high)
    even = even[:, 1:] & even[:, :-1]
    if not even.any():
        return 1.0
    steps = np.diff(grey, axis=1)[even]
    # Half of the steps' interquartile range tells the spread without edges and bones.
    mean = float(smooth[:, 1:][even].mean())
    return float((steps**2).mean() / 2 / mean) or 1.0
