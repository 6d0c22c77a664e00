"""Every category of benign finding reaches the truth of the views that show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonescan.simulate.benign import CATEGORIES
from bonescan.simulate.lesions import CONTRAST, SIZE_MM, Change, Spread, draw_metastases, metastasis
from bonescan.simulate.motion import Motion
from bonescan.simulate.patient import Scene, build_scene, draw_case, look, stream
from bonescan.simulate.placing import Patient
from bonescan.simulate.truth import Truth
from bonescan.simulate.vendors import Acquisition, draw_acquisition

#: Kinds of pixel (see `Truth`) that a category has, where it is not benign bone alone. Bone about
#: the stem of a prosthesis may be hot.
KINDS = {
    **{name: {2} for name in ("injection site", "urine contamination", "diaper", "catheter")},
    "metal object": {3},
    "prosthesis": {1, 3},
}
#: Not seen in most draws: faint, or (soft tissue) spread wide.
OFTEN_UNSEEN = (
    *("normal variant", "degenerative spine", "sinus or tooth", "soft tissue"),
    *("urinary tract", "osteophytes"),
)


@pytest.fixture(scope="module")
def scene() -> Scene:
    bare = build_scene(draw_case(5, 2, "screening", "prostate", metastasis=False))
    return replace(bare, lesions=[], findings=[])


@pytest.fixture(scope="module")
def acquisition(scene: Scene) -> Acquisition:
    drawn = draw_acquisition(stream(5, 2, "scan"), "paper", 1700.0, 1e6)
    return replace(drawn, motion=None, joins=())


def seen_with(scene: Scene, acquisition: Acquisition, category: str, seed: int) -> Truth:
    """Look at a patient who has this finding and no other."""
    patient = Patient(scene.anatomy, scene.uptake, "F", 70.0)
    findings = CATEGORIES[category].make(np.random.default_rng(seed), patient)
    return look(replace(scene, findings=findings), acquisition, np.random.default_rng(1))


@pytest.mark.parametrize("category", [name for name in CATEGORIES if name not in OFTEN_UNSEEN])
def test_a_finding_has_its_mask_and_kind(
    scene: Scene, acquisition: Acquisition, category: str
) -> None:
    marked = 0
    for seed in range(3):
        truth = seen_with(scene, acquisition, category, seed)
        for finding in truth.findings:
            for view in range(2):
                pixels = int((truth.benign[view] == finding.number).sum())
                assert (pixels > 0) <= finding.visible[view]
                marked += pixels > 0
        assert set(np.unique(truth.kinds[truth.benign > 0])) <= KINDS.get(category, {1})
    assert marked > 0


def test_metal_hides_only_what_lies_behind_it(scene: Scene, acquisition: Acquisition) -> None:
    """Medallions, buckles and pacemakers lie on the front: the posterior head sees all."""
    shown = np.zeros(2, int)
    for seed in range(4):
        truth = seen_with(scene, acquisition, "metal object", seed)
        shown += [(truth.benign[view] > 0).sum() for view in range(2)]
    assert shown[0] > 0
    assert shown[1] == 0


def test_a_joint_prosthesis_is_cold_in_both_views(scene: Scene, acquisition: Acquisition) -> None:
    truth = seen_with(scene, acquisition, "prosthesis", 0)
    assert all((truth.kinds[view] == 3).any() for view in range(2))


def test_the_truth_moves_as_the_patient_does(scene: Scene, acquisition: Acquisition) -> None:
    focus = metastasis(np.random.default_rng(0), scene.anatomy, scene.uptake, "skull", 25.0, 8.0)
    ill = replace(scene, lesions=[focus])
    still = look(ill, acquisition, np.random.default_rng(1))
    shift = Motion("head motion", 0, acquisition.camera.rows, (2.0, 6.0), 1.0)
    moved = look(ill, replace(acquisition, motion=shift), np.random.default_rng(1))
    assert any(still.lesions[0].visible)
    for view, sign in enumerate((1, -1)):
        if not still.lesions[0].visible[view]:
            continue
        there = np.roll(still.masks[view], (2, 6 * sign), axis=(0, 1))
        same = (there & moved.masks[view]).sum() / (there | moved.masks[view]).sum()
        assert same > 0.9
    assert moved.lesions[0].seen_contrast == pytest.approx(still.lesions[0].seen_contrast, rel=0.1)


def test_growth_stays_within_what_is_modelled(scene: Scene) -> None:
    worse = [Change(size=3.0, contrast=4.0)] * 20
    foci = draw_metastases(
        np.random.default_rng(3), scene.anatomy, scene.uptake, "prostate", Spread("many", 20), worse
    )
    assert max(focus.size_mm for focus in foci) <= SIZE_MM[1]
    assert max(focus.contrast for focus in foci) == CONTRAST[1]


def test_a_phantom_without_the_usual_bones_has_no_paget(scene: Scene) -> None:
    named = replace(scene.anatomy, parts=tuple(scene.anatomy.parts[:1]))
    assert (
        CATEGORIES["paget"].make(np.random.default_rng(0), Patient(named, scene.uptake, "F", 70.0))
        == []
    )
