"""The FROC curve by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bonescan.evaluate.froc import Curve, froc


def test_a_curve_through_every_distinct_score() -> None:
    scores = np.array([0.9, 0.5, 0.7, 0.5])
    hits = [frozenset({(0, 0)}), frozenset(), frozenset(), frozenset({(0, 0), (0, 1)})]
    curve = froc(scores, hits, lesions=4, studies=2)
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.7, 0.5]
    assert curve.hits.tolist() == [0, 1, 1, 2]
    assert curve.false_marks.tolist() == [0, 0, 1, 2]
    assert [curve.sensitivity_at(at) for at in (0.125, 0.5, 1.0)] == [0.25, 0.25, 0.5]
    assert curve.mean_sensitivity == pytest.approx((0.25 * 3 + 0.5 * 2) / 5)
    assert [ends.tolist() for ends in curve.envelope()] == [[0, 0, 1, 2], [0, 1, 1, 2]]


def test_no_candidates() -> None:
    curve = froc(np.zeros(0), [], lesions=3, studies=2)
    assert curve.hits.tolist() == curve.false_marks.tolist() == [0]
    assert curve.sensitivity_at(2.0) == 0


def test_marks_that_grow_together_lose_nothing_of_the_envelope() -> None:
    """As the threshold falls two marks become one, and a false one swallows a lesion."""
    curve = Curve(
        thresholds=np.array([np.inf, 0.8, 0.6, 0.4]),
        hits=np.array([0, 2, 3, 1]),
        false_marks=np.array([0, 1, 3, 2]),
        lesions=4,
        studies=1,
    )
    false_marks, hits = curve.envelope()
    assert false_marks.tolist() == [0, 1, 2, 3]
    assert hits.tolist() == [0, 2, 2, 3]
    assert curve.sensitivity_at(2.0) == 0.5
