"""The camera against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from bonescan.simulate.camera import (
    MU_WATER,
    Camera,
    Projector,
    acquire,
    overlap_matrix,
)
from bonescan.simulate.motion import Motion
from bonescan.simulate.passes import Join, draw_joins, join_sensitivity
from bonescan.simulate.sources import Block

VOXEL = 4.0
IDEAL = Camera(
    contouring=False, table_transmission=1.0, scatter=0.0, uniformity=0.0, background=0.0,
    anterior_gap_mm=30.0, posterior_gap_mm=30.0, top_mm=40.0,
)  # fmt: skip


def water(shape: tuple[int, int, int]) -> np.ndarray:
    return np.full(shape, MU_WATER, np.float32)


def sphere(shape: tuple[int, int, int], radius_mm: float) -> np.ndarray:
    grids = np.meshgrid(*((np.arange(n) + 0.5) * VOXEL for n in shape), indexing="ij")
    centre = [n * VOXEL / 2 for n in shape]
    return np.sqrt(sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True))) <= radius_mm


def test_a_uniform_water_sphere_is_attenuated_as_the_closed_form_says() -> None:
    # Mean of exp(-mu l) over a sphere of radius R, l the way out along one direction, is
    # 3 / (4 x^3) * (x^2 - 1/2 + (x + 1/2) exp(-2x) ) with x = mu R.
    radius, shape = 100.0, (60, 60, 60)
    inside = sphere(shape, radius)
    projector = Projector(inside * np.float32(MU_WATER), VOXEL, IDEAL)
    total = projector.project(inside.astype(np.float32)).total
    x = MU_WATER * radius
    expected = 3 / (4 * x**3) * (x**2 - 0.5 + (x + 0.5) * np.exp(-2 * x))
    for view in total:
        assert view.sum() / inside.sum() == pytest.approx(expected, rel=0.01)


def test_a_point_in_water_is_seen_through_the_water_before_it() -> None:
    mu = water((40, 50, 40))
    activity = np.zeros(mu.shape, np.float32)
    activity[20, 10, 20] = 1
    front, back = Projector(mu, VOXEL, IDEAL).project(activity).primary
    assert front.sum() == pytest.approx(np.exp(-MU_WATER * 10.5 * VOXEL), rel=1e-3)
    assert back.sum() == pytest.approx(np.exp(-MU_WATER * 39.5 * VOXEL), rel=1e-3)


def test_the_table_takes_its_share_of_the_posterior_view_only() -> None:
    mu = water((20, 20, 20))
    activity = np.ones(mu.shape, np.float32)
    bare = Projector(mu, VOXEL, IDEAL).project(activity).primary
    table = Camera(**{**IDEAL.__dict__, "table_transmission": 0.9})
    laid = Projector(mu, VOXEL, table).project(activity).primary
    assert laid[0].sum() == pytest.approx(bare[0].sum(), rel=1e-6)
    assert laid[1].sum() == pytest.approx(0.9 * bare[1].sum(), rel=1e-5)


@pytest.mark.parametrize("depth", [2, 20, 40])
def test_blur_has_the_stated_width(depth: int) -> None:
    mu = np.full((60, 50, 60), 0.21 * MU_WATER, np.float32)  # enough to find the surface
    projector = Projector(mu, VOXEL, IDEAL, slab_mm=VOXEL)
    variances = []
    for z in (29, 30, 31):  # three voxels are five pixels: all ways in which the grids can meet
        activity = np.zeros(mu.shape, np.float32)
        activity[z, depth, 30] = 1
        profile = projector.project(activity).primary[0].sum(axis=1)
        profile /= profile.sum()
        place = (np.arange(len(profile)) + 0.5) * IDEAL.pixel_mm
        variances.append((profile * place**2).sum() - (profile * place).sum() ** 2)
    variance = np.mean(variances) - IDEAL.pixel_mm**2 / 12  # the pixel's own width
    stated = IDEAL.fwhm_mm(IDEAL.anterior_gap_mm + (depth + 0.5) * VOXEL)
    assert np.sqrt(variance) * 2.3548 == pytest.approx(stated, rel=0.02)


def test_low_energy_high_resolution_is_seven_to_eight_mm_at_ten_cm() -> None:
    assert 7.0 < Camera().fwhm_mm(100.0) < 8.0


def test_left_is_right_in_the_anterior_view_and_left_in_the_posterior_one() -> None:
    mu = water((20, 20, 60))
    activity = np.zeros(mu.shape, np.float32)
    activity[10, 10, 50] = 1  # the patient's left
    front, back = Projector(mu, VOXEL, IDEAL).project(activity).primary
    assert front.sum(axis=0).argmax() > IDEAL.columns / 2
    assert back.sum(axis=0).argmax() < IDEAL.columns / 2


def test_what_lies_in_front_is_brighter_from_the_front() -> None:
    mu = water((20, 50, 20))
    activity = np.zeros(mu.shape, np.float32)
    activity[10, 5, 10] = 1
    front, back = Projector(mu, VOXEL, IDEAL).project(activity).primary
    assert front.sum() > 5 * back.sum()


def test_scatter_adds_the_share_that_the_depth_asks_for() -> None:
    mu = water((100, 50, 60))
    activity = np.ones(mu.shape, np.float32)
    shape = dict(IDEAL.__dict__, scatter=0.3)
    seen = Projector(mu, VOXEL, Camera(**shape)).project(activity)
    share = seen.scatter.sum(axis=(1, 2)) / seen.total.sum(axis=(1, 2))
    # Attenuated depth in 200 mm of water averages 0.83 mean free paths: 0.3 * 0.83 / (1 + ...).
    length = MU_WATER * 50 * VOXEL
    mean = 1 - length * np.exp(-length) / (1 - np.exp(-length))
    assert share == pytest.approx([0.3 * mean / (1 + 0.3 * mean)] * 2, rel=0.08)


def test_a_block_gives_what_the_same_activity_gives_in_the_whole_volume() -> None:
    rng = np.random.default_rng(0)
    mu = water((60, 40, 50))
    block = Block((20, 10, 15), rng.random((8, 6, 7)).astype(np.float32))
    whole = np.zeros(mu.shape, np.float32)
    block.add_to(whole)
    projector = Projector(mu, VOXEL, IDEAL)
    expected = projector.project(whole).primary
    for view, patch in zip(expected, projector.primary(block), strict=True):
        found = np.zeros_like(view)
        patch.add_to(found)
        np.testing.assert_allclose(found, view, atol=1e-5)


def test_counts_are_poisson() -> None:
    rng = np.random.default_rng(1)
    counts = acquire(np.full((200, 200), 7.0, np.float32), rng)
    assert counts.dtype == np.uint16
    assert counts.mean() == pytest.approx(7.0, abs=0.1)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.03)


def test_motion_moves_its_share_and_keeps_the_counts() -> None:
    views = np.zeros((2, 200, 64), np.float32)
    views[:, 50, 30] = 100
    views[:, 150, 30] = 100
    moved = Motion("head motion", 0, 100, (0.0, 5.0), 0.4).apply(views)
    assert moved.sum() == pytest.approx(views.sum(), rel=1e-4)
    assert moved[0, 50, 30] == pytest.approx(60, rel=1e-3)
    assert moved[0, 50, 35] == pytest.approx(40, rel=1e-3)
    assert moved[1, 50, 25] == pytest.approx(40, rel=1e-3)
    np.testing.assert_allclose(moved[:, 120:], views[:, 120:], atol=1e-3)


def test_resampling_keeps_what_lies_in_the_field() -> None:
    matrix = overlap_matrix(100, 2.4, 50, 4.0, 10.0)
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, atol=1e-6)
    flat = matrix @ np.ones(50, np.float32)
    np.testing.assert_allclose(flat[6:80], 2.4 / 4.0, rtol=1e-5)


def test_a_point_is_placed_where_it_is_seen() -> None:
    mu = water((50, 20, 60))
    activity = np.zeros(mu.shape, np.float32)
    activity[31, 4, 12] = 1
    projector = Projector(mu, VOXEL, IDEAL)
    views = projector.project(activity).primary
    for view, (row, column) in zip(views, projector.place(31.5 * VOXEL, 12.5 * VOXEL), strict=True):
        rows = (view.sum(axis=1) * (np.arange(view.shape[0]) + 0.5)).sum() / view.sum()
        columns = (view.sum(axis=0) * (np.arange(view.shape[1]) + 0.5)).sum() / view.sum()
        assert (rows, columns) == pytest.approx((row, column), abs=0.1)


def test_joins_are_lines_that_both_heads_see_at_the_same_place_of_the_body() -> None:
    factor = join_sensitivity((Join(1, 100.5, 2.0, 1.5, 1.05),), 60, 256)
    assert factor.shape == (2, 60, 256)
    np.testing.assert_allclose(factor[1], factor[0][:, ::-1])
    assert factor.mean() == pytest.approx(1.0, abs=1e-5)
    row = factor[0, 0]
    assert int(row.argmax()) == 100
    assert row[200] / row[20] == pytest.approx(1.05, rel=1e-4)
    band = join_sensitivity((Join(0, 30.5, 2.0, 0.6, 1.0),), 60, 256)[0]
    assert int(band[:, 7].argmin()) == 30
    assert np.ptp(band[30]) == 0


def test_cameras_that_scan_in_passes_show_seams_and_others_seldom() -> None:
    def seams(several: bool) -> float:
        drawn = [draw_joins(np.random.default_rng(k), 1024, 256, 2.4, several) for k in range(200)]
        return float(np.mean([any(join.axis == 1 for join in joins) for joins in drawn]))

    assert seams(True) > 0.6
    assert seams(False) < 0.06
