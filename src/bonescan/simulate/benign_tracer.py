"""Tracer where it is not wanted: injection sites, urine, kidneys, soft tissue."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.anatomy import ORGANS
from bonescan.simulate.placing import Patient, make_focus, path, spot, start_of, trail
from bonescan.simulate.sources import Block, Focus, blob, box_around


def injection_site(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Tracer left at the vein, sometimes with a trail up the arm."""
    side = "R" if rng.random() < 0.5 else "L"
    name = "antecubital fossa" if rng.random() < 0.6 else "back of hand"
    if not patient.has(f"{name} {side}"):
        return []
    centre = patient.point(f"{name} {side}")
    dose = float(np.exp(rng.normal(3.6, 1.0)))
    found = [spot(rng, patient, "injection site", name, centre, float(rng.uniform(6, 14)),
                   dose, side)]  # fmt: skip
    if rng.random() < 0.25 and patient.has(f"shoulder {side}"):
        way = path(rng, centre, patient.point(f"shoulder {side}"), 14, 4.0)
        stop = max(2, round(len(way) * float(rng.uniform(0.3, 1.0))))
        found += trail(patient, "injection site", "vein", way[:stop], 5.0, 0.02 * dose, side)
    return found


def urine_contamination(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Drops of urine on skin or clothes, below the bladder or on a thigh."""
    found = []
    for _ in range(int(rng.integers(1, 4))):
        centre = patient.point("pubic symphysis") + np.array([
            rng.uniform(8, 45), rng.uniform(-6, 6), rng.normal(0, 8),
        ])  # fmt: skip
        dose = float(np.exp(rng.normal(1.6, 0.9)))
        size = float(rng.uniform(6, 18))
        found.append(spot(rng, patient, "urine contamination", "drop", centre, size, dose, "M"))
    return found


def diaper(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """A wet diaper or pad: broad and uneven between the thighs."""
    centre = patient.point("pubic symphysis") + np.array([10.0, 4.0, 0.0])
    radii = np.array([rng.uniform(10, 18), rng.uniform(5, 9), rng.uniform(9, 18)])
    box = box_around(centre, float(radii.max()) * 1.3, patient.anatomy.part.shape)
    inside, depth = blob(box, centre, radii, rng, irregularity=0.5, softness=0.3)
    level = float(np.exp(rng.normal(-2.9, 0.6)))
    wet = level * inside * (1 + 0.5 * np.cos(5 * depth))
    return [make_focus(patient, "diaper", "pad", centre, "M", float(2 * radii.max() * 4), level,
                   Block(start_of(box), wet.astype(np.float32)))]  # fmt: skip


def catheter(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """A urinary catheter: its tube down the thigh and the bag beside the leg."""
    side = "R" if rng.random() < 0.5 else "L"
    sign = -1.0 if side == "R" else 1.0
    start = patient.point("pubic symphysis") + np.array([8.0, 0.0, 0.0])
    knee = patient.point(f"knee {side}") + np.array([-20.0, -8.0, sign * 18.0])
    level = float(np.exp(rng.normal(-0.2, 0.5)))
    tube = trail(patient, "catheter", "tube", path(rng, start, knee, 30, 5.0), 4.0, level, side)
    centre = knee + np.array([14.0, 0.0, sign * 4.0])
    radii = np.array([rng.uniform(16, 24), 5.0, rng.uniform(9, 13)])
    box = box_around(centre, float(radii.max()) * 1.2, patient.anatomy.part.shape)
    inside, _ = blob(box, centre, radii, rng, irregularity=0.15, softness=0.08)
    bag = Block(start_of(box), (0.6 * level * inside).astype(np.float32))
    return [*tube, make_focus(patient, "catheter", "bag", centre, side, 160.0, level, bag)]


def hot_kidney(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """A renal pelvis that empties slowly, with its ureter."""
    side = "R" if rng.random() < 0.5 else "L"
    name = f"kidney {'right' if side == 'R' else 'left'}"
    if not patient.has(name):
        return []
    centre = patient.point(name)
    level = float(np.exp(rng.normal(0.2, 0.6)))
    found = [spot(rng, patient, "urinary tract", "renal pelvis", centre,
                   float(rng.uniform(16, 34)), level * 14, side)]  # fmt: skip
    if rng.random() < 0.6:
        way = path(rng, centre, patient.point("bladder"), 24, 3.0)
        first, last = sorted(rng.integers(0, len(way), 2))
        found += trail(patient, "urinary tract", "ureter", way[first : last + 2], 4.0,
                        0.5 * level, side)  # fmt: skip
    return found


def soft_tissue_uptake(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Breast, liver or gut that takes up more than it should."""
    names = ["liver", "gut", "stomach"] + (
        ["breast right", "breast left"] * 2 * (patient.sex == "F")
    )
    name = names[int(rng.integers(len(names)))]
    if name not in ORGANS:
        return []
    where = patient.anatomy.organ == ORGANS.index(name)
    if not where.any():
        return []
    spans = [np.flatnonzero(where.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    contrast = float(rng.uniform(1.8, 3.5))
    extra = (contrast - 1) * patient.uptake.other[box] * where[box]
    centre = np.array([(s.start + s.stop - 1) / 2 for s in box])
    side = {"breast right": "R", "breast left": "L", "liver": "R"}.get(name, "M")
    return [make_focus(patient, "soft tissue", name, centre, side, 100.0, contrast,
                   Block(start_of(box), extra.astype(np.float32)))]  # fmt: skip
