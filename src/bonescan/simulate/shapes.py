"""Solid shapes as signed distances, and their sampling into weighted points.

All lengths are mm. A point is (x, y, h): x to the patient's left, y from front to back, h up from
the soles. A distance is negative inside, so that the share of a small cell of side ``s`` that lies
inside is about ``0.5 - distance / s``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, RectBivariateSpline
from scipy.spatial import cKDTree

Floats = NDArray[np.float32]

#: Side of the cubic cells into which solids are sampled, mm.
CELL_MM = 2.0

_FAR = 99.0


class Shape(Protocol):
    """Something with a box around it and a signed distance."""

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the lowest and highest corner (x, y, h), mm."""

    def distance(self, points: Floats) -> Floats:
        """Return the signed distance in mm of ``points`` (..., 3), negative inside."""


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; the rows of ``axes`` are its unit axes."""

    centre: ArrayLike
    radii: ArrayLike
    axes: ArrayLike = field(default_factory=lambda: np.eye(3, dtype=np.float32))

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        axes, radii = f32(self.axes), f32(self.radii)
        reach = np.sqrt(((axes * radii[:, None]) ** 2).sum(0))
        return f32(self.centre) - reach, f32(self.centre) + reach

    def distance(self, points: Floats) -> Floats:
        """See `Shape`; a first-order estimate, exact at the surface."""
        local = f32((points - f32(self.centre)) @ f32(self.axes).T)
        return _ellipse_distance(local, np.broadcast_to(f32(self.radii), local.shape))


@dataclass(frozen=True)
class Box:
    """A box with rounded edges; ``half`` includes the rounding."""

    centre: ArrayLike
    half: ArrayLike
    rounding: float = 2.0
    axes: ArrayLike = field(default_factory=lambda: np.eye(3, dtype=np.float32))

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        reach = np.abs(f32(self.axes) * f32(self.half)[:, None]).sum(0)
        return f32(self.centre) - reach, f32(self.centre) + reach

    def distance(self, points: Floats) -> Floats:
        """See `Shape`."""
        local = (points - f32(self.centre)) @ f32(self.axes).T
        beyond = np.abs(local) - (f32(self.half) - np.float32(self.rounding))
        outside = np.sqrt((np.maximum(beyond, 0) ** 2).sum(-1))
        return f32(outside + np.minimum(beyond.max(-1), 0) - np.float32(self.rounding))


@dataclass(frozen=True)
class Drum:
    """An elliptical cylinder with rounded rims, waisted as a vertebral body is.

    The rows of ``axes`` are its two cross axes and its long axis; ``radii`` the half-widths along
    the first two, ``half_height`` along the third; ``waist`` the loss of radius at mid-height.
    """

    centre: ArrayLike
    radii: ArrayLike
    half_height: float
    axes: ArrayLike = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    waist: float = 0.0
    rounding: float = 2.0

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        half = np.append(f32(self.radii), np.float32(self.half_height))
        reach = np.abs(f32(self.axes) * half[:, None]).sum(0)
        return f32(self.centre) - reach, f32(self.centre) + reach

    def distance(self, points: Floats) -> Floats:
        """See `Shape`."""
        local = (points - f32(self.centre)) @ f32(self.axes).T
        level = np.clip(local[..., 2] / self.half_height, -1, 1)
        radii = f32(self.radii) - np.float32(self.waist) * (1 - level**2)[..., None]
        side = _ellipse_distance(f32(local[..., :2]), f32(radii)) + self.rounding
        end = np.abs(local[..., 2]) - (self.half_height - self.rounding)
        outside = np.sqrt(np.maximum(side, 0) ** 2 + np.maximum(end, 0) ** 2)
        return f32(outside + np.minimum(np.maximum(side, end), 0) - self.rounding)


@dataclass(frozen=True)
class Segment:
    """One piece of a tube: elliptical cross-sections from ``start`` to ``stop``, round ends."""

    start: Floats
    stop: Floats
    start_radii: Floats
    stop_radii: Floats
    across: Floats

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        reach = np.float32(max(self.start_radii.max(), self.stop_radii.max()))
        return np.minimum(self.start, self.stop) - reach, np.maximum(self.start, self.stop) + reach

    def distance(self, points: Floats) -> Floats:
        """See `Shape`."""
        along = self.stop - self.start
        length = float(np.linalg.norm(along))
        along = along / np.float32(max(length, 1e-6))
        first = self.across - (self.across @ along) * along
        first = first / np.float32(max(float(np.linalg.norm(first)), 1e-6))
        axes = np.stack([first, np.cross(along, first), along])
        local = (points - self.start) @ axes.T
        t = np.clip(local[..., 2] / np.float32(max(length, 1e-6)), 0, 1)
        local[..., 2] -= t * np.float32(length)
        radii = np.empty_like(local)
        radii[..., :2] = self.start_radii + t[..., None] * (self.stop_radii - self.start_radii)
        radii[..., 2] = np.minimum(radii[..., 0], radii[..., 1])
        return _ellipse_distance(local, radii)


@dataclass(frozen=True)
class Shell:
    """The outer layer of ``thickness`` mm of another shape."""

    shape: Shape
    thickness: float

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        return self.shape.bounds()

    def distance(self, points: Floats) -> Floats:
        """See `Shape`."""
        inner = self.shape.distance(points)
        return f32(np.abs(inner + self.thickness / 2) - self.thickness / 2)


@dataclass(frozen=True)
class Side:
    """What lies on the far side of a plane: inside where ``(p - point) . normal`` is negative."""

    point: ArrayLike
    normal: ArrayLike

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`; a half-space has no box of its own."""
        return np.full(3, -1e4, np.float32), np.full(3, 1e4, np.float32)

    def distance(self, points: Floats) -> Floats:
        """See `Shape`."""
        normal = f32(self.normal) / np.float32(np.linalg.norm(f32(self.normal)))
        return f32((points - f32(self.point)) @ normal)


@dataclass(frozen=True)
class Both:
    """Where all of several shapes overlap."""

    shapes: tuple[Shape, ...]

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        boxes = [shape.bounds() for shape in self.shapes]
        low = np.max([box[0] for box in boxes], axis=0)
        return low, np.maximum(low, np.min([box[1] for box in boxes], axis=0))

    def distance(self, points: Floats) -> Floats:
        """See `Shape`."""
        return f32(np.max([shape.distance(points) for shape in self.shapes], axis=0))


class Sheet:
    """A curved plate: a grid of points with a thickness at each.

    Parameters
    ----------
    points : (n, m, 3) array_like
        Points of the mid-surface, mm, at least 4 x 4; a bicubic surface runs through them.
    thickness : (n, m) array_like or float
        Full thickness, mm.
    """

    def __init__(self, points: ArrayLike, thickness: ArrayLike) -> None:
        grid = np.asarray(points, np.float64)
        depth = np.broadcast_to(np.asarray(thickness, np.float64), grid.shape[:2])
        rows, columns = grid.shape[:2]
        steps = [
            int(np.linalg.norm(np.diff(grid, axis=axis), axis=2).sum(axis).max() / 1.2) + 2
            for axis in (0, 1)
        ]
        u, v = np.linspace(0, rows - 1, steps[0]), np.linspace(0, columns - 1, steps[1])
        order = {"kx": min(3, rows - 1), "ky": min(3, columns - 1)}

        def dense(values: NDArray[np.float64]) -> NDArray[np.float64]:
            spline = RectBivariateSpline(np.arange(rows), np.arange(columns), values, **order)
            return np.asarray(spline(u, v)).ravel()

        self._points = np.stack([dense(grid[..., k]) for k in range(3)], -1)
        self._half = np.maximum(dense(depth), 0.5) / 2
        self._tree = cKDTree(self._points)

    def bounds(self) -> tuple[Floats, Floats]:
        """See `Shape`."""
        reach = self._half.max()
        return f32(self._points.min(0) - reach), f32(self._points.max(0) + reach)

    def distance(self, points: Floats) -> Floats:
        """See `Shape`; far from the plate the distance is cut off."""
        reach = self._half.max() + 3 * CELL_MM
        gap, nearest = self._tree.query(points.reshape(-1, 3), distance_upper_bound=reach)
        half = np.append(self._half, 0.0)[nearest]
        distance = np.where(np.isfinite(gap), gap - half, _FAR)
        return f32(distance).reshape(points.shape[:-1])


def curve(points: ArrayLike, count: int) -> Floats:
    """Return ``count`` points (count, k) evenly along a cubic curve through ``points`` (n, k)."""
    knots = np.asarray(points, np.float64)
    chord = np.append(0, np.cumsum(np.linalg.norm(np.diff(knots[:, :3], axis=0), axis=1)))
    return f32(CubicSpline(chord, knots)(np.linspace(0, chord[-1], count)))


def tube(
    points: ArrayLike, radii: ArrayLike, across: ArrayLike = (1.0, 0.0, 0.0)
) -> tuple[Segment, ...]:
    """Return the pieces of a tube along ``points`` (n, 3).

    ``radii`` is one number, one a point (n,), or the two half-widths a point (n, 2): the first
    along ``across``, the second at right angles to it and to the tube.
    """
    line = f32(points)
    widths = f32(radii)
    if widths.ndim == 1:
        widths = np.repeat(widths[:, None], 2, axis=1)
    widths = np.broadcast_to(widths, (len(line), 2))
    return tuple(
        Segment(line[k], line[k + 1], widths[k], widths[k + 1], f32(across))
        for k in range(len(line) - 1)
    )


def smooth_tube(
    points: ArrayLike, radii: ArrayLike, across: ArrayLike = (1.0, 0.0, 0.0), step: float = 8.0
) -> tuple[Segment, ...]:
    """Return `tube` along the cubic curve through ``points``, in pieces of about ``step`` mm."""
    line = np.asarray(points, np.float64)
    widths = np.asarray(radii, np.float64)
    if widths.ndim == 0:
        widths = np.full(len(line), float(widths))
    if widths.ndim == 1:
        widths = np.repeat(widths[:, None], 2, axis=1)
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    count = max(int(length / step) + 2, 3)
    chord = np.append(0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
    where = np.linspace(0, chord[-1], count)
    fine = np.stack([np.interp(where, chord, widths[:, k]) for k in (0, 1)], -1)
    return tube(curve(line, count), fine, across)


@dataclass(frozen=True)
class Solid:
    """A sampled solid.

    Attributes
    ----------
    points : (N, 3) float32
        Cell centres (x, y, h), mm.
    share : (N,) float32
        Share of each cell of side `CELL_MM` that is inside, in (0, 1].
    marrow : (N,) float32
        Part of ``share`` that belongs to a marrow cavity without bone mineral.
    """

    points: Floats
    share: Floats
    marrow: Floats

    @property
    def volume_mm3(self) -> float:
        """Volume in mm3."""
        return float(self.share.sum()) * CELL_MM**3

    def mirrored(self) -> Solid:
        """Return the solid's mirror image on the other side of the body."""
        return Solid(self.points * f32([-1, 1, 1]), self.share, self.marrow)


def sample(add: Iterable[Shape], cut: Sequence[Shape] = (), cavity: Sequence[Shape] = ()) -> Solid:
    """Sample the union of ``add`` without ``cut``; ``cavity`` marks what of it is marrow cavity."""
    shapes = tuple(add)
    boxes = [shape.bounds() for shape in shapes]
    low = np.floor((np.min([box[0] for box in boxes], axis=0) - CELL_MM) / CELL_MM)
    high = np.ceil((np.max([box[1] for box in boxes], axis=0) + CELL_MM) / CELL_MM)
    size = (high - low).astype(int)
    axes = [f32((low[k] + np.arange(size[k]) + 0.5) * CELL_MM) for k in range(3)]
    field_ = np.full(size, _FAR, np.float32)
    for shape in shapes:
        window, points = _window(shape, axes)
        if points.size:
            field_[window] = np.minimum(field_[window], shape.distance(points))
    for shape in cut:
        window, points = _window(shape, axes)
        if points.size:
            field_[window] = np.maximum(field_[window], -shape.distance(points))
    share = f32(np.clip(0.5 - field_ / CELL_MM, 0, 1))
    marrow = np.zeros_like(share)
    for shape in cavity:
        window, points = _window(shape, axes)
        if points.size:
            inside = np.clip(0.5 - shape.distance(points) / CELL_MM, 0, 1)
            marrow[window] = np.maximum(marrow[window], inside)
    keep = np.nonzero(share > 0.02)
    points = f32(np.stack([axes[k][keep[k]] for k in range(3)], -1))
    return Solid(points, share[keep], f32(np.minimum(marrow[keep], share[keep])))


def _window(shape: Shape, axes: Sequence[Floats]) -> tuple[tuple[slice, ...], Floats]:
    """Return the part of a grid that ``shape`` can touch, and its points (nx, ny, nh, 3)."""
    low, high = shape.bounds()
    window = tuple(
        slice(
            int(np.searchsorted(axis, low[k] - CELL_MM)),
            int(np.searchsorted(axis, high[k] + CELL_MM)),
        )
        for k, axis in enumerate(axes)
    )
    mesh = np.meshgrid(
        *(axis[part] for axis, part in zip(axes, window, strict=True)), indexing="ij"
    )
    return window, np.stack(mesh, -1)


def _ellipse_distance(local: Floats, radii: Floats) -> Floats:
    """First-order signed distance of ``local`` (..., k) to the ellipse with ``radii``."""
    scaled = local / radii
    near = np.sqrt(np.einsum("...k,...k->...", scaled, scaled))
    scaled /= radii
    slope = np.sqrt(np.einsum("...k,...k->...", scaled, scaled))
    inner = -np.minimum.reduce([radii[..., k] for k in range(radii.shape[-1])])
    return f32(np.where(near < 1e-3, inner, near * (near - 1) / np.maximum(slope, 1e-9)))


def f32(values: Any) -> Floats:
    """Return ``values`` as a float32 array."""
    return np.asarray(values, np.float32)
