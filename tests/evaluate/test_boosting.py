"""Boosted trees: on the card they answer as scikit-learn does, and turn no known sign round."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.ensemble import HistGradientBoostingClassifier

from bonescan.classifiers import Tree, Trees
from bonescan.evaluate import boosting
from bonescan.evaluate.boosting import fit_trees
from bonescan.package import LesionScoring

NAMES = ("hot", "large", "empty", "low")


def examples() -> tuple[np.ndarray, np.ndarray]:
    """Return 600 rows whose truth hangs on both features at once; a tenth of one is missing."""
    rng = np.random.default_rng(5)
    table = rng.normal(size=(600, 4))
    truth = rng.random(600) < 1 / (1 + np.exp(-3 * np.minimum(table[:, 0], table[:, 1])))
    table[rng.random(600) < 0.1, 1] = np.nan
    table[:, 2] = np.nan
    return table, truth


def test_the_trees_taken_out_answer_as_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[HistGradientBoostingClassifier] = []

    class Kept(HistGradientBoostingClassifier):
        def fit(self, X, y):  # type: ignore[no-untyped-def]
            made.append(self)
            return super().fit(X, y)

    monkeypatch.setattr(boosting, "HistGradientBoostingClassifier", Kept)
    table, truth = examples()
    trees = fit_trees(table, truth, NAMES, 40)
    assert trees.features == ("hot", "large", "low")
    assert len(trees.trees) == 40
    wild = np.concatenate([table, 50 * table, np.full((1, 4), np.nan)])
    wanted = made[0].predict_proba(wild[:, [0, 1, 3]])[:, 1]
    np.testing.assert_allclose(trees.probabilities(wild, NAMES), wanted, rtol=1e-9)
    again = Trees.model_validate_json(trees.model_dump_json())
    np.testing.assert_array_equal(
        again.probabilities(wild, NAMES), trees.probabilities(wild, NAMES)
    )
    # The order of the columns is the caller's.
    turned = trees.probabilities(wild[:, ::-1], NAMES[::-1])
    np.testing.assert_array_equal(turned, trees.probabilities(wild, NAMES))


def test_a_known_sign_is_never_turned_round() -> None:
    table, truth = examples()
    free = fit_trees(table, ~truth, NAMES, 50)
    held = fit_trees(table, ~truth, NAMES, 50, {"hot": 1})
    rows = np.zeros((60, 4))
    rows[:, 0] = np.linspace(-4, 4, 60)
    assert (np.diff(free.probabilities(rows, NAMES)) < 0).any()
    assert (np.diff(held.probabilities(rows, NAMES)) >= 0).all()


def test_examples_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        fit_trees(np.zeros((30, 1)), np.zeros(30, bool), ("a",), 25)


def test_a_tree_by_hand() -> None:
    tree = Tree(
        feature=(0, -1, -1),
        threshold=(1.0, 0.0, 0.0),
        missing_left=(False, False, False),
        left=(1, 0, 0),
        right=(2, 0, 0),
        value=(0.0, -2.0, 3.0),
    )
    assert tree.values(np.array([[1.0], [1.1], [np.nan]])).tolist() == [-2.0, 3.0, 3.0]
    found = Trees(features=("a",), baseline=1.0, trees=(tree, tree))
    probability = found.probabilities(np.array([[0.0, 5.0]]), ("b", "a"))
    assert probability == pytest.approx(1 / (1 + np.exp(-7.0)))
    assert Trees(features=("a",), baseline=0.0, trees=()).probabilities(
        np.zeros((2, 1)), ("a",)
    ).tolist() == [0.5, 0.5]


def test_a_tree_that_runs_in_a_circle_is_refused() -> None:
    with pytest.raises(ValidationError, match="node 0: its children must be nodes behind it"):
        Tree(
            feature=(0,), threshold=(1.0,), missing_left=(False,), left=(0,), right=(0,), value=(0,)
        )


def test_a_number_that_is_none_is_refused() -> None:
    text = (
        '{"feature": [-1], "threshold": [0], "missing_left": [false], "left": [0], "right": [0], '
        '"value": [NaN]}'
    )
    with pytest.raises(ValidationError, match="finite"):
        Tree.model_validate_json(text)


def test_features_that_never_differ_leave_the_share() -> None:
    truth = np.array([True, False, False, False] * 10)
    found = fit_trees(np.ones((40, 2)), truth, ("a", "b"), 25)
    assert found.probabilities(np.zeros((1, 2)), ("a", "b")) == pytest.approx(0.25)


def test_a_card_from_before_there_were_trees_is_logistic() -> None:
    model = {"features": ["a"], "means": [0], "scales": [1], "coefficients": [1], "intercept": 0}
    old = {"low": 0.1, "model": model, "fitted_on": "", "because": "", "calibration_error": 0.1}
    assert LesionScoring.model_validate(old).model.kind == "logistic"
