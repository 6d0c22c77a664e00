"""Components, hysteresis, sizes and measures, with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.draw import polygon2mask

from bonescan.config import LesionRule
from bonescan.quantify import find_lesions
from bonescan.quantify.lesions import (
    MOST_LESIONS,
    label_components,
    lesion_probability,
    threshold_components,
    trace_outline,
)
from bonescan.scan import Scan, View

SINGLE = LesionRule(min_area_mm2=0, min_area_pixels=1)


def _anterior(scan: Scan) -> View:
    assert scan.anterior is not None
    return scan.anterior


def test_corners_connect() -> None:
    assert label_components(np.eye(4, dtype=bool))[1] == 1


def test_hysteresis_grows_from_seeds_only() -> None:
    probability = np.zeros((3, 12), np.float32)
    probability[1, 1:5] = (0.3, 0.8, 0.3, 0.3)
    probability[1, 8:11] = 0.3
    rule = LesionRule(threshold=0.5, grow=0.25)
    assert np.flatnonzero(threshold_components(probability, rule, 1)[1]).tolist() == [1, 2, 3, 4]
    assert np.flatnonzero(threshold_components(probability, LesionRule(), 1)[1]).tolist() == [2]


def test_small_patches_are_left_out_by_area_or_by_pixels(plain_scan: Scan) -> None:
    view = _anterior(plain_scan)
    probability = np.zeros(view.counts.shape, np.float32)
    probability[300:303, 100:103] = 0.9  # 9 pixels of 5.76 mm2
    probability[350:352, 100:104] = 0.9  # 8 pixels
    assert [found.area_pixels for found in find_lesions(view, probability).lesions] == [9]
    without = replace(view, pixel_spacing_mm=None)
    lesions = find_lesions(without, probability, LesionRule(min_area_pixels=8)).lesions
    assert [found.area_pixels for found in lesions] == [9, 8]
    assert lesions[0].area_mm2 is None


def test_measures_of_a_square(plain_scan: Scan) -> None:
    view = _anterior(plain_scan)
    probability = np.zeros(view.counts.shape, np.float32)
    probability[300:307, 150:157] = np.linspace(0.51, 0.99, 49).reshape(7, 7)
    found = find_lesions(view, probability)
    (lesion,) = found.lesions
    assert lesion.box == (300, 150, 307, 157)
    assert lesion.centroid == (303.5, 153.5)
    assert lesion.area_mm2 == pytest.approx(49 * 2.4 * 2.4)
    assert (lesion.max_counts, lesion.mean_counts) == (120, 120)
    assert lesion.uptake_ratio == pytest.approx(30)
    assert (lesion.side, lesion.region) == ("L", "chest level")
    assert lesion.probability == pytest.approx(0.97)  # mean of the five highest: 0.95 ... 0.99
    assert found.mask.dtype == np.uint8
    assert np.array_equal(found.mask > 0, probability > 0)


def test_numbers_run_from_top_to_bottom(plain_scan: Scan) -> None:
    view = _anterior(plain_scan)
    probability = np.zeros(view.counts.shape, np.float32)
    probability[500:505, 100:105] = 0.99
    probability[200:205, 150:155] = 0.6
    probability[200:205, 90:95] = 0.7
    found = find_lesions(view, probability)
    tops = [(lesion.number, lesion.box[0], lesion.box[1]) for lesion in found.lesions]
    assert tops == [(1, 200, 90), (2, 200, 150), (3, 500, 100)]
    assert found.mask[502, 102] == 3


def test_an_empty_view_has_no_lesions(plain_scan: Scan) -> None:
    view = replace(_anterior(plain_scan), counts=np.zeros((1024, 256), np.float32))
    found = find_lesions(view, np.ones((1024, 256), np.float32))
    assert found.lesions == ()
    assert not found.mask.any()


def test_a_probability_of_another_shape_is_our_bug(plain_scan: Scan) -> None:
    with pytest.raises(ValueError, match="probability is"):
        find_lesions(_anterior(plain_scan), np.zeros((4, 4), np.float32))


def test_more_patches_than_an_8_bit_mask_holds(plain_scan: Scan) -> None:
    view = _anterior(plain_scan)
    probability = np.zeros(view.counts.shape, np.float32)
    probability[0:60:3, 0:60:3] = 0.6  # 400 single pixels
    probability[57, 57] = 0.9
    found = find_lesions(view, probability, SINGLE)
    assert len(found.lesions) == MOST_LESIONS == found.mask.max()
    assert found.left_out == 400 - MOST_LESIONS
    assert found.lesions[-1].probability == pytest.approx(0.9)


def test_probability_of_a_single_pixel() -> None:
    assert lesion_probability(np.array([0.7])) == pytest.approx(0.7)


@given(arrays.arrays(bool, (9, 11)))
def test_the_outline_holds_the_patch(patch: np.ndarray) -> None:
    lines = trace_outline(patch, top=3, left=5)
    filled = np.zeros((16, 20), bool)
    for line in lines:
        filled ^= polygon2mask(filled.shape, np.array(line) - 0.5)
    expected = np.zeros_like(filled)
    expected[3:12, 5:16] = patch
    assert np.array_equal(filled, expected)
    assert all(line[0] == line[-1] for line in lines)


@given(
    arrays.arrays(np.float32, (8, 8), elements=st.floats(0, 1, width=32)),
    st.floats(0.05, 0.95),
)
def test_without_hysteresis_and_size_every_pixel_above_the_threshold_is_kept(
    probability: np.ndarray, threshold: float
) -> None:
    labels = threshold_components(probability, LesionRule(threshold=threshold), 1)
    assert np.array_equal(labels > 0, probability >= threshold)
