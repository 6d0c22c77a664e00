"""Gradient-boosted trees over the candidates' features: fitted by scikit-learn, kept as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier

from bonescan.classifiers import Tree, Trees

#: Numbers of trees that cross-validation chooses from.
NUMBERS = (25, 50, 100, 200)
#: Questions on the way to a leaf: two let a feature count differently where another is high.
DEPTH = 2
#: Share of each tree's answer that is taken.
LEARNING_RATE = 0.1
#: Examples in a leaf, at least.
LEAST_IN_LEAF = 20
#: Penalty on the squared values of the leaves.
PENALTY = 5.0


def fit_trees(
    table: NDArray[np.float64],
    truth: NDArray[np.bool_],
    names: Sequence[str],
    number: int,
    signs: Mapping[str, int] | None = None,
) -> Trees:
    """Fit gradient-boosted trees that may not turn a feature of known sign round.

    Parameters are those of `bonescan.evaluate.logistic.fit_logistic`, with the ``number`` of trees
    in place of the penalty; features that never differ are left out. A missing value takes the side
    of a question that suits the examples.

    Raises
    ------
    ValueError
        If ``truth`` holds one value only.
    """
    if truth.all() or not truth.any():
        raise ValueError("trees need examples of both kinds")
    kept = [i for i in range(len(names)) if len(np.unique(table[np.isfinite(table[:, i]), i])) > 1]
    if not kept:
        return Trees(features=(), baseline=float(logit(truth.mean())), trees=())
    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=number,
        max_depth=DEPTH,
        min_samples_leaf=LEAST_IN_LEAF,
        l2_regularization=PENALTY,
        monotonic_cst=[(signs or {}).get(names[i], 0) for i in kept],
        early_stopping=False,
        random_state=0,
    ).fit(table[:, kept], truth)
    # scikit-learn has no public way to its trees; a test compares what is taken out of it here.
    return Trees(
        features=tuple(names[i] for i in kept),
        baseline=float(np.ravel(model._baseline_prediction)[0]),
        trees=tuple(_tree(grown.nodes) for (grown,) in model._predictors),
    )


def _tree(nodes: NDArray[np.void]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=tuple(np.where(leaf, -1, nodes["feature_idx"]).tolist()),
        # Beyond the highest value a threshold is infinite, which JSON has no number for.
        threshold=tuple(np.where(leaf, 0.0, np.nan_to_num(nodes["num_threshold"])).tolist()),
        missing_left=tuple(nodes["missing_go_to_left"].astype(bool).tolist()),
        left=tuple(nodes["left"].tolist()),
        right=tuple(nodes["right"].tolist()),
        value=tuple(np.where(leaf, nodes["value"], 0.0).tolist()),
    )
