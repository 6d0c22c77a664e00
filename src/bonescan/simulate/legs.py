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
        mark("ankle", "shank", "L", ANKLE),
        mark("medial malleolus", "shank", "L", (36, 192, 112)),
        mark("lateral malleolus", "shank", "L", (84, 212, 104)),
    )
    return both_sides(Piece(bones, marks))


def _femur(g: float) -> Solid:
    shaft = [
        (121, 168, 905),
        (118, 169, 868),
        (120, 163, 845),
        (115, 155, 800),
        (101, 146, 740),
        (90, 141, 690),
        (80, 140, 640),
        (71, 142, 585),
        (67, 145, 556),
        (63, 151, 535),
    ]
    radii = (
        f32(
            [
                [19, 17],
                [18, 17],
                [16, 16],
                [16, 15.5],
                [15.5, 15],
                [15, 15],
                [15, 15],
                [17, 16],
                [22, 17.5],
                [31, 21],
            ]
        )
        * g
    )
    shapes: list[Shape] = [
        Ellipsoid(HIP, f32([24, 24, 24]) * g),
        *tube(
            [(88, 150, 930), (120, 164, 905)],
            f32([[17, 15], [17, 19]]) * g,
            across=(0.6, 0, 1),
        ),
        Ellipsoid((137, 170, 908), f32([15, 18, 25]) * g),
        Ellipsoid((104, 178, 868), f32([9, 9, 15]) * g),
        *smooth_tube(shaft, radii, step=16),
        Ellipsoid((38, 171, 515), f32([20, 26, 22]) * g),
        Ellipsoid((84, 169, 515), f32([20, 27, 21]) * g),
        Ellipsoid((62, 150, 521), f32([36, 20, 20]) * g),
    ]
    notch = Ellipsoid((61, 186, 505), (8, 24, 16))
    return sample(
        shapes, [notch], smooth_tube(shaft[2:8], f32([8, 7.5, 7, 7, 7.5, 9]) * g, step=25)
    )


def _patella(g: float) -> Solid:
    return sample(
        [
            Ellipsoid((67, 114, 523), f32([22, 10, 18]) * g),
            Ellipsoid((67, 114, 511), f32([12, 8, 12]) * g),
        ]
    )


def _tibia(g: float) -> Solid:
    shaft = [
        (60, 168, 476),
        (62, 168, 452),
        (64, 167, 425),
        (66, 172, 390),
        (64, 180, 330),
        (65, 187, 260),
        (66, 192, 200),
        (65, 196, 160),
        (60, 197, 132),
        (58, 197, 118),
    ]
    radii = (
        f32(
            [
                [37, 23],
                [31, 21],
                [22, 20],
                [16, 17.5],
                [13.2, 16],
                [12.8, 14.5],
                [12.5, 13],
                [14.5, 14],
                [20, 18],
                [23, 19],
            ]
        )
        * g
    )
    shapes: list[Shape] = [
        *smooth_tube(shaft, radii, step=14),
        Drum((60, 168, 478), f32([38, 24]) * g, 10.0),
        Ellipsoid((64, 149, 455), f32([9, 7, 16]) * g),
        Ellipsoid((60, 170, 490), f32([7, 6, 6]) * g),
        *tube([(38, 192, 124), (36, 192, 106)], f32([[7, 11], [5, 7]]) * g),
    ]
    return sample(shapes, cavity=smooth_tube(shaft[3:8], f32([7, 6, 6, 6, 6.5]) * g, step=25))


def _fibula(g: float) -> Solid:
    line = [
        (99, 194, 470),
        (98, 196, 452),
        (93, 202, 420),
        (90, 204, 340),
        (86, 208, 250),
        (83, 211, 180),
        (83, 212, 135),
        (84, 212, 112),
        (84, 212, 98),
    ]
    radii = f32([10.5, 9, 6.2, 6.6, 6.8, 6.6, 8, 10.5, 7]) * g
    return sample(smooth_tube(line, radii, step=14))
