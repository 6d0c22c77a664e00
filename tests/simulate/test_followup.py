"""At follow-up: what stays, what fades and what is of the day; and patients without a course."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bonescan.simulate.anatomy import build_anatomy
from bonescan.simulate.benign import CATEGORIES
from bonescan.simulate.followup import (
    COURSES,
    FRACTURES,
    HALF_LIFE_DAYS,
    OF_THE_DAY,
    draw_course,
    findings_at,
    simulate_course,
)
from bonescan.simulate.patient import (
    Case,
    Scene,
    build_scene,
    draw_case,
    identity_at,
    look,
    stream,
)
from bonescan.simulate.placing import Patient
from bonescan.simulate.sources import Focus
from bonescan.simulate.uptake import normal_uptake
from bonescan.simulate.vendors import draw_acquisition

VISITS = 4
#: Of the findings of the day, those whose dose is drawn.
DOSED = {"injection site", "urine contamination", "catheter"}


@pytest.fixture(scope="module")
def case() -> Case:
    return draw_case(5, 2, "followup", "breast", metastasis=False)


@pytest.fixture(scope="module")
def scene(case: Case) -> Scene:
    return build_scene(case)


@pytest.fixture(scope="module")
def visits(case: Case, scene: Scene) -> list[list[list[Focus]]]:
    """Findings at each visit of many patients, all in one body."""
    patients = [replace(case, index=index) for index in range(24)]
    return [
        [findings_at(one, visit, scene.anatomy, scene.uptake) for visit in range(1, VISITS + 1)]
        for one in patients
    ]


def is_of_the_day(focus: Focus) -> bool:
    return bool(OF_THE_DAY & {focus.category, focus.kind})


def test_worn_joints_implants_and_variants_stay(visits: list[list[list[Focus]]]) -> None:
    stayed: Counter[str] = Counter()
    for first, *later in visits:
        kept = [f for f in first if f.category not in FRACTURES and not is_of_the_day(f)]
        stayed.update(focus.category for focus in kept)
        for found in later:
            same = [f for f in found if f.category not in FRACTURES and not is_of_the_day(f)]
            assert [repr(focus) for focus in same] == [repr(focus) for focus in kept]
    assert {"degenerative spine", "degenerative joint", "normal variant"} <= set(stayed)
    assert {"pacemaker", "hip", "knee"} & {f.kind for first, *_ in visits for f in first}


def test_urine_and_injection_are_those_of_the_day(visits: list[list[list[Focus]]]) -> None:
    number = np.zeros(VISITS)
    for patient in visits:
        drops: list[tuple[tuple[float, float, float], float]] = []
        for visit, found in enumerate(patient):
            today = [focus for focus in found if is_of_the_day(focus) and focus.category in DOSED]
            number[visit] += len(today)
            drops += [(focus.position_mm, focus.contrast) for focus in today]
        assert len(set(drops)) == len(drops)
    assert (number > 0).all()
    assert number.min() > 0.4 * number.max()  # as many at each visit


def test_fractures_fade_and_new_ones_come(case: Case, visits: list[list[list[Focus]]]) -> None:
    known = came = 0
    for index, patient in enumerate(visits):
        one = replace(case, index=index)
        days = [(identity_at(one, v + 1).study_date - identity_at(one, 1).study_date).days
                for v in range(VISITS)]  # fmt: skip
        met: dict[tuple[float, float, float], tuple[int, Focus]] = {}
        for visit, found in enumerate(patient):
            for focus in (f for f in found if f.category in FRACTURES):
                if focus.position_mm not in met:
                    met[focus.position_mm] = visit, focus
                    came += visit > 0
                    continue
                since, fresh = met[focus.position_mm]
                left = 0.5 ** ((days[visit] - days[since]) / HALF_LIFE_DAYS)
                assert focus.contrast - 1 == pytest.approx(left * (fresh.contrast - 1), abs=0.01)
                np.testing.assert_allclose(
                    focus.source.activity, left * fresh.source.activity, rtol=1e-5
                )
                known += 1
    assert known > 3
    assert came > 0


@pytest.mark.parametrize(
    ("category", "gone"), [("rib fracture", 0.8), ("compression fracture", 0.6)]
)
def test_a_year_later_most_fractures_are_not_seen(scene: Scene, category: str, gone: float) -> None:
    patient = Patient(scene.anatomy, scene.uptake, "F", 65.0)
    broken = [
        focus for seed in range(12)
        for focus in CATEGORIES[category].make(np.random.default_rng(seed), patient)
    ]  # fmt: skip
    drawn = draw_acquisition(stream(5, 2, "scan"), "followup", 1600.0, 750e3)
    still = replace(drawn, motion=None, joins=())
    seen = []
    for left in (1.0, 0.5 ** (365 / HALF_LIFE_DAYS)):
        some = replace(scene, lesions=[], findings=[focus.faded(left) for focus in broken])
        found = look(some, still, np.random.default_rng(0)).findings
        seen.append(sum(any(focus.visible) for focus in found))
    assert 1 - seen[1] / seen[0] == pytest.approx(gone, abs=0.12)


def test_the_first_visit_is_that_of_the_patient_alone(case: Case, scene: Scene) -> None:
    first = findings_at(case, 1, scene.anatomy, scene.uptake)
    assert [repr(focus) for focus in first] == [repr(focus) for focus in scene.findings]


def test_a_bladder_fills_anew_and_leaves_all_bones_where_they_are(case: Case) -> None:
    uptakes, inside = [], []
    for filling in (60.0, 450.0):
        anatomy = build_anatomy(replace(case.body, bladder_ml=filling))
        uptakes.append(normal_uptake(anatomy, case.physiology, stream(5, 2, "uptake")))
        inside.append(int((uptakes[-1].other > 0).sum()))
    np.testing.assert_array_equal(uptakes[0].bone, uptakes[1].bone)
    assert inside[0] > 0
    first, second = simulate_course(6, 1, visits=2)
    assert first.body.bladder_ml != second.body.bladder_ml
    assert replace(second.body, bladder_ml=first.body.bladder_ml) == first.body
    places = [[lesion.position_mm for lesion in one.truth.lesions] for one in (first, second)]
    assert set(places[0]) <= set(places[1])


def test_who_has_no_metastases_gets_the_first_or_has_no_course() -> None:
    told: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for index in range(400):
        one = draw_case(9, index, "followup")
        told[one.metastasis][draw_course(stream(9, index, "course"), one)] += 1
    assert set(told[True]) == {name for name, _ in COURSES}
    assert set(told[False]) == {"progression", ""}
    assert told[False]["progression"] / told[False].total() == pytest.approx(0.4, abs=0.15)


def test_no_response_of_what_is_not_there(case: Case) -> None:
    with pytest.raises(ValueError, match="course is response, but patient 2 of seed 5 has no"):
        draw_course(np.random.default_rng(0), case, "response")
    assert draw_course(np.random.default_rng(0), case, "progression") == "progression"


def test_the_first_metastases_of_a_patient_have_a_burden() -> None:
    index = next(k for k in range(50) if not draw_case(9, k, "followup").metastasis)
    first, second = simulate_course(9, index, course="progression", visits=2)
    assert (first.metastasis, first.spread.burden, first.truth.lesions) == (False, "none", ())
    assert second.metastasis
    assert second.spread.burden == "few"
    assert second.spread.lesions == len(second.truth.lesions) > 0
