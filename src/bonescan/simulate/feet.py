"""The foot: heel bone, talus, the other tarsals, metatarsals and toes."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.bones import Bone, Mark, Part, Piece, Sex, both_sides, mark
from bonescan.simulate.shapes import Ellipsoid, Floats, Shape, f32, sample, smooth_tube, tube

#: The template stands: soles at h = 0, toes to the front and turned out by this angle.
_TOE_OUT = np.deg2rad(15.0)
_HEEL = f32([48.0, 243.0, 0.0])
_FORWARD = f32([np.sin(_TOE_OUT), -np.cos(_TOE_OUT), 0.0])
_LATERAL = f32([np.cos(_TOE_OUT), np.sin(_TOE_OUT), 0.0])


def feet(sex: Sex) -> Piece:
    """Return both feet with their joints."""
    g = 0.96 if sex == "F" else 1.07
    axes = np.stack([_LATERAL, -_FORWARD, f32([0, 0, 1])])

    def ball(lateral: float, forward: float, h: float, radii: tuple[float, ...]) -> Ellipsoid:
        return Ellipsoid(_at(lateral, forward, h), f32(radii) * g, axes)

    heel: list[Shape] = [
        *smooth_tube(
            [_at(0, 6, 42), _at(2, 30, 48), _at(6, 60, 55), _at(10, 80, 52)],
            f32([[18, 24], [15.5, 20], [17, 18], [14, 14]]) * g,
            across=_LATERAL,
        ),
        ball(-12, 52, 68, (8, 12, 6)),
    ]
    talus = [ball(-2, 51, 89, (19.5, 25, 18)), ball(-8, 80, 76, (14, 15, 13))]
    tarsals = [
        ball(-9, 97, 72, (17, 9, 14)),
        ball(14, 100, 54, (13, 19, 13)),
        ball(-18, 115, 64, (10, 14, 15)),
        ball(-5, 116, 68, (9, 12, 12)),
        ball(6, 115, 64, (8, 12, 11)),
    ]
    bones = [
        Bone(Part("calcaneus", "feet", "L"), "foot", sample(heel)),
        Bone(Part("talus", "feet", "L"), "foot", sample(talus)),
        Bone(Part("tarsals", "feet", "L"), "foot", sample(tarsals)),
    ]
    marks = [
        mark("heel", "foot", "L", _at(0, 0, 30)),
        mark("subtalar joint", "foot", "L", _at(0, 55, 66)),
        mark("midfoot", "foot", "L", _at(0, 105, 64)),
    ]
    ray_bones, ray_marks = _rays(g)
    return both_sides(Piece((*bones, *ray_bones), (*marks, *ray_marks)))


def _at(lateral: float, forward: float, h: float) -> Floats:
    """Turn foot coordinates (mm from the heel) into template coordinates of the left foot."""
    return f32(_HEEL + lateral * _LATERAL + forward * _FORWARD + f32([0, 0, h]))


def _rays(g: float) -> tuple[list[Bone], list[Mark]]:
    base = [(-18, 128, 58), (-6, 129, 62), (5, 127, 58), (15, 122, 52), (26, 114, 44)]
    head = [(-26, 184, 30), (-9, 190, 30), (6, 187, 29), (20, 180, 28), (34, 171, 27)]
    tip = [(-22, 238, 22), (-7, 238, 21), (8, 232, 20), (22, 222, 19), (36, 208, 18)]
    bones, marks = [], []
    for k in range(5):
        wide = (9.5 if k == 0 else 6.6) * g
        start, middle, end = (f32(place[k]) for place in (base, head, tip))
        bone = [start + (middle - start) * t for t in (0.03, 0.25, 0.6, 0.95)]
        bones.append(
            Bone(
                Part(f"metatarsal {k + 1}", "feet", "L"),
                "foot",
                sample(
                    tube(
                        [_at(*p) for p in bone], [wide * 1.05, wide * 0.7, wide * 0.62, wide * 1.0]
                    )
                ),
            )
        )
        toe = [middle + (end - middle) * t for t in (0.14, 0.4, 0.56, 0.78, 0.97)]
        bones.append(
            Bone(
                Part(f"toe {k + 1}", "feet", "L"),
                "foot",
                sample(
                    tube(
                        [_at(*p) for p in toe],
                        f32([1.0, 0.62, 0.85, 0.6, 0.66]) * wide * 0.85,
                    )
                ),
            )
        )
        marks.append(mark(f"metatarsophalangeal joint {k + 1}", "foot", "L", _at(*middle)))
    return bones, marks
