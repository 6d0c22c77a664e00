"""Area under the curve against counting pairs by hand, and intervals by patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonescan.evaluate.patients import patient_interval, roc_auc, roc_curve

SCORED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=20)


@given(SCORED)
def test_auc_counts_pairs(scored: list[tuple[int, bool]]) -> None:
    scores = [score for score, _ in scored]
    truth = [positive for _, positive in scored]
    ill = [score for score, positive in scored if positive]
    well = [score for score, positive in scored if not positive]
    found = roc_auc(scores, truth)
    if not ill or not well:
        assert found is None
        return
    wins = sum((a > b) + 0.5 * (a == b) for a in ill for b in well)
    assert found == pytest.approx(wins / (len(ill) * len(well)))
    curve = roc_curve(scores, truth)
    area = np.trapezoid(curve.sensitivity, curve.false_positive_rate)
    assert area == pytest.approx(found)


def test_a_curve_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="with and without"):
        roc_curve([1, 2], [True, True])


def test_the_interval_holds_the_value_and_narrows_with_patients() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=400)

    def width(count: int) -> float:
        found = patient_interval(
            lambda rows: float(values[rows].mean()), [str(n) for n in range(count)], draws=400
        )
        assert found is not None
        assert found.low <= found.value <= found.high
        return found.high - found.low

    assert width(400) == pytest.approx(2 * 1.96 / 20, rel=0.25)
    assert width(400) < 0.7 * width(100)


def test_studies_of_a_patient_are_drawn_together() -> None:
    seen = set()

    def statistic(rows: np.ndarray) -> float:
        seen.add((int((rows == 0).sum()), int((rows == 2).sum())))
        return float(len(rows))

    patient_interval(statistic, ["a", "b", "a"], draws=50)
    assert all(first == third for first, third in seen)


def test_an_undefined_figure_has_no_interval() -> None:
    assert patient_interval(lambda rows: None, ["a", "b"]) is None
