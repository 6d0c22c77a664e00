"""The lower limb: femur, patella, tibia and fibula, in the template's frame."""

from __future__ import annotations

from bonescan.simulate.bones import Bone, Part, Piece, Sex, both_sides, mark
from bonescan.simulate.pelvis import HIP
from bonescan.simulate.shapes import Drum, Ellipsoid, Shape, Solid, f32, sample, smooth_tube, tube

KNEE = (60.0, 168.0, 492.0)
ANKLE = (61.0, 197.0, 106.0)


def lower_limbs(sex: Sex) -> Piece:
    """Return thighs, knees and lower legs of both sides, without the feet."""
    g = 0.9 if sex == "F" else 1.0
    bones = (
        Bone(Part("femur", "femora", "L"), "thigh", _femur(g)),
        Bone(Part("patella", "patellae", "L"), "thigh", _patella(g)),
        Bone(Part("tibia", "lower legs", "L"), "shank", _tibia(g)),
        Bone(Part("fibula", "lower legs", "L"), "shank", _fibula(g)),
    )
    marks = (
        mark("greater trochanter", "thigh", "L", (141, 165, 915)),
        mark("lesser trochanter", "thigh", "L", (106, 178, 868)),
        mark("knee", "shank", "L", KNEE),
        mark("knee medial", "shank", "L", (40, 168, 491)),
        mark("knee lateral", "shank", "L", (83, 168, 491)),
        mark("patella", "thigh", "L", (67, 114, 520)),
        mark("tibial tuberosity", "shank", "L", (64, 147, 455)),
        mark("tibial metaphysis", "shank", "L", (64, 168, 435)),
        mark("ankle", "shank", "L", ANKLE),
        mark("medial malleolus", "shank", "L", (36, 192, 112)),
        mark("lateral malleolus", "shank", "L", (84, 212, 104)),
    )
    return both_sides(Piece(bones, marks))


def _femur(g: float) -> Solid:
    shaft = f32([
        (121, 168, 905, 19, 17), (118, 169, 868, 18, 17), (120, 163, 845, 16, 16),
        (115, 155, 800, 16, 15.5), (101, 146, 740, 15.5, 15), (90, 141, 690, 15, 15),
        (80, 140, 640, 15.5, 15), (72, 141, 590, 17, 16), (67, 145, 556, 21, 18),
        (63, 151, 535, 32, 22),
    ])  # fmt: skip
    shapes: list[Shape] = [
        Ellipsoid(HIP, f32([24, 24, 24]) * g),
        *tube([(88, 150, 930), (120, 164, 905)], f32([[17, 15], [17, 19]]) * g, across=(0.6, 0, 1)),
        Ellipsoid((137, 170, 908), f32([15, 18, 25]) * g),
        Ellipsoid((104, 178, 868), f32([9, 9, 15]) * g),
        *smooth_tube(shaft[:, :3], shaft[:, 3:] * g, step=16),
        Ellipsoid((37, 171, 517), f32([21, 26, 24.5]) * g),
        Ellipsoid((85, 169, 517), f32([21, 27, 24.5]) * g),
        Ellipsoid((37, 167, 506), f32([21, 29, 13.5]) * g),
        Ellipsoid((85, 166, 506), f32([21, 29, 13.5]) * g),
        Ellipsoid((62, 150, 522), f32([37, 20, 21]) * g),
    ]
    notch = Ellipsoid((61, 188, 504), (7, 22, 14))
    cavity = smooth_tube(shaft[2:8, :3], f32([8, 7.5, 7, 7, 7.5, 9]) * g, step=25)
    return sample(shapes, [notch], cavity)


def _patella(g: float) -> Solid:
    return sample([
        Ellipsoid((69, 114, 525), f32([22, 10, 18]) * g),
        Ellipsoid((69, 114, 512), f32([12, 8, 12]) * g),
    ])  # fmt: skip


def _tibia(g: float) -> Solid:
    shaft = f32([
        (60, 168, 478, 37.5, 23), (61, 168, 456, 32, 21.5), (63, 167, 430, 22, 19.5),
        (65, 171, 395, 16.5, 17.5), (64, 180, 330, 13.4, 16), (65, 187, 260, 12.8, 14.5),
        (66, 192, 200, 12.5, 13), (65, 196, 160, 14.5, 14), (60, 197, 132, 20, 18),
        (58, 197, 117, 23.5, 19.5),
    ])  # fmt: skip
    shapes: list[Shape] = [
        *smooth_tube(shaft[:, :3], shaft[:, 3:] * g, step=14),
        Drum((60, 168, 480.5), f32([39, 24.5]) * g, 11.0, rounding=1.0),
        Ellipsoid((64, 149, 455), f32([9, 7, 16]) * g),
        Ellipsoid((60, 170, 491), f32([7, 6, 6]) * g),
        *tube([(38, 192, 124), (36, 192, 110)], f32([[7, 11], [5, 7]]) * g),
    ]
    cavity = smooth_tube(shaft[3:8, :3], f32([7, 6, 6, 6, 6.5]) * g, step=25)
    return sample(shapes, cavity=cavity)


def _fibula(g: float) -> Solid:
    line = f32([
        (99, 196, 470, 10.5), (98, 199, 452, 9), (93, 206, 420, 6.2), (90, 209, 340, 6.6),
        (86, 212, 250, 6.8), (83, 215, 180, 6.6), (83, 218, 135, 8), (84, 219, 116, 10.5),
        (84, 217, 104, 7),
    ])  # fmt: skip
    return sample(smooth_tube(line[:, :3], line[:, 3] * g, step=14))
