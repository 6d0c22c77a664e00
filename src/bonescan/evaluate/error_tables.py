"""Tables of errors: false marks by what lies beneath them, lesions by size, contrast and bone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bonescan.evaluate.beneath import GROUPS
from bonescan.evaluate.errors import LesionOutcome
from bonescan.evaluate.run_errors import Analysed
from bonescan.evaluate.table import Cell, Table
from bonescan.scan import REGIONS

#: Lower edges of the classes: diameter of a disc of the lesion's area; contrast, see `errors`.
DIAMETERS_MM = (0.0, 15.0, 25.0, 40.0)
CONTRASTS = (0.0, 1.5, 2.0, 3.0, 5.0)


class Beside(NamedTuple):
    """What false marks lie on: the marks, and the findings of this name that there are."""

    group: str
    what: str
    marks: int
    healthy: int
    there: int
    marked: int


class Missed(NamedTuple):
    """Lesions of one class."""

    by: str
    name: str
    lesions: int
    missed: int


def count_false_marks(readings: Sequence[Analysed]) -> list[Beside]:
    """Count false marks by what lies beneath, group by group, the most frequent first.

    Findings that were never marked are there, too. Readings of which nothing is known do not count.
    """
    marks: Counter[tuple[str, str]] = Counter()
    healthy: Counter[tuple[str, str]] = Counter()
    there: Counter[tuple[str, str]] = Counter()
    marked: Counter[tuple[str, str]] = Counter()
    for reading in readings:
        for one in reading.errors.false_marks or ():
            marks[one.group, one.what] += 1
            healthy[one.group, one.what] += not reading.metastasis
        for finding in reading.errors.findings:
            there[finding.group, finding.what] += 1
            marked[finding.group, finding.what] += finding.marked
    return [
        Beside(*name, marks[name], healthy[name], there[name], marked[name])
        for name in sorted(
            set(marks) | set(there), key=lambda name: (GROUPS.index(name[0]), -marks[name], name)
        )
    ]


def count_missed(readings: Sequence[Analysed]) -> list[Missed]:
    """Count lesions and missed ones: all, by size, by contrast, by bone where that is known."""
    lesions = [lesion for reading in readings for lesion in reading.errors.lesions]
    classes: list[tuple[str, Callable[[LesionOutcome], str | None]]] = [
        ("all", lambda lesion: "all"),
        ("diameter, mm", lambda lesion: _class_of(lesion.diameter_mm, DIAMETERS_MM)),
        ("contrast", lambda lesion: _class_of(lesion.contrast, CONTRASTS)),
        ("bone", lambda lesion: lesion.region),
    ]
    rows = []
    for by, name_of in classes:
        named = [(name_of(lesion), lesion.hit) for lesion in lesions]
        for name in _in_order({name for name, _ in named if name is not None}):
            hits = [hit for own, hit in named if own == name]
            rows.append(Missed(by, name, len(hits), len(hits) - sum(hits)))
    return rows


def false_mark_table(title: str, found: Mapping[str, Sequence[Analysed]]) -> Table | None:
    """Return what lies beneath the false marks of each run; None where no case is simulated."""
    rows: list[tuple[Cell, ...]] = []
    for run, all_readings in found.items():
        readings = [one for one in all_readings if one.errors.false_marks is not None]
        counted = count_false_marks(readings)
        total = sum(row.marks for row in counted)
        for row in counted:
            rows.append(
                (
                    run,
                    row.group,
                    row.what,
                    row.marks,
                    _percent(row.marks, total),
                    round(100 * row.marks / len(readings), 2),
                    row.healthy,
                    row.there or None,
                    row.marked if row.there else None,
                    _percent(row.marked, row.there),
                )
            )
        if readings:
            rate = round(100 * total / len(readings), 2)
            healthy = sum(row.healthy for row in counted)
            rows.append((run, "all", "", total, None, rate, healthy, None, None, None))
    if not rows:
        return None
    return Table(
        f"{title}: what lies beneath false marks (simulated cases tell)",
        (
            "run",
            "beneath",
            "what",
            "false marks",
            "share %",
            "per 100 readings",
            "in patients without metastasis",
            "findings there",
            "of these marked",
            "marked %",
        ),
        tuple(rows),
    )


def missed_table(title: str, found: Mapping[str, Sequence[Analysed]]) -> Table:
    """Return how many lesions each run missed, of each size, contrast and bone."""
    rows = [
        (run, *row, _percent(row.missed, row.lesions))
        for run, readings in found.items()
        for row in count_missed(readings)
    ]
    return Table(
        f"{title}: missed lesions, each view by itself",
        ("run", "by", "class", "lesions", "missed", "missed %"),
        tuple(rows),
    )


def _class_of(value: float | None, edges: Sequence[float]) -> str | None:
    if value is None:
        return None
    at = int(np.searchsorted(edges, value, side="right")) - 1
    if at + 1 == len(edges):
        return f"{edges[at]:g} or more"
    return f"below {edges[1]:g}" if at == 0 else f"{edges[at]:g} to {edges[at + 1]:g}"


def _in_order(names: set[str]) -> list[str]:
    """Sort classes by their numbers, bones from the skull down."""
    bones = [name.replace("_", " ") for name in REGIONS]

    def place(name: str) -> tuple[float, str]:
        first = name.split()[0]
        if name.startswith("below"):
            return -1.0, name
        if first.replace(".", "").isdigit():
            return float(first), name
        return float(bones.index(name) if name in bones else len(bones)), name

    return sorted(names, key=place)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None
