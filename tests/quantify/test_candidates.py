"""Candidates are measured in mm and against their surroundings, alike whatever the pixels are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bonescan.config import LesionRule
from bonescan.predict import Prediction
from bonescan.quantify.candidates import (
    FEATURES,
    PARTS,
    SHARE_OF_PEAK,
    Candidates,
    candidate_labels,
    find_candidates,
    log_odds,
)
from bonescan.scan import Canvas, Scan, ViewName

RULE = LesionRule(threshold=0.1)
Pictures = dict[ViewName, NDArray[np.float32]]
#: A spot on the left of the pelvis from the front (columns 60 to 65), and its place from behind.
FRONT, BACK = np.s_[110:116, 60:66], np.s_[110:116, 35:41]


def prediction(scan: Scan, regions: dict[ViewName, NDArray[np.uint8]] | None) -> Prediction:
    metastasis: Pictures = {
        view.name: np.zeros(view.counts.shape, np.float32) for view in scan.views
    }
    metastasis["anterior"][FRONT] = 0.9
    empty = {name: np.full_like(picture, 0.01) for name, picture in metastasis.items()}
    benign = {name: picture.copy() for name, picture in empty.items()}
    benign["anterior"][FRONT] = 0.25
    return Prediction(
        Canvas(np.zeros((1, 1), np.float32), ()), metastasis, regions or {}, benign, empty
    )


def value(item: Candidates, name: str, row: int = 0) -> float:
    return float(item.features[row, FEATURES.index(name)])


@pytest.fixture
def hot(block_scan: Scan) -> Scan:
    assert block_scan.anterior is not None
    counts = block_scan.anterior.counts.copy()
    counts[FRONT] = 399
    return replace(block_scan, anterior=replace(block_scan.anterior, counts=counts))


def test_features_are_those_of_the_spot(
    hot: Scan, block_regions: dict[ViewName, NDArray[np.uint8]]
) -> None:
    front, back = find_candidates(hot, prediction(hot, block_regions), RULE)
    assert len(front.features) == 1
    assert len(back.features) == 0
    assert value(front, "peak") == pytest.approx(np.log(9), abs=1e-4)
    assert value(front, "area") == pytest.approx(np.log10(36 * 25))
    assert value(front, "regional") == pytest.approx(np.log(400 / 101))
    assert value(front, "mirror") == pytest.approx(np.log(400 / 101))
    assert value(front, "benign") == pytest.approx(np.log(1 / 3), abs=1e-4)
    assert value(front, "bone_share") == 1
    assert value(front, "bone_depth") > 0
    assert [value(front, part) for part in PARTS] == [0, 0, 1, 0, 0]
    assert value(front, "solidity") == 1
    assert value(front, "eccentricity") == pytest.approx(0, abs=1e-6)
    assert value(front, "other_view") == pytest.approx(log_odds(0))
    assert value(front, "company") == 0


def test_the_other_view_is_looked_at_with_sides_mirrored(
    hot: Scan, block_regions: dict[ViewName, NDArray[np.uint8]]
) -> None:
    seen = prediction(hot, block_regions)
    seen.metastasis["posterior"][BACK] = 0.8
    front, back = find_candidates(hot, seen, RULE)
    assert value(front, "other_view") == pytest.approx(log_odds(0.8), abs=1e-4)
    assert value(back, "other_view") == pytest.approx(log_odds(0.9), abs=1e-4)
    assert value(front, "company") == 0  # the same lesion from behind is no company
    seen.metastasis["posterior"][60:66, 60:66] = 0.5
    front, _ = find_candidates(hot, seen, RULE)
    assert value(front, "company") == pytest.approx(np.log(1.5), abs=1e-4)
    assert value(front, "other_view") == pytest.approx(log_odds(0.8), abs=1e-4)


def test_what_cannot_be_measured_is_missing(hot: Scan) -> None:
    seen = prediction(hot, None)
    alone = replace(hot, posterior=None)
    (front,) = find_candidates(alone, seen, RULE)
    for name in ("bone_share", "bone_depth", "regional", "other_view", "other_view_uptake", *PARTS):
        assert np.isnan(value(front, name))
    assert np.isfinite(value(front, "contrast"))


def test_an_empty_view_has_no_candidates(hot: Scan) -> None:
    assert hot.anterior is not None
    seen = prediction(hot, None)
    empty = replace(hot, anterior=replace(hot.anterior, counts=np.zeros_like(hot.anterior.counts)))
    assert [len(item.features) for item in find_candidates(empty, seen, RULE)] == [0, 0]


def test_a_candidate_keeps_the_pixels_near_its_peak() -> None:
    probability = np.zeros((30, 30), np.float32)
    probability[5:25, 5:25] = 0.15
    probability[10:15, 10:15] = 0.8
    labels = candidate_labels(probability, RULE, 9)
    assert SHARE_OF_PEAK * 0.8 > 0.15
    np.testing.assert_array_equal(labels > 0, probability > 0.5)
    assert candidate_labels(probability, RULE, 26).max() == 0


def test_odds_are_cut() -> None:
    assert log_odds(0.0) == pytest.approx(-6.907, abs=0.001)
    assert log_odds(1.0) == pytest.approx(6.907, abs=0.001)
