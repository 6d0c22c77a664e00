"""Lesions on the skeleton: region, side, ratios, the match of both views, the index, the doubts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bonescan.quantify.lesions import label_components, measure_lesions
from bonescan.quantify.placing import compare_sides
from bonescan.quantify.position import Midline
from bonescan.quantify.skeletal import SkeletalReading, read_skeleton
from bonescan.scan import VIEW_NAMES, Crop, Lesion, Scan, View, ViewName, ViewReading
from bonescan.simulate import simulate_patient
from bonescan.simulate.patient import SimulatedPatient

Box = tuple[int, int, int, int]
Maps = dict[ViewName, NDArray[np.uint8]]


def bright(scan: Scan) -> Scan:
    """Enough counts for an index, the ratios as they were."""
    views = {view.name: replace(view, counts=view.counts * 10) for view in scan.views}
    return replace(scan, **views)  # type: ignore[arg-type]


def read(
    scan: Scan, regions: Maps | None, masks: dict[ViewName, NDArray[np.bool_]]
) -> SkeletalReading:
    views, lesions = [], []
    for view in scan.views:
        labels, _ = label_components(masks.get(view.name, np.zeros(view.counts.shape, bool)))
        probability = (labels > 0).astype(np.float32)
        found = measure_lesions(view, labels, probability)
        views.append(ViewReading(view.name, probability, found.mask))
        lesions += found.lesions
    return read_skeleton(scan, views, lesions, regions=regions)


def boxed(scan: Scan, boxes: dict[ViewName, list[Box]]) -> dict[ViewName, NDArray[np.bool_]]:
    masks = {}
    for view in scan.views:
        mask = np.zeros(view.counts.shape, bool)
        for top, bottom, left, right in boxes.get(view.name, []):
            mask[top:bottom, left:right] = True
        masks[view.name] = mask
    return masks


def read_boxes(scan: Scan, regions: Maps | None, **boxes: list[Box]) -> SkeletalReading:
    return read(scan, regions, boxed(scan, boxes))  # type: ignore[arg-type]


def test_a_lesion_of_the_right_pelvis_by_hand(block_scan: Scan, block_regions: Maps) -> None:
    """10 x 6 of 780 pixels, 400 counts against 100 on the rest and on the other side."""
    scan = bright(block_scan)
    assert scan.anterior is not None
    scan.anterior.counts[110:120, 30:36] = 4000
    result = read_boxes(scan, block_regions, anterior=[(110, 120, 30, 36)])
    (lesion,) = result.lesions
    assert (lesion.region, lesion.side, lesion.match) == ("pelvis", "R", None)
    assert lesion.region_share == pytest.approx(60 / 780)
    assert lesion.region_ratio == lesion.mirror_ratio == pytest.approx(4)
    assert result.index is not None
    assert result.index.whole == pytest.approx(7.5 * 60 / 780 / 2)
    assert result.index.refused == ()
    assert result.flags == ()
    assert len(result.regions) == 23


def test_views_are_matched_with_mirrored_sides(block_scan: Scan, block_regions: Maps) -> None:
    """Left pelvis: at the right of the front picture, at the left of the back one; 15 mm lower."""
    result = read_boxes(
        bright(block_scan),
        block_regions,
        anterior=[(110, 114, 62, 66), (60, 64, 30, 34)],
        posterior=[(113, 117, 35, 39), (60, 64, 30, 34)],
    )
    found = {(item.view, item.region, item.side): item.match for item in result.lesions}
    assert found == {
        ("anterior", "ribs", "R"): None,
        ("anterior", "pelvis", "L"): 2,
        ("posterior", "ribs", "L"): None,
        ("posterior", "pelvis", "L"): 2,
    }


@pytest.mark.parametrize("spacing", [(5.0, 5.0), None])
def test_far_rows_do_not_match(
    block_scan: Scan, block_regions: Maps, spacing: tuple[float, float] | None
) -> None:
    views = {view.name: replace(view, pixel_spacing_mm=spacing) for view in block_scan.views}
    result = read_boxes(
        replace(block_scan, **views),  # type: ignore[arg-type]
        block_regions,
        anterior=[(104, 108, 62, 66)],
        posterior=[(109, 113, 35, 39)],
    )
    assert [item.match for item in result.lesions] == [None, None]


def test_sternum_and_spine_are_not_one_lesion(block_scan: Scan, block_regions: Maps) -> None:
    box = (60, 64, 48, 53)
    result = read_boxes(bright(block_scan), block_regions, anterior=[box], posterior=[box])
    assert [item.region for item in result.lesions] == ["sternum", "thoracic_spine"]
    assert [item.match for item in result.lesions] == [None, None]


def test_nearest_marks_are_paired_one_to_one(block_scan: Scan, block_regions: Maps) -> None:
    result = read_boxes(
        bright(block_scan),
        block_regions,
        anterior=[(84, 87, 48, 53), (89, 91, 48, 53)],
        posterior=[(85, 87, 48, 53), (89, 91, 48, 53), (94, 96, 48, 53)],
    )
    assert [item.match for item in result.lesions] == [1, 2, 1, 2, None]


def test_a_lesion_at_the_midline_or_on_both_sides_has_no_mirror(
    block_scan: Scan, block_regions: Maps
) -> None:
    result = read_boxes(
        bright(block_scan),
        block_regions,
        anterior=[(90, 94, 48, 53), (140, 150, 32, 38), (140, 150, 63, 69)],
    )
    assert [item.region for item in result.lesions] == ["lumbar_spine", "femora", "femora"]
    assert [item.side for item in result.lesions] == ["midline", "R", "L"]
    assert [item.mirror_ratio for item in result.lesions] == [None, None, None]


def test_lesions_outside_the_regions_are_listed_and_add_nothing(
    block_scan: Scan, block_regions: Maps
) -> None:
    """One on a tibia, one in the soft tissue beside the lumbar spine."""
    result = read_boxes(
        bright(block_scan), block_regions, anterior=[(94, 100, 70, 76), (200, 206, 33, 37)]
    )
    assert [item.region for item in result.lesions][1] == "other bone"
    assert result.lesions[0].region.endswith(("level", "level unknown"))
    assert {item.region_share for item in result.lesions} == {None}
    assert result.index is not None
    assert result.index.whole == 0
    (flag,) = result.flags
    assert flag.code == "lesion-outside-regions"
    assert flag.message.endswith("anterior 1, anterior 2.")


def test_no_skeleton_is_said(block_scan: Scan, block_regions: Maps) -> None:
    regions = {name: np.zeros_like(item) for name, item in block_regions.items()}
    result = read_boxes(bright(block_scan), regions, anterior=[(110, 120, 30, 36)])
    assert result.index is not None
    assert (result.index.whole, result.index.visible) == (None, None)
    assert [flag.code for flag in result.flags] == ["no-skeleton", "no-skeleton", "index-refused"]
    assert result.regions == ()
    assert {view.regions is None for view in result.views} == {True}
    assert result.lesions[0].region_share is None


def test_low_counts_refuse_both_numbers(block_scan: Scan, block_regions: Maps) -> None:
    dim = {view.name: replace(view, counts=view.counts / 10) for view in block_scan.views}
    result = read_boxes(replace(block_scan, **dim), block_regions)  # type: ignore[arg-type]
    assert result.index is not None
    assert (result.index.whole, result.index.visible) == (None, None)
    assert "million counts" in result.flags[0].message


def test_a_picture_says_that_its_counts_are_unknown(block_scan: Scan, block_regions: Maps) -> None:
    picture = replace(block_scan.acquisition, true_counts=False)
    result = read_boxes(replace(block_scan, acquisition=picture), block_regions)
    assert [flag.code for flag in result.flags] == ["index-counts-unknown"]
    assert result.index is not None
    assert result.index.whole == 0


def test_a_single_view_has_the_visible_index_alone(block_scan: Scan, block_regions: Maps) -> None:
    scan = replace(bright(block_scan), anterior=None)
    result = read_boxes(scan, {"posterior": block_regions["posterior"]})
    assert result.index is not None
    assert (result.index.whole, result.index.visible) == (None, 0)
    assert result.index.refused[0].startswith("The anterior view")


def test_without_bone_names_sides_and_views_are_compared_all_the_same(block_scan: Scan) -> None:
    result = read_boxes(
        bright(block_scan), None, anterior=[(110, 114, 62, 66)], posterior=[(110, 114, 35, 39)]
    )
    assert (result.index, result.regions, result.flags) == (None, (), ())
    assert [item.match for item in result.lesions] == [1, 1]
    assert all(item.mirror_ratio == pytest.approx(1, rel=0.01) for item in result.lesions)


def test_a_lesion_opposite_of_air_has_no_mirror(block_scan: Scan) -> None:
    """One leg lies apart, as in a patient who cannot keep them level."""
    assert block_scan.anterior is not None
    counts = block_scan.anterior.counts.copy()
    counts[150:190, 52:] = 0.01
    counts[160:166, 32:38] = 400
    view = replace(block_scan.anterior, counts=counts)
    mask = np.zeros(counts.shape, np.uint8)
    mask[160:166, 32:38] = 1
    (found,) = measure_lesions(view, mask.astype(np.int32), (mask > 0).astype(np.float32)).lesions
    (lesion,) = compare_sides(view, [found], mask, Midline(50.0, 0.0))
    assert lesion.side == "R"
    assert lesion.mirror_ratio is None
    counts = np.where(mask > 0, np.float32(400), block_scan.anterior.counts)
    level = replace(block_scan.anterior, counts=counts)
    (lesion,) = compare_sides(level, [found], mask, Midline(50.0, 0.0))
    assert lesion.mirror_ratio == pytest.approx(400 / 100)


def test_mirroring_twice_is_the_identity() -> None:
    rows, columns = np.array([10.0, 200.0]), np.array([3.0, 70.0])
    line = Midline(50.0, 0.05)
    there = line.mirror(rows, columns)
    assert line.offset(there[0][0], there[1][0]) == pytest.approx(-line.offset(10, 3), rel=0.01)
    for found, given in zip(line.mirror(*there), (rows, columns), strict=True):
        assert found == pytest.approx(given)


# --- a simulated patient, with its truth in the place of a model ---------------------------------


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate_patient(77, 0, metastasis=True, lesions=10, counts=2e6)


@pytest.fixture(scope="module")
def simulated(patient: SimulatedPatient) -> SkeletalReading:
    size = patient.acquisition.camera.pixel_mm
    views = [
        View(name, counts.astype(np.float32), (size, size), Path("s"), Crop.whole(counts.shape))
        for name, counts in zip(VIEW_NAMES, patient.counts, strict=True)
    ]
    truth = patient.truth
    return read(
        Scan("sim", *views),
        dict(zip(VIEW_NAMES, truth.regions, strict=True)),
        dict(zip(VIEW_NAMES, truth.masks, strict=True)),
    )


def test_the_truth_of_a_simulated_patient_has_an_index(
    patient: SimulatedPatient, simulated: SkeletalReading
) -> None:
    """Against the same formula written out on the truth's own pixels, before any cleaning."""
    weight = [18.4, 0.77, 3.17, 2.42, 1.95, 4.4, 0.3, 1.0, 3.0, 6.6, 7.5, 17.8]
    expected = 0.0
    for value, percent in enumerate(weight, start=1):
        here = patient.truth.regions == value
        shares = [
            (mask & region).sum() / region.sum()
            for mask, region in zip(patient.truth.masks, here, strict=True)
            if region.any()
        ][: 1 if value == 7 else 2]
        expected += percent * float(np.mean(shares))
    assert simulated.index is not None
    assert simulated.index.whole == pytest.approx(expected, rel=0.03)
    assert expected > 0.1


def test_the_truth_names_most_lesions_regions(
    patient: SimulatedPatient, simulated: SkeletalReading
) -> None:
    """The names of the foci as the simulator placed them, in each view that shows them."""
    right = []
    for lesion in simulated.lesions:
        view = VIEW_NAMES.index(lesion.view)
        top, left, bottom, column = lesion.box
        numbers = patient.truth.metastasis[view, top:bottom, left:column]
        known = {focus.number: focus for focus in patient.truth.lesions}
        kinds = {known[int(number)].region for number in np.unique(numbers[numbers > 0])}
        right.append(lesion.region in {_as_region(kind) for kind in kinds})
    assert len(right) >= 4
    assert sum(right) >= 0.75 * len(right)


def _as_region(name: str) -> str:
    short = {"cervical": "cervical_spine", "thoracic": "thoracic_spine", "lumbar": "lumbar_spine"}
    return short.get(name, name)


def test_matches_of_a_simulated_patient_are_mutual(simulated: SkeletalReading) -> None:
    def pairs(name: ViewName) -> list[Lesion]:
        return [item for item in simulated.lesions if item.view == name and item.match]

    there = {(item.number, item.match) for item in pairs("anterior")}
    back = {(item.match, item.number) for item in pairs("posterior")}
    assert there == back
    assert there
