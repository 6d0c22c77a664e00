"""One linear gain a view, so that pictures of different count totals look alike (section 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu

from bonescan.config import BodyBrightness, Brightness

#: Largest grey value: the paper works on an 8-bit scale.
WHITE = 255.0
#: Relative width at which the bisection stops.
TOLERANCE = 1e-6
#: Gaussian, in canvas pixels, before the body's median is taken.
BODY_SMOOTH_PIXELS = 2.0
#: Beyond this factor a mean grey value counts as out of reach.
LARGEST_FACTOR = 1e6


def brightness_gain(
    counts: NDArray[np.float32], settings: Brightness | BodyBrightness
) -> float | None:
    """Find the gain of a view by the settings' rule; None where there is none.

    See `mean_gain` for the rule of the paper, `body_gain` for the other.
    """
    if isinstance(settings, BodyBrightness):
        return body_gain(counts, settings)
    return mean_gain(counts, settings)


def body_gain(counts: NDArray[np.float32], settings: BodyBrightness) -> float | None:
    """Return the gain that brings the median of the body to ``settings.level``.

    The body is what lies above the Otsu threshold of log(1 + counts); counts are smoothed by a
    Gaussian of 2 pixels first, so that few counts do not make the median a step.

    Parameters
    ----------
    counts : (H, W) float32
        The whole view as cut out, air included.

    Returns
    -------
    float or None
        None for a view that is the same everywhere, or whose body has no counts.
    """
    smooth = gaussian_filter(counts, BODY_SMOOTH_PIXELS)
    tone = np.log1p(smooth)
    if not float(np.ptp(tone)) > 0:
        return None
    median = float(np.median(smooth[tone > threshold_otsu(tone)]))
    return settings.level / median if median > 0 else None


def mean_gain(counts: NDArray[np.float32], settings: Brightness) -> float | None:
    """Find the gain k with mean(clip(k counts, 0, 255)) inside [mean_low, mean_high].

    The gain is 1 if the mean is inside already; otherwise it brings the mean to the nearest
    bound. Clipping makes the mean a non-linear, never falling function of k, hence bisection.

    Parameters
    ----------
    counts : (H, W) float32
        The whole view as cut out, air included.
    settings : Brightness
        The range of the mean.

    Returns
    -------
    float or None
        None where no gain reaches the range: so few pixels have counts that even white they
        leave the mean below it.
    """
    mean = clipped_mean(counts, 1.0)
    if settings.mean_low <= mean <= settings.mean_high:
        return 1.0
    if mean > settings.mean_high:
        return _bisect(counts, 0.0, 1.0, settings.mean_high)[0]
    low = high = 1.0
    while clipped_mean(counts, high) < settings.mean_low:
        low, high = high, 2 * high
        if high > LARGEST_FACTOR:
            return None
    return _bisect(counts, low, high, settings.mean_low)[1]


def clipped_mean(counts: NDArray[np.float32], gain: float) -> float:
    """Mean grey value of ``counts`` after the gain and clipping to [0, 255]."""
    return float(np.minimum(counts, WHITE / gain).mean(dtype=np.float64) * gain)


def _bisect(
    counts: NDArray[np.float32], low: float, high: float, target: float
) -> tuple[float, float]:
    """Narrow gains ``low`` < ``high`` whose means enclose ``target``."""
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2
        if clipped_mean(counts, middle) > target:
            high = middle
        else:
            low = middle
    return low, high
