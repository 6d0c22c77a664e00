"""The vertebral column: 7 cervical, 12 thoracic, 5 lumbar vertebrae, sacrum and coccyx."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bonescan.simulate.bones import Bone, Mark, Part, Piece, Sex, mark
from bonescan.simulate.shapes import (
    Box,
    Drum,
    Ellipsoid,
    Floats,
    Shape,
    Sheet,
    Solid,
    f32,
    sample,
    tube,
)


@dataclass(frozen=True)
class _Vertebra:
    """Template of one vertebra: place, size of the body and reach of its processes, mm."""

    name: str
    region: str
    centre: tuple[float, float]
    tilt: float
    half_width: float
    half_depth: float
    half_height: float
    spinous: tuple[float, float]
    transverse: tuple[float, float, float]


def spine(sex: Sex) -> Piece:
    """Return the vertebral column with disc and facet landmarks."""
    girth = 0.92 if sex == "F" else 1.0
    vertebrae = _cervical() + _thoracic() + _lumbar()
    bones, marks = [], []
    for v in vertebrae:
        bones.append(Bone(Part(v.name, v.region, "M"), "trunk", _solid(v, girth)))
    for upper, lower in pairwise(vertebrae):
        marks += _joints(upper, lower, girth)
    marks += [mark(v.name, "trunk", "M", (0.0, *v.centre)) for v in vertebrae]
    bones += [
        Bone(Part("sacrum", "sacrum", "M"), "pelvis", _sacrum(sex)),
        Bone(Part("coccyx", "sacrum", "M"), "pelvis", _coccyx()),
    ]
    marks += [
        mark("disc L5-S1", "trunk", "M", (0, 166, 1046)),
        mark("sacral base", "pelvis", "M", (0, 178, 1034)),
        mark("sacrum", "pelvis", "M", (0, 195, 1010)),
        mark("coccyx", "pelvis", "M", (0, 226, 932)),
    ]
    for side, s in (("R", -1.0), ("L", 1.0)):
        marks.append(mark("facet L5-S1", "trunk", side, (22 * s, 196, 1048)))
        marks.append(mark("sacral ala", "pelvis", side, (36 * s, 182, 1030)))
        marks.append(mark("sacroiliac joint", "pelvis", side, (57 * s, 196, 1024)))
        marks.append(mark("sacroiliac joint upper", "pelvis", side, (64 * s, 206, 1052)))
        marks.append(mark("sacroiliac joint lower", "pelvis", side, (52 * s, 198, 1000)))
    return Piece(tuple(bones), tuple(marks))


def _cervical() -> list[_Vertebra]:
    heights = np.linspace(1605, 1508, 7)
    rows = []
    for k in range(7):
        depth = 141 + 12 * (k / 6) ** 1.5 - 3 * np.sin(np.pi * k / 6)
        spinous = (26.0, -6.0) if k in (0,) else (30 + 2.2 * k, -6 - 1.0 * k)
        rows.append(
            _Vertebra(
                f"C{k + 1}",
                "cervical",
                (float(depth), float(heights[k])),
                -0.08 + 0.06 * k,
                12.5 + 0.8 * k,
                9.5,
                6.2,
                spinous,
                ((34.0, 4.0, 0.0) if k == 0 else (23 + 1.0 * k, 5.0, -1.0)),
            )
        )
    return rows


def _thoracic() -> list[_Vertebra]:
    rows = []
    knots = np.interp
    for k in range(12):
        h = 1485 - 22.3 * k - 0.19 * k**2
        y = knots(h, [1210, 1290, 1370, 1440, 1490], [177, 188, 195, 183, 157])
        rise = knots(h + 8, [1210, 1290, 1370, 1440, 1490], [177, 188, 195, 183, 157]) - y
        rows.append(
            _Vertebra(
                f"T{k + 1}",
                "thoracic",
                (float(y), h),
                float(np.arctan2(-rise, 8.0)),
                17.5 + 0.64 * k,
                13.4 + 0.46 * k,
                8.6 + 0.22 * k,
                (
                    float(30 + knots(k, [0, 3, 7, 11], [12, 10, 10, 8])),
                    float(knots(k, [0, 4, 8, 10, 11], [-12, -22, -22, -8, -2])),
                ),
                (float(knots(k, [0, 5, 10, 11], [41, 38, 27, 24])), 16.0, 3.0),
            )
        )
    return rows


def _lumbar() -> list[_Vertebra]:
    rows = []
    depths = [173, 165, 160, 159, 164]
    tilts = [-0.22, -0.12, 0.0, 0.12, 0.26]
    for k in range(5):
        rows.append(
            _Vertebra(
                f"L{k + 1}",
                "lumbar",
                (depths[k], 1188 - 30.9 * k),
                tilts[k],
                25.0 + 1.0 * k,
                19.5 + 0.3 * k,
                11.6 + 0.1 * k,
                (51.0, -8.0 + 2.0 * k),
                (38.0 + (4.0 if k == 2 else 0.0), 16.0, 3.0),
            )
        )
    return rows


def _axes(tilt: float) -> Floats:
    """Rows: to the left, to the back, up, of a vertebra leaning by ``tilt`` (rad, top forward)."""
    c, s = np.cos(tilt), np.sin(tilt)
    return f32([[1, 0, 0], [0, c, s], [0, -s, c]])


def _place(v: _Vertebra, points: list[tuple[float, float, float]]) -> Floats:
    """Turn points of the vertebra's own frame into template points."""
    return f32([0, *v.centre]) + f32(points) @ _axes(v.tilt)


def _solid(v: _Vertebra, girth: float) -> Solid:
    a, b, hh = v.half_width * girth, v.half_depth * girth, v.half_height
    centre = f32([0, *v.centre])
    lumbar = v.region == "lumbar"
    thick = {"cervical": 5.5, "thoracic": 6.4, "lumbar": 8.0}[v.region] * girth
    shapes: list[Shape] = []
    if v.name != "C1":
        shapes.append(Drum(centre, (a, b), hh, _axes(v.tilt), waist=1.8 if hh > 8 else 0.8))
    else:
        shapes += tube(
            _place(v, [(-20, 2, 1), (-13, -6, 0), (0, -11, 0), (13, -6, 0), (20, 2, 1)]),
            [9.0, 5.5, 4.5, 5.5, 9.0],
        )
    if v.name == "C2":
        shapes += tube(_place(v, [(0, -2, 4), (0, -3, 20)]), [6, 5])
    back = b + (17 if lumbar else 14)
    for s in (-1, 1):
        pillar = (0.78 * a + (7 if v.region == "cervical" else 0)) * s
        if v.name == "C1":
            pillar = 20.0 * s
        shapes += tube(
            _place(v, [(0.62 * a * s, 0.7 * b, 0.35 * hh), (pillar, b + 8, 0.2 * hh)]),
            [(thick, thick * 1.4)] * 2,
        )
        shapes += tube(
            _place(v, [(pillar, b + 8, 0.55 * hh), (pillar, b + 10, -0.55 * hh)]), thick * 1.15
        )
        shapes += tube(
            _place(v, [(pillar, b + 9, -0.1 * hh), (0, back + 4, -0.3 * hh)]),
            [(thick * 0.7, thick * 1.5)] * 2,
        )
        out, behind, up = v.transverse
        shapes += tube(
            _place(
                v,
                [
                    (pillar, b + (4 if v.region == "cervical" else 8), 0.1 * hh),
                    (out * s, b + behind - (10 if lumbar else 4), up),
                ],
            ),
            [thick * 0.95, thick * (0.6 if lumbar else 0.85)],
        )
    reach, drop = v.spinous
    high = 10.0 if lumbar else thick
    shapes += tube(
        _place(v, [(0, back + 3, -0.3 * hh), (0, b + reach - 8, drop)]),
        [(thick * 0.8, max(thick * 1.1, high * 0.8)), (thick * 0.75, high)],
    )
    return sample(shapes)


def _joints(upper: _Vertebra, lower: _Vertebra, girth: float) -> list[Mark]:
    middle = (f32(upper.centre) + f32(lower.centre)) / 2
    name = f"{upper.name}-{lower.name}"
    marks = [mark(f"disc {name}", "trunk", "M", (0, *middle))]
    for side, s in (("R", -1.0), ("L", 1.0)):
        x = (0.8 * upper.half_width * girth + (6 if upper.region == "cervical" else 0)) * s
        y = middle[0] + upper.half_depth * girth + 9
        marks.append(mark(f"facet {name}", "trunk", side, (x, y, middle[1])))
    return marks


def _sacrum(sex: Sex) -> Solid:
    wide = 1.04 if sex == "F" else 1.0
    line = [(163, 1037), (180, 1012), (198, 992), (211, 973), (218, 955)]
    halves = f32([27, 24, 20, 16, 12]) * wide
    depths = [17, 15, 12, 9, 7]
    shapes: list[Shape] = []
    for k, (y, h) in enumerate(line):
        tilt = [0.55, 0.62, 0.65, 0.4, 0.1][k]
        shapes.append(Drum((0, y, h), (halves[k], depths[k]), 12.5, _axes(tilt)))
    shapes.append(_wings_of_sacrum(wide))
    for s in (-1, 1):
        shapes += tube(
            [(26 * s * wide, 172, 1032), (46 * s * wide, 186, 1024), (51 * s * wide, 195, 1008)],
            [(15, 13), (12, 12), (9, 9)],
        )
    for s in (-1, 1):
        shapes += tube([(23 * s, 192, 1036), (22 * s, 199, 1052)], [9, 7])
    shapes += tube([(0, 200, 1034), (0, 222, 1000), (0, 232, 966)], [(5, 7), (6, 7), (5, 5)])
    holes = [
        Ellipsoid((s * x, y, h), (3.5, 16, 3.5))
        for s in (-1, 1)
        for x, y, h in ((27, 185, 1020), (24, 200, 999), (20, 210, 980), (16, 216, 962))
    ]
    return sample(shapes, holes)


def _wings_of_sacrum(wide: float) -> Sheet:
    """The plate between both auricular surfaces, thick above, down to the lower corners."""
    levels = f32([(54, 183, 1036), (55, 189, 1022), (53, 197, 1006), (45, 206, 990), (34, 212, 974),
                  (22, 218, 957)])  # fmt: skip
    share = np.linspace(-1, 1, 7)
    grid = np.zeros((len(levels), 7, 3))
    grid[..., 0] = levels[:, :1] * share * wide
    grid[..., 1] = levels[:, 1:2] + 4.0 * (1 - share**2)
    grid[..., 2] = levels[:, 2:]
    thick = f32([20, 19, 16, 12, 9, 7])[:, None] * (1 - 0.25 * np.abs(share))
    return Sheet(grid, thick)


def _coccyx() -> Solid:
    shapes: list[Shape] = [Box((0, 221, 941), (8, 5, 5), 3.0)]
    shapes += tube([(0, 221, 942), (0, 219, 930), (0, 214, 922)], [(8, 5), (6, 4.5), (4, 4)])
    return sample(shapes)
