"""The same patient at several dates: progression, response or flare, with the true change.

Body and habits of uptake stay; the place on the table, the bladder, the counts and a little of
the uptake differ between visits, as does every lesion. The posture does not change, which makes
follow-up easier than it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from bonescan.simulate.anatomy import build_anatomy
from bonescan.simulate.benign import draw_findings
from bonescan.simulate.lesions import Change, Spread, draw_metastases
from bonescan.simulate.patient import (
    Case,
    Scene,
    SimulatedPatient,
    draw_case,
    scan_patient,
    stream,
)
from bonescan.simulate.uptake import Physiology, normal_uptake

Course = Literal["progression", "response", "flare", "stable"]
COURSES: tuple[tuple[Course, float], ...] = (
    ("progression", 0.40),
    ("response", 0.25),
    ("flare", 0.15),
    ("stable", 0.20),
)


def simulate_course(
    seed: int, index: int, *, course: Course | None = None, visits: int | None = None
) -> Iterator[SimulatedPatient]:
    """Simulate one patient at 2 to 5 dates, in order.

    Parameters
    ----------
    seed, index : int
    course : {"progression", "response", "flare", "stable"}, optional
    visits : int, optional

    Yields
    ------
    SimulatedPatient
        Its lesions carry the same ``lesion`` number at every visit.
    """
    case = draw_case(seed, index, "followup")
    rng = stream(seed, index, "course")
    names = [name for name, _ in COURSES]
    drawn = names[int(rng.choice(len(names), p=[chance for _, chance in COURSES]))]
    course = course or drawn
    number = int(rng.integers(2, 6))
    number = visits or number
    first = case.spread.lesions
    onsets = _onsets(rng, course, first, number)
    total = Spread(case.spread.burden, len(onsets))
    pace = rng.normal(0, 0.25, len(onsets))
    anatomy = build_anatomy(case.body)
    for visit in range(1, number + 1):
        changes = [
            None if onset > visit else _change(course, visit - onset, visit, float(p))
            for onset, p in zip(onsets, pace, strict=True)
        ]
        uptake = normal_uptake(anatomy, _today(case, visit), stream(seed, index, "uptake"))
        lesions = draw_metastases(
            stream(seed, index, "lesions"), anatomy, uptake, case.cancer, total, changes
        )
        findings = draw_findings(
            stream(seed, index, "findings"), anatomy, uptake, case.body.sex, case.body.age_years
        )
        scene = Scene(anatomy, uptake, lesions, findings)
        present = replace(case, spread=replace(total, lesions=len(lesions)))
        yield replace(scan_patient(present, scene=scene, visit=visit), course=course)


def _onsets(rng: np.random.Generator, course: Course, first: int, visits: int) -> list[int]:
    """Visit at which each lesion appears."""
    onsets = [1] * first
    if course != "progression":
        return onsets
    for visit in range(2, visits + 1):
        onsets += [visit] * int(rng.integers(1, 3 + max(first // 4, 1)))
    return onsets


def _change(course: Course, age: int, visit: int, pace: float) -> Change:
    """What a lesion that is ``age`` visits old has become."""
    steps = float(age)
    if course == "progression":
        return Change(size=1.14**steps, contrast=float(np.exp((0.22 + pace) * steps)))
    if course == "response":
        return Change(size=0.93**steps, contrast=float(np.exp((-0.55 + pace) * steps)))
    if course == "flare":
        if visit == 2:
            return Change(size=1.05, contrast=float(np.exp(0.45 + 0.5 * pace)))
        return Change(contrast=float(np.exp((-0.5 + pace) * max(steps - 1, 0))))
    return Change(contrast=float(np.exp(0.3 * pace * steps)))


def _today(case: Case, visit: int) -> Physiology:
    """The patient's physiology at one visit: a little different each time, the bladder more."""
    rng = stream(case.seed, case.index, "today", str(visit))
    tissues = {
        name: level * float(np.exp((0.8 if name == "bladder" else 0.1) * rng.standard_normal()))
        for name, level in case.physiology.tissues.items()
    }
    regions = {
        name: level * float(np.exp(0.04 * rng.standard_normal()))
        for name, level in case.physiology.regions.items()
    }
    return replace(case.physiology, tissues=tissues, regions=regions)
