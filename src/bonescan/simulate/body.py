"""Skin outline, lungs and organs of one patient on the voxel grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bonescan.simulate.parameters import BodyParameters
from bonescan.simulate.posture import Pose
from bonescan.simulate.shapes import Ellipsoid, Floats, Shape, f32, tube

#: Names of the values of `Anatomy.organ`; 0 is none of them.
ORGANS = (
    "none", "kidney right", "kidney left", "bladder", "liver", "heart", "spleen", "gut", "stomach",
    "thyroid", "breast right", "breast left", "nasal cavity", "mouth", "genitals", "brain",
    "prostate or uterus", "great vessels",
)  # fmt: skip

#: Height, half-width, front and back of the trunk's skin without the arms, mm, read off the
#: ICRP 110 adult male.
_TRUNK = np.array([
    (842, 110, 84, 228), (858, 165, 72, 244), (880, 184, 68, 252), (924, 189, 66, 256),
    (972, 184, 66, 256), (1020, 172, 54, 253), (1068, 166, 44, 246), (1116, 157, 40, 243),
    (1164, 150, 27, 244), (1212, 151, 18, 247), (1260, 155, 24, 252), (1308, 160, 32, 260),
    (1356, 166, 46, 267), (1404, 176, 62, 269), (1440, 180, 80, 264), (1470, 152, 92, 254),
    (1494, 106, 98, 243), (1515, 72, 94, 226), (1540, 61, 80, 210), (1580, 58, 78, 208),
])  # fmt: skip

#: Limb outlines: points of the template (x, y, h) and the two half-widths. Buttocks, thighs and
#: calves are flat behind, as those of a patient on the table.
_LIMBS: dict[str, tuple[tuple[float, ...], ...]] = {
    "girdle": ((150, 168, 1446, 46, 50), (178, 165, 1442, 50, 52)),
    "arm": (
        (184, 165, 1436, 50, 52),
        (196, 180, 1380, 46, 50),
        (202, 200, 1290, 42, 48),
        (206, 214, 1184, 40, 40),
    ),
    "forearm": (
        (206, 216, 1184, 40, 40),
        (220, 220, 1110, 38, 40),
        (230, 220, 1020, 31, 34),
        (235, 218, 930, 26, 29),
    ),
    "thigh": (
        (92, 152, 880, 93, 88),
        (88, 152, 732, 84, 80),
        (72, 155, 636, 70, 67),
        (61, 156, 540, 61, 63),
        (60, 167, 495, 57, 61),
    ),
    "shank": (
        (60, 168, 492, 57, 59),
        (66, 190, 410, 57, 51),
        (67, 199, 348, 57, 43),
        (65, 204, 290, 51, 39),
        (63, 206, 204, 39, 35),
        (61, 206, 150, 34, 38),
        (61, 199, 108, 36, 45),
    ),
}
_HAND = (
    (235, 217, 922, 27, 22),
    (232, 215, 870, 44, 22),
    (230, 218, 815, 40, 26),
    (228, 222, 782, 32, 24),
)
_FOOT = (
    (50, 238, 38, 36),
    (61, 200, 64, 40),
    (72, 150, 52, 38),
    (84, 108, 36, 36),
    (96, 66, 28, 38),
    (104, 34, 24, 34),
)

#: Ellipsoids of the soft organs: name, centre (x, y, h), half-axes, mm, from the ICRP 110 man.
_ORGANS: tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...] = (
    ("brain", (0, 140, 1694), (64, 86, 62)),
    ("nasal cavity", (0, 62, 1645), (16, 32, 20)),
    ("mouth", (0, 70, 1605), (25, 32, 14)),
    ("gut", (0, 110, 1110), (112, 56, 90)),
    ("gut", (0, 120, 1010), (88, 48, 50)),
    ("liver", (-70, 132, 1238), (56, 88, 80)),
    ("liver", (12, 94, 1268), (58, 46, 36)),
    ("stomach", (66, 112, 1250), (38, 56, 44)),
    ("spleen", (98, 190, 1262), (24, 34, 46)),
    ("great vessels", (0, 152, 1220), (12, 12, 150)),
    ("great vessels", (2, 126, 1420), (28, 22, 34)),
    ("heart", (32, 124, 1346), (58, 52, 58)),
    ("thyroid", (-17, 122, 1494), (9, 11, 24)),
    ("thyroid", (17, 122, 1494), (9, 11, 24)),
)


@dataclass(frozen=True)
class Grid:
    """The voxel grid: template-like coordinates (x, y, h) of the patient and array indices.

    Voxel (0, 0, 0) has its outer corner at (x0, y0) and at height ``top``.
    """

    shape: tuple[int, int, int]
    voxel_mm: float
    x0: float
    y0: float
    top: float

    def to_array_mm(self, points: Floats) -> Floats:
        """Return array millimetres (z, y, x) of patient points (..., 3) in (x, y, h)."""
        x, y, h = (points[..., k] for k in range(3))
        return np.stack([self.top - h, y - self.y0, x - self.x0], -1).astype(np.float32)

    def window(self, shape: Shape, margin: float = 0.0) -> tuple[tuple[slice, ...], Floats]:
        """Return the part of the grid that ``shape`` can touch and its points (..., 3)."""
        low, high = shape.bounds()
        first = self.to_array_mm(f32([low[0] - margin, low[1] - margin, high[2] + margin]))
        last = self.to_array_mm(f32([high[0] + margin, high[1] + margin, low[2] - margin]))
        v = self.voxel_mm
        window = tuple(
            slice(max(int(np.floor(a / v)), 0), min(int(np.ceil(b / v)) + 1, size))
            for a, b, size in zip(first, last, self.shape, strict=True)
        )
        z, y, x = (f32((np.arange(w.start, max(w.stop, w.start)) + 0.5) * v) for w in window)
        points = np.empty((len(z), len(y), len(x), 3), np.float32)
        points[..., 0] = x + f32(self.x0)
        points[..., 1] = (y + f32(self.y0))[:, None]
        points[..., 2] = (f32(self.top) - z)[:, None, None]
        return window, points


@dataclass(frozen=True)
class SoftTissue:
    """Masks on the grid: ``body`` and ``lung`` (Z, Y, X) bool, ``organ`` (Z, Y, X) uint8."""

    body: NDArray[np.bool_]
    lung: NDArray[np.bool_]
    organ: NDArray[np.uint8]


def outline_shapes(parameters: BodyParameters, pose: Pose) -> list[Shape]:
    """Return the tubes and ellipsoids that make the skin of head, arms and legs."""
    p = parameters
    size = p.size
    fat = p.fatness
    shapes: list[Shape] = []
    thick = {
        "girdle": fat**0.4,
        "arm": 1.06 * fat**0.5,
        "forearm": 1.04 * fat**0.38,
        "thigh": fat**0.52 * (1.06 if p.sex == "F" else 1.02),
        "shank": 1.1 * fat**0.42,
    }
    for side, s in (("R", -1.0), ("L", 1.0)):
        mirror = f32([s, 1, 1])
        for limb, rows in _LIMBS.items():
            table = f32(rows)
            line = pose(table[:, :3] * mirror, limb, side)
            shapes += tube(line, table[:, 3:] * f32(size * thick[limb]))
        hand = f32(_HAND)
        across = pose(f32([[235, 217, 860], [234.32, 216.27, 860]]) * mirror, "hand", side)
        shapes += tube(
            pose(hand[:, :3] * mirror, "hand", side),
            hand[:, 3:] * f32(size),
            across=across[1] - across[0],
        )
        foot = f32(_FOOT)
        ends = pose(f32([[60, 200, 40], [70, 203, 40]]) * mirror, "foot", side)
        wide = np.stack([foot[:, 3], f32([38, 46, 36, 30, 25, 22])], -1)
        shapes += tube(
            pose(foot[:, :3] * mirror, "foot", side),
            wide * f32(size),
            across=ends[1] - ends[0],
        )
        ear = pose(f32([[80 * s, 140, 1652]]), "head", side)[0]
        shapes.append(Ellipsoid(ear, f32([8, 17, 30])))
    return shapes + _head(p, pose, fat)


def _head(p: BodyParameters, pose: Pose, fat: float) -> list[Shape]:
    ends = [[0, 0, 1600], [1, 0, 1600], [0, 1, 1600], [0, 0, 1601], [0, 0, 1750], [0, 0, 1751]]
    frame = pose(f32(ends), "head", "M")
    steps = frame[[1, 2, 3]] - frame[0]
    length = np.linalg.norm(steps, axis=1)
    axes = steps / length[:, None]
    crown = length * f32([1, 1, np.linalg.norm(frame[5] - frame[4]) / length[2]])
    jowl = f32(fat**0.25)

    def at(*point: float) -> Floats:
        return f32(pose(f32([point]), "head", "M")[0])

    return [
        Ellipsoid(at(0, 134, 1686), f32([81, 107, 88]) * crown, axes),
        Ellipsoid(at(0, 88, 1622), f32([66 * jowl, 70, 80]) * length, axes),
        Ellipsoid(at(0, 22, 1646), f32([15, 20, 22]) * length, axes),
        *tube(
            [at(0, 140, 1630), pose(f32([[0, 150, 1510]]), "trunk", "M")[0]],
            f32([[62, 64], [64, 66]]) * jowl,
        ),
    ]


def fill_soft_tissue(parameters: BodyParameters, pose: Pose, grid: Grid) -> SoftTissue:
    """Return body, lungs and organs on ``grid``."""
    body = np.zeros(grid.shape, bool)
    _fill_trunk(parameters, pose, grid, body)
    for shape in outline_shapes(parameters, pose):
        window, points = grid.window(shape)
        if points.size:
            body[window] |= shape.distance(points) < 0
    organ = np.zeros(grid.shape, np.uint8)
    for name, shape in _organs(parameters, pose):
        window, points = grid.window(shape)
        if points.size:
            organ[window][shape.distance(points) < 0] = ORGANS.index(name)
    for name in ("breast right", "breast left", "genitals"):
        body |= organ == ORGANS.index(name)
    lung = _lungs(parameters, pose, grid)
    lung &= organ == 0
    organ[~body] = 0
    return SoftTissue(body, lung & body, organ)


def trunk_sections(parameters: BodyParameters, pose: Pose) -> NDArray[np.float64]:
    """Return rows (h, x, half-width, front, back) of the trunk's skin, in patient mm, h rising."""
    p = parameters
    size = p.size
    fat = p.fatness
    h, half, front, back = _TRUNK.T
    belly = np.exp(-(((h - 1090) / 150) ** 2))
    limb = "pelvis"
    low = pose(np.stack([0 * h, np.full_like(h, 166), h], -1), limb, "M")
    high = pose(np.stack([0 * h, np.full_like(h, 166), h], -1), "trunk", "M")
    line = np.where((h < 1046)[:, None], low, high)
    chest = 1 / (1 + np.exp(-(h - 1230) / 40))
    wide = p.pelvis_width * (1 - chest) + p.thorax_width**0.5 * p.shoulder_width**0.5 * chest
    waist = 1 - 0.06 * np.exp(-(((h - 1140) / 80) ** 2)) * (p.sex == "F")
    half = half * size * wide * waist * fat ** (0.44 + 0.12 * belly - 0.2 * (h > 1480))
    depth = (back - front) * size * (1 + (p.thorax_depth - 1) * chest)
    depth = depth * fat ** (0.46 + 0.27 * belly - 0.2 * (h > 1480))
    behind = line[:, 1] + (back - 166) * size * fat**0.08
    return np.stack([line[:, 2], line[:, 0], half, behind - depth, behind], -1)


def _fill_trunk(p: BodyParameters, pose: Pose, grid: Grid, body: NDArray[np.bool_]) -> None:
    rows = trunk_sections(p, pose)
    z = np.arange(grid.shape[0])
    h = grid.top - (z + 0.5) * grid.voxel_mm
    inside = np.nonzero((h > rows[0, 0]) & (h < rows[-1, 0]))[0]
    if not len(inside):
        return
    span = slice(inside[0], inside[-1] + 1)
    x, half, front, back = (
        np.interp(h[span], rows[:, 0], rows[:, k])[:, None, None].astype(np.float32)
        for k in range(1, 5)
    )
    xs = f32((np.arange(grid.shape[2]) + 0.5) * grid.voxel_mm + grid.x0)
    ys = f32((np.arange(grid.shape[1]) + 0.5) * grid.voxel_mm + grid.y0)[:, None]
    u = np.abs((xs - x) / half)
    v = np.abs((ys - (front + back) / 2) / ((back - front) / 2))
    body[span] |= u**2.6 + v**2.6 < 1


def _organs(p: BodyParameters, pose: Pose) -> list[tuple[str, Shape]]:
    size = p.size
    shapes: list[tuple[str, Shape]] = []

    def put(name: str, centre: tuple[float, ...], radii: ArrayLike, limb: str) -> None:
        at = pose(f32([centre]), limb, "M")[0]
        shapes.append((name, Ellipsoid(at, f32(radii) * f32(size))))

    for name, centre, radii in _ORGANS:
        head = name in ("brain", "nasal cavity", "mouth")
        put(name, centre, radii, "head" if head else "trunk")
    for side, s in (("right", -1.0), ("left", 1.0)):
        line = f32([(52 * s, 184, 1220), (67 * s, 178, 1194), (82 * s, 171, 1168)])
        line = pose(line + f32([3.0 if s > 0 else 0.0, 1, 4 * (s > 0)]), "trunk", "M")
        bean = tube(line, f32([21, 25, 22]) * f32(size))
        shapes += [(f"kidney {side}", piece) for piece in bean]
    radius = (p.bladder_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3) / size
    # Filling lifts the dome, which need not lie in the middle; the floor is wide and flat. What
    # is left after voiding, as patients do before the scan, lies flat behind the pubis.
    flat = float(np.clip((200.0 - p.bladder_ml) / 170.0, 0.0, 1.0))
    spread = f32([1 + 0.35 * flat, 1 + 0.15 * flat, 1 / ((1 + 0.35 * flat) * (1 + 0.15 * flat))])
    spread *= f32(radius)
    lean, high = p.bladder_lean * radius, float(spread[2])
    put("bladder", (0, 135, 908 + 0.72 * high), spread * f32([1.14, 1.0, 0.74]), "pelvis")
    put("bladder", (lean, 135, 908 + 1.1 * high), spread * f32([0.86, 0.9, 0.72]), "pelvis")
    put("prostate or uterus", (0, 155, 905 if p.sex == "M" else 960), (22, 18, 18), "pelvis")
    if p.sex == "M":
        put("genitals", (0, 92, 848), (20, 20, 42), "pelvis")
        put("genitals", (0, 105, 800), (27, 24, 26), "pelvis")
    else:
        put("genitals", (0, 120, 872), (14, 30, 14), "pelvis")
        for side, s in (("right", -1.0), ("left", 1.0)):
            bulk = 0.75 + 0.45 * (p.fatness - 0.6)
            put(f"breast {side}", (78 * s, 52, 1338), (62 * bulk, 38 * bulk, 60 * bulk), "trunk")
    return shapes


def _lungs(p: BodyParameters, pose: Pose, grid: Grid) -> NDArray[np.bool_]:
    size = p.size
    lung = np.zeros(grid.shape, bool)
    for s in (-1.0, 1.0):
        for centre, radii in (((72, 158, 1352), (52, 74, 96)), ((58, 156, 1415), (42, 54, 62))):
            at = pose(f32([[centre[0] * s, *centre[1:]]]), "trunk", "M")[0]
            shape = Ellipsoid(at, f32(radii) * f32(size))
            window, points = grid.window(shape)
            lung[window] |= shape.distance(points) < 0
    return lung
