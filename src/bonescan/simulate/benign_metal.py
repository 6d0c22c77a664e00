"""Metal: replaced joints, pacemakers, medallions, buckles; cold where it shadows."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.placing import Patient, in_bone, make_focus, plate, start_of
from bonescan.simulate.sources import Block, Focus, blob, box_around

#: Attenuation that metal adds, per mm, at 140 keV (thin walls averaged).
MU_METAL = 0.06


def prosthesis(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """A hip or knee replacement: no uptake and metal where bone was, hot around the stem."""
    side = "R" if rng.random() < 0.5 else "L"
    joint = "hip" if rng.random() < 0.5 else "knee"
    centre = patient.point(f"{joint} {side}")
    radii = np.array([9.0, 6.5, 6.5]) if joint == "hip" else np.array([6.5, 8.0, 9.5])
    box = box_around(centre, float(radii.max()) * 1.4, patient.anatomy.part.shape)
    inside, _ = blob(box, centre, radii, rng, irregularity=0.08, softness=0.1)
    taken = -0.92 * patient.uptake.bone[box] * inside
    found = [
        make_focus(patient, "prosthesis", joint, centre, side, float(2 * radii.max() * 4), 0.08,
               Block(start_of(box), taken.astype(np.float32)),
               Block(start_of(box), (MU_METAL * inside).astype(np.float32)))
    ]  # fmt: skip
    if rng.random() < 0.5:
        tip = centre + np.array([28.0 if joint == "hip" else 14.0, 0.0, 0.0])
        focus = in_bone(rng, patient, "prosthesis", "around the stem", tip, (30.0, 26.0, 26.0),
                         float(rng.uniform(1.5, 3.5)), side)  # fmt: skip
        found += [focus] if focus is not None else []
    return found


def metal_object(rng: np.random.Generator, patient: Patient) -> list[Focus]:
    """A pacemaker, a medallion or a belt buckle: cold, mostly from the front."""
    kind = ("pacemaker", "medallion", "buckle")[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    if kind == "pacemaker":
        centre = patient.point("costochondral 3 L") + np.array([-4.0, -6.0, 8.0])
        radii = np.array([5.5, 1.2, 6.5])
    elif kind == "medallion":
        centre = patient.point("manubriosternal joint") + np.array([rng.uniform(0, 12), -5.0, 0.0])
        radii = np.array([3.2, 0.8, 2.8])
    else:
        centre = patient.point("disc L5-S1") + np.array([0.0, 0.0, 0.0])
        radii = np.array([5.0, 1.0, 7.0])
    column = patient.anatomy.body[round(centre[0]), :, round(centre[2])]
    if column.any():  # on the skin, or just under it
        centre[1] = max(float(column.argmax()) + (2.0 if kind == "pacemaker" else -1.0), 2.0)
    box = box_around(centre, float(radii.max()) * 1.3, patient.anatomy.part.shape)
    inside = plate(box, centre, radii)
    nothing = Block(start_of(box), np.zeros(inside.shape, np.float32))
    return [make_focus(patient, "metal object", kind, centre, "L" if kind == "pacemaker" else "M",
                   float(2 * radii.max() * 4), 0.0, nothing,
                   Block(start_of(box), (3 * MU_METAL * inside).astype(np.float32)))]  # fmt: skip
