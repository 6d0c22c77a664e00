"""A second simulated physician, who draws other outlines and misses or adds lesions.

The first is the truth of `bonescan.simulate.truth`. The amounts below were chosen by hand so that
both agree with a Dice of about 0.70, the agreement that this simulator takes physicians to have;
`benchmarks/readers.py` measures it. The Dice is that of all pixels of many patients together, so
that large lesions weigh most: within one patient it is lower, as it is between two second readers,
neither of whom is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.simulate.truth import LEAST_CONTRAST, LEAST_TAKEN, Truth

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reader:
    """Habits of one reader.

    ``bias_px`` grows (or shrinks) all outlines of one patient with this standard deviation,
    ``outline_px`` is that of each lesion's own outline, ``wobble_px`` of the line itself.
    ``miss`` is the chance to miss the faintest of the visible lesions (a third of it at twice the
    contrast that makes a lesion visible), ``add`` the chance to take a benign focus for a lesion.
    """

    bias_px: float = 0.9
    outline_px: float = 0.9
    wobble_px: float = 0.75
    miss: float = 0.50
    add: float = 0.12


def read_view_again(
    truth: Truth, view: int, rng: np.random.Generator, reader: Reader | None = None
) -> Mask:
    """Draw one view of a scan again: (H, W) bool, what the second reader marks as metastatic.

    ``view`` is 0 for the anterior view, 1 for the posterior one.
    """
    numbers = truth.metastasis[view]
    seen = [lesion for lesion in truth.lesions if (numbers == lesion.number).any()]
    again = read_again(
        [numbers == lesion.number for lesion in seen],
        [
            max(c / LEAST_CONTRAST, -c / LEAST_TAKEN)
            for c in (lesion.seen_contrast[view] for lesion in seen)
        ],
        truth.benign[view],
        rng,
        reader,
    )
    drawn: Mask = np.logical_or.reduce([np.zeros(numbers.shape, bool), *again])
    return drawn


def read_again(
    lesions: list[Mask],
    conspicuity: list[float],
    benign: NDArray[np.uint8],
    rng: np.random.Generator,
    reader: Reader | None = None,
) -> list[Mask]:
    """Draw one view again.

    Parameters
    ----------
    lesions : list of (H, W) bool
        The first reader's lesions.
    conspicuity : list of float
        For each, its peak contrast over the least that is visible (1 or more).
    benign : (H, W) uint8
        Hot benign findings by category, 0 for none.
    rng : numpy.random.Generator
    reader : Reader, optional

    Returns
    -------
    list of (H, W) bool
        What the second reader draws.
    """
    habits = reader or Reader()
    bias = habits.bias_px * rng.standard_normal()
    drawn = []
    for mask, visible in zip(lesions, conspicuity, strict=True):
        if rng.random() < habits.miss * max(visible, 1.0) ** -1.6:
            continue
        again = _redraw(mask, bias + habits.outline_px * rng.standard_normal(), habits, rng)
        if again.any():
            drawn.append(again)
    foci, count = ndimage.label(benign > 0)
    for number in range(1, count + 1):
        focus = foci == number
        if focus.sum() < 600 and rng.random() < habits.add:
            drawn.append(_redraw(focus, bias, habits, rng))
    return drawn


def _redraw(mask: Mask, offset: float, habits: Reader, rng: np.random.Generator) -> Mask:
    rows, columns = np.nonzero(mask)
    pad = 6
    top, left = max(rows.min() - pad, 0), max(columns.min() - pad, 0)
    area = slice(top, rows.max() + pad + 1), slice(left, columns.max() + pad + 1)
    crop = mask[area]
    signed = ndimage.distance_transform_edt(crop) - ndimage.distance_transform_edt(~crop)
    signed -= 0.5 * np.sign(signed)  # the outline runs between pixels
    wobble = ndimage.gaussian_filter(rng.standard_normal(crop.shape), 2.0)
    wobble *= habits.wobble_px / max(float(wobble.std()), 1e-9)
    again = np.zeros_like(mask)
    again[area] = signed + offset + wobble > 0
    return again
