"""A body from a voxel phantom that the user holds, in place of the parametric one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from bonescan.errors import BadInput
from bonescan.simulate.anatomy import MARGIN_MM, Anatomy, build_anatomy
from bonescan.simulate.body import ORGANS
from bonescan.simulate.bones import Part, Sex
from bonescan.simulate.parameters import HEIGHT_MM, BodyParameters
from bonescan.simulate.shapes import Floats, f32

#: Bone regions that a table may name, and whether each is paired.
REGIONS: dict[str, bool] = {
    "skull": False, "mandible": False, "cervical": False, "thoracic": False, "lumbar": False,
    "sacrum": False, "sternum": False, "ribs": True, "clavicles": True, "scapulae": True,
    "humeri": True, "forearms": True, "hands": True, "pelvis": True, "femora": True,
    "patellae": True, "lower legs": True, "feet": True,
}  # fmt: skip

#: Further meanings: a marrow cavity belongs to the bone nearest to it.
OTHER = ("air", "soft tissue", "lung", "marrow cavity")

_SUB = 2


def from_voxels(
    ids: NDArray[np.integer],
    spacing_mm: tuple[float, float, float],
    table: Mapping[int, str],
    *,
    sex: Sex = "M",
    feet_first: bool = False,
    left_first: bool = False,
    voxel_mm: float = 4.0,
) -> Anatomy:
    """Build a body from organ numbers and a table that says what they mean.

    Parameters
    ----------
    ids : (Z, Y, X) integer array
        Organ numbers; y from front to back.
    spacing_mm : (float, float, float)
        Spacing along z, y and x, mm.
    table : mapping of int to str
        For each number a region of `REGIONS`, a name of `ORGANS` or one of `OTHER`. Numbers that
        are missing count as soft tissue, 0 as air. Paired regions are split at the spine.
    sex : {"F", "M"}, optional
    feet_first, left_first : bool, optional
        Whether z starts at the feet, x at the patient's left.
    voxel_mm : float, optional
        Side of the cubic voxels of the result.

    Returns
    -------
    Anatomy
        Landmarks and rib lines are those of the parametric body of the same height, each carried
        over by the box around the region it belongs to, so they are approximate.

    Raises
    ------
    BadInput
        If the table names something unknown or the phantom has no lumbar spine.
    """
    names = {int(number): name for number, name in table.items()}
    unknown = sorted(set(names.values()) - set(REGIONS) - set(ORGANS) - set(OTHER))
    if unknown:
        raise BadInput(f"voxel phantom: {unknown[0]!r} in the table is no region; see REGIONS")
    if feet_first:
        ids = ids[::-1]
    if left_first:
        ids = ids[:, :, ::-1]
    size = int(max(int(ids.max()), max(names, default=0))) + 1
    vocabulary = ("air", "soft tissue", *REGIONS, *ORGANS[1:], "lung", "marrow cavity")
    meaning = np.full(size, vocabulary.index("soft tissue"), np.uint8)
    meaning[0] = vocabulary.index(names.get(0, "air"))
    for number, name in names.items():
        meaning[number] = vocabulary.index(name)
    fine = _resample(meaning[ids], spacing_mm, voxel_mm)
    return _assemble(fine, vocabulary, voxel_mm, sex)


def _resample(
    values: NDArray[np.uint8], spacing: tuple[float, float, float], voxel_mm: float
) -> NDArray[np.uint8]:
    """Nearest values at `_SUB` points a voxel and axis, with an empty margin around."""
    margin = int(np.ceil(MARGIN_MM / voxel_mm))
    grids = []
    for count, step in zip(values.shape, spacing, strict=True):
        length = int(np.ceil(count * step / voxel_mm)) + 2 * margin
        place = (np.arange(length * _SUB) + 0.5) / _SUB * voxel_mm - margin * voxel_mm
        grids.append(np.floor(place / step).astype(int))
    inside = [(g >= 0) & (g < n) for g, n in zip(grids, values.shape, strict=True)]
    clipped = [np.clip(g, 0, n - 1) for g, n in zip(grids, values.shape, strict=True)]
    fine = values[np.ix_(*clipped)]
    fine[~inside[0]] = 0
    fine[:, ~inside[1]] = 0
    fine[:, :, ~inside[2]] = 0
    return fine


def _assemble(
    fine: NDArray[np.uint8], vocabulary: tuple[str, ...], voxel_mm: float, sex: Sex
) -> Anatomy:
    blocks = fine.reshape([n for size in fine.shape for n in (size // _SUB, _SUB)])
    blocks = blocks.transpose(0, 2, 4, 1, 3, 5)
    cells = blocks.reshape(*blocks.shape[:3], _SUB**3)
    first, last = vocabulary.index("skull"), vocabulary.index("feet")
    is_bone = (cells >= first) & (cells <= last)
    hollow = cells == vocabulary.index("marrow cavity")
    marrow = f32(hollow.mean(-1))
    bone = f32((is_bone | hollow).mean(-1))
    region = np.where(is_bone, cells, 0).max(-1)
    lonely = (bone > 0) & (region == 0)
    if lonely.any() and region.any():
        nearest = distance_transform_edt(region == 0, return_distances=False, return_indices=True)
        region[lonely] = region[tuple(axis[lonely] for axis in nearest)]
    lumbar = region == vocabulary.index("lumbar")
    if not lumbar.any():
        raise BadInput("voxel phantom: no number means 'lumbar'; add the lumbar spine to the table")
    middle = float(np.nonzero(lumbar)[2].mean())
    part, parts = _sides(region, middle, vocabulary)
    centre = cells[..., 0]
    offset = vocabulary.index(ORGANS[1]) - 1
    is_organ = (centre > offset) & (centre < offset + len(ORGANS)) & (part == 0)
    organ = np.where(is_organ, centre - offset, 0).astype(np.uint8)
    body = (cells != 0).mean(-1) >= 0.5
    found = Anatomy(
        voxel_mm=voxel_mm,
        part=part,
        parts=parts,
        bone=bone,
        marrow=marrow,
        body=body | (bone > 0),
        lung=(centre == vocabulary.index("lung")) & (part == 0),
        organ=organ,
        landmarks=MappingProxyType({}),
        lines=MappingProxyType({}),
    )
    return _with_landmarks(found, sex)


def _sides(
    region: NDArray[np.uint8], middle: float, vocabulary: tuple[str, ...]
) -> tuple[NDArray[np.uint8], tuple[Part, ...]]:
    """Turn region values into parts, paired ones split at the column ``middle``."""
    parts = [Part("none", "none", "M")]
    part = np.zeros(region.shape, np.uint8)
    left = np.arange(region.shape[2]) > middle
    for name, paired in REGIONS.items():
        here = region == vocabulary.index(name)
        for side in ("R", "L") if paired else ("M",):
            mask = here if side == "M" else here & (left == (side == "L"))
            if mask.any():
                part[mask] = len(parts)
                parts.append(Part(name, name, side))
    return part, tuple(parts)


def _with_landmarks(found: Anatomy, sex: Sex) -> Anatomy:
    """Carry the parametric body's landmarks over, region by region."""
    tall = np.nonzero(found.body.any(axis=(1, 2)))[0]
    height = float(np.clip((tall[-1] - tall[0] + 1) * found.voxel_mm, *HEIGHT_MM))
    model = build_anatomy(BodyParameters(sex=sex, height_mm=height), voxel_mm=found.voxel_mm)
    there, here = _boxes(found), _boxes(model)
    shared = [key for key in here if key in there]
    _, nearest = distance_transform_edt(model.part == 0, return_indices=True)

    def carry(points: ArrayLike, key: tuple[str, str] | None) -> Floats:
        place = f32(points)
        if key not in shared:
            key = ("body", "M")
        (a0, a1), (b0, b1) = here[key], there[key]
        return f32(b0 + (place - a0) * (b1 - b0) / np.maximum(a1 - a0, 1e-6))

    marks = {}
    for name, point in model.landmarks.items():
        index = np.clip(
            (np.array(point) / model.voxel_mm).astype(int), 0, np.array(model.part.shape) - 1
        )
        seat = tuple(int(axis[tuple(index)]) for axis in nearest)
        owner = model.parts[int(model.part[seat])]
        z, y, x = carry(point, (owner.region, owner.side))
        marks[name] = (float(z), float(y), float(x))
    lines = {name: carry(line, ("ribs", name[-1])) for name, line in model.lines.items()}
    return Anatomy(
        **{
            **{name: getattr(found, name) for name in found.__dataclass_fields__},
            "landmarks": MappingProxyType(marks),
            "lines": MappingProxyType(lines),
        }
    )


def _boxes(anatomy: Anatomy) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """Return the box (low, high) in mm of every region and side, and of the body."""
    keys = sorted({(part.region, part.side) for part in anatomy.parts[1:]})
    number = {key: k + 1 for k, key in enumerate(keys)}
    lut = np.array([0] + [number[p.region, p.side] for p in anatomy.parts[1:]])
    inside = np.nonzero(anatomy.part)
    value = lut[anatomy.part[inside]]
    places = np.stack(inside, -1)
    boxes = {("body", "M"): _box(np.argwhere(anatomy.body), anatomy.voxel_mm)}
    for key, k in number.items():
        boxes[key] = _box(places[value == k], anatomy.voxel_mm)
    return boxes


def _box(places: NDArray[np.intp], voxel_mm: float) -> tuple[Floats, Floats]:
    return f32(places.min(0) * voxel_mm), f32((places.max(0) + 1) * voxel_mm)
