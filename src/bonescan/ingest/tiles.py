"""How many bodies a frame shows, side by side or one above the other, and where to cut it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonescan.ingest.outline import body_mask, outline_of_mask, without_specks
from bonescan.scan import Crop

#: A gap between two bodies: columns with less than this share of the fullest column.
_GAP = 0.15

#: A second body has at least this share of the first one's area.
_SECOND_BODY = 0.4

#: Two bodies in a column without a gap between them are higher over wide than this, and their
#: halves overlap by more than that: ten real pairs have 5.8 or more and 0.62 or more, single views
#: 3.8 or less and 0.44 or less.
_COLUMN_ASPECT, _ALIKE = 4.5, 0.53

#: Halves may be shifted against each other by this share of their height.
_SHIFT = 0.05


def bodies_in(grey: NDArray[Any]) -> tuple[Crop, ...]:
    """Split a frame that shows several bodies, side by side or one above the other.

    Parameters
    ----------
    grey : (H, W) array
        Counts or grey values, high is hot.

    Returns
    -------
    tuple of Crop
        One for each body, left to right or top to bottom; a single crop of the whole frame where
        only one body, or none, was found. Crops are equal tiles where the gaps allow.
    """
    mask, factor, _ = body_mask(grey)
    height, width = int(grey.shape[0]), int(grey.shape[1])
    cuts = _cuts(mask, axis=1, factor=factor, length=width)
    if cuts:
        return tuple(
            Crop(0, left, height, right - left, height, width) for left, right in pairwise(cuts)
        )
    cuts = _cuts(mask, axis=0, factor=factor, length=height)
    if cuts:
        return tuple(
            Crop(top, 0, bottom - top, width, height, width) for top, bottom in pairwise(cuts)
        )
    return (Crop.whole((height, width)),)


def _cuts(mask: NDArray[np.bool_], axis: int, factor: int, length: int) -> list[int]:
    """Return borders of the tiles along an axis, in picture pixels; empty for a single body."""
    profile = mask.sum(axis=1 - axis)
    if profile.max(initial=0) == 0:
        return []
    runs = _runs(profile > _GAP * profile.max())
    bodies = [run for run in runs if _is_body(mask, run, axis)]
    if len(bodies) < 2:
        return []
    areas = [int(profile[start:stop].sum()) for start, stop in bodies]
    bodies = [
        run for run, area in zip(bodies, areas, strict=True) if area >= _SECOND_BODY * max(areas)
    ]
    if len(bodies) < 2:
        return []
    return _tile_borders(bodies, factor, length)


def _is_body(mask: NDArray[np.bool_], run: tuple[int, int], axis: int) -> bool:
    part = mask[:, slice(*run)] if axis == 1 else mask[slice(*run), :]
    found = outline_of_mask(without_specks(part), 1)
    return found is not None and found.looks_like_a_body


def _runs(occupied: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the (start, stop) of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], occupied, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _tile_borders(bodies: list[tuple[int, int]], factor: int, length: int) -> list[int]:
    """Cut at equal tiles where every cut falls into a gap, else in the middle of each gap."""
    gaps = [(left[1] * factor, right[0] * factor) for left, right in pairwise(bodies)]
    equal = [length * k // len(bodies) for k in range(1, len(bodies))]
    fits = all(
        start - factor <= cut <= stop + factor
        for cut, (start, stop) in zip(equal, gaps, strict=True)
    )
    inner = equal if fits else [(start + stop) // 2 for start, stop in gaps]
    return [0, *inner, length]


def shows_a_column_of_bodies(grey: NDArray[Any]) -> bool:
    """Tell whether two bodies stand one above the other so close that no gap parts them.

    Parameters
    ----------
    grey : (H, W) array
        Counts or grey values, high is hot.
    """
    mask, _, _ = body_mask(grey)
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if rows.size == 0:
        return False
    body = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if body.shape[0] <= _COLUMN_ASPECT * body.shape[1]:
        return False
    half = body.shape[0] // 2
    upper, lower, most = body[:half], body[-half:], round(_SHIFT * half)
    return max(_overlap(upper, lower, shift) for shift in range(-most, most + 1)) > _ALIKE


def _overlap(first: NDArray[np.bool_], second: NDArray[np.bool_], shift: int) -> float:
    """Return intersection over union of two masks, the second moved down by ``shift`` rows."""
    moved = np.roll(second, shift, axis=0)
    return float((first & moved).sum() / max(1, (first | moved).sum()))
