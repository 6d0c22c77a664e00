"""Random changes of a training canvas (none in the paper; all off by default).

A canvas shows the anterior view in its left half and the posterior view in its right half. Changes
of geometry are drawn once for the patient and applied to each half about its own centre, mirrored
for the posterior view, as if the patient lay differently: nothing crosses the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.config import Augment

Grey = NDArray[np.float32]
Classes = NDArray[np.uint8]
Picture = TypeVar("Picture", Grey, Classes)

GREY_MAXIMUM = 255.0


@dataclass(frozen=True)
class Move:
    """A change of geometry in the anterior view: shift in pixels, rotation, relative size."""

    down: float = 0.0
    right: float = 0.0
    degrees: float = 0.0
    zoom: float = 1.0

    @property
    def from_behind(self) -> Move:
        """The same change as the posterior view shows it."""
        return replace(self, right=-self.right, degrees=-self.degrees)


def augmented(
    grey: Grey,
    target: Classes,
    settings: Augment,
    rng: np.random.Generator,
    *,
    counts_per_grey: tuple[float, float] = (1.0, 1.0),
) -> tuple[Grey, Classes]:
    """Return a randomly changed canvas and its classes.

    Parameters
    ----------
    grey : (H, W) float32
        Grey values in [0, 255].
    target : (H, W) uint8
        Class indices; they move with the picture (nearest neighbour), new edges are class 0.
    settings : Augment
        How far each change may go.
    rng : numpy.random.Generator
        Every change is drawn from it, so its state decides the result.
    counts_per_grey : (float, float)
        Counts behind one grey value in each half, for the thinning of counts.
    """
    shift, zoom = settings.shift_pixels, settings.zoom
    move = Move(
        down=rng.uniform(-shift, shift),
        right=rng.uniform(-shift, shift),
        degrees=rng.uniform(-settings.rotate_degrees, settings.rotate_degrees),
        zoom=float(np.exp(rng.uniform(-1, 1) * np.log1p(zoom))),
    )
    mirrored = rng.random() < settings.mirror
    dropped = rng.random() < settings.drop_view
    dropped_half = int(rng.integers(2))
    gain = np.exp(rng.uniform(-1, 1) * np.log(settings.gain))
    kept = rng.uniform(settings.thin, 1.0)
    sigma = rng.uniform(0, settings.blur_pixels)

    if move != Move():
        grey, target = moved(grey, move, order=1), moved(target, move, order=0)
    if mirrored:
        grey, target = mirror_halves(grey), mirror_halves(target)
    if settings.thin < 1:
        grey = _each_half(grey, lambda half, side: thinned(half, kept, rng, counts_per_grey[side]))
    if settings.blur_pixels > 0:
        grey = _each_half(grey, lambda half, _: ndimage.gaussian_filter(half, sigma))
    if settings.gain > 1:
        grey = np.clip(grey * np.float32(gain), 0, GREY_MAXIMUM)
    if dropped:
        grey, target = blank_half(grey, dropped_half), blank_half(target, dropped_half)
    return grey, target


def moved(picture: Picture, move: Move, *, order: int) -> Picture:
    """Shift, rotate and zoom both halves about their centres; what comes in is zero."""

    def one(half: Picture, side: int) -> Picture:
        own = move if side == 0 else move.from_behind
        angle = np.deg2rad(own.degrees)
        back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        back /= own.zoom
        centre = (np.array(half.shape) - 1) / 2
        offset = centre - back @ (centre + np.array([own.down, own.right]))
        result: Picture = ndimage.affine_transform(half, back, offset, order=order)
        return result

    return _each_half(picture, one)


def mirror_halves(picture: Picture) -> Picture:
    """Mirror each half left to right in its place: the patient's mirror image."""
    return _each_half(picture, lambda half, _: half[:, ::-1])


def blank_half(picture: Picture, which: int) -> Picture:
    """Set the anterior (0) or the posterior (1) half to zero, as where a view is missing."""
    return _each_half(picture, lambda half, side: half * (side != which))


def thinned(
    grey: Grey, kept: float, rng: np.random.Generator, counts_per_grey: float = 1.0
) -> Grey:
    """Keep each count with the chance ``kept``, and bring the brightness back.

    Binomial thinning of a Poisson picture is the picture of a scan ``kept`` times as long.
    """
    counts = np.rint(grey * counts_per_grey).astype(np.int64)
    fewer = rng.binomial(counts, kept)
    brightened: Grey = np.clip(fewer / (kept * counts_per_grey), 0, GREY_MAXIMUM)
    return brightened.astype(np.float32)


def _each_half(picture: Picture, change: Callable[[Picture, int], Picture]) -> Picture:
    middle = picture.shape[1] // 2
    halves = (picture[:, :middle], picture[:, middle:])
    changed = [change(half, side) for side, half in enumerate(halves)]
    return np.concatenate(changed, axis=1).astype(picture.dtype)
