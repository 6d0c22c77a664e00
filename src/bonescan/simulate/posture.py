"""From the template to one patient: a chain of limbs, each scaled and turned about its joint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonescan.simulate.arms import ELBOW, SHOULDER, WRIST
from bonescan.simulate.bones import SIDES
from bonescan.simulate.legs import ANKLE, KNEE
from bonescan.simulate.parameters import FOREARM_TILT_DEG, BodyParameters
from bonescan.simulate.pelvis import HIP
from bonescan.simulate.shapes import Floats, f32
from bonescan.simulate.skull import JAW_JOINT

#: Joints of the template about which limbs turn, mm.
ROOT = (0.0, 166.0, 1046.0)
ATLAS = (0.0, 141.0, 1606.0)
COLLAR = (20.0, 103.0, 1446.0)
#: Above this height over the root the trunk is neck, mm in the template; and that of its lowest
#: vertebra, above which a neck is longer or shorter than another.
_NECK = 460.0
_NECK_ROOT = 440.0
_SPINE_LENGTH = 560.0
#: Height of the template above which the pelvis is wing and sacrum, mm.
_WINGS_FROM = 965.0
#: Height of the template below which the scapula swings out with its tip, mm.
_GLENOID_LEVEL = 1450.0
#: Height of the template above which the head is crown, mm.
_CROWN_FROM = 1715.0
#: Height of the ears' canals, which a longer head has in the same place.
_EAR_HEIGHT = 1640.0
#: Lever by which a nod of the head lowers it, as the neck bends along.
_NECK_ARM_MM = 25.0
#: Standard deviation of each wave of the ribs' slope along the cage, as a tangent.
_RIB_WANDER = 0.014
#: Half the width within which the arms are strapped to the table.
_TABLE_HALF_MM = 295.0

Matrix = NDArray[np.float64]
Move = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Pose:
    """Where each limb of the template goes; key is limb and side, for instance ``("arm", "L")``."""

    moves: dict[tuple[str, str], Move]
    shape: Move

    def __call__(self, points: Floats, limb: str, side: str) -> Floats:
        """Return ``points`` (N, 3) of the template in the patient, mm, in (x, y, h)."""
        move = self.moves.get((limb, side)) or self.moves[limb, "M"]
        return move(self.shape(np.asarray(points, np.float32)))


def pose(parameters: BodyParameters) -> Pose:
    """Return the pose that ``parameters`` describe."""
    p = parameters
    size = p.size
    girth = size**0.8 * p.bone_girth
    turn = _about("h", -p.table_rotation_deg)

    def on_table(move: Move) -> Move:
        pivot = f32([0, 150, 0])
        return lambda points: f32((move(points) - pivot) @ f32(turn).T + pivot)

    shape = shape_change(p.shape_spread, p.shape_number)
    trunk = _trunk(p, size)
    head_size = (0.55 + 0.45 * size) * p.head_size * np.diag([p.head_width, 1.0, 1.0])
    skull = (
        _about("h", p.head_turn_deg) @ _about("y", p.head_tilt_deg) @ _about("x", p.head_nod_deg)
    )
    # The neck bends with the head: its upper end moves forward and down.
    sink = f32([0, 0.4, 1]) * f32(_NECK_ARM_MM * size * np.sin(np.deg2rad(p.head_nod_deg)))
    bent: Move = lambda points: trunk(points) - sink  # noqa: E731
    seated_head = _hinge(bent, shape(f32([ATLAS]))[0], skull @ head_size)
    head: Move = lambda points: seated_head(_lengthened(points, p.head_length))  # noqa: E731
    bite = skull @ _about("x", -p.jaw_close_deg)
    jaw = _hinge(head, shape(f32([JAW_JOINT]))[0], bite @ head_size)
    moves: dict[tuple[str, str], Move] = {
        ("trunk", "M"): trunk,
        ("rib", "M"): _ribs(p, trunk),
        ("head", "M"): head,
        ("jaw", "M"): lambda points: jaw(
            _lengthened(points, (1 + p.head_length) / 2, JAW_JOINT[2])
        ),
    }
    basin = _about("x", -p.pelvic_tilt_deg) @ _about("y", -p.pelvic_obliquity_deg)
    scale = np.diag([size * p.pelvis_width, size, size])
    seated = _hinge(trunk, shape(f32([ROOT]))[0], basin @ scale)
    pelvis: Move = lambda points: seated(  # noqa: E731
        _lowered(_flared(_opened(points, p.inlet_width), p.wing_flare_deg), p.wing_height)
    )
    moves["pelvis", "M"] = pelvis
    for k, side in enumerate("RL"):
        limbs = _arm(p, k, size, girth, trunk, shape) | _leg(p, k, size, girth, pelvis, shape)
        moves.update({(limb, side): move for limb, move in limbs.items()})
    return Pose({key: on_table(move) for key, move in moves.items()}, shape)


def shape_change(spread: float, number: int) -> Move:
    """Return the smooth random change of shape that makes one body, and its sides, its own.

    A sum of plane waves of displacement, 90-450 mm long. Those of 250 mm and more reach some 2 mm
    each, the shorter ones 0.5 mm, and half of it in the head: lengths and girths change by a few
    per cent from place to place.
    """
    if spread == 0:
        return lambda points: points
    rng = np.random.default_rng([number, 1])
    length = np.append(rng.uniform(250, 450, 5), rng.uniform(90, 160, 5))
    way = rng.standard_normal((10, 3))
    wave = way / np.linalg.norm(way, axis=1, keepdims=True) * (2 * np.pi / length)[:, None]
    reach = rng.standard_normal((10, 3)) * np.repeat([2.0, 0.5], 5)[:, None] * spread
    phase = rng.uniform(0, 2 * np.pi, 10)

    def move(points: Floats) -> Floats:
        turn = points @ f32(wave.T) + f32(phase)
        calm = 1 - 0.5 * np.clip((points[:, 2:] - 1500.0) / 100.0, 0, 1)
        return f32(points + calm * (np.sin(turn) @ f32(reach)))

    return move


def _opened(points: Floats, factor: float) -> Floats:
    """Widen the true pelvis, with hips and pubic arch, against the iliac wings and the sacrum."""
    low = np.clip((1040.0 - points[:, 2]) / 75.0, 0, 1) * np.clip((206.0 - points[:, 1]) / 40, 0, 1)
    wide = points.copy()
    wide[:, 0] *= 1 + (factor - 1) * low
    return wide


def _lengthened(points: Floats, factor: float, fixed: float = _EAR_HEIGHT) -> Floats:
    """Lengthen the head below its crown, which stays as round; height ``fixed`` stays in place.

    With it the crown grows blunt: parietal bones bulge where an ellipsoid already narrows.
    """
    long = points.copy()
    below = np.minimum(points[:, 2], _CROWN_FROM)
    long[:, 2] += (factor - 1) * (below - fixed)
    blunt = np.clip((points[:, 2] - 1695.0) / 35.0, 0, 1)
    long[:, 0] *= 1 + 0.35 * (factor - 1) * blunt
    return long


def _lowered(points: Floats, factor: float) -> Floats:
    """Shorten the iliac wings and the sacrum against the true pelvis; the root stays in place."""
    low = points.copy()
    low[:, 2] = ROOT[2] + factor * (np.maximum(points[:, 2], _WINGS_FROM) - ROOT[2])
    low[:, 2] += np.minimum(points[:, 2] - _WINGS_FROM, 0)
    return low


def _flared(points: Floats, degrees: tuple[float, float]) -> Floats:
    """Turn the iliac wings outwards about upright axes through the sacroiliac joints."""
    x, y, h = points.T
    share = np.clip((h - 965.0) / 50.0, 0, 1) * np.clip((np.abs(x) - 56.0) / 20.0, 0, 1)
    side = np.sign(x)
    angle = np.deg2rad(np.where(x > 0, degrees[1], degrees[0])) * share * side
    dx, dy = x - 56.0 * side, y - 205.0
    turned = np.stack(
        [
            56.0 * side + np.cos(angle) * dx - np.sin(angle) * dy,
            205.0 + np.sin(angle) * dx + np.cos(angle) * dy,
            h,
        ],
        -1,
    )
    return f32(np.where((share > 0)[:, None], turned, points))


def _arm(
    p: BodyParameters, k: int, size: float, girth: float, trunk: Move, shape: Move
) -> dict[str, Move]:
    """Moves of one arm; a thick trunk pushes the upper arm out."""
    s = SIDES["RL"[k]]
    mirror = f32([s, 1, 1])
    joints = shape(f32([COLLAR, SHOULDER, ELBOW, WRIST]) * mirror)
    collar, shoulder, elbow, wrist = joints
    wide = p.shoulder_width * (1 + s * p.shoulder_difference / 2)
    lift = _about("y", -s * p.shrug_deg[k])
    hung = _hinge(trunk, collar, lift @ np.diag([size * wide, size, size * p.scapula_height]))
    swing = float(s * np.tan(np.deg2rad(p.scapula_turn_deg[k])))
    girdle: Move = lambda points: hung(_swung(points, swing))  # noqa: E731
    length = size * p.arm_length
    reach = (SHOULDER[2] - ELBOW[2]) * length
    side = s * float(girdle(shoulder[None])[0, 0]) + (ELBOW[0] - SHOULDER[0]) * girth
    most = float(np.rad2deg(np.arcsin(np.clip((_TABLE_HALF_MM - 20 - side) / reach, -0.1, 0.5))))
    tilt = min(p.arm_abduction_deg[k] + p.arm_clearance_deg, most)
    clear = min(p.arm_clearance_deg, tilt)
    upper = _about("y", -s * tilt)
    arm = _hinge(girdle, shoulder, upper @ np.diag([girth, girth, length]))
    elbow_out = s * float(arm(elbow[None])[0, 0])
    inward = 0.85 * p.elbow_flexion_deg[k] + 0.6 * clear
    lift_deg = 0.25 * p.elbow_flexion_deg[k]
    if p.hands_on_body[k]:
        lift_deg += 10.0 + 14.0 * max(p.fatness - 0.9, 0.0)
    else:
        inward = min(inward, FOREARM_TILT_DEG + tilt - _least_tilt(p, elbow_out))
    inward = max(inward, FOREARM_TILT_DEG + tilt - _most_tilt(p, elbow_out))
    lower = upper @ _about("y", s * inward)
    lower = lower @ _about("x", -lift_deg)
    bone = np.diag([girth, girth, length])
    roll = np.deg2rad(-s * p.pronation_deg[k])

    def twist(points: Floats) -> Floats:
        """Turn the forearm about its own axis, from nothing at the elbow to all at the wrist."""
        share = np.clip((elbow[2] - points[:, 2]) / (elbow[2] - wrist[2]), 0, 1)
        axis = elbow + share[:, None] * (wrist - elbow)
        c, sn = np.cos(roll * share), np.sin(roll * share)
        dx, dy = (points - axis)[:, 0], (points - axis)[:, 1]
        return np.stack(
            [axis[:, 0] + c * dx - sn * dy, axis[:, 1] + sn * dx + c * dy, points[:, 2]], -1
        ).astype(np.float32)

    straight = _hinge(arm, elbow, lower @ bone)
    forearm: Move = lambda points: straight(twist(points))  # noqa: E731
    hand = _hinge(forearm, wrist, lower @ np.diag([girth, girth, length]) @ _about_h(roll))
    return {"girdle": girdle, "arm": arm, "forearm": forearm, "hand": hand}


def _swung(points: Floats, slope: float) -> Floats:
    """Swing the tip of a scapula out, about the level of its glenoid."""
    out = points.copy()
    out[:, 0] += slope * np.clip(_GLENOID_LEVEL - points[:, 2], 0, None)
    return out


def _least_tilt(p: BodyParameters, elbow_out: float) -> float:
    """Return the least sideways tilt of the forearm (degrees) that keeps the hand off the hip."""
    reach = (ELBOW[2] - WRIST[2] + 80.0) * p.size * p.arm_length
    gap = (p.hip_half_width_mm + 26.0 - elbow_out) / reach
    return float(np.rad2deg(np.arcsin(np.clip(gap, -0.6, 0.6))))


def _most_tilt(p: BodyParameters, elbow_out: float) -> float:
    """Return the greatest sideways tilt of the forearm (degrees) that keeps the hand on the table.

    A wide body leaves no room beside it: the hand then lies on the hip.
    """
    reach = (ELBOW[2] - WRIST[2] + 100.0) * p.size * p.arm_length
    gap = (_TABLE_HALF_MM - 36.0 - elbow_out) / reach
    return float(np.rad2deg(np.arcsin(np.clip(gap, -0.6, 0.6))))


def _leg(
    p: BodyParameters, k: int, size: float, girth: float, pelvis: Move, shape: Move
) -> dict[str, Move]:
    """Moves of one leg; heels that turn in and thick thighs push the legs apart."""
    s = SIDES["RL"[k]]
    mirror = f32([s, 1, 1])
    hip, knee, ankle = shape(f32([HIP, KNEE, ANKLE]) * mirror)
    length = size * p.leg_length * (1 + s * p.leg_difference / 2)
    bone = np.diag([girth, girth, length])
    outward = _about("h", s * p.leg_rotation_deg[k])
    room = 0.14 * max(p.leg_rotation_deg[k] - 6.0, 0.0) + 2.5 * max(p.fatness - 1.1, 0.0)
    spread = _about("y", -s * (p.leg_spread_deg[k] + room))
    bend = p.knee_flexion_deg[k]
    upper = spread @ _about("x", -0.5 * bend) @ outward
    lower = spread @ _about("y", -s * p.knee_valgus_deg[k]) @ _about("x", 0.5 * bend) @ outward
    axial = np.diag([length, girth, length])
    thigh = _hinge(pelvis, hip, upper @ axial)
    shank = _hinge(thigh, knee, lower @ bone)
    turn = _about("h", s * p.foot_turn_deg[k]) @ _about("x", p.foot_flexion_deg[k])
    foot = _hinge(shank, ankle, lower @ turn @ (np.eye(3) * size))
    return {"thigh": thigh, "shank": shank, "foot": foot}


def _trunk(p: BodyParameters, size: float) -> Move:
    """Scale the trunk and bend it sideways (scoliosis) and forward (kyphosis) above the root."""
    root = f32(ROOT)
    cobb = np.deg2rad(p.scoliosis_deg)
    hunch = np.deg2rad(p.kyphosis_deg)

    def move(points: Floats) -> Floats:
        x, y, u = (points - root).T
        t = np.clip(u / _SPINE_LENGTH, 0, 1)
        neck = np.clip((u - _NECK) / 60 + 0.5, 0, 1)
        wide = size * (p.thorax_width * (1 - neck) + neck)
        deep = size * (p.thorax_depth * (1 - neck) + neck)
        low = np.clip(t / 0.2, 0, 1)
        wide = size + (wide - size) * low
        deep = size + (deep - size) * low
        fade = np.sin(np.pi * np.clip((t - 0.12) / 0.88, 0, 1))
        arc = _SPINE_LENGTH * size
        bow = 0.22 * arc * cobb * (np.sin(np.pi * t) ** 2) * np.sin(2.2 * t + 0.2) * 0.75
        lean = 0.75 * cobb * fade * np.cos(np.pi * t)
        back = 0.10 * arc * hunch * np.sin(np.pi * np.clip(t / 0.95, 0, 1)) ** 2
        forward = 0.20 * arc * hunch * np.clip((t - 0.6) / 0.4, 0, 1) ** 2
        stoop = hunch * np.clip((t - 0.35) / 0.5, 0, 1) * 0.6
        long = u + (p.neck_length - 1) * np.maximum(u - _NECK_ROOT, 0)
        h = long * size * (1 - 0.04 * hunch * t)
        out_x = x * wide * np.cos(lean) + bow
        out_y = y * deep * np.cos(stoop) + back - forward
        out_h = h + x * wide * np.sin(lean) * 0.6 + y * deep * np.sin(stoop) * 0.5
        return root + np.stack([out_x, out_y, out_h], -1).astype(np.float32)

    return move


def _ribs(p: BodyParameters, trunk: Move) -> Move:
    """Slope the ribs down towards the sides, less so those below the tenth level.

    No two ribs of a cage slope alike, and its sides differ: the slope wanders by a degree or two
    from level to level, which makes the gaps between ribs uneven.
    """
    slope = np.tan(np.deg2rad(p.rib_slope_deg))
    rng = np.random.default_rng([p.shape_number, 2])
    wave = 2 * np.pi / rng.uniform(90, 200, (2, 3, 1))  # side, wave
    phase = rng.uniform(0, 2 * np.pi, (2, 3, 1))
    strength = _RIB_WANDER * p.shape_spread * rng.standard_normal((2, 3, 1))

    def move(points: Floats) -> Floats:
        x, h = points[:, 0], points[:, 2]
        reach = np.clip(np.abs(x) - 20, 0, 120) ** 2 / 90
        low = np.clip((h - 1120) / 160, 0.35, 1)
        right, left = (strength * np.sin(wave * h + phase)).sum(axis=1)
        drop = reach * (low * slope + np.where(x < 0, right, left))
        return trunk(f32(points - np.outer(drop, f32([0, 0, 1]))))

    return move


def _hinge(parent: Move, joint: tuple[float, ...] | Floats, matrix: Matrix) -> Move:
    """Carry a limb by its joint on the parent, scaled and turned by ``matrix``."""
    pivot = f32(joint)
    seat = parent(pivot[None])[0]
    turned = f32(matrix).T
    return lambda points: seat + (points - pivot) @ turned


def _about(axis: str, degrees: float) -> Matrix:
    """Return the rotation by ``degrees`` about x, y or h (right-handed in x, y, h)."""
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle), np.sin(angle)
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == "y":
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _about_h(angle: float) -> Matrix:
    return _about("h", float(np.rad2deg(angle)))
