"""Flags, and the measures behind them: outline, layout, appearance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonescan.ingest import find_studies, inspect_study, load_files
from bonescan.ingest.appearance import Appearance, appearance_of, telling_apart
from bonescan.ingest.outline import outline_of
from bonescan.ingest.quality import Look, judge
from bonescan.ingest.tiles import bodies_in
from bonescan.scan import Acquisition, Crop, Scan, View


def scan_of(anterior, posterior=None, *, spacing=(2.0, 2.0), by="view code", **facts) -> Scan:
    def view(name, counts):
        if counts is None:
            return None
        grey = np.asarray(counts, np.float32)
        return View(name, grey, spacing, Path("a.dcm"), Crop.whole(grey.shape), recognised_by=by)

    return Scan("s", view("anterior", anterior), view("posterior", posterior), Acquisition(**facts))


def flags_of(scan: Scan):
    return {flag.code: flag for flag in judge(scan, {v.name: Look.at(v) for v in scan.views})}


def test_a_good_scan_has_no_flags(front, back):
    assert flags_of(scan_of(front, back)) == {}


@pytest.mark.parametrize(
    ("counts", "severity"),
    [(499_000, "warning"), (205_000, "warning"), (190_000, "error")],
)
def test_low_counts(body, counts, severity):
    flag = flags_of(scan_of(body("anterior", counts=counts)))["low-counts"]
    assert flag.severity == severity
    assert f"{counts / 1e6:.2f}" in flag.message or severity == "warning"


def test_grey_levels_are_no_counts(body):
    scan = scan_of(body("anterior", counts=100_000), true_counts=False)
    assert "low-counts" not in flags_of(scan)


@pytest.mark.parametrize(("velocity", "severity"), [(4.43, "info"), (5.5, "warning")])
def test_fast_scan(front, back, velocity, severity):
    flag = flags_of(scan_of(front, back, velocity_mm_s=velocity))["fast-scan"]
    assert flag.severity == severity
    assert f"{velocity:.2f} mm/s" in flag.message


def test_usual_speed(front, back):
    assert flags_of(scan_of(front, back, velocity_mm_s=2.5)) == {}


def test_header_counts_that_disagree(front, back):
    total = int(front.sum()) + int(back.sum())
    assert flags_of(scan_of(front, back, counts_accumulated=total)) == {}
    assert flags_of(scan_of(front, back, counts_accumulated=int(front.sum()))) == {}
    assert set(flags_of(scan_of(front, back, counts_accumulated=10 * total))) == {"counts-disagree"}


def hot_spot(counts, peak):
    y, x = np.mgrid[: counts.shape[0], : counts.shape[1]]
    spot = peak * np.exp(-((y - 470) ** 2 + (x - 128) ** 2) / (2 * 5**2))
    return counts + np.random.default_rng(0).poisson(spot)


def test_saturated_counter(front, back):
    counts = np.minimum(hot_spot(front, 900), 255)
    assert set(flags_of(scan_of(counts, back))) == {"saturated-counts"}


def test_wrapped_counter(front, back):
    counts = hot_spot(front, 900) % 256
    assert set(flags_of(scan_of(counts, back))) == {"wrapped-counts"}


@pytest.mark.parametrize("peak", [240, 900, 60_000])
def test_hot_spot_in_range_is_neither(front, back, peak):
    assert flags_of(scan_of(hot_spot(front, peak), back)) == {}


@pytest.mark.parametrize(
    ("side", "part"),
    [
        ("top", np.s_[110:, :]),
        ("bottom", np.s_[:800, :]),
        ("left", np.s_[:, 35:]),
        ("right", np.s_[:, :-35]),
    ],
)
def test_cut_body(front, side, part):
    flag = flags_of(scan_of(front[part]))["body-clipped"]
    assert f"{side} edge" in flag.message
    assert flag.message.count("edge") == 1


def test_cut_by_a_narrower_detector_inside_the_frame(front):
    counts = front.copy()
    counts[:, :35] = 0
    counts[::7, 35] += 1  # air that the detector sees
    assert "left edge" in flags_of(scan_of(counts))["body-clipped"].message


@pytest.mark.parametrize(("spacing", "flagged"), [(0.9, True), (1.5, False), (3.0, True)])
def test_spacing_against_stature(front, back, spacing, flagged):
    flags = flags_of(scan_of(front, back, spacing=(spacing, spacing)))
    assert ("implausible-spacing" in flags) == flagged


@pytest.mark.parametrize(("spacing", "flagged"), [((2.0, 2.08), False), ((2.0, 2.4), True)])
def test_oblong_pixels(front, back, spacing, flagged):
    flag = flags_of(scan_of(front, back, spacing=spacing)).get("implausible-spacing")
    assert (flag is not None) == flagged
    assert flag is None or "differ, 2 and 2.4 mm" in flag.message


@pytest.mark.parametrize(("size", "flagged"), [((1024, 256), True), ((512, 128), False)])
def test_views_of_unlike_spacing(front, body, size, flagged):
    """Another matrix over the same field of view is usual; another field is not."""
    scan = scan_of(front, body("posterior", shape=size))
    other = replace(scan.posterior, pixel_spacing_mm=(4.0, 4.0))
    flags = judge(
        replace(scan, posterior=other),
        {"anterior": Look.at(scan.anterior), "posterior": Look.at(other)},
    )
    said = [flag.message for flag in flags if "so do their fields of view" in flag.message]
    assert bool(said) == flagged


def test_no_spacing_and_missing_view(front):
    flags = flags_of(scan_of(front, spacing=None))
    assert set(flags) == {"no-spacing", "view-missing"}
    assert flags["no-spacing"].severity == "info"


@pytest.mark.parametrize("legs", [True, False])
def test_a_body_on_its_head_is_said(front, back, legs):
    kept = slice(None) if legs else slice(0, 600)
    assert "upside-down" not in flags_of(scan_of(front[kept], back[kept]))
    flag = flags_of(scan_of(np.rot90(front, 2), np.rot90(back, 2)))["upside-down"]
    assert flag.severity == "error"
    assert "of the posterior view looks upside down" in flag.message


def test_swapped_views(front, back):
    assert flags_of(scan_of(back, front))["view-contradicted"].severity == "error"


# --- outline, layout, appearance ------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    counts=st.integers(30_000, 5_000_000),
    size=st.sampled_from([(512, 128), (1024, 256), (700, 200), (512, 256)]),
    gain=st.floats(0.05, 300),
    view=st.sampled_from(["anterior", "posterior"]),
    mirrored=st.booleans(),
)
def test_appearance_does_not_depend_on_counts_matrix_or_gain(
    body, counts, size, gain, view, mirrored
):
    grey = body(view, shape=size, counts=counts) * gain
    grey = grey[:, ::-1] if mirrored else grey
    assert outline_of(grey).looks_like_a_body
    assert appearance_of(grey).clear_view == view


def test_unclear_appearance_is_undecided():
    assert Appearance(0.05).view is None
    assert Appearance(None).view is None
    assert telling_apart(Appearance(0.3), Appearance(0.25)) is None
    assert telling_apart(Appearance(0.3), Appearance(-0.1)) == "posterior"
    assert telling_apart(Appearance(None), Appearance(-0.3)) == "posterior"


@pytest.mark.parametrize("cut", [np.s_[:850], np.s_[:700], np.s_[90:], np.s_[90:700]])
def test_appearance_of_cut_bodies(front, back, cut):
    assert appearance_of(front[cut]).view == "anterior"
    assert appearance_of(back[cut]).view == "posterior"


@pytest.mark.parametrize(
    "grey",
    [
        np.zeros((64, 64)),
        np.full((64, 64), 7.0),
        np.ones((1, 1)),
        np.eye(200),
        np.random.default_rng(0).poisson(3, (1024, 256)),
    ],
    ids=["zeros", "constant", "one pixel", "line", "flood"],
)
def test_what_is_no_body(grey):
    outline = outline_of(grey)
    assert outline is None or not outline.looks_like_a_body
    assert appearance_of(grey).view is None
    assert bodies_in(grey) == (Crop.whole(grey.shape),)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("axis", [0, 1])
def test_bodies_in_tiles(body, count, axis):
    tiles = [body("anterior", shape=(512, 128), seed=seed) for seed in range(count)]
    frame = np.concatenate(tiles, axis=axis)
    crops = bodies_in(frame)
    assert len(crops) == count
    for number, crop in enumerate(crops):
        start = (crop.left if axis else crop.top) / (128 if axis else 512)
        assert start == number
        assert (crop.height, crop.width) == (512, 128)


# --- inspection -----------------------------------------------------------------------------------


def test_inspection(nm, save, front, back, tmp_path):
    dataset = nm([front, back], codes=["399321004", "399001007"], ScanVelocity="2.2")
    path = save(dataset, tmp_path / "good.dcm")
    with find_studies([path]) as found:
        inspection = inspect_study(found.studies[0])
    first, second = inspection.views
    assert (first.name, second.name) == ("anterior", "posterior")
    assert (first.looks_like, second.looks_like) == ("anterior", "posterior")
    assert (first.matrix, first.total) == ((1024, 256), front.sum())
    assert first.body_height_mm == pytest.approx(1800, abs=30)
    plain = json.loads(json.dumps(inspection.to_json()))
    assert plain["views"][1]["recognised_by"] == "view code"
    assert plain["acquisition"]["velocity_mm_s"] == 2.2
    rows = dict(inspection.rows())
    assert rows["file"] == str(path)
    assert "recognised by view code, pixels agree" in rows["posterior"]
    assert rows["speed"] == "2.20 mm/s (13 cm/min)"


def test_rows_name_the_worst_flags_first(nm, save, body, tmp_path):
    dataset = nm(body("anterior", counts=100_000), codes=["399321004"], PixelSpacing="")
    path = save(dataset, tmp_path / "a.dcm")
    with find_studies([path]) as found:
        rows = inspect_study(found.studies[0]).rows()
    doubts = [value.split(":")[0] for name, value in rows if name in ("error", "warning", "info")]
    assert doubts == ["low-counts", "view-missing", "no-spacing"]


def test_load_files_keeps_the_scan_whole(nm, save, front, back, tmp_path):
    path = save(nm([front, back], codes=["399321004", "399001007"]), tmp_path / "a.dcm")
    scan = load_files([path], name="other")
    assert scan == replace(scan, study="other")
    assert scan.sources == (path,)
