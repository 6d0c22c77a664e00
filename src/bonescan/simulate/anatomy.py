"""One simulated body in three dimensions: skeleton, skin, lungs, organs and landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bonescan.simulate import arms, feet, legs, pelvis, shoulder, skull, spine, thorax
from bonescan.simulate.body import ORGANS, Grid, fill_soft_tissue, outline_shapes, trunk_sections
from bonescan.simulate.bones import Part, Piece, Sex, join
from bonescan.simulate.parameters import BodyParameters
from bonescan.simulate.posture import Pose, pose
from bonescan.simulate.shapes import CELL_MM, Floats, f32

__all__ = ["ORGANS", "Anatomy", "BodyParameters", "Part", "build_anatomy", "template"]

#: Free space between the body and the edge of the grid, mm.
MARGIN_MM = 24.0

#: Voxels with less bone than this count as none.
_FAINT = 0.01

#: Points spread at once; bounds the memory.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Anatomy:
    """One body on a voxel grid.

    Arrays are (Z, Y, X): z from the top of the head to the feet, y from front to back, x from the
    patient's right to the left, so that a sum over y is the anterior picture and its mirror image
    the posterior one. Voxel i covers [i, i + 1) * ``voxel_mm``; positions are (z, y, x) in mm.

    Attributes
    ----------
    voxel_mm : float
    part : (Z, Y, X) uint8
        Index into ``parts``; 0 is no bone.
    parts : tuple of Part
        ``parts[0]`` is a dummy for "no bone".
    bone : (Z, Y, X) float32
        Share of each voxel that is bone, marrow cavities included, 0 to 1.
    marrow : (Z, Y, X) float32
        Share of each voxel that is marrow cavity of a long bone, at most ``bone``.
    body : (Z, Y, X) bool
        Inside the skin.
    lung : (Z, Y, X) bool
    organ : (Z, Y, X) uint8
        Index into `ORGANS`; 0 is none.
    landmarks : mapping of str to (z, y, x)
        For instance ``hip R``, ``disc L4-L5``, ``costochondral 5 L``, ``bladder``.
    lines : mapping of str to (n, 3) float32
        Centre line of each rib from the spine to its anterior end, for instance ``rib 5 L``.
    parameters : BodyParameters or None
        What it was built from; None for a body from elsewhere.
    """

    voxel_mm: float
    part: NDArray[np.uint8]
    parts: tuple[Part, ...]
    bone: Floats
    marrow: Floats
    body: NDArray[np.bool_]
    lung: NDArray[np.bool_]
    organ: NDArray[np.uint8]
    landmarks: Mapping[str, tuple[float, float, float]]
    lines: Mapping[str, Floats]
    parameters: BodyParameters | None = None

    def index_of(self, name: str, side: str = "M") -> int:
        """Return the index of a part by name and side; KeyError where there is none."""
        for index, part in enumerate(self.parts):
            if (part.name, part.side) == (name, side):
                return index
        raise KeyError(f"{name} {side}")


@lru_cache(maxsize=2)
def template(sex: Sex) -> Piece:
    """Return the skeleton of ``sex`` at 1760 mm in the reference posture, sampled once."""
    return join([
        skull.head(sex), spine.spine(sex), thorax.rib_cage(sex), shoulder.shoulder_girdle(sex),
        arms.upper_limbs(sex), pelvis.hip_bones(sex), legs.lower_limbs(sex), feet.feet(sex),
    ])  # fmt: skip


def build_anatomy(parameters: BodyParameters, *, voxel_mm: float = 4.0) -> Anatomy:
    """Build the body that ``parameters`` describe.

    Parameters
    ----------
    parameters : BodyParameters
    voxel_mm : float, optional
        Side of the cubic voxels, mm.

    Returns
    -------
    Anatomy
        The same parameters always give the same arrays.
    """
    skeleton = template(parameters.sex)
    posed = pose(parameters)
    points = [posed(b.solid.points, b.limb, b.part.side) for b in skeleton.bones]
    grid = _grid(parameters, posed, points, voxel_mm)
    bone, marrow, part = _splat(skeleton, points, grid)
    soft = fill_soft_tissue(parameters, posed, grid)
    return Anatomy(
        voxel_mm=voxel_mm,
        part=part,
        parts=(Part("none", "none", "M"), *(b.part for b in skeleton.bones)),
        bone=bone,
        marrow=marrow,
        body=soft.body | (bone > 0),
        lung=soft.lung & (part == 0),
        organ=np.where(part == 0, soft.organ, np.uint8(0)),
        landmarks=MappingProxyType(_landmarks(skeleton, posed, grid, soft.organ)),
        lines=MappingProxyType(
            {
                f"{name} {side}": grid.to_array_mm(posed(line, "rib", side))
                for (name, side), line in skeleton.lines.items()
            }
        ),
        parameters=parameters,
    )


def _grid(p: BodyParameters, posed: Pose, points: list[Floats], voxel_mm: float) -> Grid:
    boxes = [shape.bounds() for shape in outline_shapes(p, posed)]
    rows = trunk_sections(p, posed)
    low = np.min([box[0] for box in boxes] + [cloud.min(0) for cloud in points], axis=0)
    high = np.max([box[1] for box in boxes] + [cloud.max(0) for cloud in points], axis=0)
    low[0], high[0] = (
        min(low[0], (rows[:, 1] - rows[:, 2]).min()),
        max(high[0], (rows[:, 1] + rows[:, 2]).max()),
    )
    low[1], high[1] = min(low[1], rows[:, 3].min() - 40), max(high[1], rows[:, 4].max())
    low, high = low - MARGIN_MM, high + MARGIN_MM
    size = np.ceil((high - low) / voxel_mm).astype(int)
    half = voxel_mm * size[0] / 2
    middle = (low[0] + high[0]) / 2
    if p == BodyParameters(sex=p.sex) or abs(middle) < 1e-3:
        middle = 0.0
    shape = (int(size[2]), int(size[1]), int(size[0]))
    return Grid(shape, voxel_mm, float(middle - half), float(low[1]), float(high[2]))


def _splat(
    skeleton: Piece, clouds: list[Floats], grid: Grid
) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Spread the sampled cells of every bone over the eight voxels around each."""
    solids = [bone.solid for bone in skeleton.bones]
    count = [len(cloud) for cloud in clouds]
    cell = (CELL_MM / grid.voxel_mm) ** 3
    swell = [
        cell * _stretch(solid.points, cloud) for solid, cloud in zip(solids, clouds, strict=True)
    ]
    scale = np.repeat(f32(swell), count)
    share = np.concatenate([solid.share for solid in solids])
    hollow = np.concatenate([solid.marrow for solid in solids]) * scale
    label = np.repeat(np.arange(1, len(count) + 1, dtype=np.uint8), count)
    place = np.concatenate(clouds)
    total = int(np.prod(grid.shape))
    bone, marrow = np.zeros(total), np.zeros(total)
    part = np.zeros(total, np.uint8)
    nearest = np.empty(len(place), np.int64)
    for start in range(0, len(place), _CHUNK):
        some = slice(start, start + _CHUNK)
        weight, where = _corners(place[some], grid)
        bone += np.bincount(where.ravel(), (weight * (share * scale)[some]).ravel(), total)
        has = np.nonzero(hollow[some] > 0)[0]
        if len(has):
            inside = weight[:, has] * hollow[some][has]
            marrow += np.bincount(where[:, has].ravel(), inside.ravel(), total)
        part[where] = label[some]
        nearest[some] = where[np.argmax(weight, axis=0), np.arange(weight.shape[1])]
    solid_cells = share > 0.4
    part[nearest[solid_cells]] = label[solid_cells]
    part[bone < _FAINT] = 0
    bone = np.where(part == 0, 0, np.minimum(bone, 1))
    return (
        f32(bone).reshape(grid.shape),
        f32(np.minimum(marrow, bone)).reshape(grid.shape),
        part.reshape(grid.shape),
    )


def _corners(points: Floats, grid: Grid) -> tuple[Floats, NDArray[np.int64]]:
    """Return trilinear weights (8, N) and flat indices (8, N) of the voxels around each point."""
    place = grid.to_array_mm(points) / f32(grid.voxel_mm) - f32(0.5)
    first = np.floor(place).astype(np.int64)
    offset = f32(place - first)
    stride = (grid.shape[1] * grid.shape[2], grid.shape[2], 1)
    base = first @ np.array(stride)
    sides = [(1 - offset[:, k], offset[:, k]) for k in range(3)]
    weight = np.empty((8, len(offset)), np.float32)
    where = np.empty((8, len(offset)), np.int64)
    for corner in range(8):
        z, y, x = corner >> 2, (corner >> 1) & 1, corner & 1
        weight[corner] = sides[0][z] * sides[1][y] * sides[2][x]
        where[corner] = base + (z * stride[0] + y * stride[1] + x * stride[2])
    return weight, where


def _stretch(before: Floats, after: Floats) -> float:
    """Return the volume factor of a bone's move, from the spread of its points."""
    step = max(len(before) // 2000, 1)
    spread = [np.linalg.det(np.cov(cloud[::step], rowvar=False)) for cloud in (before, after)]
    return float(np.sqrt(max(spread[1], 0) / max(spread[0], 1e-9)))


def _landmarks(
    skeleton: Piece, posed: Pose, grid: Grid, organ: NDArray[np.uint8]
) -> dict[str, tuple[float, float, float]]:
    found: dict[str, tuple[float, float, float]] = {}
    for m in skeleton.marks:
        place = grid.to_array_mm(posed(f32([m.point]), m.limb, m.side))[0]
        name = m.name if m.side == "M" else f"{m.name} {m.side}"
        found[name] = (float(place[0]), float(place[1]), float(place[2]))
    inside = np.flatnonzero(organ)
    value = organ.ravel()[inside]
    size = np.bincount(value, minlength=len(ORGANS))
    place = [
        np.bincount(value, axis, len(ORGANS)) / np.maximum(size, 1)
        for axis in np.unravel_index(inside, organ.shape)
    ]
    for index, name in enumerate(ORGANS):
        if size[index] and name not in found:
            z, y, x = ((float(axis[index]) + 0.5) * grid.voxel_mm for axis in place)
            found[name] = (z, y, x)
    return found
