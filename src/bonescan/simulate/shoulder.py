"""The shoulder girdle: S-shaped clavicles and scapulae with spine, acromion and coracoid."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.bones import Bone, Part, Piece, Sex, both_sides, mark
from bonescan.simulate.shapes import Ellipsoid, Shape, Sheet, Solid, f32, sample, smooth_tube, tube

GLENOID = (163.0, 163.0, 1449.0)


def shoulder_girdle(sex: Sex) -> Piece:
    """Return both clavicles and scapulae with acromioclavicular and shoulder landmarks."""
    girth = 0.9 if sex == "F" else 1.0
    bones = (
        Bone(Part("clavicle", "clavicles", "L"), "girdle", _clavicle(girth)),
        Bone(Part("scapula", "scapulae", "L"), "girdle", _scapula(girth)),
    )
    marks = (
        mark("acromioclavicular joint", "girdle", "L", (160, 157, 1486)),
        mark("acromion", "girdle", "L", (178, 160, 1487)),
        mark("coracoid", "girdle", "L", (140, 132, 1462)),
        mark("glenohumeral joint", "girdle", "L", (166, 158, 1451)),
        mark("scapular outer border", "girdle", "L", (128, 213, 1388)),
        mark("scapular inner border", "girdle", "L", (67, 250, 1415)),
        mark("scapular spine", "girdle", "L", (105, 244, 1461)),
        mark("scapular tip", "girdle", "L", (90, 240, 1350)),
        mark("scapular spine outer", "girdle", "L", (142, 223, 1472)),
    )
    return both_sides(Piece(bones, marks))


def _clavicle(girth: float) -> Solid:
    line = [
        (21, 112, 1450),
        (34, 109, 1457),
        (62, 110, 1466),
        (92, 126, 1477),
        (120, 150, 1487),
        (142, 164, 1494),
        (157, 162, 1491),
    ]
    radii = f32([[10.5, 12.5], [9, 9.5], [7.4, 7.4], [7, 7], [7.8, 6.6], [9.5, 6], [8, 5.5]])
    return sample(smooth_tube(line, radii * girth, across=(0, 1, 0)))


def _scapula(girth: float) -> Solid:
    g = girth
    medial = f32(
        [(74, 228, 1486), (66, 245, 1462), (66, 251, 1430), (75, 252, 1390), (90, 247, 1351)]
    )
    lateral = f32(
        [(116, 187, 1484), (150, 176, 1462), (150, 186, 1428), (130, 213, 1388), (104, 238, 1351)]
    )
    share = np.linspace(0, 1, 6)[None, :, None]
    grid = medial[:, None] * (1 - share) + lateral[:, None] * share
    grid[:, 1:-1, 1] += 5.0
    thick = f32([[6.0, 4.2, 3.6, 3.8, 4.6, 8.0]] * 5) * g
    shapes: list[Shape] = [Sheet(grid, thick)]
    shapes += smooth_tube(medial, 4.0 * g)
    shapes += smooth_tube(
        [(153, 175, 1440), (149, 188, 1425), (130, 213, 1388), (102, 239, 1352)],
        f32([11.0, 9.0, 7.6, 6.6]) * g,
    )
    shapes.append(Ellipsoid((92, 240, 1355), f32([11, 6, 11]) * g))
    spine = f32([(70, 249, 1450), (98, 246, 1459), (126, 235, 1467), (150, 217, 1474)])
    base = f32([(70, 243, 1448), (100, 224, 1456), (124, 203, 1462), (140, 190, 1464)])
    mid = np.linspace(0, 1, 4)[None, :, None]
    shapes.append(Sheet(base[:, None] * (1 - mid) + spine[:, None] * mid, 3.4 * g))
    shapes += smooth_tube(spine, f32([3.6, 5.0, 7.0, 9.5]) * g)
    acromion = [(150, 217, 1474), (171, 202, 1478), (182, 181, 1478), (174, 162, 1480)]
    shapes += smooth_tube(
        acromion, f32([[8, 6], [12, 6], [13, 5.8], [11, 5.4]]) * g, across=(1, 1, 0)
    )
    shapes.append(Ellipsoid(GLENOID, f32([9, 15, 20]) * g, _glenoid_axes()))
    shapes += tube([(160, 166, 1449), (144, 180, 1450)], f32([15, 11]) * g)
    shapes += smooth_tube(
        [(147, 168, 1466), (142, 152, 1478), (141, 138, 1472), (146, 126, 1462)],
        f32([9, 7.6, 7.2, 6.5]) * g,
    )
    return sample(shapes)


def _glenoid_axes() -> np.ndarray:
    angle = np.deg2rad(40.0)
    c, s = np.cos(angle), np.sin(angle)
    return f32([[c, -s, 0], [s, c, 0], [0, 0, 1]])
