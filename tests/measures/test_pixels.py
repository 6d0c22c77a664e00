"""Pixel scores against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bonescan.measures.pixels import PixelCounts, best_threshold, f1_of, mean_of, pooled

COUNT = st.integers(0, 10**9)


def test_counts_and_ratios_by_hand() -> None:
    marked = np.array([[True, True, True, False], [False, False, True, False]])
    truth = np.array([[True, False, True, True], [False, False, True, False]])
    counts = PixelCounts.of(marked, truth)
    assert counts == PixelCounts(tp=3, fp=1, fn=1)
    assert counts.precision == counts.sensitivity == counts.f1 == 0.75
    assert counts.iou == 0.6


def test_what_has_no_denominator_is_none() -> None:
    nothing = PixelCounts()
    assert (nothing.precision, nothing.sensitivity, nothing.f1, nothing.iou) == (None,) * 4
    assert PixelCounts(fp=5).precision == 0
    assert PixelCounts(fp=5).sensitivity is None
    assert PixelCounts(fn=5).precision is None
    assert PixelCounts(fn=5).f1 == 0


def test_masks_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="masks of shapes"):
        PixelCounts.of(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


@given(COUNT, COUNT, COUNT)
def test_f1_is_the_harmonic_mean_and_iou_follows_from_it(tp: int, fp: int, fn: int) -> None:
    counts = PixelCounts(tp + 1, fp, fn)
    assert counts.f1 == pytest.approx(f1_of(counts.precision, counts.sensitivity))
    assert counts.iou == pytest.approx(counts.f1 / (2 - counts.f1))
    assert counts.iou <= counts.f1


def test_pooling_adds_pixels_and_is_not_the_mean_of_ratios() -> None:
    patients = [PixelCounts(1, 0, 0), PixelCounts(0, 9, 0)]
    assert pooled(patients) == PixelCounts(1, 9, 0)
    assert pooled(patients).precision == 0.1
    assert mean_of(patient.precision for patient in patients) == 0.5
    assert mean_of([None, None]) is None
    assert mean_of([None, 0.5]) == 0.5


def test_f1_of_the_means_is_what_the_paper_prints() -> None:
    # Table 4, focal Tversky: precision 69.96, sensitivity 63.55, F1 66.60.
    assert f1_of(69.96, 63.55) == pytest.approx(66.60, abs=0.005)
    assert f1_of(0.0, 0.0) == 0.0
    assert f1_of(None, 0.5) is None
    assert f1_of(None, 0.0) == 0.0


@given(
    arrays(np.uint8, 30),
    arrays(np.bool_, 30),
)
def test_best_threshold_is_the_best_of_all(probability: np.ndarray, truth: np.ndarray) -> None:
    threshold, counts = best_threshold(probability, truth)
    assert 1 <= threshold <= 255
    assert counts == PixelCounts.of(probability >= threshold, truth)
    for other in range(1, 256):
        assert (counts.f1 or 0) >= (PixelCounts.of(probability >= other, truth).f1 or 0)
