"""Two readers, or a reader and a model: kappa and limits of agreement, with intervals.

Arrays and counts in, numbers out: imports no stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


def cohen_kappa(both: int, only_a: int, only_b: int, neither: int) -> float | None:
    """Return Cohen's kappa of two readers' yes and no [1]_.

    Parameters
    ----------
    both, only_a, only_b, neither : int
        Cases that both call positive, only A, only B, none.

    Returns
    -------
    float or None
        (p_o - p_e) / (1 - p_e) in [-1, 1]; None without cases, or where chance alone agrees fully
        (both readers say the same for every case).

    References
    ----------
    .. [1] J. Cohen, Educ. Psychol. Meas. 20 (1960) 37-46.

    Examples
    --------
    >>> cohen_kappa(20, 5, 10, 15)
    0.4
    """
    n = both + only_a + only_b + neither
    if not n:
        return None
    observed = (both + neither) / n
    a, b = (both + only_a) / n, (both + only_b) / n
    chance = a * b + (1 - a) * (1 - b)
    return None if chance == 1 else round((observed - chance) / (1 - chance), 12)


def free_response_kappa(both: int, only_a: int, only_b: int) -> float | None:
    """Return the kappa of lesions that readers mark freely [1]_.

    Nobody counts the places where neither reader marks anything. Cohen's kappa tends to
    ``2 both / (2 both + only_a + only_b)`` as they become many, which is what is returned; None
    where neither marked anything.

    References
    ----------
    .. [1] M. Carpentier et al., BMC Med. Res. Methodol. 17 (2017) 62.
    """
    total = 2 * both + only_a + only_b
    return 2 * both / total if total else None


@dataclass(frozen=True)
class LimitsOfAgreement:
    """Bland and Altman's comparison of two measurements; differences are ``b - a``.

    ``bias`` with its interval, the 95 % limits ``low`` and ``high``, each with the interval of
    ``bias_half`` and ``limit_half`` about it, and ``slope`` of the difference over the mean (None
    where all means are equal), which tells whether the bias grows with the size.
    """

    pairs: int
    bias: float
    bias_half: float
    low: float
    high: float
    limit_half: float
    slope: float | None


def limits_of_agreement(a: Sequence[float], b: Sequence[float]) -> LimitsOfAgreement | None:
    """Compare paired measurements [1]_.

    Returns
    -------
    LimitsOfAgreement or None
        None with fewer than three pairs. The limits are bias +/- 1.96 standard deviations; their
        intervals use Student's t and a standard error of sqrt(1 / n + 1.96^2 / (2 (n - 1))) s.

    References
    ----------
    .. [1] J. M. Bland, D. G. Altman, Stat. Methods Med. Res. 8 (1999) 135-160.
    """
    one, two = np.asarray(a, float), np.asarray(b, float)
    n = len(one)
    if n < 3:
        return None
    difference, mean = two - one, (one + two) / 2
    bias, spread = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(stats.t.ppf(0.975, n - 1))
    z = float(stats.norm.ppf(0.975))
    slope = float(np.polyfit(mean, difference, 1)[0]) if np.ptp(mean) > 0 else None
    return LimitsOfAgreement(
        pairs=n,
        bias=bias,
        bias_half=float(quantile * spread / np.sqrt(n)),
        low=bias - z * spread,
        high=bias + z * spread,
        limit_half=float(quantile * spread * np.sqrt(1 / n + z**2 / (2 * (n - 1)))),
        slope=slope,
    )
