"""A reader's marks become lesions; what is odd in them is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonescan.config import LesionRule
from bonescan.errors import BadInput
from bonescan.quantify.lesions import find_lesions
from bonescan.quantify.marks import mark_flags, measure_marks, number_marks
from bonescan.scan import Marks, MarkSource, Scan

SOURCE = MarkSource("seg.dcm", "ab" * 32, "segmentation", ("anterior",))


def test_patches_of_one_number_are_lesions_from_top_to_bottom() -> None:
    drawn = np.zeros((12, 12), np.int32)
    drawn[8:10, 1:3] = 3  # two patches of one number
    drawn[1:3, 8:10] = 3
    drawn[3:5, 8:10] = 9  # touches the upper one
    drawn[5, 10] = 9  # by a corner
    expected = np.zeros((12, 12), np.int32)
    expected[1:3, 8:10] = 1
    expected[3:5, 8:10] = expected[5, 10] = 2
    expected[8:10, 1:3] = 3
    np.testing.assert_array_equal(number_marks(drawn), expected)
    assert not number_marks(np.zeros((4, 4), np.int32)).any()


def test_the_models_own_mask_gives_the_models_own_lesions(plain_scan: Scan) -> None:
    view = plain_scan.views[0]
    probability = np.zeros(view.counts.shape, np.float32)
    for row, column in ((300, 150), (200, 120), (600, 90)):
        probability[row : row + 8, column : column + 9] = np.linspace(0.55, 0.95, 9)
    found = find_lesions(view, probability)
    assert len(found.lesions) == 3
    marks = Marks({"anterior": found.mask.astype(np.int32) * 7}, (SOURCE,))
    assert measure_marks(view, marks, probability).lesions == found.lesions


def test_too_many_marks_are_refused(plain_scan: Scan) -> None:
    view = plain_scan.views[0]
    drawn = np.zeros(view.counts.shape, np.int32)
    drawn[100:140:2, 100:140:2] = 1
    with pytest.raises(BadInput, match=r"seg\.dcm: marks 400 separate lesions"):
        measure_marks(view, Marks({"anterior": drawn}, (SOURCE,)), np.zeros(drawn.shape))


def codes(scan: Scan, drawn: np.ndarray) -> dict[str, str]:
    marks = Marks({"anterior": drawn}, (SOURCE,))
    view = scan.views[0]
    found = {"anterior": measure_marks(view, marks, np.zeros(drawn.shape, np.float32))}
    return {flag.code: flag.message for flag in mark_flags(scan, marks, found, LesionRule())}


def test_whose_marks_they_are_is_said(plain_scan: Scan) -> None:
    drawn = np.zeros(plain_scan.views[0].counts.shape, np.int32)
    drawn[300:307, 150:157] = 1
    said = codes(plain_scan, drawn)
    assert set(said) == {"reader-marks", "marks-one-view"}
    assert f"from seg.dcm (SHA-256 {'ab' * 6}...) in the anterior view" in said["reader-marks"]
    assert "the marks of the posterior view are the model's" in said["marks-one-view"]
    assert set(codes(replace(plain_scan, posterior=None), drawn)) == {"reader-marks"}


def test_crumbs_and_marks_in_air_are_doubted(plain_scan: Scan) -> None:
    drawn = np.zeros(plain_scan.views[0].counts.shape, np.int32)
    drawn[300:307, 150:157] = drawn[310, 150] = 1
    drawn[900:910, 5:15] = 1
    said = codes(plain_scan, drawn)
    assert "in the anterior view: 2." in said["marks-small"]
    assert "in the anterior view: 3." in said["marks-off-body"]
