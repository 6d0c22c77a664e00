"""How benign findings are put into the volume: in bone, anywhere, along a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonescan.scan import REGIONS
from bonescan.simulate.anatomy import Anatomy
from bonescan.simulate.sources import Array, Block, Focus, blob, box_around
from bonescan.simulate.uptake import Uptake

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Patient:
    """What the makers of findings need to know; ``sex`` is F or M."""

    anatomy: Anatomy
    uptake: Uptake
    sex: str
    age_years: float

    @property
    def voxel_mm(self) -> float:
        """Edge of a voxel."""
        return self.anatomy.voxel_mm

    def has(self, name: str) -> bool:
        """Tell whether the anatomy names this landmark."""
        return name in self.anatomy.landmarks

    def point(self, name: str) -> Point:
        """Return a landmark in voxels, (z, y, x)."""
        return np.array(self.anatomy.landmarks[name]) / self.voxel_mm - 0.5


def hot_joint(
    rng: np.random.Generator,
    patient: Patient,
    category: str,
    name: str,
    size_mm: float,
    contrast: tuple[float, float],
) -> list[Focus]:
    """Heat the bone around a landmark, by a contrast drawn evenly in its logarithm."""
    if not patient.has(name):
        return []
    level = float(np.exp(rng.uniform(*np.log(contrast))))
    side = name[-1] if name[-2:] in (" R", " L") else "M"
    centre = patient.point(name) + rng.normal(0, 0.5, 3)
    radii = (
        size_mm,
        size_mm * float(rng.uniform(0.7, 1.2)),
        size_mm * float(rng.uniform(0.8, 1.3)),
    )
    focus = in_bone(
        rng, patient, category, name.removesuffix(f" {side}"), centre, radii, level, side
    )
    return [focus] if focus is not None else []


def in_bone(
    rng: np.random.Generator,
    patient: Patient,
    category: str,
    kind: str,
    centre: Point,
    diameters_mm: tuple[float, ...],
    contrast: float,
    side: str,
    turned: bool = True,
) -> Focus | None:
    """Extra uptake in whatever bone lies within an ellipsoid around a point."""
    radii = np.array(diameters_mm) / 2 / patient.voxel_mm
    box = box_around(centre, float(radii.max()) * 1.5 + 1, patient.anatomy.part.shape)
    inside, _ = blob(box, centre, radii, rng, irregularity=0.2 if turned else 0.0, turned=turned)
    normal = patient.uptake.bone[box]
    share = float((patient.anatomy.bone[box] * inside).sum())
    if share < 0.3:
        return None
    level = float((normal * inside).sum()) / share
    extra = (contrast - 1) * level * patient.anatomy.bone[box] * inside
    block = Block(start_of(box), extra.astype(np.float32))
    return make_focus(patient, category, kind, centre, side, max(diameters_mm), contrast, block)


def spot(
    rng: np.random.Generator,
    patient: Patient,
    category: str,
    kind: str,
    centre: Point,
    size_mm: float,
    dose: float,
    side: str,
) -> Focus:
    """A blob of activity anywhere, of a total ``dose`` (1 is a voxel of vertebra)."""
    radii = size_mm / 2 / patient.voxel_mm * np.exp(0.25 * rng.standard_normal(3))
    box = box_around(centre, float(radii.max()) * 1.6 + 1.5, patient.anatomy.part.shape)
    inside, _ = blob(box, centre, radii, rng, irregularity=0.35)
    weight = float(inside.sum())
    activity = (dose / weight * inside if weight > 0 else inside).astype(np.float32)
    block = Block(start_of(box), activity)
    return make_focus(patient, category, kind, centre, side, size_mm, dose, block)


def trail(
    patient: Patient,
    category: str,
    kind: str,
    way: NDArray[np.float64],
    width_mm: float,
    level: float,
    side: str,
) -> list[Focus]:
    """Activity along a line of points in voxels, ``level`` per voxel of its length."""
    shape = np.array(patient.anatomy.part.shape)
    low = np.clip(np.floor(way.min(axis=0) - 3).astype(int), 0, shape - 1)
    high = np.clip(np.ceil(way.max(axis=0) + 4).astype(int), low + 1, shape)
    activity = np.zeros(high - low, np.float32)
    fine = np.linspace(0, len(way) - 1, max(2, 6 * len(way)))
    line = np.stack([np.interp(fine, np.arange(len(way)), way[:, k]) for k in range(3)], axis=1)
    sigma = max(width_mm / 2 / patient.voxel_mm / 1.2, 0.5)
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()) or 1.0
    near = np.round(line - low).astype(int)
    for shift in np.ndindex(5, 5, 5):
        at = near + np.array(shift) - 2
        ok = ((at >= 0) & (at < activity.shape)).all(axis=1)
        away = ((at + low - line) ** 2).sum(axis=1)
        np.add.at(activity, tuple(at[ok].T), np.exp(-0.5 * away[ok] / sigma**2))
    activity *= np.float32(level * length / max(float(activity.sum()), 1e-6))
    start = (int(low[0]), int(low[1]), int(low[2]))
    return [make_focus(patient, category, kind, way.mean(axis=0), side, length * patient.voxel_mm,
                   level, Block(start, activity))]  # fmt: skip


def path(
    rng: np.random.Generator, start: Point, end: Point, points: int, wander: float
) -> NDArray[np.float64]:
    """A winding way between two points, (points, 3) in voxels."""
    t = np.linspace(0, 1, points)[:, None]
    phase = rng.uniform(0, 2 * np.pi, 3)
    bow = np.sin(np.pi * t) * np.sin(2.2 * np.pi * t + phase)
    return np.asarray(start * (1 - t) + end * t + wander * bow)


def plate(box: tuple[slice, ...], centre: Point, radii: Point) -> Array:
    """A rounded plate: 1 inside, 0 outside."""
    grids = np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij")
    far = sum((np.abs(g - c) / r) ** 4 for g, c, r in zip(grids, centre, radii, strict=True))
    return np.asarray(far < 1.0, np.float32)


def make_focus(
    patient: Patient,
    category: str,
    kind: str,
    centre: Point,
    side: str,
    size_mm: float,
    contrast: float,
    source: Block,
    density: Block | None = None,
) -> Focus:
    """Describe a finding whose centre (z, y, x) is in voxels; its region is that of the centre."""
    at = tuple(
        int(np.clip(round(c), 0, n - 1))
        for c, n in zip(centre, patient.anatomy.part.shape, strict=True)
    )
    number = int(patient.uptake.region[at])
    z, y, x = (float((c + 0.5) * patient.voxel_mm) for c in centre)
    return Focus(
        category=category,
        kind=kind,
        region=REGIONS[number - 1] if 1 <= number <= len(REGIONS) else "other",
        side=side,
        position_mm=(x, y, z),
        size_mm=round(size_mm, 1),
        contrast=round(contrast, 2),
        source=source,
        density=density,
    )


def start_of(box: tuple[slice, ...]) -> tuple[int, int, int]:
    """Return the first voxel of a box."""
    return int(box[0].start), int(box[1].start), int(box[2].start)
