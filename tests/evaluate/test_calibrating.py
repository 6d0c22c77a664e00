"""Calibration on patients that were held out: what is fitted, what is refused, what is expected."""

from __future__ import annotations

import numpy as np
import pytest

from bonescan.evaluate.calibrating import calibrate
from bonescan.evaluate.froc import froc
from bonescan.evaluate.held_out import CandidateTable, HeldOutStudy, Part
from bonescan.quantify.candidates import FEATURES
from bonescan.quantify.familiarity import INPUTS

PEAK, AREA = FEATURES.index("peak"), FEATURES.index("area")


def study(
    rng: np.random.Generator, number: int, part: Part, *, ill: bool, telling: bool
) -> HeldOutStudy:
    """Return a study of six candidates; the area tells which are true if ``telling``."""
    true = rng.random(6) < (0.6 if ill else 0.0)
    features = np.full((6, len(FEATURES)), np.nan)
    features[:, PEAK] = rng.normal(1.0 + 0.5 * true, 1.0)
    features[:, AREA] = rng.normal(2.0 + (1.0 * true if telling else 0.0), 0.4)
    hits = tuple(frozenset({(i % 2, i)}) if right else frozenset() for i, right in enumerate(true))
    return HeldOutStudy(
        f"p{number}", part, ill, features, hits, int(true.sum()) + ill, rng.normal(size=len(INPUTS))
    )


def studies(telling: bool = True, ill_share: float = 0.6) -> list[HeldOutStudy]:
    rng = np.random.default_rng(3)
    return [
        study(
            rng,
            i,
            "test" if i % 4 == 0 else "fit",
            ill=bool(i % 10 < 10 * ill_share),
            telling=telling,
        )
        for i in range(60)
    ]


def test_features_are_used_where_they_beat_the_networks_own_figure() -> None:
    found = calibrate(studies(), "a test's cohort", most_false=1.0)
    assert found.lesions is not None
    assert found.patient is not None
    assert found.threshold is not None
    assert found.familiarity is not None
    assert set(found.lesions.model.features) == {"peak", "area"}
    assert "of all features: mean sensitivity" in found.lesions.because
    assert found.lesions.calibration_error < 0.1
    assert "45 held-out patients (" in found.lesions.fitted_on
    assert 0 < found.threshold.value < 1
    assert "1 false marks a patient or fewer" in found.threshold.rule
    sensitivity, false_marks, auc = found.expected
    assert "15 test patients, a test's cohort" in auc.measured_on
    assert sensitivity.value is not None
    assert 40 < sensitivity.value < 100
    assert false_marks.value is not None
    assert false_marks.value < 2
    assert auc.value is not None
    assert auc.value > 0.9


def test_features_that_do_not_help_are_left_out() -> None:
    found = calibrate(studies(telling=False), "a test's cohort")
    assert found.lesions is not None
    assert found.lesions.model.features == ("peak",)
    assert found.lesions.because.startswith("Network's highest probability alone")


def test_patients_of_one_kind_give_lesions_a_probability_but_no_patient() -> None:
    found = calibrate(studies(ill_share=1.0), "a test's cohort")
    assert found.lesions is not None
    assert found.patient is None
    assert found.threshold is not None
    assert found.threshold.value < 0.95
    assert any("No patient probability" in remark for remark in found.remarks)


def test_too_few_candidates_calibrate_nothing() -> None:
    found = calibrate(studies()[1:2], "a test's cohort")
    assert found.lesions is None
    assert found.threshold is None
    assert "too few" in found.remarks[0]
    assert calibrate([], "nothing").remarks == ("Not calibrated: no patient to fit on.",)


def test_a_curve_counts_each_lesion_once() -> None:
    one, two = frozenset({(0, 1)}), frozenset({(0, 1), (0, 2)})
    scores = np.array([0.9, 0.8, 0.8, 0.7, 0.2])
    curve = froc(scores, [one, frozenset(), one, two, frozenset()], lesions=4, studies=2)
    np.testing.assert_array_equal(curve.thresholds, [np.inf, 0.9, 0.8, 0.7, 0.2])
    np.testing.assert_array_equal(curve.hits, [0, 1, 1, 2, 2])
    np.testing.assert_array_equal(curve.false_marks, [0, 0, 1, 1, 2])
    assert curve.sensitivity_at(0.4) == 0.25
    assert curve.sensitivity_at(0.5) == 0.5


def test_lesions_of_different_studies_are_different() -> None:
    items = [
        HeldOutStudy(f"p{i}", "fit", True, np.zeros((1, 2)), (frozenset({(0, 1)}),), 1, np.zeros(1))
        for i in range(2)
    ]
    table = CandidateTable.of(items)
    assert table.curve(np.array([0.5, 0.4])).hits[-1] == 2
    assert table.of_study(np.array([0.5, 0.4]), 1) == pytest.approx([0.4])
