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

from bonescan.config import FINDINGS, Augment
from bonescan.preprocess.mapping import resize

Grey = NDArray[np.float32]
Classes = NDArray[np.uint8]
Picture = TypeVar("Picture", Grey, Classes)

GREY_MAXIMUM = 255.0
OUTSIDE = FINDINGS.index("tracer outside bone")


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
    # What makes the picture less like any one camera's has a stream of its own.
    strange = rng.spawn(1)[0]
    if strange.random() < settings.spots:
        grey, target = spotted(grey, target, strange)
    if strange.random() < settings.shade:
        grey = shaded(grey, strange)
    if mirrored:
        grey, target = mirror_halves(grey), mirror_halves(target)
    if settings.thin < 1:
        grey = _each_half(grey, lambda half, side: thinned(half, kept, rng, counts_per_grey[side]))
    if settings.blur_pixels > 0:
        grey = _each_half(grey, lambda half, _: ndimage.gaussian_filter(half, sigma))
    if settings.gain > 1:
        grey = np.clip(grey * np.float32(gain), 0, GREY_MAXIMUM)
    if strange.random() < settings.coarse:
        grey = coarsened(grey, strange.uniform(1.2, 2.5))
    if strange.random() < settings.digital:
        grey = digitised(grey, strange.uniform(0.6, 3.0), wraps=strange.random() < 0.3)
    if strange.random() < settings.law:
        grey = bent(grey, strange.uniform(0.75, 1.3))
    if strange.random() < settings.crop:
        grey, target = cropped(grey, target, strange)
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


def coarsened(grey: Grey, factor: float) -> Grey:
    """Show the halves as if pixels were ``factor`` times as large."""

    def one(half: Grey, _: int) -> Grey:
        rows, columns = half.shape
        small = resize(half, (max(1, round(rows / factor)), max(1, round(columns / factor))))
        return resize(small, half.shape)

    return _each_half(grey, one)


def digitised(grey: Grey, gain: float, *, wraps: bool) -> Grey:
    """Round to whole grey values at ``gain``, and clip or wrap at 256, as 8-bit exports do."""
    whole = np.rint(grey * np.float32(gain))
    eight = np.mod(whole, 256) if wraps else np.minimum(whole, GREY_MAXIMUM)
    back: Grey = np.clip(eight / np.float32(gain), 0, GREY_MAXIMUM).astype(np.float32)
    return back


def bent(grey: Grey, power: float) -> Grey:
    """Apply a power law that leaves the median of what is lit where it is."""
    lit = grey[grey > 0]
    if lit.size == 0:
        return grey
    level = np.float32(np.median(lit))
    changed: Grey = np.clip(level * (grey / level) ** np.float32(power), 0, GREY_MAXIMUM)
    return changed.astype(np.float32)


def shaded(grey: Grey, rng: np.random.Generator) -> Grey:
    """Make uptake uneven: factors of a slow random field, of its own for each view.

    Its grain is a twentieth to a sixth of the view's width, its log standard deviation up to 0.25.
    """

    def one(half: Grey, _: int) -> Grey:
        step = half.shape[1] * rng.uniform(0.05, 0.17)
        size = [int(np.ceil(n / step)) + 3 for n in half.shape]
        rows, columns = (np.arange(n) / step + 1 for n in half.shape)
        grid = np.meshgrid(rows, columns, indexing="ij")
        field = ndimage.map_coordinates(rng.standard_normal(size), grid, order=1)
        factor = np.exp(rng.uniform(0, 0.25) * field)
        uneven: Grey = np.clip(half * factor, 0, GREY_MAXIMUM).astype(np.float32)
        return uneven

    return _each_half(grey, one)


def cropped(grey: Grey, target: Classes, rng: np.random.Generator) -> tuple[Grey, Classes]:
    """Blank rows at the head (up to a sixth) or at the feet (up to two fifths) of both views."""
    rows = len(grey)
    kept = np.ones((rows, 1), bool)
    if rng.random() < 0.4:
        kept[: int(rng.uniform(0, rows / 6))] = False
    else:
        kept[rows - int(rng.uniform(0, 0.4 * rows)) :] = False
    return (grey * kept).astype(np.float32), (target * kept).astype(np.uint8)


def spotted(grey: Grey, target: Classes, rng: np.random.Generator) -> tuple[Grey, Classes]:
    """Drop one to three hot spots where there is no bone, and label them as such.

    ``target`` is as `bonescan.masks.joint.joint_labels` packs it. A spot is an irregular blurred
    patch, 2 to 60 times as hot as the body, within 3 pixels of no bone.
    """
    grey, target = grey.copy(), target.copy()
    free = ~ndimage.binary_dilation(target >= len(FINDINGS), iterations=3)
    level = float(np.median(grey[grey > 1])) if (grey > 1).any() else 1.0
    largest = min(22, grey.shape[0], grey.shape[1] // 2)
    for _ in range(int(rng.integers(1, 4))):
        size = int(rng.integers(5, largest))
        noise = ndimage.gaussian_filter(rng.standard_normal((size, size)), size / 6)
        axis = np.linspace(-1, 1, size)
        stretch = float(np.exp(rng.normal(0, 0.4)))
        hill = np.exp(-4 * ((axis[:, None] * stretch) ** 2 + (axis / stretch) ** 2))
        spot = hill * np.exp(1.5 * noise / (noise.std() + 1e-6) * rng.uniform(0, 0.5))
        spot *= level * float(np.exp(rng.uniform(np.log(2), np.log(60)))) / spot.max()
        top = int(rng.integers(0, grey.shape[0] - size))
        middle = grey.shape[1] // 2
        left = middle * int(rng.integers(2)) + int(rng.integers(0, middle - size))
        where = (slice(top, top + size), slice(left, left + size))
        spot *= free[where]
        grey[where] = np.clip(grey[where] + rng.poisson(4 * spot) / 4, 0, GREY_MAXIMUM)
        bright = (spot > 0.3 * spot.max()) & (spot > 0.5 * grey[where]) & (spot > 0)
        target[where][bright] = OUTSIDE + len(FINDINGS) * (target[where][bright] // len(FINDINGS))
    return grey, target


def _each_half(picture: Picture, change: Callable[[Picture, int], Picture]) -> Picture:
    middle = picture.shape[1] // 2
    halves = (picture[:, :middle], picture[:, middle:])
    changed = [change(half, side) for side, half in enumerate(halves)]
    return np.concatenate(changed, axis=1).astype(picture.dtype)
