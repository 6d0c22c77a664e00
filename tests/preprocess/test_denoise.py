"""Denoising: what it does to counts, against noise that is known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from bonescan.config import Denoise, PaperCanvas, ResampledCanvas, Settings
from bonescan.preprocess import prepare_canvas
from bonescan.preprocess.denoise import denoised, grey_per_count
from bonescan.scan import Acquisition, Crop, Scan, View

RNG = np.random.default_rng(5)


def bones(level: float = 3.0) -> np.ndarray:
    """Expected counts: tissue, a bright column and one small focus, blurred as by a camera."""
    rate = np.full((160, 120), level)
    rate[:, 56:64] *= 6
    rate[60:64, 20:24] *= 30
    return gaussian_filter(rate, 1.7)


def error(seen: np.ndarray, true: np.ndarray) -> float:
    """Return the root mean square difference in units of Poisson's deviation."""
    return float(np.sqrt(np.mean((seen - true) ** 2 / true)))


@example_settings(max_examples=20, deadline=None)
@given(
    level=st.floats(0.05, 200),
    strength=st.floats(0.2, 3),
    seed=st.integers(0, 1000),
)
def test_sum_of_counts_stays_and_none_is_negative(level: float, strength: float, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(bones(level)).astype(np.float32)
    smooth = denoised(counts, Denoise(strength=strength))
    assert smooth.dtype == np.float32
    assert smooth.min() >= 0
    assert smooth.sum(dtype=np.float64) == pytest.approx(counts.sum(dtype=np.float64), rel=1e-5)


def test_empty_picture_comes_back() -> None:
    empty = np.zeros((20, 20), np.float32)
    np.testing.assert_array_equal(denoised(empty, Denoise()), empty)


@pytest.mark.parametrize("level", [4.0, 40.0])
def test_it_comes_closer_to_the_truth_than_either_gaussian(level: float) -> None:
    true = bones(level)
    counts = RNG.poisson(true).astype(np.float32)
    settings = Denoise()
    own = error(denoised(counts, settings), true)
    fixed = [
        error(gaussian_filter(counts.astype(np.float64), sigma), true)
        for sigma in (settings.fine_pixels, settings.wide_pixels)
    ]
    assert own < min(fixed)
    assert own < 0.4 * error(counts, true)


def test_strength_follows_the_counts() -> None:
    """Of the same picture, little detail is believed at few counts and most at many."""
    settings = Denoise()
    kept = []
    for level in (0.5, 50.0):
        counts = np.random.default_rng(2).poisson(bones(level)).astype(np.float32)
        fine, wide = (
            gaussian_filter(counts.astype(np.float64), sigma)
            for sigma in (settings.fine_pixels, settings.wide_pixels)
        )
        detail = fine - wide
        kept.append(float(((denoised(counts, settings) - wide) * detail).sum() / (detail**2).sum()))
    assert kept[0] < 0.5
    assert kept[1] > 0.9


def test_a_gain_on_the_counts_is_measured_and_allowed_for() -> None:
    true = bones(4.0)
    counts = RNG.poisson(true).astype(np.float32)
    grey = 3 * counts
    assert grey_per_count(counts) == pytest.approx(1, rel=0.15)
    assert grey_per_count(grey) == pytest.approx(3, rel=0.15)
    np.testing.assert_allclose(
        denoised(grey, Denoise(), per_count=3), 3 * denoised(counts, Denoise()), rtol=1e-4
    )


def test_constant_picture_has_no_noise_to_measure() -> None:
    assert grey_per_count(np.zeros((40, 40), np.float32)) == 1
    assert grey_per_count(np.full((40, 40), 7, np.float32)) == 1


def test_canvas_is_denoised_before_it_is_scaled(plain_scan: Scan) -> None:
    """And pictures, whose grey values are no counts, by their own noise."""
    rng = np.random.default_rng(1)
    views = [
        View(
            view.name,
            (5 * rng.poisson(view.counts)).astype(np.float32),
            (2.4, 2.4),
            Path("x.png"),
            Crop.whole((1024, 256)),
        )
        for view in plain_scan.views
    ]
    picture = Scan("x", *views, acquisition=Acquisition(true_counts=False))
    plain, smooth = (
        prepare_canvas(picture, PaperCanvas(denoise=denoise)).grey for denoise in (None, Denoise())
    )
    thigh = np.s_[560:640, 90:110]
    assert smooth[thigh].std() < 0.5 * plain[thigh].std()
    assert smooth[thigh].mean() == pytest.approx(plain[thigh].mean(), rel=0.05)


def test_filters_that_are_off_leave_settings_and_digests_as_they_were() -> None:
    for canvas in (PaperCanvas(), ResampledCanvas()):
        assert {"denoise", "suppress"}.isdisjoint(canvas.model_dump(mode="json"))
    on = PaperCanvas(denoise=Denoise())
    assert PaperCanvas.model_validate_json(on.model_dump_json()) == on
    assert Settings(canvas=on).digest != Settings().digest


def test_fine_gaussian_is_the_finer_one() -> None:
    with pytest.raises(ValidationError, match="fine_pixels must be below wide_pixels"):
        Denoise(fine_pixels=2, wide_pixels=2)
