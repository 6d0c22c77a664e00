"""A calibrated package: marks and patient have the probability that the card gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from bonescan.classifiers import Logistic
from bonescan.evaluate.reliability import Stated, draw_reliability, measure_reliability, wilson
from bonescan.package import Card, LesionScoring, Package, PatientScoring, Threshold
from bonescan.predict import Engine, predict_scan
from bonescan.quantify import lesion_rule, read_scan, score_scan
from bonescan.quantify.scoring import PATIENT_FEATURES, patient_features
from bonescan.report.texts import score
from bonescan.scan import Scan


def logistic(intercept: float, **slopes: float) -> Logistic:
    names = tuple(slopes)
    return Logistic(
        features=names,
        means=(0.0,) * len(names),
        scales=(1.0,) * len(names),
        coefficients=tuple(slopes.values()),
        intercept=intercept,
    )


def calibrated(card: Card, intercept: float, *, patient: bool = True) -> Card:
    """Give every candidate the same probability, and the patient that of the highest."""
    lesions = LesionScoring(
        low=0.1,
        model=logistic(intercept, area=0.0),
        fitted_on="a test",
        because="a test",
        calibration_error=0.0,
    )
    people = PatientScoring(
        model=logistic(0.0, highest=1.0), fitted_on="a test", prevalence=0.25, calibration_error=0.0
    )
    return card.model_copy(
        update={
            "lesions": lesions,
            "patient": people if patient else None,
            "threshold": Threshold(value=0.6, rule="given", chosen_on="a test"),
        }
    )


@pytest.mark.parametrize(("intercept", "marks"), [(1.0, 1), (0.2, 0)])
def test_marks_are_the_candidates_above_the_threshold(
    intercept: float, marks: int, bright_package: Package, plain_scan: Scan
) -> None:
    card = calibrated(bright_package.card, intercept)
    reading = read_scan(plain_scan, Engine(Package(bright_package.folder, card), threads=1))
    found = [lesion.view for lesion in reading.lesions]
    assert found == ["anterior", "posterior"] * marks
    for lesion in reading.lesions:
        assert lesion.probability == pytest.approx(expit(1.0), abs=1e-6)
        assert lesion.box[0] >= 299
        assert lesion.box[2] <= 308
    assert reading.patient_score == pytest.approx(expit(intercept), abs=1e-6)
    assert all(view.probability.max() > 0.9 for view in reading.views)  # the network's own
    assert "25% of them with metastases" in score(reading)
    assert reading.provenance.settings["lesion_probability"] == "Calibrated on a test."


def test_without_a_patients_model_the_highest_lesion_ranks(
    bright_package: Package, plain_scan: Scan
) -> None:
    card = calibrated(bright_package.card, 1.0, patient=False)
    seen = predict_scan(plain_scan, Engine(bright_package, threads=1))
    scores = score_scan(plain_scan, seen, card)
    assert scores.patient == pytest.approx(expit(1.0))
    assert lesion_rule(card).threshold == 0.6
    for view in plain_scan.views:
        values = np.unique(scores.marks[view.name])
        np.testing.assert_allclose(values, [0, expit(1.0)], rtol=1e-6)


def test_a_patients_features_by_hand() -> None:
    found = dict(zip(PATIENT_FEATURES, patient_features(np.array([0.2, 0.5, 0.8])), strict=True))
    assert found["highest"] == pytest.approx(np.log(4))
    assert found["second"] == pytest.approx(0)
    assert found["expected"] == pytest.approx(np.log(2.5))
    none = patient_features(np.zeros(0))
    assert none[2] == 0
    assert none[0] == none[1] < -6


def test_reliability_is_measured_and_drawn() -> None:
    rng = np.random.default_rng(0)
    stated = rng.random(400)
    true = rng.random(400) < stated
    people = tuple(f"p{i // 4}" for i in range(400))
    lesions = Stated(stated, true, people)
    nobody = Stated(np.zeros(0), np.zeros(0, bool), ())
    found = measure_reliability(lesions, nobody, calibrated=True)
    assert found.lesion_error is not None
    assert found.lesion_error.value < 0.08
    assert found.patient_error is None
    assert draw_reliability(found, "a test").startswith(b"\x89PNG")


def test_wilsons_interval() -> None:
    low, high = wilson(8, 10)  # 0.4902 to 0.9433: Wilson, JASA 22 (1927), worked by hand
    assert (low, high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))
    assert wilson(0, 5)[0] == pytest.approx(0)
