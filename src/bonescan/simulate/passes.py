"""What a scan in several pieces leaves behind: seams between passes, bands between steps.

A whole body that is wider than the crystal is scanned in two or three passes side by side, and
some cameras hold still at each of several places along the body instead of moving steadily. Where
two pieces meet, a line of a few pixels counts too much or too little, and the pieces may differ
by a few per cent because tracer decays and clears between them. Amounts are our estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bonescan.simulate.sources import Array

#: Chance of seams down the picture, and of bands across it, on a camera that scans so or not.
SEAM_CHANCE = {True: 0.8, False: 0.012}
BAND_CHANCE = {True: 0.15, False: 0.02}
#: Width of a crystal along the body, in mm: the distance of the bands.
STEP_MM = 380.0


@dataclass(frozen=True)
class Join:
    """One line where two pieces of a scan meet.

    Attributes
    ----------
    axis : int
        0 for a line across the picture (a row), 1 for a line down it (a column).
    place, width : float
        Middle and width of the line, in pixels of the anterior view.
    line, beyond : float
        Sensitivity on the line, and beyond it (greater row or column), against that before it.
    """

    axis: int
    place: float
    width: float
    line: float
    beyond: float


def draw_joins(
    rng: np.random.Generator, rows: int, columns: int, pixel_mm: float, several: bool
) -> tuple[Join, ...]:
    """Draw the joins of one scan; ``several`` for a camera that scans in several passes."""
    joins = []
    if rng.random() < SEAM_CHANCE[several]:
        passes = 2 if rng.random() < 0.6 else 3
        for k in range(1, passes):
            place = columns * k / passes + rng.normal(0, 4.0)
            joins.append(_join(rng, 1, place))
    if rng.random() < BAND_CHANCE[several]:
        step = STEP_MM / pixel_mm
        first = float(rng.uniform(0.3, 1.0)) * step
        joins += [_join(rng, 0, place) for place in np.arange(first, rows, step)]
    return tuple(joins)


def join_sensitivity(joins: tuple[Join, ...], rows: int, columns: int) -> Array:
    """Return the factor on the counts of both views, (2, rows, columns) float32.

    Both heads move together: a join lies at the same place of the body in both views, so that it
    is mirrored in the posterior one.
    """
    factor = np.ones((rows, columns))
    for join in joins:
        pixels = np.arange((rows, columns)[join.axis]) + 0.5
        away = pixels - join.place
        profile = np.where(away < 0, 1.0, join.beyond)
        profile += (join.line - 1) * np.exp(-0.5 * (away / max(join.width / 2, 0.4)) ** 2)
        factor *= profile[:, None] if join.axis == 0 else profile[None, :]
    factor /= factor.mean()
    return np.stack([factor, factor[:, ::-1]]).astype(np.float32)


def _join(rng: np.random.Generator, axis: int, place: float) -> Join:
    gap = float(np.exp(rng.normal(0, 0.12)))
    return Join(axis, float(place), float(rng.uniform(0.8, 3.0)), gap,
                float(np.exp(rng.normal(0, 0.025))))  # fmt: skip
