"""The gain, against known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonescan.config import BodyBrightness, Brightness
from bonescan.preprocess.brightness import brightness_gain, clipped_mean

PAPER = Brightness()


def test_inside_the_range_nothing_changes() -> None:
    assert brightness_gain(np.full((10, 10), 9.0, np.float32), PAPER) == 1.0


def test_dark_view_comes_to_the_lower_bound() -> None:
    assert brightness_gain(np.full((10, 10), 3.5, np.float32), PAPER) == pytest.approx(2.0, 1e-5)


def test_bright_view_comes_to_the_upper_bound() -> None:
    assert brightness_gain(np.full((10, 10), 28.0, np.float32), PAPER) == pytest.approx(0.5, 1e-5)


def test_clipping_is_part_of_the_mean() -> None:
    # One pixel in a hundred is so hot that it is white at any gain near 1: it gives 2.55 of the
    # mean of 7, the other 99 pixels of value 1 must give 4.45, so k = 4.45 / 0.99.
    counts = np.ones((10, 10), np.float32)
    counts[0, 0] = 1000
    assert brightness_gain(counts, PAPER) == pytest.approx(4.45 / 0.99, rel=1e-5)


def test_out_of_reach_is_said() -> None:
    counts = np.zeros((100, 10), np.float32)
    counts[0, 0] = 3
    assert brightness_gain(counts, PAPER) is None
    assert brightness_gain(np.zeros((5, 5), np.float32), PAPER) is None


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 2000), st.floats(0.1, 3), st.integers(0, 2**20))
def test_mean_lies_in_the_range_and_moves_no_further_than_needed(
    scale: float, spread: float, seed: int
) -> None:
    counts = np.random.default_rng(seed).lognormal(0, spread, (40, 30)).astype(np.float32)
    counts *= np.float32(scale)
    gain = brightness_gain(counts, PAPER)
    assert gain is not None
    mean = clipped_mean(counts, gain)
    assert 7 <= mean <= 14
    before = clipped_mean(counts, 1.0)
    nearest = min(max(before, 7.0), 14.0)
    assert mean == pytest.approx(nearest, rel=1e-4)


@pytest.mark.parametrize("scale", [0.2, 1.0, 30.0])
def test_the_bodys_median_comes_to_its_level_whatever_the_bladder(scale: float) -> None:
    counts = np.zeros((200, 100), np.float32)
    counts[20:180, 20:80] = 5 * scale
    gain = brightness_gain(counts, BodyBrightness(kind="body_median", level=8))
    assert gain == pytest.approx(8 / (5 * scale), rel=0.02)
    counts[120:130, 45:55] = 400 * scale
    full = brightness_gain(counts, BodyBrightness(kind="body_median", level=8))
    assert full == pytest.approx(gain, rel=0.02)


def test_a_view_without_contrast_has_no_body_to_set_the_brightness_by() -> None:
    flat = np.full((20, 20), 3, np.float32)
    assert brightness_gain(flat, BodyBrightness(kind="body_median")) is None
