"""Region maps are cleaned, accepted or refused, and measured by hand-counted pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bonescan.quantify.regions import clean_regions, find_skeleton, measure_regions
from bonescan.scan import OTHER_BONE, REGIONS, RegionMeasure, Scan, View, ViewName

Maps = dict[ViewName, NDArray[np.uint8]]
PELVIS, RIBS, FEMORA = (REGIONS.index(name) + 1 for name in ("pelvis", "ribs", "femora"))


def front(scan: Scan) -> View:
    assert scan.anterior is not None
    return scan.anterior


def measured(
    view: View, regions: NDArray[np.uint8], mask: NDArray[np.uint8], **read: tuple[int, int]
) -> dict[str, RegionMeasure]:
    skeleton = find_skeleton(view, regions)
    assert skeleton is not None
    return {item.region: item for item in measure_regions(view, skeleton, mask, **read)}


def test_regions_are_measured(block_scan: Scan, block_regions: Maps) -> None:
    """Pelvis: 2 x 26 x 15 pixels of 25 mm2; a lesion of 4 x 5 on it, 2 x 5 beside it."""
    view, regions = front(block_scan), block_regions["anterior"]
    mask = np.zeros(regions.shape, np.uint8)
    mask[124:130, 30:35] = 1
    mask[130:132, 30:35] = 1
    view.counts[126:128, 58:73] = 300
    found = measured(view, regions, mask)
    assert list(found) == [name for name in REGIONS if name in found]
    assert len(found) == 12
    pelvis = found["pelvis"]
    assert (pelvis.area_pixels, pelvis.area_mm2) == (780, 780 * 25)
    assert (pelvis.lesion_pixels, pelvis.lesion_area_mm2) == (30, 750)
    assert pelvis.share == pytest.approx(30 / 780)
    assert pelvis.median_counts == 100
    assert not any(item.cut for item in found.values())
    assert found["femora"].lesion_pixels == 0


def test_without_spacing_areas_are_in_pixels(block_scan: Scan, block_regions: Maps) -> None:
    view = replace(front(block_scan), pixel_spacing_mm=None)
    mask = np.zeros(view.counts.shape, np.uint8)
    pelvis = measured(view, block_regions["anterior"], mask)["pelvis"]
    assert (pelvis.area_pixels, pelvis.area_mm2, pelvis.lesion_area_mm2) == (780, None, None)


def test_a_lesion_beside_the_bones_involves_none(block_scan: Scan, block_regions: Maps) -> None:
    """One row in five on the pelvis is less than a quarter."""
    beside = np.zeros((240, 101), np.uint8)
    beside[100:104, 30:40] = 1
    beside[104, 30:40] = 1
    assert (
        measured(front(block_scan), block_regions["anterior"], beside)["pelvis"].lesion_pixels == 0
    )


def test_a_wholly_involved_region_has_no_median(block_scan: Scan, block_regions: Maps) -> None:
    mask = (block_regions["anterior"] == PELVIS).astype(np.uint8)
    pelvis = measured(front(block_scan), block_regions["anterior"], mask)["pelvis"]
    assert (pelvis.share, pelvis.median_counts) == (1.0, None)


@pytest.mark.parametrize(
    ("read", "cut"),
    [
        ({}, set()),
        ({"read_rows": (0, 191)}, {"femora"}),
        ({"read_rows": (0, 195)}, set()),
        ({"read_columns": (8, 101)}, {"humeri"}),
        ({"read_columns": (0, 96)}, {"humeri"}),
        ({"read_rows": (12, 240)}, {"skull"}),
    ],
)
def test_what_reaches_the_edge_of_what_was_read_is_cut(
    block_scan: Scan, block_regions: Maps, read: dict[str, tuple[int, int]], cut: set[str]
) -> None:
    mask = np.zeros((240, 101), np.uint8)
    found = measured(front(block_scan), block_regions["anterior"], mask, **read)
    assert {name for name, item in found.items() if item.cut} == cut


def test_what_reaches_the_frame_is_cut(block_scan: Scan, block_regions: Maps) -> None:
    view, regions = front(block_scan), block_regions["anterior"][:185]
    view = replace(view, counts=view.counts[:185])
    found = measured(view, regions, np.zeros(regions.shape, np.uint8))
    assert {name for name, item in found.items() if item.cut} == {"femora"}


def test_specks_and_holes_are_cleaned(block_scan: Scan, block_regions: Maps) -> None:
    """One pixel of 25 mm2 is a speck of another region, a hole, or noise in the air."""
    regions = block_regions["anterior"].copy()
    regions[110, 30], regions[60, 30], regions[235, 5] = FEMORA, 0, RIBS
    cleaned = clean_regions(front(block_scan), regions)
    assert np.array_equal(cleaned, block_regions["anterior"])


def test_the_view_from_behind_has_no_sternum(block_scan: Scan, block_regions: Maps) -> None:
    view = block_scan.posterior
    assert view is not None
    cleaned = clean_regions(view, block_regions["anterior"])
    assert np.array_equal(cleaned, block_regions["posterior"])


def test_few_bones_are_no_skeleton(block_scan: Scan, block_regions: Maps) -> None:
    regions = np.where(block_regions["anterior"] > 5, 0, block_regions["anterior"])
    assert find_skeleton(front(block_scan), regions.astype(np.uint8)) is None
    assert find_skeleton(front(block_scan), np.zeros_like(regions)) is None
    assert find_skeleton(front(block_scan), np.full_like(regions, OTHER_BONE)) is None


def test_bones_upside_down_are_no_skeleton(block_scan: Scan, block_regions: Maps) -> None:
    upside_down = np.ascontiguousarray(block_regions["anterior"][::-1])
    assert find_skeleton(front(block_scan), upside_down) is None


@pytest.mark.parametrize(
    ("shape", "fill", "message"), [((9, 9), 0, "the view"), ((240, 101), 14, "highest value is 13")]
)
def test_a_map_of_another_kind_is_our_own_error(
    block_scan: Scan, shape: tuple[int, int], fill: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        find_skeleton(front(block_scan), np.full(shape, fill, np.uint8))


def test_the_skeletons_midline(block_scan: Scan, block_regions: Maps) -> None:
    skeleton = find_skeleton(front(block_scan), block_regions["anterior"])
    assert skeleton is not None
    assert skeleton.midline == (50, 0)
