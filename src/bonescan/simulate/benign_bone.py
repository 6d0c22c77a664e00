"""Hot bone that is no metastasis: worn joints, fractures, teeth, Paget-like bone."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.placing import Patient, hot_joint, in_bone, make_focus, start_of
from bonescan.simulate.sources import Block, Focus


def degenerative_spine(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Facets, discs and osteophytes, mostly of the lower lumbar and the cervical spine."""
    levels = ["L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2", "T11-T12", "T8-T9", "C5-C6", "C6-C7"]
    weights = np.array([5, 5, 3, 2, 1.5, 1, 1, 2, 2])
    chosen = rng.choice(
        len(levels), size=int(rng.integers(1, 4)), replace=False, p=weights / weights.sum()
    )
    found = []
    for k in chosen:
        level = levels[int(k)]
        side = "R" if rng.random() < 0.5 else "L"
        if rng.random() < 0.6:
            name, size = f"facet {level} {side}", float(rng.uniform(9, 17))
        else:
            name, size = f"disc {level}", float(rng.uniform(12, 26))
        found += hot_joint(rng, patient, "degenerative spine", name, size, (1.6, 5.0))
    return found


def degenerative_joints(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Shoulders, knees, hips, feet, hands and the sternoclavicular joints."""
    sites = (
        ("acromioclavicular joint", 3.0, (10, 18)), ("glenohumeral joint", 2.0, (14, 26)),
        ("sternoclavicular joint", 2.0, (9, 16)), ("knee medial", 2.5, (14, 32)),
        ("knee lateral", 2.0, (12, 26)), ("patella", 2.0, (14, 26)), ("hip", 1.0, (14, 28)),
        ("ankle", 1.5, (12, 24)), ("midfoot", 2.0, (10, 20)),
        ("metatarsophalangeal joint 1", 3.0, (8, 16)), ("wrist", 1.5, (10, 18)),
        ("first carpometacarpal joint", 3.0, (8, 14)), ("elbow", 0.8, (12, 20)),
        ("sacroiliac joint", 0.7, (14, 26)), ("distal interphalangeal joint 2", 1.0, (6, 9)),
    )  # fmt: skip
    weights = np.array([weight for _, weight, _ in sites])
    found = []
    for _ in range(int(rng.integers(1, 6))):
        name, _, sizes = sites[int(rng.choice(len(sites), p=weights / weights.sum()))]
        sides = "RL" if rng.random() < 0.45 else ("R" if rng.random() < 0.5 else "L")
        for side in sides:
            size = float(rng.uniform(*sizes))
            found += hot_joint(
                rng, patient, "degenerative joint", f"{name} {side}", size, (1.5, 6.0)
            )
    return found


def rib_fractures(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Fractures in a row: the same place of neighbouring ribs, round and short."""
    side = "R" if rng.random() < 0.5 else "L"
    first = int(rng.integers(3, 9))
    along = float(rng.uniform(0.35, 0.95))
    found = []
    for rib in range(first, first + int(rng.integers(1, 5))):
        line = patient.anatomy.lines.get(f"rib {rib} {side}")
        if line is None:
            continue
        at = int(
            np.clip((along + 0.04 * rng.standard_normal()) * (len(line) - 1), 0, len(line) - 1)
        )
        centre = np.asarray(line[at], float) / patient.voxel_mm - 0.5
        size = float(rng.uniform(8, 14))
        contrast = float(rng.uniform(2.5, 9))
        found.append(
            in_bone(rng, patient, "rib fracture", "fracture", centre, (size,) * 3, contrast, side)
        )
    return [focus for focus in found if focus is not None]


def compression_fracture(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """A vertebral body that has given way: a hot band as wide as the vertebra."""
    level = ("T8", "T11", "T12", "L1", "L2", "L3", "L4")[int(rng.integers(7))]
    found = []
    for name in (level,):
        focus = in_bone(
            rng, patient, "compression fracture", "band", patient.point(name),
            (14.0, 46.0, 52.0), float(rng.uniform(2.0, 6.0)), "M", turned=False,
        )  # fmt: skip
        found.append(focus)
    return [focus for focus in found if focus is not None]


def sinus_or_tooth(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """Sinusitis or a dental focus."""
    names = ("maxillary sinus R", "maxillary sinus L", "frontal sinus", "upper molars R",
             "upper molars L", "lower molars R", "lower molars L", "upper teeth")  # fmt: skip
    name = names[int(rng.integers(len(names)))]
    return hot_joint(rng, patient, "sinus or tooth", name, float(rng.uniform(9, 18)), (2.0, 6.0))


def paget_like(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """One whole bone, or half of it, evenly hot and a little large, as in Paget's disease."""
    parts = [
        index for index, part in enumerate(patient.anatomy.parts)
        if part.name in ("hip bone", "femur", "tibia", "sacrum", "L3", "L4", "scapula", "humerus")
    ]  # fmt: skip
    if not parts:  # a phantom of which only other bones are known
        return []
    index = parts[int(rng.integers(len(parts)))]
    where = patient.anatomy.part == index
    if not where.any():
        return []
    spans = [np.flatnonzero(where.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    contrast = float(rng.uniform(3, 9))
    extra = (contrast - 1) * patient.uptake.bone[box] * where[box]
    if rng.random() < 0.5:  # one end only, with the sharp front of the disease
        z = np.arange(extra.shape[0])[:, None, None]
        extra = extra * (z < float(rng.uniform(0.35, 0.8)) * extra.shape[0])
    part = patient.anatomy.parts[index]
    centre = np.array([(s.start + s.stop - 1) / 2 for s in box])
    size = (box[0].stop - box[0].start) * patient.voxel_mm
    return [make_focus(patient, "paget", part.name, centre, part.side, size, contrast,
                   Block(start_of(box), extra.astype(np.float32)))]  # fmt: skip
