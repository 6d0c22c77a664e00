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
    bone, marrow, part = _splat(skeleton, posed, points, grid)
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
                f"{name} {side}": grid.to_array_mm(posed(line, "trunk", side))
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
    skeleton: Piece, posed: Pose, clouds: list[Floats], grid: Grid
) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Spread the sampled cells of every bone over the voxels around them."""
    count = np.array([len(cloud) for cloud in clouds])
    volume = np.concatenate(
        [
            np.full(n, _stretch(b.solid.points, cloud), np.float32)
            for n, b, cloud in zip(count, skeleton.bones, clouds, strict=True)
        ]
    )
    cell = f32((CELL_MM / grid.voxel_mm) ** 3)
    share = np.concatenate([b.solid.share for b in skeleton.bones]) * volume * cell
    hollow = np.concatenate([b.solid.marrow for b in skeleton.bones]) * volume * cell
    label = np.repeat(np.arange(1, len(count) + 1, dtype=np.uint8), count)
    place = grid.to_array_mm(np.concatenate(clouds)) / f32(grid.voxel_mm) - f32(0.5)
    floor = np.floor(place).astype(np.int32)
    part_ = place - floor
    stride = np.array([grid.shape[1] * grid.shape[2], grid.shape[2], 1], np.int64)
    base = floor @ stride
    total = int(np.prod(grid.shape))
    bone = np.zeros(total)
    marrow = np.zeros(total)
    part = np.zeros(total, np.uint8)
    has = np.nonzero(hollow > 0)[0]
    for corner in range(8):
        bits = np.array([(corner >> 2) & 1, (corner >> 1) & 1, corner & 1])
        weight = np.prod(np.where(bits, part_, 1 - part_), axis=1)
        where = base + bits @ stride
        bone += np.bincount(where, share * weight, total)
        marrow += np.bincount(where[has], (hollow * weight)[has], total)
        strong = weight * share > 0.02 * cell
        free = where[strong]
        part[free] = np.where(part[free] == 0, label[strong], part[free])
    nearest = np.floor(place + f32(0.5)).astype(np.int64) @ stride
    solid = share > 0.3 * cell
    part[nearest[solid]] = label[solid]
    bone = np.minimum(bone, 1)
    bone[part == 0] = 0
    marrow = np.minimum(marrow, bone)
    return (
        bone.astype(np.float32).reshape(grid.shape),
        marrow.astype(np.float32).reshape(grid.shape),
        part.reshape(grid.shape),
    )


def _stretch(before: Floats, after: Floats) -> float:
    """Return the volume factor of a bone's move, from the spread of its points."""
    spread = [np.linalg.det(np.cov(cloud, rowvar=False)) for cloud in (before, after)]
    return float(np.sqrt(max(spread[1], 0) / max(spread[0], 1e-9)))


def _landmarks(
    skeleton: Piece, posed: Pose, grid: Grid, organ: NDArray[np.uint8]
) -> dict[str, tuple[float, float, float]]:
    found: dict[str, tuple[float, float, float]] = {}
    for m in skeleton.marks:
        place = grid.to_array_mm(posed(f32([m.point]), m.limb, m.side))[0]
        name = m.name if m.side == "M" else f"{m.name} {m.side}"
        found[name] = (float(place[0]), float(place[1]), float(place[2]))
    for index, name in enumerate(ORGANS):
        where = np.argwhere(organ == index) if index else np.empty((0, 3))
        if len(where) and name not in found:
            z, y, x = (where.mean(0) + 0.5) * grid.voxel_mm
            found[name] = (float(z), float(y), float(x))
    return found
