"""The head: skull vault, base and face, jaw and teeth, in the template's frame.

The template's mouth is a little open, as the ICRP 110 man's is.
"""

from __future__ import annotations

import numpy as np

from bonescan.simulate.bones import Bone, Part, Piece, Sex, mark
from bonescan.simulate.shapes import (
    Both,
    Box,
    Ellipsoid,
    Floats,
    Shape,
    Sheet,
    Shell,
    Side,
    Solid,
    f32,
    sample,
    smooth_tube,
    tube,
)

#: Centre and half-axes of the outer table of the vault, mm (Martin's cranial lengths for adult
#: men are about 145 mm across and 182 mm long; the ICRP 110 man's skull is 145 mm across).
VAULT_CENTRE = (0.0, 137.0, 1683.0)
VAULT_RADII = (72.0, 96.0, 77.0)
VAULT_THICKNESS = 7.8
#: Middle of the jaw's joints, about which it closes.
JAW_JOINT = (0.0, 124.0, 1634.0)
#: The base runs from the orbital roofs down to the occiput.
_BASE_POINT, _BASE_NORMAL = (0.0, 40.0, 1688.0), (0.0, -0.45, -1.0)


def head(sex: Sex) -> Piece:
    """Return skull, jaw and teeth with the landmarks of the head."""
    female = sex == "F"
    bones = [
        Bone(Part("skull", "skull", "M"), "head", _skull(0.93 if female else 1.0)),
        Bone(Part("mandible", "mandible", "M"), "jaw", _mandible(1.0 if female else 1.1)),
    ]
    marks = [
        mark("vertex", "head", "M", (0, 135, 1760)),
        mark("occiput", "head", "M", (0, 230, 1670)),
        mark("nasal cavity", "head", "M", (0, 55, 1645)),
        mark("frontal sinus", "head", "M", (0, 42, 1690)),
        mark("sphenoid sinus", "head", "M", (0, 105, 1660)),
        mark("upper teeth", "head", "M", (0, 42, 1613)),
        mark("lower teeth", "jaw", "M", (0, 44, 1592)),
        mark("chin", "jaw", "M", (0, 38, 1556)),
    ]
    for side, sign in (("R", -1.0), ("L", 1.0)):
        marks += [
            mark("orbit", "head", side, (31 * sign, 58, 1667)),
            mark("maxillary sinus", "head", side, (26 * sign, 62, 1640)),
            mark("ear", "head", side, (76 * sign, 142, 1650)),
            mark("temporomandibular joint", "head", side, (50 * sign, 124, 1634)),
            mark("upper molars", "head", side, (25 * sign, 70, 1613)),
            mark("angle of the jaw", "jaw", side, (44 * sign, 98, 1578)),
            mark("occipital floor", "head", side, (32 * sign, 178, 1622)),
            mark("lower molars", "jaw", side, (25 * sign, 70, 1592)),
        ]
    return Piece(tuple(bones), tuple(marks))


def _skull(face: float) -> Solid:
    outer = Ellipsoid(VAULT_CENTRE, VAULT_RADII)
    vault = Both((Shell(outer, VAULT_THICKNESS), Side(_BASE_POINT, _BASE_NORMAL)))
    add: list[Shape] = [vault, *_base(), *_face(face)]
    cut: list[Shape] = [
        Ellipsoid((0, 156, 1626), (14, 18, 18)),
        *(Ellipsoid((31 * s, 50, 1667), (17, 26, 16)) for s in (-1, 1)),
        *(Ellipsoid((27 * s, 62, 1642), (9, 14, 11)) for s in (-1, 1)),
        Ellipsoid((0, 104, 1660), (12, 9, 7)),
    ]
    return sample(add, cut)


def _base() -> list[Shape]:
    """Floors of the three cranial fossae, petrous pyramids, mastoids, condyles, pterygoids."""
    x = np.linspace(-1, 1, 7)
    rows = [(46, 48, 1691, 1680), (66, 56, 1685, 1683), (84, 60, 1680, 1688), (94, 62, 1666, 1664),
            (108, 64, 1664, 1651), (124, 66, 1656, 1650), (140, 60, 1640, 1642),
            (164, 48, 1624, 1634), (186, 36, 1620, 1630)]  # fmt: skip
    domes = (7, 7, 3, 0, 0, 0, 0, 0, 0)  # the orbital roofs, the cribriform plate between them
    grid = [
        [
            (half * u, y, middle + (edge - middle) * abs(u) + dome * (np.sin(np.pi * abs(u)) - 0.5))
            for u in x
        ]
        for (y, half, middle, edge), dome in zip(rows, domes, strict=True)
    ]
    shapes: list[Shape] = [Sheet(grid, 3.0)]
    for s in (-1, 1):
        shapes += tube([(14 * s, 122, 1653), (54 * s, 148, 1647)], [7, 8])
        shapes.append(Ellipsoid((52 * s, 150, 1637), (7.5, 12, 14)))
        shapes.append(Ellipsoid((13 * s, 144, 1628), (8, 12, 8)))
        shapes += tube([(14 * s, 88, 1655), (16 * s, 90, 1622)], [6, 5])
        shapes += tube([(20 * s, 90, 1668), (56 * s, 90, 1676)], [(4, 7), (4, 10)])
    shapes += tube([(0, 100, 1666), (0, 138, 1636)], [(15, 9), (11, 7)])
    return shapes


def _face(size: float) -> list[Shape]:
    shapes: list[Shape] = []
    for s in (-1, 1):
        angle = np.linspace(0, 2 * np.pi, 17)
        rim = np.stack(
            [
                31 * s + 22 * np.cos(angle),
                46 + 0.6 * np.abs(np.cos(angle)) * 14 + 0 * angle,
                1667 + 19 * np.sin(angle),
            ],
            -1,
        )
        shapes += tube(rim, 3.4 * size)
        shapes += smooth_tube(
            [
                (22 * s, 52, 1641),
                (45 * s, 55, 1645),
                (60 * s, 74, 1649),
                (64 * s, 98, 1650),
                (61 * s, 118, 1649),
            ],
            f32([7, 8, 5.6, 3.2, 3.8]) * size,
        )
        shapes += tube([(51 * s, 60, 1668), (50 * s, 62, 1646)], [5 * size, 7 * size])
        shapes.append(Ellipsoid((20 * s, 63, 1637), f32([16, 22, 21]) * size))
        shapes += tube([(30 * s, 72, 1626), (24 * s, 66, 1616)], [8 * size, 6 * size])
        shapes += tube([(13 * s, 45, 1663), (12 * s, 42, 1630)], [5 * size, 5 * size])
        shapes.append(Shell(Ellipsoid((31 * s, 54, 1667), (21, 34, 20)), 2.0))
    arch = np.stack(
        [
            25 * np.sin(np.linspace(-1.45, 1.45, 13)),
            84 - 46 * np.cos(np.linspace(-1.45, 1.45, 13)),
            1621.0 - 8.0 * np.cos(np.linspace(-1.45, 1.45, 13)),
        ],
        -1,
    )
    shapes += tube(arch, f32([[5.0, 10.0]]) * size, across=(0, 0, 0.001))
    shapes.append(Box((0, 66, 1627), (20, 22, 2.5)))
    shapes += [Box((6 * s, 60, 1644), (1.6, 22, 16), 1.0) for s in (-1, 1)]
    shapes.append(Box((0, 60, 1646), (1.5, 26, 20), 1.0))
    shapes += tube([(0, 39, 1684), (0, 30, 1660)], [(7, 4), (9, 4)])
    return shapes


def _mandible(size: float) -> Solid:
    left = [(51, 122, 1631), (50, 117, 1605), (47, 106, 1583), (38, 74, 1579), (24, 48, 1571),
            (9, 39, 1567)]  # fmt: skip
    body = [*((-x, y, h) for x, y, h in left), *reversed(left)]
    half = [(5, 8), (5, 15), (6.6, 13.5), (7, 14.5), (7, 16), (7, 17)]
    radii = f32(half + half[::-1]) * size
    add: list[Shape] = []
    for k in range(len(body) - 1):
        add += _plate(body[k], body[k + 1], radii[k], radii[k + 1])
    for s in (-1, 1):
        add.append(Ellipsoid((51 * s, 124, 1630), f32([10, 6, 7]) * size))
        add += tube([(49 * s, 112, 1600), (47 * s, 97, 1618)], [5 * size, 3.5 * size])
    return sample(add)


def _plate(
    start: tuple[float, ...], stop: tuple[float, ...], first: Floats, last: Floats
) -> tuple[Shape, ...]:
    """One stretch of the jaw: thin across it, high along h (or along y on the ramus)."""
    along = np.subtract(stop, start)
    upright = abs(along[2]) > np.hypot(along[0], along[1])
    high = f32([0, 1, 0]) if upright else f32([0, 0, 1])
    thin = np.cross(along, high)
    return tube([start, stop], [first, last], across=thin)
