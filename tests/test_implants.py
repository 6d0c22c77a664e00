"""The implants' benchmark: lesions have the size, contrast and noise that it says."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bonescan.quantify.position import Midline
from bonescan.quantify.regions import Skeleton
from bonescan.scan import REGIONS, Crop, Scan, View

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "implants.py"


@pytest.fixture(scope="module")
def implants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("implants", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["implants"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def even() -> Scan:
    """50 counts everywhere, 2 mm pixels, both views."""
    views = [
        View(
            name, np.full((200, 120), 50, np.float32), (2.0, 2.0), Path("e"), Crop.whole((200, 120))
        )
        for name in ("anterior", "posterior")
    ]
    return Scan("even", *views)


def test_a_lesion_has_its_contrast_in_the_view_that_sees_it_best(
    implants: ModuleType, even: Scan
) -> None:
    where = [("lumbar_spine", {"anterior": (100.0, 60.0), "posterior": (100.0, 59.0)})]
    rng = np.random.default_rng(0)
    changed, (added,) = implants.implant(even, where, [(4.0, 30.0)], rng)
    back, front = changed.posterior.counts - 50, changed.anterior.counts - 50
    inside = np.s_[98:103, 57:62]
    assert back[inside].mean() == pytest.approx(200, rel=0.08)
    assert front[inside].mean() == pytest.approx(200 * implants.FAR_SHARE, rel=0.12)
    area = np.pi * 15**2
    assert back.sum() * 4 == pytest.approx(200 * area, rel=0.03)  # blur keeps the sum
    assert added.truth["posterior"].sum() * 4 == pytest.approx(area, rel=0.15)
    assert not added.company
    pixels = added.truth["posterior"].sum()
    blurred = 0.81  # mean of the blurred disc of height 1 over these pixels
    expected = blurred * 200 * pixels / (50 * pixels) ** 0.5
    assert added.clearness == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("grey", [1.7, 2.5, 4.0])
def test_noise_of_a_picture_tells_its_counts(implants: ModuleType, even: Scan, grey: float) -> None:
    rng = np.random.default_rng(1)
    slope = np.linspace(4, 14, 200)[:, None] * np.ones((1, 120)) / grey
    picture = np.rint(grey * rng.poisson(slope)).astype(np.float32)
    view = replace(even.anterior, counts=picture)
    assert implants.gain(view, False) == pytest.approx(grey, rel=0.04)
    assert implants.gain(view, True) == 1
    scan = replace(even, anterior=view, posterior=None)
    scan = replace(scan, acquisition=replace(scan.acquisition, true_counts=False))
    assert implants.counts_of(scan) == pytest.approx(slope.sum(), rel=0.05)
    smooth = replace(even.anterior, counts=np.full((200, 120), 8, np.float32))
    assert implants.gain(smooth, False) == 1
    assert implants.gain(even.anterior, False) == 1  # nowhere as faint as NOISE_GREY


def test_noise_is_that_of_counts_also_in_a_picture(implants: ModuleType, even: Scan) -> None:
    where = [("pelvis", {"posterior": (100.0, 60.0)})]
    picture = replace(even, acquisition=replace(even.acquisition, true_counts=False))
    noisy = 3 * np.random.default_rng(2).poisson(10 / 3, (200, 120)).astype(np.float32)
    picture = replace(picture, posterior=replace(even.posterior, counts=noisy))
    grey = implants.gain(picture.posterior, False)
    assert grey == pytest.approx(3, rel=0.05)
    changed, _ = implants.implant(picture, where, [(9.0, 60.0)], np.random.default_rng(0))
    added = (changed.posterior.counts - noisy)[92:109, 52:69]
    assert added.mean() == pytest.approx(90 * implants.ALIKE_SHARE, rel=0.1)
    assert added.var() == pytest.approx(grey * added.mean(), rel=0.35)
    assert changed.posterior.counts.max() <= 255


def test_places_keep_off_marks_and_mirror_between_views(implants: ModuleType, even: Scan) -> None:
    regions = np.zeros((200, 120), np.uint8)
    regions[40:160, 20:50] = 1 + REGIONS.index("pelvis")
    front = Skeleton(regions, Midline(59.5, 0.0))
    back = Skeleton(regions[:, ::-1].copy(), Midline(59.5, 0.0))
    marks = {name: np.zeros((200, 120), np.int32) for name in ("anterior", "posterior")}
    marks["anterior"][40:100, 20:50] = 1
    skeletons = {"anterior": front, "posterior": back}
    found = implants.places(even, skeletons, marks, 3, np.random.default_rng(0))
    assert found
    for region, there in found:
        assert region == "pelvis"
        row, column = there["anterior"]
        assert row > 99 + implants.APART_MM / 2
        assert there["posterior"] == (row, 119 - column)


def test_hits_and_overlap_are_counted(implants: ModuleType) -> None:
    truth = np.zeros((20, 20), bool)
    truth[5:10, 5:10] = True
    one = implants.Implant("a", 2.0, 16.0, "pelvis", False, {"anterior": truth}, 7.0)
    marks = {"anterior": truth.astype(np.int32)}
    none = {"anterior": np.zeros((20, 20), np.int32)}
    assert implants.judge([one], marks)[0].found
    assert not implants.judge([one], none)[0].found
    assert implants.overlap(marks, marks) == (1, 1, 1, 1)
    assert implants.overlap(marks, none) == (1, 0, 0, 0)
    table = implants.table(implants.judge([one], marks))
    assert "| pelvis | 1 | 1.00 (1.00 to 1.00) |" in table
    assert "| clearness 5 to 10 | 1 | 1.00" in table
    assert "| skull | 0 | not defined |" in table


def test_thinning_and_brightening(implants: ModuleType, even: Scan) -> None:
    thinned = implants.thin(even, 0.25, np.random.default_rng(0))
    assert thinned.anterior.counts.mean() == pytest.approx(12.5, rel=0.02)
    assert implants.brighten(even, 2.0).anterior.counts.max() == 100
    picture = replace(even, acquisition=replace(even.acquisition, true_counts=False))
    assert implants.brighten(picture, 9.0).anterior.counts.max() == 255
