"""Areas of the body that figures are given for: the whole canvas, thorax, thorax with pelvis.

The systems of the paper's Table 8 read pictures that were cropped to the thorax, or to thorax and
pelvis. Here the same rows of the canvas are judged, over its whole width: what such a crop would
show. Rows come from the body's height, see `bonescan.quantify.position.LEVELS`; no bone is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonescan.config import CanvasSettings
from bonescan.evaluate.halves import match_halves
from bonescan.evaluate.matching import Matching
from bonescan.measures.pixels import PixelCounts
from bonescan.preprocess.body import body_rows
from bonescan.quantify.position import LEVELS

_END = dict(LEVELS)
#: First and last row of each area as shares of the way from the top of the head to the soles: from
#: the lower edge of the jaw to that of the twelfth thoracic vertebra, and to that of the ischium.
AREAS: dict[str, tuple[float, float]] = {
    "thorax": (_END["head level"], _END["chest level"]),
    "thorax and pelvis": (_END["head level"], _END["pelvis level"]),
}
WHOLE = "whole canvas"
#: Mean stature of the reference man and woman of ICRP Publication 89 (1760 and 1630 mm).
STATURE_MM = 1695.0


class Area(NamedTuple):
    """A name and the rows of a canvas."""

    name: str
    rows: slice


@dataclass(frozen=True)
class AreaScore:
    """Pixels and lesions of one case within one of `AREAS`, both views together."""

    area: str
    pixels: PixelCounts
    lesions: Matching


def area_rows(grey: NDArray[np.uint8], canvas: CanvasSettings) -> tuple[Area, ...]:
    """Find the rows of each area on a canvas.

    The canvas keeps the upper rows of a window in which the body was centred, so that the body's
    top row tells its height: window less twice the rows above it. Where the canvas begins a set
    way above the head instead, the height is not told and `STATURE_MM` stands for it.

    Parameters
    ----------
    grey : (H, W) uint8
        The canvas, anterior view left.
    canvas : CanvasSettings
        How it was made.

    Returns
    -------
    tuple of Area
        In the order of `AREAS`; none where no body stands out.
    """
    halves = np.split(grey.astype(np.float32), 2, axis=1)
    found = [body_rows(half) for half in halves]
    tops = [rows.first for rows in found if rows is not None]
    if not tops:
        return ()
    top, height = min(tops), canvas.body_rows / canvas.reduce - 2 * min(tops)
    if canvas.kind == "resampled" and canvas.head_room is not None:
        height = STATURE_MM / (canvas.spacing_mm * canvas.reduce)
    return tuple(
        Area(name, slice(round(top + first * height), round(top + end * height)))
        for name, (first, end) in AREAS.items()
    )


def area_scores(
    grey: NDArray[np.uint8],
    marked: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    canvas: CanvasSettings,
    smallest: float = 0.0,
) -> tuple[AreaScore, ...]:
    """Count pixels and lesions of a case in each area; none where no body stands out.

    A lesion that the edge of an area cuts counts with what lies within, as in a cropped picture.

    Parameters
    ----------
    grey : (H, W) uint8
    marked, truth : (H, W) bool
    canvas : CanvasSettings
    smallest : float
        Pixels of the smallest mark.
    """
    found = []
    for area in area_rows(grey, canvas):
        own, there = marked[area.rows], truth[area.rows]
        pixels, lesions = PixelCounts.of(own, there), match_halves(own, there, smallest)
        found.append(AreaScore(area.name, pixels, lesions))
    return tuple(found)
