"""The rib cage: twelve pairs of ribs, the costal cartilage's ends as landmarks, the sternum."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.bones import Bone, Mark, Part, Piece, Sex, both_sides, mark
from bonescan.simulate.shapes import Floats, Shape, Solid, curve, f32, sample, tube

#: One row a rib, mm: height of the head; depth of the head; furthest back (x, y); widest (x, y);
#: anterior end (x, y, height). Levels and widths follow the ICRP 110 adult male.
_RIBS = (
    (1487, 172, 50, 196, 65, 150, 31, 103, 1452),
    (1464, 186, 62, 214, 94, 158, 48, 83, 1405),
    (1442, 194, 66, 224, 114, 160, 62, 70, 1363),
    (1418, 201, 68, 231, 127, 160, 73, 61, 1324),
    (1395, 204, 68, 235, 134, 158, 83, 56, 1287),
    (1371, 204, 68, 236, 137, 156, 93, 54, 1252),
    (1346, 202, 67, 235, 139, 154, 104, 57, 1219),
    (1322, 199, 66, 233, 140, 153, 112, 62, 1186),
    (1296, 196, 64, 230, 139, 152, 121, 77, 1162),
    (1271, 192, 62, 226, 136, 156, 127, 101, 1146),
    (1245, 188, 60, 220, 122, 174, 122, 140, 1130),
    (1218, 185, 54, 212, 72, 206, 80, 199, 1168),
)


def rib_cage(sex: Sex) -> Piece:
    """Return ribs and sternum with costochondral and sternoclavicular landmarks."""
    girth = 0.9 if sex == "F" else 1.0
    bones, marks, lines = [], list[Mark](), {}
    for number, row in enumerate(_RIBS, start=1):
        line = _centre_line(number, row)
        bones.append(Bone(Part(f"rib {number}", "ribs", "L"), "rib", _rib(number, line, girth)))
        lines[f"rib {number}", "L"] = line
        marks.append(mark(f"costochondral {number}", "rib", "L", line[-1]))
        marks.append(mark(f"costovertebral {number}", "rib", "L", line[0]))
    bones += [
        Bone(Part("manubrium", "sternum", "M"), "trunk", _manubrium(girth)),
        Bone(Part("sternal body", "sternum", "M"), "trunk", _sternal_body(girth)),
        Bone(Part("xiphoid", "sternum", "M"), "trunk", _xiphoid(girth)),
    ]
    marks += [
        mark("manubriosternal joint", "trunk", "M", (0, 87, 1397)),
        mark("xiphisternal joint", "trunk", "M", (0, 60, 1303)),
        mark("sternoclavicular joint", "trunk", "L", (20, 103, 1446)),
    ]
    return both_sides(Piece(tuple(bones), tuple(marks), lines))


def _centre_line(number: int, row: tuple[float, ...]) -> Floats:
    head, depth, back_x, back_y, wide_x, wide_y, tip_x, tip_y, tip_h = row
    drop = head - tip_h
    steep = float(np.interp(number, [1, 11], [-0.4, 1.2]))
    if number == 12:
        knots = [
            (17, depth, head),
            (34, depth + 14, head - 4),
            (back_x, back_y, head - 17),
            (wide_x, wide_y + 6, head - 40),
            (tip_x, tip_y, tip_h),
        ]
        return curve(knots, 24)
    knots = [
        (18 if number > 1 else 20, depth, head),
        (36, depth + 0.55 * (back_y - depth), head + 3),
        (back_x, back_y, head - (0.05 + 0.02 * steep) * drop),
        (
            0.3 * back_x + 0.7 * wide_x + 2,
            0.58 * back_y + 0.42 * wide_y,
            head - (0.24 + 0.08 * steep) * drop,
        ),
        (wide_x, wide_y, head - (0.48 + 0.10 * steep) * drop),
        (
            wide_x - 0.2 * (wide_x - tip_x) - 1,
            0.52 * wide_y + 0.48 * tip_y,
            head - (0.71 + 0.07 * steep) * drop,
        ),
        (tip_x, tip_y, tip_h),
    ]
    return curve(knots, 44)


def _rib(number: int, line: Floats, girth: float) -> Solid:
    count = len(line)
    t = np.linspace(0, 1, count)
    high = np.interp(t, [0, 0.06, 0.14, 0.5, 1], [6.4, 5.4, 6.9, 7.3, 7.9])
    thin = np.interp(t, [0, 0.06, 0.14, 0.5, 1], [5.2, 4.4, 4.6, 4.2, 4.1])
    if number in (1, 2):
        high, thin = high * 1.1, thin * 0.95
    if number >= 11:
        high, thin = high * 0.85, thin * 0.9
    middle = f32([0, 150, 0])
    shapes: list[Shape] = []
    for k in range(count - 1):
        along = line[k + 1] - line[k]
        outward = (line[k] - middle) * f32([1, 1, 0])
        if number == 1:
            outward = f32([0, 0, 1])
        radii = f32([[thin[k], high[k]], [thin[k + 1], high[k + 1]]]) * girth
        flat = outward - along * (outward @ along) / max(float(along @ along), 1e-6)
        shapes += tube(line[k : k + 2], radii, across=flat)
    return sample(shapes)


def _manubrium(girth: float) -> Solid:
    return sample(
        [
            *tube(
                [(0, 106, 1438), (0, 98, 1420), (0, 89, 1402)],
                f32([[31, 7], [26, 6.5], [18, 6]]) * girth,
            ),
            *tube([(-27, 106, 1441), (27, 106, 1441)], 7.5 * girth),
        ]
    )


def _sternal_body(girth: float) -> Solid:
    return sample(
        tube(
            [(0, 83, 1388), (0, 74, 1360), (0, 66, 1330), (0, 61, 1313)],
            f32([[14, 5.5], [16, 5.5], [19, 5.5], [15, 5]]) * girth,
        )
    )


def _xiphoid(girth: float) -> Solid:
    return sample(tube([(0, 58, 1302), (0, 55, 1284)], f32([[8, 4], [4, 3]]) * girth))
