"""Metastases: as many as asked for, and purely lytic ones that are rarely seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from bonescan.errors import BadInput
from bonescan.scan import REGIONS
from bonescan.simulate import lesions, simulate_patient
from bonescan.simulate.lesions import (
    KINDS,
    LYTIC,
    LYTIC_LEFT,
    Cancer,
    Spread,
    draw_metastases,
    metastasis,
)
from bonescan.simulate.patient import Scene, build_scene, draw_case, look, stream
from bonescan.simulate.reader import Reader, read_view_again
from bonescan.simulate.sources import Focus, blob
from bonescan.simulate.truth import LEAST_TAKEN, Truth
from bonescan.simulate.vendors import draw_acquisition


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(draw_case(5, 2, "screening", "breast", metastasis=False))


def drawn(scene: Scene, seed: int, spread: Spread, cancer: Cancer = "breast") -> list[Focus]:
    return draw_metastases(np.random.default_rng(seed), scene.anatomy, scene.uptake, cancer, spread)


def seen(scene: Scene, focus: Focus) -> Truth:
    """What is seen of one lesion at a million counts, without any other focus."""
    acquisition = draw_acquisition(stream(5, 2, "scan"), "paper", 1600.0, 1e6)
    still = replace(acquisition, motion=None, joins=())
    alone = replace(scene, lesions=[focus], findings=[])
    return look(alone, still, np.random.default_rng(0))


# --- number --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 3, 20])
def test_there_are_as_many_lesions_as_asked_for_and_each_of_its_own(number: int) -> None:
    truth = simulate_patient(31, number, lesions=number).truth
    assert [lesion.lesion for lesion in truth.lesions] == list(range(1, number + 1))


def test_lesions_that_were_asked_for_lie_apart_and_others_may_run_together(scene: Scene) -> None:
    def together(foci: list[Focus]) -> int:
        pairs = ((a, b) for a in foci for b in foci if a is not b)
        return sum(holds(a, b) for a, b in pairs)

    def holds(one: Focus, other: Focus) -> bool:
        at = [int(c / scene.anatomy.voxel_mm) for c in reversed(other.position_mm)]
        whole = np.zeros(scene.anatomy.part.shape, np.float32)
        one.source.add_to(whole)
        return bool(abs(whole[tuple(at)]) > 0.1 * np.abs(one.source.activity).max())

    assert together(drawn(scene, 1, Spread("superscan", 60))) > 0
    assert together(drawn(scene, 1, Spread("superscan", 60, apart=True))) == 0


def test_bones_that_a_phantom_lacks_cost_no_lesion(scene: Scene) -> None:
    lumbar = 1 + REGIONS.index("lumbar_spine")
    few = replace(scene, uptake=replace(scene.uptake, voxels=scene.uptake.voxels_of(lumbar)))
    foci = drawn(few, 2, Spread("few", 3, apart=True))
    assert [focus.region for focus in foci] == ["lumbar_spine"] * 3
    with pytest.raises(BadInput, match=r"room for \d+ lesions apart, 400 were asked for"):
        drawn(few, 2, Spread("superscan", 400, apart=True))
    none = replace(few, uptake=replace(few.uptake, voxels=scene.uptake.voxels_of(0)))
    with pytest.raises(BadInput, match="no bone for metastases"):
        drawn(none, 2, Spread("few", 3))


@pytest.mark.parametrize(("number", "metastatic"), [(-1, None), (3, False), (0, True)])
def test_numbers_that_make_no_sense_are_refused(number: int, metastatic: bool | None) -> None:
    with pytest.raises(ValueError, match=f"lesions is {number}"):
        simulate_patient(31, 0, lesions=number, metastasis=metastatic)


def test_bulges_make_a_lesion_longer_by_as_much_as_the_docs_say() -> None:
    centre, box = np.full(3, 40.0), (slice(0, 80),) * 3
    longer = []
    for seed in range(40):
        inside, _ = blob(box, centre, np.array([10.0, 8.0, 7.0]), np.random.default_rng(seed))
        hull = ConvexHull(np.argwhere(inside > 0.5))
        longer.append((pdist(hull.points[hull.vertices]).max() + 1) / 20)
    assert np.median(longer) == pytest.approx(1.15, abs=0.06)


# --- purely lytic --------------------------------------------------------------------------------


def test_shares_of_purely_lytic_lesions() -> None:
    share = {
        cancer: sum(chance * LYTIC[cancer].get(kind, 0.0) for kind, chance in kinds)
        for cancer, kinds in KINDS.items()
    }
    assert share["breast"] == pytest.approx(0.06, abs=0.005)
    assert share["prostate"] == 0


def test_kinds_of_many_lesions_and_the_first_is_never_lytic(scene: Scene) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(10):
        first, *others = drawn(scene, 100 + seed, Spread("many", 60))
        assert first.kind != "lytic"
        kinds.update(focus.kind for focus in others)
        kinds_of_men = {f.kind for f in drawn(scene, seed, Spread("many", 60), "prostate")}
        assert "lytic" not in kinds_of_men
    assert 0.03 < kinds["lytic"] / kinds.total() < 0.10


def test_no_other_lesion_changes_where_one_is_lytic(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    foci = drawn(scene, 4, Spread("many", 40))
    monkeypatch.setattr(lesions, "LYTIC", {"breast": {}})
    without = drawn(scene, 4, Spread("many", 40))
    changed = [one for one, other in zip(foci, without, strict=True) if repr(one) != repr(other)]
    assert changed
    assert {focus.kind for focus in changed} == {"lytic"}
    assert "lytic" not in {focus.kind for focus in without}


@pytest.mark.parametrize("left", LYTIC_LEFT)
def test_a_lytic_lesion_leaves_what_it_says_and_has_a_faint_rim_at_most(
    scene: Scene, left: float
) -> None:
    rims = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        focus = metastasis(rng, scene.anatomy, scene.uptake, "pelvis", 50.0, left, "lytic")
        box = focus.source.slices
        place = tuple(int(c / scene.anatomy.voxel_mm) for c in reversed(focus.position_mm))
        here = (scene.anatomy.part[box] == scene.anatomy.part[place]) & (scene.uptake.bone[box] > 0)
        ratio = 1 + focus.source.activity[here] / scene.uptake.bone[box][here]
        assert ratio.min() == pytest.approx(left, abs=0.06)
        rims.append(float(ratio.max()))
    assert max(rims) < 2.0  # a cold centre of the same size has a rim of several times the normal
    assert min(rims) < 1.05 < max(rims)  # some have none


def test_a_lytic_lesion_is_outlined_where_a_defect_can_be_seen(scene: Scene) -> None:
    marked = 0
    bare = None
    for seed in range(4):
        rng = np.random.default_rng(seed)
        focus = metastasis(rng, scene.anatomy, scene.uptake, "pelvis", 70.0, 0.05, "lytic")
        truth = seen(scene, focus)
        bare = bare or seen(scene, replace(focus, source=nothing(focus)))
        (lesion,) = truth.lesions
        for view in range(2):
            mask = truth.masks[view]
            assert mask.any() == lesion.visible[view]
            if not mask.any():
                continue
            marked += 1
            ratio = truth.expected[view][mask] / bare.expected[view][mask]
            assert lesion.seen_contrast[view] <= -LEAST_TAKEN
            assert ratio.min() < 1.05 - LEAST_TAKEN
            assert ratio.mean() < 0.9
            steady = Reader(bias_px=0, outline_px=0, wobble_px=0, miss=0, add=0)
            again = read_view_again(truth, view, np.random.default_rng(0), steady)
            np.testing.assert_array_equal(again, mask)
    assert marked > 0


def nothing(focus: Focus) -> lesions.Block:
    return replace(focus.source, activity=np.zeros_like(focus.source.activity))


def test_most_lytic_lesions_are_listed_but_not_seen(scene: Scene) -> None:
    foci = [f for seed in range(3) for f in drawn(scene, seed, Spread("many", 60))]
    lytic = [focus for focus in foci if focus.kind == "lytic"]
    acquisition = draw_acquisition(stream(5, 2, "scan"), "paper", 1600.0, 1e6)
    truth = look(replace(scene, lesions=lytic, findings=[]), acquisition, np.random.default_rng(0))
    assert len(truth.lesions) == len(lytic) > 5
    assert np.mean([any(lesion.visible) for lesion in truth.lesions]) < 0.3
