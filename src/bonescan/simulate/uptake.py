"""Normal uptake of Tc-99m phosphonates: activity per voxel in bone, soft tissue and organs.

Levels are relative concentrations, 1 for an average vertebra. They and their patient-to-patient
spread were set so that the views show what ten published pairs of normal-looking scans show
(BS-80K, Huang et al. 2022), as ratios of regional medians: posterior lumbar spine 1; sacroiliac
joints 1.2; ribs 0.4 with 0.2 between them; flank 0.18; skull 0.34; femoral shaft 0.18; thigh 0.05.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.scan import OTHER_BONE, REGIONS
from bonescan.simulate.anatomy import ORGANS, Anatomy
from bonescan.simulate.sources import Array, blob, box_around
from bonescan.simulate.unevenness import soft_field, vault_factor
from bonescan.simulate.zones import (
    FACE_ZONES,
    MARROW_SHARE,
    REGION_LEVELS,
    SOFT_LEVELS,
    SPINE_ZONES,
    ZONES,
    Zone,
)

#: The anatomy's names of regions that differ from those of the 12 regions.
_REGION_NAMES = {
    "cervical": "cervical_spine",
    "thoracic": "thoracic_spine",
    "lumbar": "lumbar_spine",
    "mandible": "skull",
}


#: Soft tissue of abdomen, chest, neck, head, arms and legs, against its mean level.
ABDOMEN_SHARE, CHEST_SHARE, NECK_SHARE, HEAD_SHARE = 2.2, 1.75, 1.9, 1.0
ARM_SHARE, LEG_SHARE = 1.25, 1.0
#: Uptake of pharynx and hyoid bone, against the larynx.
PHARYNX_SHARE = 1.2
#: Uptake of a rib's anterior end, its side and its back, against its mean level; log standard
#: deviation of the end's between patients, and of the bumps along a rib, which are some 20 deg of
#: the chest's circumference apart.
RIB_FRONT, RIB_SIDE, RIB_BACK = 0.97, 1.33, 1.22
RIB_FRONT_SPREAD, RIB_BUMPS, _BUMP_DEG = 0.25, 0.16, 20.0
#: Log standard deviation between the bones of one region; 0.12 for those not named.
OWN_SPREAD = {"cervical": 0.07, "thoracic": 0.07, "lumbar": 0.08, "ribs": 0.13}


@dataclass(frozen=True)
class Physiology:
    """How one patient takes up the tracer.

    Attributes
    ----------
    regions : mapping of str to float
        Concentration in the bone of each of the anatomy's regions, relative to a vertebra.
    zones : mapping of str to float
        Factor on the extra uptake of each zone of `bonescan.simulate.zones`.
    tissues : mapping of str to float
        Concentration in soft tissue (``soft``, ``lung``) and organs, relative to a vertebra.
    asymmetry : float
        Log standard deviation between right and left.
    texture : float
        Relative standard deviation of the uptake inside a bone.
    """

    regions: Mapping[str, float]
    zones: Mapping[str, float]
    tissues: Mapping[str, float]
    asymmetry: float = 0.06
    texture: float = 0.10


def draw_physiology(
    rng: np.random.Generator, age_years: float, bmi: float, diffuse: float = 0.0
) -> Physiology:
    """Draw a patient's physiology.

    ``diffuse`` (0 to 1) makes a superscan: the skeleton drains soft tissue and kidneys.
    """
    older = (age_years - 60) / 10
    regions = {
        name: level * float(np.exp(spread * rng.standard_normal()))
        for name, (level, spread) in REGION_LEVELS.items()
    }
    # The spine, the skull and the appendicular skeleton each go up and down together.
    spine = np.exp(0.20 * rng.standard_normal())
    for name in ("cervical", "thoracic", "lumbar", "sacrum"):
        regions[name] *= float(spine)
    skull = np.exp(0.72 * np.clip(rng.standard_normal(), -2.0, 1.4))
    limbs = np.exp(0.42 * rng.standard_normal())
    for name in ("skull", "mandible"):
        regions[name] *= float(skull)
    for name in ("femora", "lower legs", "forearms", "hands", "feet", "humeri", "patellae"):
        regions[name] *= float(limbs)
    zones = {
        zone.name: float(np.exp(zone.spread * rng.standard_normal() + zone.aging * older))
        for zone in ZONES
    }
    for thoracic, lumbar in SPINE_ZONES.items():
        zones[thoracic] = float(np.sqrt(zones[thoracic] * zones[lumbar]))
    for name in FACE_ZONES:
        zones[name] *= float(skull) ** -0.75
    renal = float(np.exp(0.37 * rng.standard_normal() + 0.05 * older))  # poor clearance above 1
    tissues = {
        name: level * float(np.exp(spread * rng.standard_normal()))
        for name, (level, spread) in SOFT_LEVELS.items()
    }
    drained = 1 - 0.8 * diffuse
    for name in tissues:
        tissues[name] *= drained * (renal if name != "bladder" else 1.0)
    tissues["soft"] *= (bmi / 25) ** -0.35
    tissues["gut"] *= tissues["soft"]
    shows = rng.random() < 0.12  # the stomach, where pertechnetate is free
    tissues["stomach"] = tissues["stomach"] * tissues["soft"] if shows else tissues["gut"]
    asymmetry, texture = float(rng.uniform(0.04, 0.12)), float(rng.uniform(0.06, 0.24))
    return Physiology(regions, zones, tissues, asymmetry, texture)


@dataclass(frozen=True)
class BoneVoxels:
    """Voxels that hold bone: ``index`` (n, 3) int z, y, x; their ``bone`` share; their region."""

    index: NDArray[np.intp]
    bone: Array
    region: NDArray[np.uint8]


@dataclass(frozen=True)
class Uptake:
    """Normal activity of one patient.

    Attributes
    ----------
    bone, other : (Z, Y, X) float32
        Activity per voxel in bone, and in everything else.
    beyond : (Z, Y, X) float32
        What of it in bone is beyond the usual: of joints, edges and patches hotter than most.
    region : (Z, Y, X) uint8
        0 none, 1-12 skeletal regions, 13 other bones.
    voxels : BoneVoxels
    middle : mapping of int to float
        Mean x of the bone of each region, in voxels.
    """

    bone: Array = field(repr=False)
    other: Array = field(repr=False)
    beyond: Array = field(repr=False)
    region: NDArray[np.uint8] = field(repr=False)
    voxels: BoneVoxels = field(repr=False)
    middle: Mapping[int, float] = field(default_factory=dict)
    voxel_mm: float = 4.0

    def voxels_of(self, region: int) -> BoneVoxels:
        """Return the voxels of one region."""
        keep = self.voxels.region == region
        return BoneVoxels(self.voxels.index[keep], self.voxels.bone[keep], self.voxels.region[keep])

    def side_at(self, centre: NDArray[np.float64], part_side: str) -> str:
        """Return R, L or M for a point (z, y, x in voxels) in a bone of a side (M: single)."""
        if part_side in ("R", "L"):
            return part_side
        z, y, x = (round(c) for c in centre)
        offset = (centre[2] - self.middle.get(int(self.region[z, y, x]), centre[2])) * self.voxel_mm
        if abs(offset) < 8.0:
            return "M"
        return "R" if offset < 0 else "L"


def normal_uptake(anatomy: Anatomy, physiology: Physiology, rng: np.random.Generator) -> Uptake:
    """Fill a body with the normal uptake of a patient."""
    where = np.flatnonzero((anatomy.bone > 0.01) & (anatomy.part > 0))
    index = np.stack(np.unravel_index(where, anatomy.part.shape), axis=1)
    part = anatomy.part.ravel()[where]
    bone = anatomy.bone.ravel()[where]
    marrow = anatomy.marrow.ravel()[where]
    level = _part_levels(anatomy, physiology, rng)[part]
    zones, usual_zones = _zones(anatomy, physiology, rng, index, part)
    level *= _along_ribs(anatomy, index, part, rng.spawn(1)[0])
    texture = _texture(anatomy.part.shape, index, anatomy.voxel_mm, physiology.texture, rng)
    vault, patches = _vault(anatomy, index, part, rng)
    level *= vault * (bone - (1 - MARROW_SHARE) * marrow)
    activity, beyond = np.zeros((2, anatomy.part.size), np.float32)
    activity[where] = level * zones * texture
    beyond[where] = np.maximum(level * (zones * texture - usual_zones / patches), 0)
    region = _region_of_part(anatomy)[anatomy.part]
    numbers = region.ravel()[where]
    middle = {int(r): float(index[numbers == r, 2].mean()) for r in np.unique(numbers)}
    return Uptake(
        bone=activity.reshape(anatomy.part.shape),
        other=_soft_tissue(anatomy, physiology, rng),
        beyond=beyond.reshape(anatomy.part.shape),
        region=region,
        voxels=BoneVoxels(index, bone, numbers),
        middle=middle,
        voxel_mm=anatomy.voxel_mm,
    )


def _region_of_part(anatomy: Anatomy) -> NDArray[np.uint8]:
    numbers = np.zeros(256, np.uint8)
    for index, part in enumerate(anatomy.parts):
        if index == 0:
            continue
        name = _REGION_NAMES.get(part.region, part.region)
        numbers[index] = REGIONS.index(name) + 1 if name in REGIONS else OTHER_BONE
    return numbers


def _part_levels(anatomy: Anatomy, physiology: Physiology, rng: np.random.Generator) -> Array:
    """Concentration of each part: its region's, its own, and a little for its side."""
    levels = np.zeros(256, np.float32)
    sides: dict[tuple[str, str], float] = {}
    for index, part in enumerate(anatomy.parts):
        if index == 0:
            continue
        key = (part.region, part.side)
        if key not in sides:
            sides[key] = float(physiology.asymmetry * rng.standard_normal())
        own = OWN_SPREAD.get(part.region, 0.12) * rng.standard_normal()
        levels[index] = physiology.regions[part.region] * np.exp(sides[key] + own)
    return levels


def _zones(
    anatomy: Anatomy,
    physiology: Physiology,
    rng: np.random.Generator,
    index: NDArray[np.intp],
    part: NDArray[np.uint8],
) -> tuple[Array, Array]:
    """Extra uptake near joints, ends and edges: this patient's factor in each voxel, the usual."""
    factor, usual = np.ones((2, len(index)), np.float32)
    regions = np.array([p.region for p in anatomy.parts])
    place = (index + 0.5) * anatomy.voxel_mm
    z = place[:, 0]
    for zone in ZONES:
        gain = zone.gain * physiology.zones[zone.name]
        allowed = np.isin(regions, zone.regions) if zone.regions else np.ones(len(regions), bool)
        for point in _points(anatomy, zone):
            here = gain * float(np.exp(1.6 * physiology.asymmetry * rng.standard_normal()))
            reach = 3 * zone.sigma * zone.tall
            low, high = np.searchsorted(z, (point[0] - reach, point[0] + reach))
            near = (place[low:high] - point) / (zone.sigma * zone.tall, zone.sigma, zone.sigma)
            weight = np.exp(-0.5 * (near**2).sum(axis=1)) * allowed[part[low:high]]
            factor[low:high] += (here * weight).astype(np.float32)
            usual[low:high] += (zone.gain * weight).astype(np.float32)
    return np.maximum(factor, 0.05), np.maximum(usual, 0.05)


def _vault(
    anatomy: Anatomy, index: NDArray[np.intp], part: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[Array, Array]:
    """The uneven vault, as a factor for each bone voxel; and what of it hot patches are."""
    factor, patches = np.ones((2, len(index)), np.float32)
    skull = np.array([p.region == "skull" for p in anatomy.parts])[part]
    if skull.any():
        place = (index[skull] + 0.5) * anatomy.voxel_mm
        factor[skull], patches[skull] = vault_factor(anatomy, place, rng)
    return factor, patches


def _along_ribs(
    anatomy: Anatomy, index: NDArray[np.intp], part: NDArray[np.uint8], rng: np.random.Generator
) -> Array:
    """Ribs take up more where they carry load than towards the cartilage, and bumpily so."""
    factor = np.ones(len(index), np.float32)
    ribs = np.array([p.region == "ribs" for p in anatomy.parts])[part]
    bumps = rng.standard_normal((256, round(360 / _BUMP_DEG) + 1))
    front = RIB_FRONT * float(np.exp(RIB_FRONT_SPREAD * rng.standard_normal()))
    if ribs.any():
        x, y = index[ribs, 2].astype(float), index[ribs, 1].astype(float)
        first, last = np.percentile(y, (1, 99))
        share = (y - first) / max(float(last - first), 1.0)
        load = np.interp(share, [0.0, 0.45, 1.0], [front, RIB_SIDE, RIB_BACK])
        angle = np.rad2deg(np.arctan2(x - np.median(x), y - (first + last) / 2)) + 180.0
        low = np.minimum(angle / _BUMP_DEG, bumps.shape[1] - 2).astype(int)
        beyond = angle / _BUMP_DEG - low
        rows = part[ribs]
        bump = (1 - beyond) * bumps[rows, low] + beyond * bumps[rows, low + 1]
        factor[ribs] = load * np.exp(RIB_BUMPS * bump)
    return factor


def _points(anatomy: Anatomy, zone: Zone) -> list[NDArray[np.float64]]:
    names = [f"{place}{side}" for place in zone.places for side in ("", " R", " L")]
    return [np.array(anatomy.landmarks[n]) for n in names if n in anatomy.landmarks]


def _texture(
    shape: tuple[int, ...],
    index: NDArray[np.intp],
    voxel_mm: float,
    amount: float,
    rng: np.random.Generator,
) -> Array:
    """Smooth random texture of mean 1 at the bone voxels: half coarse (40 mm), half fine."""
    total = np.zeros(len(index), np.float32)
    for cell_mm, share in ((36.0, 0.75), (12.0, 0.66)):
        step = cell_mm / voxel_mm
        size = [int(np.ceil(n / step)) + 2 for n in shape]
        noise = rng.standard_normal(size, dtype=np.float32)
        at = index.T / step + 0.5
        total += share * 1.6 * ndimage.map_coordinates(noise, at, order=1, mode="nearest")
    textured: Array = np.exp(amount * total).astype(np.float32)
    return textured


def _soft_tissue(anatomy: Anatomy, physiology: Physiology, rng: np.random.Generator) -> Array:
    tissues = physiology.tissues
    table = np.full(len(ORGANS), tissues["soft"], np.float32)
    for number, organ in enumerate(ORGANS):
        name = organ.split(" right")[0].split(" left")[0]
        if name in tissues:
            table[number] = tissues[name] * float(np.exp(0.06 * rng.standard_normal()))
    activity = table[anatomy.organ] * anatomy.body
    activity *= _richness(anatomy) * soft_field(anatomy.part.shape, anatomy.voxel_mm, rng)
    _fill_gut(activity, anatomy, rng)
    activity[anatomy.lung] = tissues["lung"]
    _add_larynx(activity, anatomy, tissues["larynx"], rng)
    activity *= 1 - anatomy.bone
    return activity.astype(np.float32)


def _fill_gut(activity: Array, anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Loops of gut: walls rich in blood around contents without tracer."""
    where = np.flatnonzero(anatomy.organ == ORGANS.index("gut"))
    if where.size:
        index = np.stack(np.unravel_index(where, activity.shape), axis=1)
        loops = _texture(activity.shape, index, anatomy.voxel_mm, float(rng.uniform(0.1, 0.4)), rng)
        activity.reshape(-1)[where] *= loops


def _add_larynx(activity: Array, anatomy: Anatomy, level: float, rng: np.random.Generator) -> None:
    """The larynx, whose cartilage calcifies with age, and the rim of the pharynx above it."""
    centre = np.array(anatomy.landmarks["thyroid"]) / anatomy.voxel_mm - 0.5
    centre -= np.array([20.0, 0.0, 0.0]) / anatomy.voxel_mm
    radii = np.array([30.0, 10.0, 19.0]) / anatomy.voxel_mm
    pharynx = centre - np.array([42.0, -4.0, 0.0]) / anatomy.voxel_mm
    for place, reach, share in ((centre, radii, 1.0), (pharynx, 1.2 * radii, PHARYNX_SHARE)):
        box = box_around(place, float(reach.max()) * 1.3, anatomy.part.shape)
        inside, _ = blob(box, place, reach, rng, irregularity=0.2, turned=False)
        activity[box] += np.float32(share * level) * inside


def _richness(anatomy: Anatomy) -> Array:
    """Soft tissue: the trunk is rich in blood, most of all the abdomen. (Z, 1, X)."""
    marks, shape, voxel = anatomy.landmarks, anatomy.part.shape, anatomy.voxel_mm
    hips = np.mean([marks[f"hip {side}"] for side in "RL"], axis=0)
    shoulders = np.mean([marks[f"shoulder {side}"] for side in "RL"], axis=0)
    width = abs(marks["shoulder L"][2] - marks["shoulder R"][2]) / 2
    chin = float(marks["chin"][0])
    z, x = ((np.arange(shape[axis], dtype=np.float64) + 0.5) * voxel for axis in (0, 2))

    def step(values: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(np.clip(-values / softness, -30, 30))))

    along = step(z - float(shoulders[0]) - 20, 20.0) * step(float(hips[0]) - 80 - z, 40.0)
    across = step(0.95 * width - np.abs(x - float(hips[2])), 12.0)
    below = step(z - (marks["xiphisternal joint"][0] + 80), 30.0)
    trunk = CHEST_SHARE + (ABDOMEN_SHARE - CHEST_SHARE) * below
    limbs = LEG_SHARE + (ARM_SHARE - LEG_SHARE) * step(float(hips[0]) - z, 30.0)
    limbs += (NECK_SHARE - ARM_SHARE) * step(float(shoulders[0]) - 40 - z, 15.0)
    limbs += (HEAD_SHARE - NECK_SHARE) * step(chin - 50 - z, 20.0)
    share = limbs[:, None] + ((trunk - limbs) * along)[:, None] * across[None, :]
    return np.asarray(share[:, None, :], np.float32)
