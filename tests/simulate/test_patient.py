"""One simulated patient: reproducible, lesions where and as asked, masks by the stated rule."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from bonescan.scan import REGIONS
from bonescan.simulate import SimulatedPatient, simulate_patient
from bonescan.simulate.camera import Camera, Patch
from bonescan.simulate.followup import simulate_course
from bonescan.simulate.lesions import metastasis
from bonescan.simulate.nm import nm_dataset
from bonescan.simulate.patient import Scene, build_scene, draw_case, look, paper_set, stream
from bonescan.simulate.reader import Reader, read_again, read_view_again
from bonescan.simulate.truth import (
    BACKGROUND_SHARE,
    KINDS,
    LEAST_CONTRAST,
    LEAST_PIXELS,
    LEAST_SNR,
    PEAK_SHARE,
    judge_foci,
)
from bonescan.simulate.vendors import PRESET_VENDORS, draw_acquisition


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate_patient(3, 1, cancer="prostate", lesions=12, counts=800e3)


def test_the_same_seed_and_index_give_the_same_counts(patient: SimulatedPatient) -> None:
    again = simulate_patient(3, 1, cancer="prostate", lesions=12, counts=800e3)
    np.testing.assert_array_equal(again.counts, patient.counts)
    np.testing.assert_array_equal(again.truth.metastasis, patient.truth.metastasis)


def test_counts_are_those_asked_for(patient: SimulatedPatient) -> None:
    assert patient.counts.shape == (2, 1024, 256)
    assert patient.counts[0].sum() == pytest.approx(800e3, rel=0.01)
    assert 0.5 < patient.counts[1].sum() / patient.counts[0].sum() < 2.0


def test_noise_is_poisson_about_the_expected_picture(patient: SimulatedPatient) -> None:
    expected = patient.truth.expected
    residual = (patient.counts - expected) ** 2 / np.maximum(expected, 1e-6)
    assert residual[expected > 2].mean() == pytest.approx(1.0, abs=0.02)


def test_at_least_one_metastasis_can_be_seen() -> None:
    for index in range(3):
        seen = simulate_patient(11, index, metastasis=True)
        assert seen.metastasis
        assert seen.truth.masks.any()


def test_a_patient_without_metastases_has_no_mask() -> None:
    healthy = simulate_patient(11, 0, metastasis=False)
    assert not healthy.metastasis
    assert not healthy.truth.masks.any()
    assert healthy.truth.lesions == ()


def test_visible_lesions_obey_the_rule_and_others_have_no_mask(patient: SimulatedPatient) -> None:
    assert len(patient.truth.lesions) == 12
    for lesion in patient.truth.lesions:
        for view in range(2):
            if lesion.visible[view]:
                assert lesion.seen_contrast[view] >= LEAST_CONTRAST
                assert lesion.snr[view] >= LEAST_SNR
                assert lesion.pixels[view] >= LEAST_PIXELS
            else:
                assert not (patient.truth.metastasis[view] == lesion.number).any()


def test_lesions_are_in_their_region(patient: SimulatedPatient) -> None:
    truth = patient.truth
    near = []
    for lesion in truth.lesions:
        for view in range(2):
            if not lesion.visible[view] or lesion.region == "sternum":
                continue
            mask = truth.metastasis[view] == lesion.number
            near.append((truth.regions[view][mask] == REGIONS.index(lesion.region) + 1).any())
    assert np.mean(near) > 0.7  # others lie behind a brighter bone


def test_regions_stand_in_the_order_of_the_body(patient: SimulatedPatient) -> None:
    posterior = patient.truth.regions[1]
    rows = {name: np.nonzero(posterior == k + 1)[0].mean() for k, name in enumerate(REGIONS)
            if (posterior == k + 1).sum() > 30}  # fmt: skip
    order = ["skull", "cervical_spine", "thoracic_spine", "lumbar_spine", "sacrum", "femora"]
    heights = [rows[name] for name in order]
    assert heights == sorted(heights)


@pytest.mark.parametrize("side", ["R", "L"])
def test_sides(side: str) -> None:
    """A right-sided lesion is left in the anterior picture and right in the posterior one."""
    case = draw_case(5, 2, "screening", "breast", metastasis=False)
    scene = build_scene(case)
    rng = np.random.default_rng(0)
    focus = metastasis(rng, scene.anatomy, scene.uptake, "humeri", 30.0, 15.0)
    while focus.side != side:
        focus = metastasis(rng, scene.anatomy, scene.uptake, "humeri", 30.0, 15.0)
    acquisition = draw_acquisition(stream(5, 2, "scan"), "paper", case.body.height_mm, 1e6)
    truth = look(dataclasses.replace(scene, lesions=[focus], findings=[]), acquisition, rng)
    for view, left_half in enumerate((side == "R", side == "L")):
        columns = np.nonzero(truth.masks[view])[1]
        assert columns.size
        assert (columns.mean() < 128) == left_half


def test_uptake_of_a_lesion_is_the_contrast_times_that_of_its_surroundings() -> None:
    case = draw_case(5, 2, "screening", "breast", metastasis=False)
    scene = build_scene(case)
    focus = metastasis(
        np.random.default_rng(4), scene.anatomy, scene.uptake, "lumbar_spine", 40.0, 6.0
    )
    box = focus.source.slices
    z, y, x = (int(c / scene.anatomy.voxel_mm) for c in reversed(focus.position_mm))
    core = scene.anatomy.part[box] == scene.anatomy.part[z, y, x]
    core &= focus.source.activity > 0.8 * focus.source.activity.max()
    normal = scene.uptake.bone[box]
    ratio = (focus.source.activity[core] + normal[core]).sum() / normal[core].sum()
    assert ratio == pytest.approx(6.0, rel=0.2)


class Flat:
    """A projector that keeps places as they are; pixels of the usual size."""

    camera = Camera()

    def place(self, z: float, x: float) -> tuple[tuple[float, float], tuple[float, float]]:
        return (z, x), (z, x)


def test_the_mask_is_the_part_above_the_stated_share_of_the_peak(
    patient: SimulatedPatient,
) -> None:
    case = draw_case(5, 2, "screening", "prostate", metastasis=False)
    scene = build_scene(case)
    focus = metastasis(np.random.default_rng(1), scene.anatomy, scene.uptake, "pelvis", 25.0, 12.0)

    grid = np.hypot(*np.meshgrid(np.arange(-20, 21), np.arange(-20, 21)))
    spot = (40 * np.exp(-(grid**2) / 2 / 3.0**2)).astype(np.float32)
    patch = Patch(slice(0, 41), slice(0, 41), spot)
    around = np.full((2, 41, 41), 10.0, np.float32)
    known, numbers = judge_foci([focus], [(patch, patch)], around, Flat(), around)  # type: ignore[arg-type]
    expected = spot > max(PEAK_SHARE * 40, BACKGROUND_SHARE * 10)
    np.testing.assert_array_equal(numbers[0] > 0, expected)
    assert known[0].seen_contrast[0] == pytest.approx(4.0, rel=1e-3)
    # The same spot, a few pixels from bone that is brighter than it: no reader would mark it.
    faint = Patch(patch.rows, patch.columns, spot / 4)
    beside = around.copy()
    beside[:, :, 26:] = 25.0
    for picture, seen in ((around, True), (beside, False)):
        known, _ = judge_foci([focus], [(faint, faint)], picture, Flat(), around)  # type: ignore[arg-type]
        assert known[0].visible == (seen, seen)


def test_presets() -> None:
    assert [paper_set(i) for i in (0, 89)] == [("breast", True)] * 2
    assert [paper_set(i) for i in (90, 99)] == [("breast", False)] * 2
    assert [paper_set(i) for i in (100, 149)] == [("prostate", True)] * 2
    assert [paper_set(i) for i in (150, 199)] == [("prostate", False)] * 2
    with pytest.raises(ValueError, match="preset"):
        simulate_patient(0, 0, preset="other")  # type: ignore[arg-type]


def test_a_second_reader_agrees_as_physicians_do() -> None:
    rng = np.random.default_rng(0)
    both = drawn = 0
    for index in range(12):
        truth = simulate_patient(5000, index, metastasis=True).truth
        for view in range(2):
            for _ in range(2):
                first, second = truth.masks[view], read_view_again(truth, view, rng)
                both += 2 * int((first & second).sum())
                drawn += int(first.sum() + second.sum())
    assert 0.6 < both / drawn < 0.8


def test_a_reader_of_steady_habits_draws_what_is_there(patient: SimulatedPatient) -> None:
    steady = Reader(bias_px=0, outline_px=0, wobble_px=0, miss=0, add=0)
    again = read_view_again(patient.truth, 1, np.random.default_rng(0), steady)
    np.testing.assert_array_equal(again, patient.truth.masks[1])


def test_a_reader_without_care_misses_and_adds(patient: SimulatedPatient) -> None:
    masks = [patient.truth.masks[1]]
    blind = Reader(miss=1.0, add=0)
    assert read_again(masks, [1.0], np.zeros((1024, 256), np.uint8), np.random.default_rng(0),
                      blind) == []  # fmt: skip
    spot = np.zeros((1024, 256), np.uint8)
    spot[300:306, 100:106] = 1
    added = read_again([], [], spot, np.random.default_rng(0), Reader(add=1.0))
    assert len(added) == 1
    assert added[0][302, 102]


def test_metastases_lie_in_bone_of_their_region_and_rarely_in_the_face() -> None:
    case = draw_case(5, 2, "screening", "prostate", metastasis=False)
    scene = build_scene(case)
    rng = np.random.default_rng(3)
    sphenoid, frontal = (scene.anatomy.landmarks[f"{n} sinus"] for n in ("sphenoid", "frontal"))
    slope = (sphenoid[0] - frontal[0]) / (sphenoid[1] - frontal[1])
    face = 0
    for region in ("skull",) * 25 + REGIONS[1:]:
        focus = metastasis(rng, scene.anatomy, scene.uptake, region, 20.0, 5.0)
        box, hot = focus.source.slices, focus.source.activity > 0
        assert (scene.uptake.region[box][hot] == REGIONS.index(region) + 1).all()
        assert (scene.anatomy.bone[box][hot] > 0).all()
        if region == "skull":
            _, y, z = focus.position_mm
            face += z > frontal[0] + slope * (y - frontal[1])
    assert face <= 3


def test_every_bright_pixel_that_is_no_metastasis_has_its_kind() -> None:
    patient = simulate_patient(77, 1, counts=1.2e6)
    truth = patient.truth
    named = {"injection site": 0, "urine contamination": 0}
    for finding in truth.findings:
        for view in range(2):
            mask = truth.benign[view] == finding.number
            kinds = set(np.unique(truth.kinds[view][mask]).tolist())
            if finding.category in named and mask.any():
                named[finding.category] += 1
                assert kinds == {1 + KINDS.index("tracer outside bone")}
            elif mask.any() and finding.contrast >= 1:
                assert kinds == {1 + KINDS.index("benign bone")}
    assert sum(named.values()) > 0
    # The bladder is full of tracer: it lies in the midline, seen best from the front.
    columns = np.nonzero(truth.kinds[0] == 1 + KINDS.index("tracer outside bone"))[1]
    assert (np.abs(columns - 127.5) < 25).any()


def test_healthy_bone_that_is_hot_is_named_benign_and_usual_bone_is_not() -> None:
    case = draw_case(5, 2, "screening", "breast", metastasis=False)
    even = replace(
        case.physiology, zones=dict.fromkeys(case.physiology.zones, 1.0), asymmetry=0.0, texture=0.0
    )
    hot = replace(even, zones={**even.zones, "trochanters": 12.0})
    named = []
    for physiology in (even, hot):
        scene = build_scene(replace(case, physiology=physiology))
        bare = Scene(scene.anatomy, scene.uptake, [], [])
        rng = np.random.default_rng(3)
        truth = look(bare, draw_acquisition(rng, "screening", case.body.height_mm), rng)
        named.append(truth.kinds == 1 + KINDS.index("benign bone"))
        femora = truth.regions == 1 + REGIONS.index("femora")
    few, many = (float((kind & femora).sum()) for kind in named)
    assert few == 0
    assert many > 60


def test_stomach_and_thyroid_are_named_where_they_are_full() -> None:
    case = draw_case(5, 2, "screening", "breast", metastasis=False)
    tissues = dict(case.physiology.tissues)
    tissues["stomach"] = tissues["gut"]
    outside = []
    for stomach in (tissues["gut"], 6 * tissues["gut"]):
        physiology = replace(case.physiology, tissues={**tissues, "stomach": stomach})
        scene = build_scene(replace(case, physiology=physiology))
        rng = np.random.default_rng(3)
        acquisition = draw_acquisition(rng, "screening", case.body.height_mm)
        truth = look(Scene(scene.anatomy, scene.uptake, [], []), acquisition, rng)
        outside.append(int((truth.kinds == 1 + KINDS.index("tracer outside bone")).sum()))
    assert outside[1] > outside[0] + 100


def test_a_patient_is_born_once() -> None:
    first, *later = simulate_course(5, 0)
    born = {nm_dataset(one.counts, one.identity, one.acquisition).PatientBirthDate
            for one in (first, *later)}  # fmt: skip
    assert later
    assert len(born) == 1


def test_patients_from_elsewhere_share_no_camera_with_the_training_presets() -> None:
    usual = {name for key in ("screening", "paper", "followup") for name, _ in PRESET_VENDORS[key]}
    assert not usual & {name for name, _ in PRESET_VENDORS["elsewhere"]}
    cases = [draw_case(8, index, "elsewhere") for index in range(200)]
    others = [draw_case(8, index, "screening") for index in range(200)]
    assert np.mean([case.body.height_mm for case in cases]) > 1.03 * np.mean(
        [case.body.height_mm for case in others]
    )
    assert np.mean([case.body.bmi for case in cases]) > 1.5 + np.mean(
        [case.body.bmi for case in others]
    )
    assert 0.55 < np.mean([case.cancer == "breast" for case in cases]) < 0.75
    assert 0.3 < np.mean([case.metastasis for case in cases]) < 0.5
    assert simulate_patient(8, 0, preset="elsewhere").counts.shape == (2, 1024, 256)
