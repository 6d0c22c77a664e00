"""What a bone of the template skeleton is: a named part, its solid, and the limb it moves with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bonescan.simulate.shapes import Floats, Solid, f32

Sex = Literal["F", "M"]

#: Suffixes of body sides and the sign of x on that side.
SIDES: dict[str, float] = {"R": -1.0, "L": 1.0}


@dataclass(frozen=True)
class Part:
    """One named bone, for instance ``Part("rib 5", "ribs", "R")``; ``side`` is R, L or M."""

    name: str
    region: str
    side: str


@dataclass(frozen=True)
class Bone:
    """A bone of the template: its part, its solid, and the rigid limb that carries it.

    ``limb`` names a node of the posture chain without its side, for instance ``thigh``.
    """

    part: Part
    limb: str
    solid: Solid


@dataclass(frozen=True)
class Mark:
    """A named point of the template, with the limb that carries it; ``side`` R, L or M."""

    name: str
    limb: str
    side: str
    point: tuple[float, float, float]


@dataclass(frozen=True)
class Piece:
    """What one anatomical module contributes: bones, landmarks and centre lines.

    ``lines`` maps a part's name and side to its centre line (n, 3), mm.
    """

    bones: tuple[Bone, ...]
    marks: tuple[Mark, ...]
    lines: dict[tuple[str, str], Floats] = field(default_factory=dict)


def join(pieces: Iterable[Piece]) -> Piece:
    """Return all bones, marks and lines of several pieces."""
    pieces = tuple(pieces)
    lines = {key: line for piece in pieces for key, line in piece.lines.items()}
    return Piece(
        tuple(bone for piece in pieces for bone in piece.bones),
        tuple(mark for piece in pieces for mark in piece.marks),
        lines,
    )


def both_sides(left: Piece) -> Piece:
    """Add the right side to a piece that was built on the left; middle parts stay single."""
    mirror = f32([-1, 1, 1])
    bones = tuple(
        Bone(replace(bone.part, side="R"), bone.limb, bone.solid.mirrored())
        for bone in left.bones
        if bone.part.side == "L"
    )
    marks = tuple(
        replace(mark, side="R", point=(-mark.point[0], mark.point[1], mark.point[2]))
        for mark in left.marks
        if mark.side == "L"
    )
    lines = {(name, "R"): line * mirror for (name, side), line in left.lines.items() if side == "L"}
    return Piece(left.bones + bones, left.marks + marks, {**left.lines, **lines})


def mark(name: str, limb: str, side: str, point: ArrayLike) -> Mark:
    """Return a `Mark` at ``point`` (x, y, h)."""
    x, y, h = (float(value) for value in np.asarray(point))
    return Mark(name, limb, side, (x, y, h))
