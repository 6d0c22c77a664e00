"""The hip bones: iliac wing, acetabulum, ischium and pubis with the obturator foramen."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.bones import Bone, Part, Piece, Sex, both_sides, mark
from bonescan.simulate.shapes import (
    Both,
    Ellipsoid,
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

HIP = (85.0, 150.0, 932.0)

#: Upper rim of the wing from the anterior to the posterior superior spine, and the line where the
#: wing meets the acetabular roof, the arcuate line and the sciatic notch, mm.
_CREST = (
    (125, 95, 1004), (138, 100, 1024), (144, 114, 1040), (141, 134, 1057), (128, 158, 1070),
    (106, 181, 1077), (83, 200, 1075), (64, 213, 1066), (54, 220, 1049),
)  # fmt: skip
_ROOT = (
    (106, 116, 968), (104, 124, 967), (99, 136, 967), (91, 149, 970), (79, 164, 976),
    (68, 175, 981), (60, 184, 984), (54, 194, 983), (50, 204, 982),
)  # fmt: skip


def hip_bones(sex: Sex) -> Piece:
    """Return both hip bones with hip, symphysis and iliac landmarks."""
    bone = Bone(Part("hip bone", "pelvis", "L"), "pelvis", _hip_bone(sex))
    marks = (
        mark("hip", "pelvis", "L", HIP),
        mark("anterior superior iliac spine", "pelvis", "L", _CREST[0]),
        mark("posterior superior iliac spine", "pelvis", "L", _CREST[-1]),
        mark("iliac wing", "pelvis", "L", (108, 148, 1022)),
        mark("iliac crest front", "pelvis", "L", _CREST[2]),
        mark("iliac crest", "pelvis", "L", _CREST[4]),
        mark("iliac crest back", "pelvis", "L", _CREST[6]),
        mark("ischial tuberosity", "pelvis", "L", (61, 188, 874)),
        mark("pubic symphysis", "pelvis", "M", (0, 104, 905)),
        mark("acetabular roof", "pelvis", "L", (88, 150, 962)),
        mark("arcuate line", "pelvis", "L", (92, 148, 975)),
        mark("arcuate line upper", "pelvis", "L", (70, 174, 995)),
        mark("superior pubic ramus", "pelvis", "L", (50, 109, 932)),
        mark("acetabular rim", "pelvis", "L", (98, 127, 955)),
        mark("posterior column", "pelvis", "L", (70, 178, 952)),
        mark("ischial column", "pelvis", "L", (70, 184, 916)),
    )
    return both_sides(Piece((bone,), marks))


def _hip_bone(sex: Sex) -> Solid:
    g = 0.97 if sex == "F" else 1.06
    open_ = 6.0 if sex == "F" else 0.0
    crest, root = f32(_CREST), f32(_ROOT)
    share = np.linspace(0, 1, 6)[:, None, None]
    wing = root * (1 - share) + crest * share
    wing += np.sin(np.pi * share) * f32([3.0, 5.0, 0.0])
    across = np.interp(np.arange(9), [0, 1, 2, 4, 5, 6, 7, 8], [10, 7, 4, 3.5, 5, 12, 16, 16])
    along = f32([2.6, 1.9, 1.05, 1.0, 1.2, 1.7])[:, None]
    thick = np.clip(across[None] * along, 3.6, 17.0) * g
    shapes: list[Shape] = [Sheet(wing, thick)]
    rim = f32([11.5, 11, 9.5, 7.5, 6.5, 6.2, 6.8, 8, 8.5]) * g
    shapes += smooth_tube(crest, rim, step=6)
    shapes += smooth_tube([(124, 98, 1004), (113, 108, 985), (107, 114, 966)], 9.0 * g)
    shapes += smooth_tube(
        [(104, 132, 966), (84, 158, 983), (65, 183, 1002)], f32([12.5, 13, 13]) * g
    )
    shapes += _socket(g)
    shapes += smooth_tube(
        [(76, 126, 950), (56, 112, 936), (32 + open_, 104, 922), (13, 104, 913)],
        f32([12.5, 10.5, 10, 10.5]) * g,
    )
    shapes.append(Ellipsoid((13, 105, 905), f32([12.5, 9.5, 18]) * g))
    shapes += smooth_tube(
        [(11, 108, 890), (26 + open_, 124, 879), (45 + open_, 152, 872), (60 + open_, 178, 874)],
        f32([8.5, 6.5, 7, 10.5]) * g,
    )
    shapes += smooth_tube(
        [
            (85, 172, 938),
            (77 + open_ / 2, 182, 912),
            (68 + open_, 188, 892),
            (61 + open_, 188, 878),
        ],
        f32([15, 13, 14.5, 13]) * g,
    )
    shapes += tube([(66, 190, 935), (52, 200, 932)], f32([8, 3.5]) * g)
    ball = Ellipsoid((HIP[0] + 1, HIP[1], HIP[2]), (26, 26, 26))
    return sample(shapes, [ball])


def _socket(g: float) -> list[Shape]:
    """The acetabulum: a horseshoe that is thick above and behind and open below."""
    cup = Shell(Ellipsoid(HIP, f32([34, 35, 35])), 8.0 * g)
    mouth = Side((HIP[0] + 10, HIP[1], HIP[2]), (0.80, -0.3, -0.5))
    notch = Side((HIP[0], HIP[1], HIP[2] - 14), (0.0, 0.35, -1.0))
    roof = Ellipsoid((88, 150, 965), f32([14, 22, 9]) * g)
    back = Ellipsoid((75, 176, 944), f32([12, 14, 24]) * g)
    return [Both((cup, mouth, notch)), roof, back]
