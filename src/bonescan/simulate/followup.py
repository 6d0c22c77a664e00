"""The same patient at several dates: progression, response or flare, with the true change.

Body and habits of uptake stay; the place on the table, the filling of the bladder, the counts and
a little of the uptake differ between visits, as does every lesion. Of what is not metastatic, worn
joints, metal in the body and variants of the bone stay, fractures fade and new ones come, and
urine, the injection site and sinuses are those of the day. The posture does not change, which
makes follow-up easier than it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from bonescan.simulate.anatomy import Anatomy, build_anatomy
from bonescan.simulate.benign import draw_findings
from bonescan.simulate.lesions import Change, Spread, draw_metastases
from bonescan.simulate.parameters import drawn_filling_ml
from bonescan.simulate.patient import (
    Case,
    Scene,
    SimulatedPatient,
    draw_case,
    identity_at,
    scan_patient,
    stream,
)
from bonescan.simulate.sources import Focus
from bonescan.simulate.uptake import Uptake, normal_uptake

Course = Literal["progression", "response", "flare", "stable"]
COURSES: tuple[tuple[Course, float], ...] = (
    ("progression", 0.40),
    ("response", 0.25),
    ("flare", 0.15),
    ("stable", 0.20),
)

#: Findings, or kinds of a finding, that are there on one day only.
OF_THE_DAY = {
    "injection site", "urine contamination", "diaper", "catheter", "urinary tract", "soft tissue",
    "sinus or tooth", "medallion", "buckle",
}  # fmt: skip
FRACTURES = {"rib fracture", "compression fracture"}
#: Days in which a fracture loses half of its uptake above normal: ours, set so that after a year
#: four in five of the ribs and three in five of the vertebrae that were seen no longer are, as in
#: Matin, J Nucl Med 1979;20:1227.
HALF_LIFE_DAYS = 240.0
#: Days in which as many new fractures come as a scan shows old ones.
FRACTURES_IN_DAYS = 365.0
#: A fracture whose contrast is below this has healed.
HEALED = 1.05


def simulate_course(
    seed: int, index: int, *, course: Course | None = None, visits: int | None = None
) -> Iterator[SimulatedPatient]:
    """Simulate one patient at 2 to 5 dates, in order.

    Parameters
    ----------
    seed, index : int
    course : {"progression", "response", "flare", "stable"}, optional
        Drawn by default. A patient without metastases either gets the first ones later
        (progression) or has no course at all, which is told as "".
    visits : int, optional

    Yields
    ------
    SimulatedPatient
        Its lesions carry the same ``lesion`` number at every visit.

    Raises
    ------
    ValueError
        Where another course than progression is asked of a patient without metastases.
    """
    case = draw_case(seed, index, "followup")
    rng = stream(seed, index, "course")
    followed = draw_course(rng, case, course)
    number = int(rng.integers(2, 6))
    number = visits or number
    onsets = _onsets(rng, followed, case.spread.lesions, number)
    burden = case.spread.burden if case.metastasis else "few"
    total = Spread(burden, len(onsets))
    pace = rng.normal(0, 0.25, len(onsets))
    for visit in range(1, number + 1):
        changes = [
            None if onset > visit else _change(followed, visit - onset, visit, float(p))
            for onset, p in zip(onsets, pace, strict=True)
        ]
        today = _today(case, visit)
        anatomy = build_anatomy(today.body)
        uptake = normal_uptake(anatomy, today.physiology, stream(seed, index, "uptake"))
        lesions = draw_metastases(
            stream(seed, index, "lesions"), anatomy, uptake, case.cancer, total, changes
        )
        scene = Scene(anatomy, uptake, lesions, findings_at(case, visit, anatomy, uptake))
        spread = replace(total, lesions=len(lesions)) if lesions else Spread("none", 0)
        present = replace(today, spread=spread)
        yield replace(scan_patient(present, scene=scene, visit=visit), course=followed)


def draw_course(
    rng: np.random.Generator, case: Case, course: Course | None = None
) -> Course | Literal[""]:
    """Draw how the disease of a patient goes, or take what is asked for.

    Returns
    -------
    str
        A course, or "" where there is no disease that could change.
    """
    names = [name for name, _ in COURSES]
    drawn = names[int(rng.choice(len(names), p=[chance for _, chance in COURSES]))]
    if case.metastasis or (course or drawn) == "progression":
        return course or drawn
    if course is not None:
        raise ValueError(
            f"course is {course}, but patient {case.index} of seed {case.seed} has no metastases; "
            "give another patient, or progression"
        )
    return ""


def findings_at(case: Case, visit: int, anatomy: Anatomy, uptake: Uptake) -> list[Focus]:
    """Draw what is not metastatic at a visit; see the module for what stays and what does not."""
    first = identity_at(case, 1).study_date
    days = [(identity_at(case, v).study_date - first).days for v in range(1, visit + 1)]
    found: list[Focus] = []
    for since, day in enumerate(days, start=1):
        entropy = ("findings", str(since)) if since > 1 else ("findings",)
        rng = stream(case.seed, case.index, *entropy)
        drawn = draw_findings(rng, anatomy, uptake, case.body.sex, case.body.age_years)
        broken = since == 1 or rng.random() < (day - days[since - 2]) / FRACTURES_IN_DAYS
        for focus in drawn:
            if focus.category in FRACTURES:
                left = focus.faded(0.5 ** ((days[-1] - day) / HALF_LIFE_DAYS))
                found += [left] if broken and left.contrast >= HEALED else []
            elif since == (visit if OF_THE_DAY & {focus.category, focus.kind} else 1):
                found.append(focus)
    return found


def _onsets(rng: np.random.Generator, course: str, first: int, visits: int) -> list[int]:
    """Visit at which each lesion appears."""
    onsets = [1] * first
    if course != "progression":
        return onsets
    for visit in range(2, visits + 1):
        onsets += [visit] * int(rng.integers(1, 3 + max(first // 4, 1)))
    return onsets


def _change(course: str, age: int, visit: int, pace: float) -> Change:
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


def _today(case: Case, visit: int) -> Case:
    """The patient at one visit: uptake a little different each time, the bladder more."""
    rng = stream(case.seed, case.index, "today", str(visit))
    tissues = {
        name: level * float(np.exp((0.8 if name == "bladder" else 0.1) * rng.standard_normal()))
        for name, level in case.physiology.tissues.items()
    }
    regions = {
        name: level * float(np.exp(0.04 * rng.standard_normal()))
        for name, level in case.physiology.regions.items()
    }
    physiology = replace(case.physiology, tissues=tissues, regions=regions)
    filling = case.body.bladder_ml if visit == 1 else drawn_filling_ml(rng)
    return replace(case, body=replace(case.body, bladder_ml=filling), physiology=physiology)
