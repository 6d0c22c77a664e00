"""Filling and tracing: known answers, and the round trip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bonescan.ingest.polygons import border, fill_circle, fill_polygon, outline_polygons


def polygon(*corners: tuple[float, float]) -> np.ndarray:
    return np.array(corners, np.float64)


def test_rectangle_covers_the_pixels_whose_centres_it_holds() -> None:
    mask = fill_polygon(polygon((1, 2), (4, 2), (4, 5), (1, 5)), (8, 8))
    expected = np.zeros((8, 8), bool)
    expected[2:5, 1:4] = True
    np.testing.assert_array_equal(mask, expected)


def test_direction_does_not_matter() -> None:
    corners = polygon((1.2, 0.4), (6.6, 3.1), (2.3, 7.7))
    np.testing.assert_array_equal(
        fill_polygon(corners, (8, 8)), fill_polygon(corners[::-1], (8, 8))
    )


def test_triangle_has_the_area_of_its_formula() -> None:
    mask = fill_polygon(polygon((10, 10), (210, 10), (10, 110)), (200, 300))
    assert mask.sum() == pytest.approx(200 * 100 / 2, rel=0.01)


def test_neighbouring_polygons_share_no_pixel_and_leave_none_out() -> None:
    left = fill_polygon(polygon((0, 0), (3.5, 0), (6.5, 9), (0, 9)), (9, 9))
    right = fill_polygon(polygon((3.5, 0), (9, 0), (9, 9), (6.5, 9)), (9, 9))
    assert not (left & right).any()
    assert (left | right).all()


def test_corners_outside_the_picture_are_clipped() -> None:
    inside = fill_polygon(polygon((0, 0), (8, 0), (8, 8), (0, 8)), (8, 8))
    beyond = fill_polygon(polygon((-50, -7), (900, -7), (900, 1e6), (-50, 1e6)), (8, 8))
    assert inside.all()
    assert beyond.all()
    assert not fill_polygon(polygon((-9, -9), (-2, -9), (-2, 40)), (8, 8)).any()
    assert not fill_polygon(polygon((20, 1), (30, 1), (30, 5)), (8, 8)).any()


def test_loop_that_overlaps_itself_is_filled() -> None:
    # The pen goes round twice; an even-odd rule would leave a hole where it overlaps.
    square = [(2, 2), (8, 2), (8, 8), (2, 8)]
    twice = polygon(*square, *square)
    np.testing.assert_array_equal(
        fill_polygon(twice, (10, 10)), fill_polygon(polygon(*square), (10, 10))
    )


def test_outline_that_touches_itself_fills_both_lobes() -> None:
    # Two squares that meet in the point (5, 5), drawn as one outline.
    mask = fill_polygon(
        polygon((1, 1), (5, 1), (5, 5), (9, 5), (9, 9), (5, 9), (5, 5), (1, 5)), (10, 10)
    )
    assert mask.sum() == 32
    assert mask[1:5, 1:5].all()
    assert mask[5:9, 5:9].all()


def test_circle_has_its_area() -> None:
    mask = fill_circle(np.array([40.0, 30.0]), 20.0, (80, 90))
    assert mask.sum() == pytest.approx(np.pi * 400, rel=0.01)
    assert np.argwhere(mask).mean(axis=0) + 0.5 == pytest.approx((30, 40))


blobs = st.builds(
    lambda seed, height, width, density, smooth: (
        ndimage.gaussian_filter(np.random.default_rng(seed).random((height, width)), smooth)
        > np.quantile(
            ndimage.gaussian_filter(np.random.default_rng(seed).random((height, width)), smooth),
            1 - density,
        )
    ),
    st.integers(0, 2**20),
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0.02, 0.9),
    st.floats(0.0, 3.0),
)


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape, bool)
    for one in polygons:
        out |= fill_polygon(one, shape)
    return out


@settings(max_examples=150, deadline=None)
@given(blobs)
def test_tracing_without_tolerance_gives_the_mask_back(mask: np.ndarray) -> None:
    polygons = outline_polygons(mask, tolerance=0)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)
    assert len(polygons) == ndimage.label(mask, np.ones((3, 3)))[1]


@settings(max_examples=150, deadline=None)
@given(blobs, st.floats(0.0, 1.0))
def test_tracing_differs_on_the_border_only(mask: np.ndarray, tolerance: float) -> None:
    back = filled(outline_polygons(mask, tolerance), mask.shape)
    assert not ((back != mask) & ~border(mask)).any()


@pytest.mark.parametrize("tolerance", [0.0, 0.25])
def test_hole_with_an_island_survives(tolerance: float) -> None:
    rows, columns = np.indices((60, 60))
    radius = np.hypot(rows - 30, columns - 30)
    mask = ((radius < 28) & (radius > 15)) | (radius < 6)
    mask[28:32, 45:] = False
    mask[10:13, 28:31] = False
    polygons = outline_polygons(mask, tolerance)
    back = filled(polygons, mask.shape)
    assert len(polygons) == 2
    assert not ((back != mask) & ~border(mask)).any()
    assert back[30, 30]
    assert not back[30, 40]


def test_single_pixel_and_empty_mask() -> None:
    mask = np.zeros((5, 5), bool)
    assert outline_polygons(mask) == []
    mask[4, 0] = True
    np.testing.assert_array_equal(filled(outline_polygons(mask), (5, 5)), mask)
