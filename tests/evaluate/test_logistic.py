"""Logistic regression for few examples, checked by its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from bonescan.classifiers import Logistic
from bonescan.evaluate.logistic import (
    calibration_error,
    fit_by_patient,
    fit_logistic,
    held_out_probabilities,
    log_loss,
    perfect_calibration_error,
)
from bonescan.measures.statistics import Interval

NAMES = ("a", "b", "c")


def examples(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(n, 3)) * [2.0, 1.0, 0.0] + [1.0, 0.0, 5.0]
    truth = rng.random(n) < expit(0.5 + 0.8 * table[:, 0] - 0.6 * table[:, 1])
    return table, truth


def test_it_finds_the_law_that_made_the_examples() -> None:
    table, truth = examples()
    model = fit_logistic(table, truth, NAMES, penalty=0.1)
    assert model.features == ("a", "b")  # c never differs
    slopes = np.array(model.coefficients) / np.array(model.scales)
    np.testing.assert_allclose(slopes, [0.8, -0.6], atol=0.12)
    found = model.probabilities(table, NAMES)
    assert calibration_error(found, truth) < 0.025


def test_a_known_sign_holds() -> None:
    table, truth = examples()
    model = fit_logistic(table, truth, NAMES, 1.0, {"a": 1, "b": 1})
    assert model.coefficients[0] > 0
    assert model.coefficients[1] == 0


def test_a_missing_feature_counts_as_its_mean() -> None:
    table, truth = examples(400)
    table[::3, 1] = np.nan
    model = fit_logistic(table, truth, NAMES, 1.0)
    assert model.means[1] == pytest.approx(np.nanmean(table[:, 1]))
    row = np.array([[0.3, np.nan, 5.0]])
    filled = np.array([[0.3, model.means[1], 5.0]])
    assert model.probabilities(row, NAMES) == pytest.approx(model.probabilities(filled, NAMES))


def test_what_lies_far_from_the_fit_is_not_extrapolated() -> None:
    model = Logistic(features=("a",), means=(1.0,), scales=(2.0,), coefficients=(1.0,), intercept=0)
    found = model.probabilities(np.array([[1.0], [7.0], [700.0]]), ("a",))
    np.testing.assert_allclose(found, expit([0.0, 3.0, 3.0]))


def test_a_patients_own_rows_have_no_say_in_its_probabilities() -> None:
    table, truth = examples(200)
    patients = [f"p{i // 10}" for i in range(200)]
    before = held_out_probabilities(table, truth, patients, NAMES, 3.0)
    truth[:10] = ~truth[:10]
    after = held_out_probabilities(table, truth, patients, NAMES, 3.0)
    np.testing.assert_allclose(before[:10], after[:10])
    assert np.abs(before - after).max() > 1e-4


def test_the_penalty_is_chosen_on_patients_left_out() -> None:
    rng = np.random.default_rng(0)
    noise, truth = rng.normal(size=(60, 3)), rng.random(60) < 0.5
    fit = fit_by_patient(noise, truth, [f"p{i}" for i in range(60)], NAMES)
    assert fit.setting == 100  # nothing to learn
    assert log_loss(fit.held_out, truth) < 0.8


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([0.11, 0.19, 0.95, 0.85])
    truth = np.array([False, True, True, True])
    # bins: |0.30 - 1| , |0.95 - 1|, |0.85 - 1|, over four
    assert calibration_error(probabilities, truth) == pytest.approx((0.7 + 0.05 + 0.15) / 4)
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) == 0


def test_few_perfect_probabilities_show_an_error_all_the_same() -> None:
    rng = np.random.default_rng(3)
    few, many = rng.random(50), rng.random(20000)
    of_few, of_many = perfect_calibration_error(few), perfect_calibration_error(many, draws=50)
    assert of_few is not None
    assert of_many is not None
    assert of_few.low < of_few.value < of_few.high
    assert of_few.value > 0.08
    assert of_many.value < 0.01
    # One example of probability 1/2: it is 1/2 off whatever comes.
    assert perfect_calibration_error(np.array([0.5])) == Interval(0.5, 0.5, 0.5)
    assert perfect_calibration_error(np.zeros(0)) is None


def test_one_kind_alone_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        fit_logistic(np.ones((3, 1)), np.ones(3, bool), ("a",), 1.0)


def test_a_model_needs_one_number_a_feature() -> None:
    with pytest.raises(ValueError, match="one number a feature"):
        Logistic(features=("a",), means=(), scales=(1.0,), coefficients=(1.0,), intercept=0.0)
