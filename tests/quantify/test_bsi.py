"""The bone scan index against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from bonescan.quantify.bsi import REPEATABILITY_BAND, bone_scan_index, scan_refusals
from bonescan.quantify.weights import load_weights
from bonescan.scan import REGIONS, VIEW_NAMES, Fusion, RegionMeasure, Scan, ViewName

FUSIONS = get_args(Fusion)


def measure(
    view: ViewName,
    region: str,
    lesion: int = 0,
    *,
    area: int = 100,
    cut: bool = False,
    pixel: float | None = 4.0,
) -> RegionMeasure:
    return RegionMeasure(
        view=view,
        region=region,
        area_pixels=area,
        area_mm2=None if pixel is None else area * pixel,
        lesion_pixels=lesion,
        lesion_area_mm2=None if pixel is None else lesion * pixel,
        median_counts=10.0,
        cut=cut,
    )


def skeleton(*changed: RegionMeasure) -> list[RegionMeasure]:
    """Both views of a healthy skeleton (no sternum from behind), some regions replaced."""
    found = {
        (view, region): measure(view, region)
        for view in VIEW_NAMES
        for region in REGIONS
        if (view, region) != ("posterior", "sternum")
    }
    return list((found | {(item.view, item.region): item for item in changed}).values())


def test_a_healthy_skeleton_has_index_0() -> None:
    index = bone_scan_index(skeleton())
    assert (index.whole, index.visible, index.refused) == (0.0, 0.0, ())
    assert index.band == REPEATABILITY_BAND == 0.3
    assert [item.region for item in index.regions] == list(REGIONS)


def test_one_lesion_in_the_pelvis_by_hand() -> None:
    """20 of 100 pixels from the front, 10 of 100 from behind: mean 0.15, times 7.5 is 1.125 %."""
    index = bone_scan_index(
        skeleton(measure("anterior", "pelvis", 20), measure("posterior", "pelvis", 10))
    )
    assert index.whole == pytest.approx(1.125)
    assert index.visible == pytest.approx(100 * 1.125 / 67.31)
    (pelvis,) = [item for item in index.regions if item.region == "pelvis"]
    assert (pelvis.anterior, pelvis.posterior) == (0.2, 0.1)
    assert pelvis.involved == pytest.approx(0.15)
    assert pelvis.index == pytest.approx(1.125)


def test_regions_add_up_by_hand() -> None:
    """Sternum 30 of 60 from the front: 0.5 x 0.3; femora all: 17.8; skull 5 % from behind."""
    index = bone_scan_index(
        skeleton(
            measure("anterior", "sternum", 30, area=60),
            measure("anterior", "femora", 100),
            measure("posterior", "femora", 100),
            measure("posterior", "skull", 5),
        )
    )
    assert index.whole == pytest.approx(0.15 + 17.8 + 18.4 * 0.025)


@pytest.mark.parametrize(
    ("fusion", "pelvis", "spine"),
    [
        ("mean", (0.4 + 0.1) / 2, (0.2 + 0.6) / 2),
        ("max", 0.4, 0.6),
        ("pooled", (20 + 30) / (50 + 300), (10 + 30) / (50 + 50)),
        ("view-aware", (0.4 + 0.1) / 2, 0.6),
    ],
)
@pytest.mark.parametrize("pixel", [4.0, None])
def test_fusion_by_hand(fusion: Fusion, pelvis: float, spine: float, pixel: float | None) -> None:
    index = bone_scan_index(
        skeleton(
            measure("anterior", "pelvis", 20, area=50, pixel=pixel),
            measure("posterior", "pelvis", 30, area=300, pixel=pixel),
            measure("anterior", "lumbar_spine", 10, area=50, pixel=pixel),
            measure("posterior", "lumbar_spine", 30, area=50, pixel=pixel),
        ),
        fusion=fusion,
    )
    assert index.fusion == fusion
    assert index.whole == pytest.approx(7.5 * pelvis + 2.42 * spine)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_sternum_counts_from_the_front(fusion: Fusion) -> None:
    index = bone_scan_index(skeleton(measure("anterior", "sternum", 40)), fusion=fusion)
    assert index.whole == pytest.approx(0.3 * 0.4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_everything_involved_is_the_weight_of_what_is_read(fusion: Fusion) -> None:
    everything = [replace(item, lesion_pixels=100, lesion_area_mm2=400.0) for item in skeleton()]
    index = bone_scan_index(everything, fusion=fusion)
    assert index.whole == pytest.approx(67.31)
    assert index.visible == pytest.approx(100)


def test_pooled_areas_are_in_mm2_where_pixels_differ() -> None:
    """40 of 400 mm2 and 90 of 100 mm2."""
    small = measure("posterior", "pelvis", 90, pixel=1.0)
    index = bone_scan_index(skeleton(measure("anterior", "pelvis", 10), small), fusion="pooled")
    assert index.whole == pytest.approx(7.5 * 130 / 500)


def test_a_cut_region_gives_no_headline() -> None:
    index = bone_scan_index(skeleton(measure("posterior", "femora", 10, cut=True)))
    assert index.whole is None
    assert index.visible == pytest.approx(100 * 17.8 * 0.05 / 67.31)
    assert index.refused == (
        "Cut by the edge of the posterior view or of what was read of it: femora.",
    )


def test_a_missing_view_gives_no_headline() -> None:
    front = [item for item in skeleton() if item.view == "anterior"]
    index = bone_scan_index(front)
    assert index.whole is None
    assert index.visible == 0
    assert index.refused == (
        "The posterior view shows no skeleton or is missing; the index takes both views.",
    )


def test_a_region_that_is_not_seen_gives_no_headline_and_leaves_the_visible_weight() -> None:
    seen = [item for item in skeleton() if item.region != "skull"]
    index = bone_scan_index([*seen[1:], measure("anterior", "cervical_spine", 50)])
    assert index.whole is None
    assert index.visible == pytest.approx(100 * 0.77 * 0.25 / (67.31 - 18.4))
    assert index.refused == ("Not seen in either view: skull.",)


def test_no_skeleton_gives_nothing() -> None:
    index = bone_scan_index([])
    assert (index.whole, index.visible, index.regions) == (None, None, ())
    assert index.refused[0].startswith("No skeleton was found")


def test_a_refused_scan_gives_nothing_but_keeps_the_shares() -> None:
    index = bone_scan_index(skeleton(measure("anterior", "ribs", 50)), refused=["Too dark."])
    assert (index.whole, index.visible, index.refused) == (None, None, ("Too dark.",))
    assert len(index.regions) == len(REGIONS)


def test_counts_and_speed_gate_the_index(plain_scan: Scan) -> None:
    """The plain body has 0.2 million counts a view: too few when thinned to a tenth."""
    views = {view.name: replace(view, counts=view.counts * 10) for view in plain_scan.views}
    assert scan_refusals(replace(plain_scan, **views)) == ()  # type: ignore[arg-type]
    anterior = replace(views["anterior"], counts=views["anterior"].counts / 100)
    dark = replace(plain_scan, anterior=anterior, posterior=views["posterior"])
    (reason,) = scan_refusals(dark)
    assert "anterior view" in reason
    picture = replace(dark, acquisition=replace(dark.acquisition, true_counts=False))
    assert scan_refusals(picture) == ()
    fast = replace(plain_scan.acquisition, velocity_mm_s=6.0)
    (reason,) = scan_refusals(replace(plain_scan, **views, acquisition=fast))  # type: ignore[arg-type]
    assert "6.00 mm/s" in reason


def test_the_users_weights_and_fusion_are_used() -> None:
    weights = replace(load_weights(), name="Ours", version="7", percent=(1.0,) * 12, fusion="max")
    index = bone_scan_index(skeleton(measure("anterior", "ribs", 50)), weights=weights)
    assert index.whole == pytest.approx(0.5)
    assert index.visible == pytest.approx(100 * 0.5 / 12)
    assert (index.weights, index.fusion) == ("Ours, version 7", "max")
