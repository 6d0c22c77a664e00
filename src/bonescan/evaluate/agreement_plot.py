"""Bland and Altman's plot of two raters' bone scan index."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bonescan import RESEARCH_USE
from bonescan.measures.agreement import LimitsOfAgreement
from bonescan.quantify.bsi import REPEATABILITY_BAND

INK, ACCENT, SOFT, BAND = "#1a2028", "#b01030", "#56616e", "#e6edf5"
#: The plot reaches at least this far up and down, in percent points.
LEAST_HEIGHT = 0.05
#: Labels of levels stand apart by at least this share of that height.
LEAST_APART = 0.22


def draw_bland_altman(
    indices: Sequence[tuple[float, float]], limits: LimitsOfAgreement, names: tuple[str, str]
) -> bytes:
    """Draw the difference over the mean of two raters' index [1]_.

    Parameters
    ----------
    indices : sequence of (float, float)
        The index by A and by B, in percent.
    limits : LimitsOfAgreement
        Of these; bias and limits stand at the right with bars for their 95 % intervals.
    names : (str, str)
        Of A and B, for the title.

    Returns
    -------
    bytes
        A PNG.

    References
    ----------
    .. [1] J. M. Bland, D. G. Altman, Stat. Methods Med. Res. 8 (1999) 135-160.
    """
    figure = Figure(figsize=(7.2, 4.8), dpi=150)
    axes = figure.add_axes((0.12, 0.16, 0.62, 0.74))
    pairs = np.asarray(indices, float)
    mean, difference = pairs.mean(axis=1), pairs[:, 1] - pairs[:, 0]
    axes.axhspan(-REPEATABILITY_BAND, REPEATABILITY_BAND, color=BAND, linewidth=0, zorder=0)
    axes.axhline(0, color=SOFT, linewidth=0.8, zorder=1)
    axes.scatter(mean, difference, s=24, color=INK, alpha=0.65, linewidths=0, zorder=3)
    furthest = max(
        *np.abs([limits.high + limits.limit_half, limits.low - limits.limit_half]),
        *np.abs(difference),
        LEAST_HEIGHT,
    )
    apart = max(limits.high - limits.bias, LEAST_APART * furthest)
    _level(axes, "bias", limits.bias, limits.bias_half, "-", limits.bias)
    _level(axes, "upper limit", limits.high, limits.limit_half, "--", limits.bias + apart)
    _level(axes, "lower limit", limits.low, limits.limit_half, "--", limits.bias - apart)
    axes.set_ylim(-1.08 * furthest, 1.08 * furthest)
    axes.set_xlabel("mean of A and B: bone scan index in %")
    axes.set_ylabel("B - A in percent points")
    axes.set_title(f"A: {names[0]}, B: {names[1]}; {len(pairs)} studies", fontsize=10, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    at_zero = int((pairs == 0).all(axis=1).sum())
    zeros = f" {at_zero} studies have 0 by both." if at_zero > 1 else ""
    figure.text(
        0.012,
        0.015,
        f"Band: \u00b1 {REPEATABILITY_BAND:g}, by which repeat scans of one patient differ. Bars: "
        f"95 % intervals.{zeros}\n{RESEARCH_USE}",
        fontsize=7,
        color=SOFT,
        linespacing=1.4,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _level(axes: Axes, name: str, value: float, half: float, line: str, text_at: float) -> None:
    """Draw a level across the plot, and beside it the bar of its interval and its value."""
    axes.axhline(value, color=ACCENT, linestyle=line, linewidth=1.1, zorder=2)
    place = axes.get_yaxis_transform()
    axes.errorbar(
        1.03,
        value,
        yerr=half,
        color=ACCENT,
        marker="o",
        markersize=3,
        capsize=3,
        linewidth=1.1,
        transform=place,
        clip_on=False,
    )
    axes.text(
        1.06,
        text_at,
        f"{name} {value:.2f}\n({value - half:.2f} to {value + half:.2f})",
        color=ACCENT,
        fontsize=8,
        va="center",
        transform=place,
    )
