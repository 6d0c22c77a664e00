"""Where the bones of a simulated body lie, how far they reach and how much they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonescan.simulate.anatomy import ORGANS, Anatomy

#: Groups of a skeleton and the regions that belong to each; paired groups are measured by side.
GROUPS: dict[str, tuple[str, ...]] = {
    "skull": ("skull",),
    "mandible": ("mandible",),
    "clavicles": ("clavicles",),
    "scapulae": ("scapulae",),
    "humeri": ("humeri",),
    "lower_arms": ("forearms",),
    "hands": ("hands",),
    "ribs": ("ribs",),
    "sternum": ("sternum",),
    "cervical_spine": ("cervical",),
    "thoracic_spine": ("thoracic",),
    "lumbar_spine": ("lumbar",),
    "sacrum": ("sacrum",),
    "pelvis": ("pelvis",),
    "femora": ("femora",),
    "lower_legs": ("lower legs", "patellae"),
    "feet": ("feet",),
}

#: A voxel counts towards an extent from this share of bone on.
_EXTENT_SHARE = 0.25


@dataclass(frozen=True)
class GroupMeasure:
    """One group of bones on one side of the body (``side`` R, L or M).

    Positions are (x, y, h) mm: x to the patient's left of the lumbar spine's middle, y from the
    foremost skin, h above the lowest skin.
    """

    group: str
    side: str
    volume_cm3: float
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    centroid: tuple[float, float, float]

    @property
    def extent(self) -> tuple[float, float, float]:
        """Length along x, y and h, mm."""
        x, y, h = (b - a for a, b in zip(self.low, self.high, strict=True))
        return x, y, h


def measure_groups(anatomy: Anatomy) -> tuple[GroupMeasure, ...]:
    """Measure every group of bones, the kidneys and the liver.

    Parameters
    ----------
    anatomy : Anatomy

    Returns
    -------
    tuple of GroupMeasure
        Right and left of each paired group, in the order of `GROUPS`; a group that the body does
        not have is absent.
    """
    v = anatomy.voxel_mm
    sides = [part.side for part in anatomy.parts]
    regions = [part.region for part in anatomy.parts]
    lumbar = np.isin(anatomy.part, [k for k, name in enumerate(regions) if name == "lumbar"])
    middle = (np.nonzero(lumbar)[2].mean() + 0.5) * v
    skin = np.nonzero(anatomy.body)
    origin = np.array([(skin[0].max() + 1) * v, skin[1].min() * v, middle])
    found = []
    for group, names in GROUPS.items():
        for side in ("R", "L", "M"):
            index = [
                k for k, name in enumerate(regions) if name in names and k and sides[k] == side
            ]
            where = np.nonzero(np.isin(anatomy.part, index)) if index else ()
            if len(where) and len(where[0]):
                found.append(_measure(group, side, where, anatomy.bone[where], v, origin))
    for name, side in (("kidney right", "R"), ("kidney left", "L"), ("liver", "M")):
        where = np.nonzero(anatomy.organ == ORGANS.index(name))
        if len(where[0]):
            weight = np.ones(len(where[0]), np.float32)
            found.append(
                _measure(
                    name.split()[0].replace("kidney", "kidneys"), side, where, weight, v, origin
                )
            )
    return tuple(found)


def _measure(
    group: str,
    side: str,
    where: tuple[NDArray[np.intp], ...],
    weight: NDArray[np.float32],
    voxel_mm: float,
    origin: NDArray[np.float64],
) -> GroupMeasure:
    solid = weight > _EXTENT_SHARE if (weight > _EXTENT_SHARE).any() else weight > 0
    place = [(axis + 0.5) * voxel_mm for axis in where]
    x, y, h = place[2] - origin[2], place[1] - origin[1], origin[0] - place[0]
    spans = [(float(a[solid].min()), float(a[solid].max())) for a in (x, y, h)]
    half = voxel_mm / 2
    low, high = ([span[k] + s for span in spans] for k, s in ((0, -half), (1, half)))
    mean = [float(np.average(a, weights=weight)) for a in (x, y, h)]
    return GroupMeasure(
        group,
        side,
        float(weight.sum()) * voxel_mm**3 / 1000,
        (low[0], low[1], low[2]),
        (high[0], high[1], high[2]),
        (mean[0], mean[1], mean[2]),
    )
