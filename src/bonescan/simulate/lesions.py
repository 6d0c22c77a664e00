"""Bone metastases: how many, where, how large, how hot and how shaped, by primary tumour.

Haematogenous metastases settle where red marrow is: spine, pelvis, ribs, sternum, proximal femora
and humeri, skull. The shares below are ours, chosen after what series of bone scans report:
breast cancer spreads to the spine, ribs and sternum, often lytic or mixed; prostate cancer to the
pelvis and lower spine, nearly always sclerotic. A purely lytic metastasis takes the bone's uptake
away and excites little around it, so that it is faint or photopenic, and often not seen at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bonescan.errors import BadInput
from bonescan.scan import REGIONS
from bonescan.simulate.anatomy import Anatomy
from bonescan.simulate.sources import Array, Block, Focus, blob, box_around
from bonescan.simulate.uptake import Uptake

Cancer = Literal["breast", "prostate"]

#: Relative chance of a metastasis in each region.
SITES: dict[str, dict[str, float]] = {
    "breast": {
        "thoracic_spine": 24, "lumbar_spine": 16, "cervical_spine": 3, "sacrum": 5, "ribs": 22,
        "sternum": 8, "pelvis": 14, "skull": 5, "femora": 4, "humeri": 2, "scapulae": 3,
        "clavicles": 1,
    },
    "prostate": {
        "thoracic_spine": 15, "lumbar_spine": 19, "cervical_spine": 1.5, "sacrum": 9, "ribs": 13,
        "sternum": 2, "pelvis": 29, "skull": 2, "femora": 6, "humeri": 1.5, "scapulae": 2,
        "clavicles": 0.5,
    },
}  # fmt: skip

#: Chance of each kind: sclerotic, mixed, cold centre (lytic with a hot rim).
KINDS: dict[str, tuple[tuple[str, float], ...]] = {
    "breast": (("sclerotic", 0.45), ("mixed", 0.38), ("cold centre", 0.17)),
    "prostate": (("sclerotic", 0.90), ("mixed", 0.09), ("cold centre", 0.01)),
}

#: Share of the lesions of a kind that are purely lytic instead: bone that is gone and takes up
#: little, with a faint rim or none. Of breast cancer's lesions this makes 6 %; of prostate cancer's
#: none. It is drawn last, so that all other lesions of a seed are those of the table above.
LYTIC: dict[str, dict[str, float]] = {
    "breast": {"sclerotic": 0.09, "cold centre": 0.12},
    "prostate": {},
}
#: What is left of the normal uptake in a purely lytic lesion.
LYTIC_LEFT = (0.05, 0.45)

#: Burden: chance, and the least and greatest number of metastases.
BURDENS: dict[str, tuple[float, int, int]] = {
    "few": (0.42, 1, 3),
    "several": (0.30, 4, 10),
    "many": (0.21, 11, 35),
    "superscan": (0.07, 60, 110),
}

#: Log growth of the lesions of a burden: late disease is large, and runs together.
GROWTH = {"many": 0.15, "superscan": 0.45}

SIZE_MM = (5.0, 80.0)
CONTRAST = (1.3, 15.0)
#: Largest lesion that fits a region, mm.
_ROOM = {"ribs": 45.0, "clavicles": 35.0, "cervical_spine": 28.0, "sternum": 45.0}
#: Share of a long bone, from its upper end, in which metastases settle.
_PROXIMAL = {"femora": 0.42, "humeri": 0.45}
#: How often a lesion that lies in another is drawn again, where all have to lie apart.
_TRIES = 60
#: A lesion reaches as far as it has this share of its greatest change of the uptake.
_WITHIN = 0.1
#: Chance of a place in face and jaw, against one in the vault or the base of the skull.
FACE_SHARE = 0.04


@dataclass(frozen=True)
class Spread:
    """How far the disease of one patient has spread: a burden's name and a number of lesions.

    Where lesions lie ``apart``, none has its centre in another; else they may run together.
    """

    burden: str
    lesions: int
    apart: bool = False


@dataclass(frozen=True)
class Change:
    """What time has made of one lesion: factors on its size and on its contrast above normal."""

    size: float = 1.0
    contrast: float = 1.0


def draw_spread(rng: np.random.Generator, lesions: int | None = None) -> Spread:
    """Draw a burden, or name that of a given number of lesions, which then lie apart."""
    if lesions is not None:
        above = [name for name, (_, low, _) in BURDENS.items() if lesions >= low]
        return Spread(above[-1] if above else "few", lesions, apart=True)
    names = list(BURDENS)
    name = names[int(rng.choice(len(names), p=[BURDENS[n][0] for n in names]))]
    _, low, high = BURDENS[name]
    return Spread(name, round(float(np.exp(rng.uniform(np.log(low - 0.49), np.log(high + 0.49))))))


def draw_metastases(
    rng: np.random.Generator,
    anatomy: Anatomy,
    uptake: Uptake,
    cancer: Cancer,
    spread: Spread,
    changes: Sequence[Change | None] | None = None,
) -> list[Focus]:
    """Put metastases into the bones of a patient.

    The first lesion is always one that a reader cannot miss: it made the diagnosis.

    Parameters
    ----------
    rng : numpy.random.Generator
    anatomy, uptake, cancer, spread
    changes : sequence of Change or None, optional
        For each lesion, what has become of it; None where it is not (yet) there.

    Returns
    -------
    list of Focus
        As many as ``spread`` has (less those that are not there), in the order in which they were
        drawn; ``lesion`` counts from 1.

    Raises
    ------
    BadInput
        Where the anatomy has no bone that metastases settle in, or no room for all of them apart.
    """
    sites = SITES[cancer]
    names = list(sites)
    chances = np.array([sites[name] for name in names])
    # Each patient has a pattern of its own around the average one.
    chances = chances * np.exp(0.6 * rng.standard_normal(len(chances)))
    chances *= [len(uptake.voxels_of(REGIONS.index(name) + 1).index) > 0 for name in names]
    if not chances.any():
        raise BadInput(
            "the anatomy has no bone for metastases to settle in; name some of its bones"
        )
    habit = _Habit(
        cancer=cancer,
        chances=dict(zip(names, chances / chances.sum(), strict=True)),
        warmth=0.22 * rng.standard_normal(),
        growth=0.18 * rng.standard_normal() + GROWTH.get(spread.burden, 0.0),
    )
    foci: list[Focus] = []
    for number, child in enumerate(rng.spawn(spread.lesions), start=1):
        change = changes[number - 1] if changes is not None else Change()
        if change is None:
            continue
        focus = _one(child, anatomy, uptake, habit, change, first=number == 1)
        if spread.apart:
            others = iter(child.spawn(_TRIES))
            while any(_run_together(focus, other, anatomy.voxel_mm) for other in foci):
                again = next(others, None)
                if again is None:
                    raise BadInput(
                        f"the bones have room for {len(foci)} lesions apart, {spread.lesions} "
                        "were asked for; ask for fewer"
                    )
                focus = _one(again, anatomy, uptake, habit, change, first=number == 1)
        foci.append(replace(focus, lesion=number))
    return foci


@dataclass(frozen=True)
class _Habit:
    """What the lesions of one patient share: chance of each region, log heat, log size."""

    cancer: Cancer
    chances: dict[str, float]
    warmth: float
    growth: float


def _one(
    rng: np.random.Generator,
    anatomy: Anatomy,
    uptake: Uptake,
    habit: _Habit,
    change: Change,
    first: bool,
) -> Focus:
    """Draw one lesion of a patient, somewhere in the bones that there are."""
    names = list(habit.chances)
    region = names[int(rng.choice(len(names), p=list(habit.chances.values())))]
    room = _ROOM.get(region, SIZE_MM[1])
    size = 18.5 * np.exp(habit.growth + 0.48 * rng.standard_normal())
    if first:
        size = max(size, 20.0)
    size = float(np.clip(size, SIZE_MM[0], min(SIZE_MM[1], room)))
    contrast = 5.2 * np.exp(habit.warmth + 0.5 * rng.standard_normal())
    if region in _PROXIMAL:
        contrast *= 1.8
    if first:
        contrast = max(contrast, 7.0)
    contrast = float(np.clip(contrast, *CONTRAST))
    kind = _choose(rng, KINDS[habit.cancer])
    own = rng.spawn(1)[0]
    if not first and own.random() < LYTIC[habit.cancer].get(kind, 0.0):
        kind, contrast = "lytic", float(own.uniform(*LYTIC_LEFT))
    elif kind == "cold centre" and size < 24:
        kind = "mixed"
    size = min(size * change.size, SIZE_MM[1], room)
    contrast = float(np.clip(1 + (contrast - 1) * change.contrast, 0.0, CONTRAST[1]))
    return metastasis(rng, anatomy, uptake, region, size, contrast, kind)


def _run_together(one: Focus, other: Focus, voxel_mm: float) -> bool:
    return _reaches(one, other, voxel_mm) or _reaches(other, one, voxel_mm)


def _reaches(focus: Focus, other: Focus, voxel_mm: float) -> bool:
    """Tell whether a lesion reaches the centre of another."""
    strength = np.abs(focus.source.activity)
    centre = [int(c / voxel_mm) for c in reversed(other.position_mm)]
    place = tuple(c - start for c, start in zip(centre, focus.source.start, strict=True))
    if not all(0 <= p < n for p, n in zip(place, strength.shape, strict=True)):
        return False
    return bool(strength[place] > _WITHIN * strength.max())


def metastasis(
    rng: np.random.Generator,
    anatomy: Anatomy,
    uptake: Uptake,
    region: str,
    size_mm: float,
    contrast: float,
    kind: str = "sclerotic",
) -> Focus:
    """Make one metastasis somewhere in a region.

    The lesion stays in the bone that it starts in (in a rib it therefore runs along the rib).
    Its uptake, per volume of bone, is ``contrast`` times the normal one of its surroundings; of a
    purely lytic one, ``contrast`` (below 1) is what is left.

    Raises
    ------
    BadInput
        Where the anatomy has no bone of this region.
    """
    centre = _settle(rng, anatomy, uptake, region)
    voxel = anatomy.voxel_mm
    stretch = np.exp(0.25 * rng.standard_normal(3))
    radii = size_mm / 2 / voxel * stretch / stretch.max()
    box = box_around(centre, float(radii.max()) * 1.5 + 1.0, anatomy.part.shape)
    inside, depth = blob(box, centre, radii, rng, irregularity=0.30)
    at = tuple(round(c) for c in centre)
    here = anatomy.part[box] == anatomy.part[at]
    bone = anatomy.bone[box] * here
    normal = uptake.bone[box] * here
    if kind == "lytic":
        extra = normal * ((contrast - 1) * inside + _faint_rim(rng, depth))
    else:
        level = float((normal * inside).sum()) / float((bone * inside).sum())
        extra = (contrast - 1) * level * bone * inside * _look(rng, kind, depth)
    if kind == "cold centre":
        extra = np.maximum(extra, -0.8 * normal)
    part = anatomy.parts[int(anatomy.part[at])]
    z, y, x = (float((c + 0.5) * voxel) for c in centre)
    return Focus(
        category="metastasis",
        kind=kind,
        region=region,
        side=uptake.side_at(centre, part.side),
        position_mm=(x, y, z),
        size_mm=round(size_mm, 1),
        contrast=round(contrast, 2),
        source=Block(tuple(int(s.start) for s in box), extra.astype(np.float32)),  # type: ignore[arg-type]
    )


def _settle(
    rng: np.random.Generator, anatomy: Anatomy, uptake: Uptake, region: str
) -> NDArray[np.float64]:
    """Choose a voxel of a region's bone, (z, y, x) float, rather deep in it than at its rim."""
    voxels = uptake.voxels_of(REGIONS.index(region) + 1)
    if len(voxels.index) == 0:
        raise BadInput(f"the anatomy has no bone in {region}; name it, or choose another region")
    weight = voxels.bone.astype(float) ** 2
    share = _PROXIMAL.get(region)
    if share is not None:
        z = voxels.index[:, 0]
        top, low = float(z.min()), float(z.max())
        weight = weight * (z < top + share * (low - top))
    if region == "skull":
        weight = weight * np.where(_in_face(anatomy, voxels.index), FACE_SHARE, 1.0)
    chosen = rng.choice(len(weight), p=weight / weight.sum())
    centre: NDArray[np.float64] = voxels.index[chosen].astype(np.float64)
    return centre


def _in_face(anatomy: Anatomy, index: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell which voxels (n, 3) lie in the face and jaw: below the floor of the skull.

    The floor runs across the head through the frontal and the sphenoid sinus, and on backwards.
    """
    marks = [anatomy.landmarks.get(f"{name} sinus") for name in ("frontal", "sphenoid")]
    if marks[0] is None or marks[1] is None:
        return np.zeros(len(index), bool)
    (z0, y0, _), (z1, y1, _) = marks[0], marks[1]
    z, y = ((index[:, axis] + 0.5) * anatomy.voxel_mm for axis in (0, 1))
    below: NDArray[np.bool_] = (z - z0) * (y1 - y0) > (y - y0) * (z1 - z0)
    return below


def _look(rng: np.random.Generator, kind: str, depth: Array) -> Array:
    """Relative uptake across a lesion of a kind, by relative distance from its centre."""
    if kind == "cold centre":
        profile = 1.25 - 2.2 / (1 + np.exp(np.clip((depth - 0.55) / 0.08, -30, 30)))
        return np.asarray(profile, np.float32)
    if kind == "mixed":
        mottle = 1 + 0.45 * np.cos(depth * rng.uniform(4, 8) + rng.uniform(0, 6.3))
        return np.asarray(mottle, np.float32)
    return np.ones_like(depth)


def _faint_rim(rng: np.random.Generator, depth: Array) -> Array:
    """Uptake of the thin rim of every other lytic lesion, over the normal one; 0 without rim."""
    height = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.5 else 0.0
    return np.asarray(height * np.exp(-(((depth - 1.1) / 0.15) ** 2)), np.float32)


def _choose(rng: np.random.Generator, chances: tuple[tuple[str, float], ...]) -> str:
    names, weights = zip(*chances, strict=True)
    return str(names[int(rng.choice(len(names), p=np.array(weights) / sum(weights)))])
