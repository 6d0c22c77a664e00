"""Hot bone that is only a variant: bony edges, sutures, cartilage, tendon insertions.

Each row is a place, how often it is the one drawn, the size in mm, the range of contrast, and
whether both sides go together. A reader calls these normal or wear because of where they sit, so
a network must have met them. Frequencies and contrasts are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bonescan.simulate.placing import Patient, hot_joint, in_bone
from bonescan.simulate.sources import Focus


@dataclass(frozen=True)
class Variant:
    """A place where healthy bone may be hot; ``both`` is the chance that both sides are."""

    place: str
    weight: float
    size_mm: tuple[float, float]
    contrast: tuple[float, float]
    both: float = 0.7
    paired: bool = True


VARIANTS = (
    Variant("scapular tip", 2.0, (9, 16), (1.6, 3.0), 0.5),
    Variant("costochondral 1", 2.0, (9, 16), (1.6, 4.0), 0.6),
    Variant("costochondral 3", 0.8, (7, 12), (1.5, 3.0), 0.2),
    Variant("costochondral 6", 1.2, (8, 13), (1.5, 3.0), 0.3),
    Variant("costochondral 9", 1.2, (8, 14), (1.5, 3.0), 0.3),
    Variant("manubriosternal joint", 2.0, (10, 18), (1.5, 3.0), paired=False),
    Variant("xiphisternal joint", 0.8, (8, 14), (1.5, 2.8), paired=False),
    Variant("greater trochanter", 2.0, (14, 28), (1.6, 4.0), 0.5),
    Variant("lesser trochanter", 0.5, (8, 14), (1.5, 3.0), 0.5),
    Variant("anterior superior iliac spine", 1.2, (12, 24), (1.4, 2.4), 0.7),
    Variant("posterior superior iliac spine", 0.8, (10, 18), (1.4, 2.4), 0.7),
    Variant("ischial tuberosity", 1.5, (12, 22), (1.5, 3.0), 0.6),
    Variant("pubic symphysis", 1.2, (12, 22), (1.5, 3.0), paired=False),
    Variant("acetabular roof", 2.0, (12, 24), (1.4, 2.6), 0.5),
    Variant("greater tubercle", 1.5, (9, 16), (1.6, 3.5), 0.4),
    Variant("coracoid", 0.8, (8, 13), (1.5, 2.8), 0.6),
    Variant("tibial tuberosity", 1.0, (10, 18), (1.6, 3.5), 0.6),
    Variant("heel", 1.5, (10, 18), (2.0, 5.0), 0.5),
    Variant("medial malleolus", 0.8, (9, 15), (1.6, 3.5), 0.4),
    Variant("temporomandibular joint", 1.0, (7, 11), (1.6, 3.5), 0.5),
    Variant("ear", 0.8, (9, 14), (1.5, 2.5), 0.5),
    Variant("costovertebral 11", 0.6, (7, 11), (1.5, 2.8), 0.3),
    Variant("costovertebral 12", 0.6, (7, 11), (1.5, 2.8), 0.3),
    Variant("sacroiliac joint lower", 1.0, (12, 22), (1.4, 2.4), 0.4),
)


def normal_variants(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """One to four places that are hot without disease, often on both sides."""
    weights = np.array([variant.weight for variant in VARIANTS])
    count = min(1 + rng.poisson(0.9), 4)
    chosen = rng.choice(len(VARIANTS), size=count, replace=False, p=weights / weights.sum())
    found = []
    for k in chosen:
        variant = VARIANTS[int(k)]
        sides = ["R", "L"] if rng.random() < variant.both else ["RL"[int(rng.integers(2))]]
        level = float(np.exp(rng.uniform(*np.log(variant.contrast))))
        size = float(rng.uniform(*variant.size_mm))
        for side in sides if variant.paired else [""]:
            own = level * float(np.exp(0.12 * rng.standard_normal()))
            found += hot_joint(rng, patient, "normal variant", f"{variant.place} {side}".strip(),
                               size * float(rng.uniform(0.85, 1.15)), (own, own))  # fmt: skip
    return found


def thick_forehead(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Hyperostosis frontalis interna: both sides of the forehead hot, the middle less."""
    found = []
    level = float(rng.uniform(1.6, 3.2))
    front, top = patient.point("frontal sinus"), patient.point("vertex")
    for side, sign in (("R", -1.0), ("L", 1.0)):
        centre = 0.66 * front + 0.34 * top
        centre = centre + np.array([0.0, -2.0, sign * float(rng.uniform(5.0, 8.0))])
        centre[1] = min(centre[1], front[1] + 4.0)
        size = float(rng.uniform(32, 52))
        focus = in_bone(rng, patient, "normal variant", "thick forehead", centre,
                        (size, 0.9 * size, size), level, side)  # fmt: skip
        found += [focus] if focus is not None else []
    return found


def osteophytes(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Bony lips at the side of one or more discs, on the hollow side of a curved spine."""
    levels = ["T9-T10", "T10-T11", "T11-T12", "T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5"]
    first = int(rng.integers(len(levels)))
    side = "R" if rng.random() < 0.5 else "L"
    found = []
    for level in levels[first : first + 1 + min(rng.poisson(0.7), 2)]:
        if not patient.has(f"disc {level}") or not patient.has(f"facet {level} {side}"):
            continue
        disc = patient.point(f"disc {level}")
        facet = patient.point(f"facet {level} {side}")
        centre = disc + np.array([0.0, -1.0, 1.1 * (facet[2] - disc[2])])
        size = float(rng.uniform(10, 18))
        focus = in_bone(rng, patient, "degenerative spine", f"osteophyte {level}", centre,
                        (0.8 * size, 1.3 * size, size), float(rng.uniform(2.0, 6.0)),
                        side)  # fmt: skip
        found += [focus] if focus is not None else []
    return found
