"""Normal variants: each body and each side is its own; hot places that are no disease."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bonescan.simulate.arms import ELBOW, WRIST
from bonescan.simulate.benign_variants import (
    VARIANTS,
    normal_variants,
    osteophytes,
    thick_forehead,
)
from bonescan.simulate.legs import KNEE
from bonescan.simulate.parameters import BodyParameters
from bonescan.simulate.patient import build_scene, draw_case
from bonescan.simulate.pelvis import HIP
from bonescan.simulate.placing import Patient
from bonescan.simulate.posture import pose, shape_change
from bonescan.simulate.truth import OUTSIDE_BONE

Triple = tuple[float, float, float]

SIDES = {"R": np.array([-1, 1, 1], np.float32), "L": np.array([1, 1, 1], np.float32)}


@pytest.fixture(scope="module")
def patient() -> Patient:
    case = draw_case(5, 3, "screening", "breast", metastasis=False)
    scene = build_scene(case)
    return Patient(scene.anatomy, scene.uptake, case.body.sex, case.body.age_years)


def place(body: BodyParameters, point: Triple, limb: str, side: str) -> NDArray[np.float32]:
    return pose(body)(np.array([point], np.float32) * SIDES[side], limb, side)[0]


def length(body: BodyParameters, first: Triple, second: Triple, limb: str, side: str) -> float:
    ends = [place(body, point, limb, side) for point in (first, second)]
    return float(np.linalg.norm(ends[1] - ends[0]))


def test_the_change_of_shape_is_smooth_and_small() -> None:
    grid = np.stack(np.meshgrid(*(np.arange(-200.0, 201.0, 20.0),) * 3, indexing="ij"), -1)
    points = (grid.reshape(-1, 3) + np.array([0, 150, 1000])).astype(np.float32)
    for number in range(12):
        shift = shape_change(1.0, number)(points) - points
        assert np.abs(shift).max() < 18
        stretch = np.diff(shift.reshape(*grid.shape), axis=0) / 20
        assert np.abs(stretch).max() < 0.25
        assert shift.std() > 0.5
    np.testing.assert_array_equal(shape_change(0.0, 4)(points), points)


def test_sides_differ_in_length_by_a_few_per_cent_and_the_default_body_has_equal_ones() -> None:
    spread = []
    for seed in range(40):
        body = BodyParameters.sample(np.random.default_rng(seed))
        arms = [length(body, ELBOW, WRIST, "forearm", side) for side in "RL"]
        legs = [length(body, HIP, KNEE, "thigh", side) for side in "RL"]
        assert abs(np.log(arms[0] / arms[1])) < 0.10
        assert abs(np.log(legs[0] / legs[1])) < 0.06
        spread.append(np.log(legs[0] / legs[1]))
    assert 0.003 < np.std(spread) < 0.03
    even = [length(BodyParameters(), HIP, KNEE, "thigh", side) for side in "RL"]
    assert even[0] == pytest.approx(even[1], abs=1e-3)
    longer = [length(BodyParameters(leg_difference=0.02), HIP, KNEE, "thigh", s) for s in "RL"]
    assert longer[1] / longer[0] == pytest.approx(1.02, abs=0.002)


def test_a_flared_wing_and_a_wide_inlet_move_what_they_name() -> None:
    spine, hip = (122.0, 95.0, 1000.0), HIP
    plain, flared = BodyParameters(), BodyParameters(wing_flare_deg=(0.0, 6.0))
    assert place(flared, spine, "pelvis", "L")[0] > place(plain, spine, "pelvis", "L")[0] + 5
    np.testing.assert_allclose(
        place(flared, spine, "pelvis", "R"), place(plain, spine, "pelvis", "R"), atol=1e-3
    )
    wide = BodyParameters(inlet_width=1.1)
    assert place(wide, hip, "pelvis", "L")[0] == pytest.approx(
        1.1 * place(plain, hip, "pelvis", "L")[0], abs=1.0
    )
    top = (107.0, 182.0, 1077.0)
    assert place(wide, top, "pelvis", "L")[0] == pytest.approx(
        place(plain, top, "pelvis", "L")[0], abs=0.5
    )


def test_arms_stay_on_the_table_and_a_hand_may_lie_on_the_body() -> None:
    hand = (226.0, 212.0, 800.0)
    for seed in range(60):
        body = BodyParameters.sample(np.random.default_rng(seed))
        for side in "RL":
            for point, limb in ((ELBOW, "forearm"), (hand, "hand")):
                assert abs(place(body, point, limb, side)[0]) < 315
    beside = BodyParameters(elbow_flexion_deg=(30.0, 30.0))
    over = replace(beside, hands_on_body=(False, True))
    assert place(over, hand, "hand", "L")[0] < place(beside, hand, "hand", "L")[0] - 30
    assert place(over, hand, "hand", "L")[1] < place(beside, hand, "hand", "L")[1] - 20


def test_variants_lie_in_bone_and_count_as_benign(patient: Patient) -> None:
    names = set(patient.anatomy.landmarks)
    for variant in VARIANTS:
        wanted = [f"{variant.place} {s}" for s in "RL"] if variant.paired else [variant.place]
        assert set(wanted) <= names, variant.place
    kinds: set[str] = set()
    for seed in range(25):
        foci = normal_variants(np.random.default_rng(seed), patient)
        for focus in foci:
            assert focus.category == "normal variant"
            assert focus.category not in OUTSIDE_BONE
            bone = patient.anatomy.bone[focus.source.slices]
            assert (bone[focus.source.activity > 0] > 0).all()
            assert 1.0 < focus.contrast < 7.0
        kinds |= {focus.kind for focus in foci}
    assert len(kinds) > 10


def test_a_thick_forehead_lies_in_front_and_osteophytes_beside_the_spine(patient: Patient) -> None:
    found = thick_forehead(np.random.default_rng(1), patient)
    assert {focus.side for focus in found} == {"R", "L"}
    for focus in found:
        assert focus.region == "skull" or focus.region == "other"
        assert focus.position_mm[1] < patient.anatomy.landmarks["vertex"][1]
    sides = set()
    for seed in range(12):
        for focus in osteophytes(np.random.default_rng(seed), patient):
            assert focus.kind.startswith("osteophyte")
            middle = patient.anatomy.landmarks[focus.kind.replace("osteophyte", "disc")][2]
            sides.add(focus.side)
            assert (focus.position_mm[0] < middle) == (focus.side == "R")
    assert sides == {"R", "L"}
