"""The free upper limb: humerus, radius and ulna, carpals, metacarpals and phalanges."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.bones import Bone, Mark, Part, Piece, Sex, both_sides, mark
from bonescan.simulate.shapes import Ellipsoid, Floats, Shape, Solid, f32, sample, smooth_tube, tube

SHOULDER = (180.0, 148.0, 1450.0)
ELBOW = (206.0, 218.0, 1184.0)
WRIST = (235.0, 217.0, 916.0)

#: Palm frame of the left hand: towards the thumb, out of the back of the hand, to the fingertips.
_THUMBWARD = f32([-0.66, -0.75, 0.0])
_DORSAL = f32([0.75, -0.66, 0.0])
_DISTAL = f32([0.17, -0.11, -0.979])

_FINGERS = ("thumb", "index", "middle", "ring", "little")


def upper_limbs(sex: Sex) -> Piece:
    """Return arms, forearms and hands of both sides."""
    g = 0.88 if sex == "F" else 1.0
    bones = [
        Bone(Part("humerus", "humeri", "L"), "arm", _humerus(g)),
        Bone(Part("radius", "forearms", "L"), "forearm", _radius(g)),
        Bone(Part("ulna", "forearms", "L"), "forearm", _ulna(g)),
        Bone(Part("carpals", "hands", "L"), "hand", _carpals(g)),
    ]
    hand_bones, hand_marks = _rays(g)
    marks = [
        mark("shoulder", "arm", "L", SHOULDER),
        mark("greater tubercle", "arm", "L", (203, 143, 1450)),
        mark("elbow", "arm", "L", ELBOW),
        mark("antecubital fossa", "forearm", "L", (200, 178, 1180)),
        mark("wrist", "forearm", "L", WRIST),
        mark("radiocarpal joint", "hand", "L", _palm(6, 0, 6)),
        mark("first carpometacarpal joint", "hand", "L", _palm(20, -4, 32)),
        mark("back of hand", "hand", "L", _palm(0, 14, 60)),
        *hand_marks,
    ]
    return both_sides(Piece((*bones, *hand_bones), tuple(marks)))


def _humerus(g: float) -> Solid:
    shaft = [
        (188, 148, 1440),
        (193, 155, 1416),
        (197, 167, 1385),
        (200, 180, 1340),
        (200, 193, 1295),
        (202, 203, 1250),
        (204, 213, 1214),
        (206, 217, 1196),
    ]
    radii = (
        f32(
            [
                [20, 20],
                [15, 15],
                [12, 12.5],
                [11.6, 12],
                [11.4, 12],
                [11.6, 11.6],
                [16, 9.5],
                [24, 8.5],
            ]
        )
        * g
    )
    shapes: list[Shape] = [
        Ellipsoid((179, 150, 1452), f32([24, 24, 24]) * g),
        Ellipsoid((198, 145, 1448), f32([12, 14, 17]) * g),
        Ellipsoid((186, 128, 1446), f32([8, 7, 12]) * g),
        *smooth_tube(shaft, radii, step=14),
        Ellipsoid((181, 219, 1200), f32([7, 6, 10]) * g),
        Ellipsoid((229, 212, 1200), f32([6, 6, 9]) * g),
        *tube([(188, 218, 1192), (226, 212, 1192)], f32([11.5, 10.5]) * g),
    ]
    cavity = smooth_tube(shaft[2:6], 6.0 * g, step=20)
    return sample(shapes, [Ellipsoid((204, 228, 1206), (9, 6, 9))], cavity)


def _radius(g: float) -> Solid:
    line = [(221, 210, 1170), (219, 208, 1150), (226, 206, 1105), (231, 205, 1050),
            (235, 206, 1002), (239, 209, 960), (242, 212, 945), (243, 213, 931)]  # fmt: skip
    wide = f32([12, 9, 8.6, 9, 9, 10, 16, 17]) * g
    thin = wide * f32([1, 1, 1, 1, 0.95, 0.9, 0.75, 0.75])
    across = (-0.9, -0.5, 0.0)
    shapes: list[Shape] = [*smooth_tube(line, np.stack([wide, thin], -1), across=across)]
    shapes += tube([(251, 207, 932), (252, 206, 926)], f32([6, 3.5]) * g)
    return sample(shapes, cavity=smooth_tube(line[2:5], 3.0 * g))


def _ulna(g: float) -> Solid:
    line = [(197, 232, 1180), (198, 231, 1168), (208, 230, 1145), (220, 238, 1100),
            (224, 238, 1040), (223, 235, 990), (221, 230, 950), (221, 226, 930)]  # fmt: skip
    radii = f32([11, 13, 11, 8.6, 8.2, 7.5, 7.5, 9.5]) * g
    shapes: list[Shape] = [*smooth_tube(line, radii)]
    shapes.append(Ellipsoid((193, 210, 1168), f32([12, 9, 9]) * g))
    return sample(
        shapes, [Ellipsoid((206, 217, 1188), (18, 11, 10))], smooth_tube(line[3:6], 2.6 * g)
    )


def _palm(thumbward: float, dorsal: float, distal: float) -> Floats:
    """Turn palm coordinates (mm from the wrist) into template coordinates of the left hand."""
    return f32(f32(WRIST) + thumbward * _THUMBWARD + dorsal * _DORSAL + distal * _DISTAL)


def _carpals(g: float) -> Solid:
    seats = [
        (13, 0, 5, 10),
        (1, 0, 4, 9.5),
        (-10, -2, 6, 8),
        (-12, -7, 14, 5.5),
        (18, -4, 23, 8.5),
        (9, 0, 24, 8),
        (0, 1, 25, 10.5),
        (-11, 0, 23, 9.5),
    ]
    return sample(
        [Ellipsoid(_palm(a, b, c), f32([r * 1.18, r * 1.18, r * 1.05]) * g) for a, b, c, r in seats]
    )


def _rays(g: float) -> tuple[list[Bone], list[Mark]]:
    """Metacarpals and phalanges of the five rays, the fingers gently curled towards the palm."""
    base = [(22, -6, 32), (12, 1, 36), (1, 2, 37), (-9, 1, 36), (-17, -1, 34)]
    fan = np.deg2rad([10, 3, 0, -3, -6])
    lengths = [
        (44, 30, 24, 0),
        (62, 38, 22, 16),
        (60, 42, 25, 17),
        (55, 39, 24, 17),
        (52, 32, 18, 16),
    ]
    bends = [
        (0.1, 0.1, 0.1),
        (0.38, 0.5, 0.4),
        (0.42, 0.55, 0.4),
        (0.44, 0.55, 0.4),
        (0.45, 0.55, 0.4),
    ]
    bones, marks = [], []
    for k, finger in enumerate(_FINGERS):
        place = f32(base[k])
        bend = 0.15 if k == 0 else 0.14
        metacarpal: list[Shape] = []
        phalanges: list[Shape] = []
        for joint, length in enumerate(lengths[k]):
            if length == 0:
                continue
            step = (
                f32([np.sin(fan[k]) * np.cos(bend), -np.sin(bend), np.cos(fan[k]) * np.cos(bend)])
                * length
            )
            ends = [place + step * share for share in (0.06, 0.25, 0.5, 0.78, 0.94)]
            wide = (9.8 if joint == 0 else 8.8 - 0.9 * joint) * (0.9 if k == 4 else 1.0) * g
            waist = wide * (0.62 if joint == 0 else 0.72)
            widths = [wide, waist, waist * 0.95, waist, wide * 0.92]
            target = metacarpal if joint == 0 else phalanges
            target += tube([_palm(*end) for end in ends], widths)
            place = place + step
            name = ("metacarpophalangeal", "proximal interphalangeal", "distal interphalangeal", "")
            if name[joint]:
                marks.append(mark(f"{name[joint]} joint {k + 1}", "hand", "L", _palm(*place)))
            if joint < 3:
                bend += bends[k][joint]
        bones.append(Bone(Part(f"metacarpal {k + 1}", "hands", "L"), "hand", sample(metacarpal)))
        bones.append(Bone(Part(f"{finger} phalanges", "hands", "L"), "hand", sample(phalanges)))
    return bones, marks
