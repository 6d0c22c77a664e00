"""The gamma camera: from activity in the body to expected counts in two opposed views.

Two heads look along y at once, the anterior one from the front, the posterior one through the
table. What each adds, in this order: attenuation along the ray; a collimator blur that grows with
distance; scatter as broad tails that grow with depth; the table; the heads' uniformity. Noise is
Poisson and comes last (`acquire`).

Sources: linear attenuation coefficients at 140 keV, water 0.154 /cm and cortical bone about
0.28 /cm (NIST XCOM); parallel-hole geometric resolution ``d (l + z) / l`` (Anger 1964); scatter
to primary ratio of a 20 % window at 140 keV near 0.3-0.4 at 10 cm depth (Floyd et al. 1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.simulate.sources import Block

Array = NDArray[np.float32]

#: Linear attenuation coefficient at 140 keV, per mm.
MU_WATER = 0.0154
MU_BONE = 0.0270
MU_LUNG = 0.0045

FWHM_PER_SIGMA = 2.354820045
#: Scatter kernel: (sigma in mm, share). Wide tails as a mixture of Gaussians.
SCATTER_KERNEL = ((18.0, 0.22), (40.0, 0.40), (90.0, 0.38))
#: What is left of the tails in air beside the body, anterior and posterior: a halo that fades over
#: some 25 mm, as in ten published pairs (BS-80K, Huang et al. 2022); the table scatters too.
AIR_SHARE = (0.55, 0.80)


@dataclass(frozen=True)
class Collimator:
    """A parallel-hole collimator: hole diameter and effective length in mm."""

    name: str
    hole_mm: float
    length_mm: float


LEHR = Collimator("LEHR", 1.5, 33.0)
LEGP = Collimator("LEGP", 1.9, 33.0)


@dataclass(frozen=True)
class Camera:
    """A two-headed whole-body camera and how it is used for one patient.

    Lengths in mm. ``counts`` is the expected total of the anterior view; the posterior total
    follows from the physics. ``scatter`` is the scatter to primary ratio per mean free path of
    depth; ``background`` is in expected counts per pixel. ``top_mm`` is the air above the head in
    the picture, ``shift_mm`` puts the patient off centre (to the patient's left if positive).
    ``uniformity`` is the relative standard deviation of the column pattern of each head.
    """

    pixel_mm: float = 2.4
    rows: int = 1024
    columns: int = 256
    collimator: Collimator = LEHR
    intrinsic_fwhm_mm: float = 3.8
    anterior_gap_mm: float = 45.0
    posterior_gap_mm: float = 60.0
    contouring: bool = True
    table_transmission: float = 0.90
    scatter: float = 0.18
    background: float = 0.002
    uniformity: float = 0.006
    counts: float = 700e3
    top_mm: float = 90.0
    shift_mm: float = 0.0

    def fwhm_mm(self, distance_mm: float) -> float:
        """Return the system resolution at a distance from the collimator's face, in mm."""
        hole, length = self.collimator.hole_mm, self.collimator.length_mm
        geometric = hole * (length + max(distance_mm, 0.0)) / length
        return float(np.hypot(geometric, self.intrinsic_fwhm_mm))


def attenuation_map(bone: Array, body: NDArray[np.bool_], lung: NDArray[np.bool_]) -> Array:
    """Return linear attenuation coefficients at 140 keV, per mm, (Z, Y, X) float32.

    ``bone`` is the bone's fraction of each voxel (its spongy parts count for less than cortex).
    """
    mu = np.where(lung, np.float32(MU_LUNG), np.float32(MU_WATER)) * body
    return np.asarray(mu + bone * np.float32(0.5 * (MU_BONE - MU_WATER)), np.float32)


@dataclass(frozen=True)
class Projection:
    """Expected counts per pixel up to a common factor, (2, H, W) float32, anterior first.

    ``primary`` holds photons that came straight, blurred by the collimator; ``scatter`` the rest
    of the energy window. The posterior view is as seen from behind.
    """

    primary: Array
    scatter: Array

    @property
    def total(self) -> Array:
        """Primary and scattered photons together."""
        return self.primary + self.scatter


@dataclass(frozen=True)
class Patch:
    """Part of a view: its rows, its columns, and the counts there, float32."""

    rows: slice
    columns: slice
    values: Array

    def add_to(self, view: Array) -> None:
        """Add to a whole view (H, W), in place."""
        view[self.rows, self.columns] += self.values


class Projector:
    """The geometry of one patient under one camera, prepared once and used for many sources.

    Parameters
    ----------
    mu : (Z, Y, X) float32
        Attenuation coefficients per mm; z from the head down, y from front to back, x from the
        patient's right to left.
    voxel_mm : float
        Edge of a voxel.
    camera : Camera
    slab_mm : float
        Depth over which the blur is held constant.
    source_variance_mm2 : float
        Variance that the volumes already carry along each axis beyond the voxel itself (bones that
        were spread over the nearest voxels carry voxel_mm^2 / 6); the blur is that much less.
    """

    def __init__(
        self,
        mu: Array,
        voxel_mm: float,
        camera: Camera,
        slab_mm: float = 28.0,
        source_variance_mm2: float = 0.0,
    ) -> None:
        self.camera = camera
        self.voxel_mm = voxel_mm
        self._variance = voxel_mm**2 / 12 + source_variance_mm2
        depth, _, width = mu.shape[1], mu.shape[0], mu.shape[2]
        step = mu * np.float32(voxel_mm)
        path = np.cumsum(step, axis=1)
        front = np.exp(-(path - step / 2))
        back = np.exp(-(path[:, -1:] - path + step / 2)) * np.float32(camera.table_transmission)
        self._survival = (front, back)
        self._thickness = path[:, -1]
        self._slab = max(1, round(slab_mm / voxel_mm))
        inside = mu > 0.2 * MU_WATER
        self._first = _surface(inside, camera.contouring)
        touched = np.flatnonzero(inside.any(axis=(0, 2)))
        self._last = int(touched[-1]) + 1 if touched.size else depth
        self._to_rows = overlap_matrix(
            camera.rows, camera.pixel_mm, mu.shape[0], voxel_mm, camera.top_mm
        )
        left = (camera.columns * camera.pixel_mm - width * voxel_mm) / 2 + camera.shift_mm
        self._to_columns = overlap_matrix(camera.columns, camera.pixel_mm, width, voxel_mm, left)

    def primary(self, block: Block) -> tuple[Patch, Patch]:
        """Return the primary counts of a local source in the anterior and posterior view."""
        z, y, x = block.slices
        column = np.zeros((z.stop - z.start, self._survival[0].shape[1], x.stop - x.start))
        column[:, y] = block.activity
        heads = self._heads(column.astype(np.float32), z.start, x.start)
        return heads[0][0], heads[1][0]

    def project(self, activity: Array) -> Projection:
        """Return primary and scattered counts of a whole (Z, Y, X) activity, per voxel."""
        shape = (2, self.camera.rows, self.camera.columns)
        primary, source = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for head, (direct, scattered) in enumerate(self._heads(activity, 0, 0)):
            direct.add_to(primary[head])
            scattered.add_to(source[head])
        return Projection(primary, self._spread(source))

    def flatten(self, picture: Array) -> Array:
        """Resample a (Z, X) map in voxel units to the two views, (2, H, W), without blur."""
        view = self._to_rows @ picture @ self._to_columns.T
        return np.stack([view, view[:, ::-1]]).astype(np.float32)

    @property
    def thickness_shape(self) -> tuple[int, int]:
        """Shape (Z, X) of a map of the patient seen from the front."""
        return self._thickness.shape[0], self._thickness.shape[1]

    @property
    def voxels_per_pixel(self) -> float:
        """What `flatten` multiplies the values of a map with: a pixel's area in voxels."""
        return (self.camera.pixel_mm / self.voxel_mm) ** 2

    def flat_sums(self, activity: Array, labels: NDArray[np.uint8], count: int) -> Array:
        """Sum attenuated activity along the rays, by label, without blur: (2, count, H, W)."""
        where = np.flatnonzero((labels > 0) & (activity > 0))
        depth, width = activity.shape[1:]
        z, x = where // (depth * width), where % width
        height = activity.shape[0]
        index = (labels.ravel()[where].astype(np.int64) * height + z) * width + x
        sums = np.zeros((2, count, self.camera.rows, self.camera.columns), np.float32)
        for head, survival in enumerate(self._survival):
            weights = activity.ravel()[where] * survival.ravel()[where]
            flat = np.bincount(index, weights, minlength=count * height * width)
            planes = flat.reshape(count, height, width).astype(np.float32)
            for label in range(1, count):
                view = self._to_rows @ planes[label] @ self._to_columns.T
                sums[head, label] = view if head == 0 else view[:, ::-1]
        return sums

    def shadow(self, activity: Array, density: Block, source: Block) -> Array:
        """Return what share of each pixel's counts a cold object takes, (2, H, W), without blur.

        Parameters
        ----------
        activity : (Z, Y, X) float32
            All there is, the object's own (negative) ``source`` included.
        density : Block
            What it adds to the attenuation, per mm; the geometry was prepared with it.
        source : Block
            What it adds to the activity: below 0 where it displaces tracer.
        """
        both = (density.slices, source.slices)
        z, x = (
            slice(min(s[axis].start for s in both), max(s[axis].stop for s in both))
            for axis in (0, 2)
        )
        with_it = activity[z, :, x]
        without = with_it.copy()
        mu = np.zeros_like(without)
        for block, volume, sign in ((source, without, -1.0), (density, mu, self.voxel_mm)):
            at_z, at_y, at_x = block.slices
            rows = slice(at_z.start - z.start, at_z.stop - z.start)
            columns = slice(at_x.start - x.start, at_x.stop - x.start)
            volume[rows, at_y, columns] += sign * block.activity
        path = np.cumsum(mu, axis=1)
        paths = path - mu / 2, path[:, -1:] - path + mu / 2
        shares = np.zeros((2, self.camera.rows, self.camera.columns), np.float32)
        for head, (survival, lost) in enumerate(zip(self._survival, paths, strict=True)):
            left = survival[z, :, x]
            seen = []
            for rays in (with_it * left, np.maximum(without, 0) * left * np.exp(lost)):
                flat = np.zeros(self.thickness_shape, np.float32)
                flat[z, x] = rays.sum(axis=1)
                seen.append(self.flatten(flat)[head])
            np.divide(seen[1] - seen[0], seen[1], out=shares[head], where=seen[1] > 0)
        return shares

    def place(self, z_mm: float, x_mm: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return (row, column) of a point of the body in the anterior and the posterior view."""
        camera = self.camera
        width = self._to_columns.shape[1] * self.voxel_mm
        left = (camera.columns * camera.pixel_mm - width) / 2 + camera.shift_mm
        row = (z_mm + camera.top_mm) / camera.pixel_mm
        column = (x_mm + left) / camera.pixel_mm
        return (row, column), (row, camera.columns - column)

    def _heads(
        self, activity: Array, z_start: int, x_start: int
    ) -> tuple[tuple[Patch, Patch], tuple[Patch, Patch]]:
        """Primary counts and scatter sources of both heads, in view orientation."""
        z_stop, x_stop = z_start + activity.shape[0], x_start + activity.shape[2]
        to_rows = self._to_rows[:, z_start:z_stop]
        to_columns = self._to_columns[:, x_start:x_stop]
        rows = _reach(to_rows, self.camera.pixel_mm)
        columns = _reach(to_columns, self.camera.pixel_mm)
        heads = []
        for head, survival in enumerate(self._survival):
            seen = activity * survival[z_start:z_stop, :, x_start:x_stop]
            first = self._first[z_start:z_stop] if head == 0 else None
            direct = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
            source = np.zeros_like(direct)
            for distance, depth, plane in self._slabs(seen, head, first):
                flat = to_rows[rows] @ plane @ to_columns[columns].T
                blurred = ndimage.gaussian_filter(
                    flat, self._sigma(distance), mode="constant", truncate=4.0
                )
                direct += blurred
                source += np.float32(self.camera.scatter * MU_WATER * depth) * blurred
            place = columns
            if head == 1:
                width = self.camera.columns
                place = slice(width - columns.stop, width - columns.start)
                direct, source = direct[:, ::-1], source[:, ::-1]
            heads.append((Patch(rows, place, direct), Patch(rows, place, source)))
        return heads[0], heads[1]

    def _slabs(
        self, seen: Array, head: int, first: NDArray[np.intp] | None
    ) -> list[tuple[float, float, Array]]:
        """Split what a head sees by depth: (distance from the head, depth, (z, x) sum)."""
        camera, thick = self.camera, self._slab
        gap = camera.anterior_gap_mm if head == 0 else camera.posterior_gap_mm
        heights = np.flatnonzero(seen.any(axis=(0, 2)))
        if heights.size == 0:
            return []
        running = np.zeros((seen.shape[0], seen.shape[1] + 1, seen.shape[2]), np.float32)
        np.cumsum(seen, axis=1, out=running[:, 1:])
        size = seen.shape[1]
        origin = np.full(seen.shape[0], self._last) if first is None else first
        slabs = []
        for k in range(-(-size // thick) + 1):
            near, far = k * thick, (k + 1) * thick
            if first is None:
                low, high = origin - far, origin - near
            else:
                low, high = origin + near, origin + far
            if k == 0:  # whatever sticks out in front of the surface is taken with the first
                low, high = (low, np.full_like(high, size)) if first is None else (0 * low, high)
            low, high = np.clip(low, 0, size), np.clip(high, 0, size)
            plane = _at(running, high) - _at(running, low)
            if not plane.any():
                continue
            depth = (near + far) / 2 * self.voxel_mm
            slabs.append((gap + depth, depth, plane))
        return slabs

    def _sigma(self, distance: float) -> float:
        """Gaussian sigma in pixels, less the width that the volume itself brings."""
        variance = (self.camera.fwhm_mm(distance) / FWHM_PER_SIGMA) ** 2 - self._variance
        return float(np.sqrt(max(variance, 0.25))) / self.camera.pixel_mm

    def _spread(self, source: Array) -> Array:
        """Blur the scatter sources; scattered photons leave where there is tissue to leave from.

        Table, air and collimator let a share of them through beside the body.
        """
        step = 4
        spread = np.zeros_like(source)
        tissue = self.flatten(1 - np.exp(-1.5 * self._thickness).astype(np.float32))
        tissue /= self.voxels_per_pixel
        rows, columns = source.shape[1] // step, source.shape[2] // step
        for head in range(2):
            coarse = source[head].reshape(rows, step, columns, step).mean(axis=(1, 3))
            total = np.zeros_like(coarse)
            for sigma, share in SCATTER_KERNEL:
                width = sigma / (self.camera.pixel_mm * step)
                total += np.float32(share) * ndimage.gaussian_filter(coarse, width)
            smooth = ndimage.zoom(total, step, order=1, mode="nearest", grid_mode=True)
            gate = ndimage.gaussian_filter(tissue[head], 8.0 / self.camera.pixel_mm)
            gate = AIR_SHARE[head] + (1 - AIR_SHARE[head]) * np.clip(gate, 0, 1)
            gated = smooth * gate
            lost = gated.sum()
            spread[head] = gated * (source[head].sum() / lost if lost > 0 else 0.0)
        return spread


def acquire(expected: Array, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Draw Poisson counts for expected counts, clipped to 16 bits."""
    return np.minimum(rng.poisson(expected), 65535).astype(np.uint16)


def uniformity(camera: Camera, rng: np.random.Generator) -> Array:
    """Return the sensitivity of both heads per column, (2, 1, W) float32, mean 1.

    Moving along the body averages a head's pattern along rows, so that stripes remain.
    """
    pattern = ndimage.gaussian_filter1d(rng.standard_normal((2, camera.columns)), 6.0, axis=1)
    pattern *= camera.uniformity / pattern.std()
    pattern -= pattern.mean(axis=1, keepdims=True)
    return np.asarray((1 + pattern)[:, None, :], np.float32)


def overlap_matrix(
    pixels: int, pixel_mm: float, voxels: int, voxel_mm: float, start_mm: float
) -> Array:
    """Return the (pixels, voxels) share of each voxel that falls on each pixel.

    Voxel v covers ``start_mm + [v, v + 1) * voxel_mm``; columns sum to 1 inside the field.
    """
    edges = np.arange(pixels + 1) * pixel_mm
    low = start_mm + np.arange(voxels) * voxel_mm
    covered = np.clip(edges[:, None] - low[None, :], 0, voxel_mm)
    return (np.diff(covered, axis=0) / voxel_mm).astype(np.float32)


def _surface(inside: NDArray[np.bool_], contouring: bool) -> NDArray[np.intp]:
    """First row of y where the body begins, for each z; smooth as a head can follow."""
    rows = inside.any(axis=2)
    first = np.where(np.any(rows, axis=1), np.argmax(rows, axis=1), rows.shape[1])
    lowest = int(first.min()) if first.size else 0
    if not contouring:
        return np.full(first.shape, lowest, np.intp)
    followed = ndimage.minimum_filter1d(first, 61)
    smooth = ndimage.gaussian_filter1d(followed.astype(float), 12.0)
    return np.asarray(np.clip(smooth, 0, rows.shape[1] - 1), np.intp)


def _at(running: Array, index: NDArray[np.intp]) -> Array:
    taken: Array = np.take_along_axis(running, index[:, None, None], axis=1)[:, 0, :]
    return taken


def _reach(matrix: Array, pixel_mm: float) -> slice:
    """Pixels that a block touches, with room for the blur."""
    touched = np.flatnonzero(matrix.any(axis=1))
    if touched.size == 0:
        return slice(0, 0)
    pad = round(30.0 / pixel_mm)
    return slice(max(0, int(touched[0]) - pad), min(matrix.shape[0], int(touched[-1]) + 1 + pad))
