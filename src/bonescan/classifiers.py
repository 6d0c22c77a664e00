"""Small classifiers that a model package's card holds as numbers, and how they are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, FiniteFloat, Tag, model_validator
from scipy.special import expit

from bonescan.config.base import Frozen

#: Spreads from its mean beyond which a feature of a `Logistic` counts no further.
FARTHEST = 3.0
Probabilities = NDArray[np.float64]


class Logistic(Frozen):
    """A logistic regression over named features.

    The probability is ``1 / (1 + exp(-z))`` with z the intercept plus the sum over features of
    ``coefficient * (value - mean) / scale``. That quotient is cut at 3 (`FARTHEST`) to either side,
    so that what lies far from the patients of the fit is not extrapolated; a feature that cannot be
    measured counts as its mean.
    """

    kind: Literal["logistic"] = "logistic"
    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float

    @model_validator(mode="after")
    def _one_number_a_feature(self) -> Logistic:
        lengths = {len(self.means), len(self.scales), len(self.coefficients)}
        if lengths != {len(self.features)} or not all(scale > 0 for scale in self.scales):
            raise ValueError("means, scales (above 0) and coefficients need one number a feature")
        return self

    def probabilities(self, table: NDArray[np.float64], names: Sequence[str]) -> Probabilities:
        """Return the probability of each row.

        Parameters
        ----------
        table : (n, m) float64
            NaN where a feature cannot be measured.
        names : sequence of str
            The names of the m columns.

        Returns
        -------
        (n,) float64
            In (0, 1).

        Raises
        ------
        ValueError
            If a feature of the model is not among the columns.
        """
        columns = [names.index(feature) for feature in self.features]
        values = (table[:, columns] - np.array(self.means)) / np.array(self.scales)
        values = np.clip(np.nan_to_num(values), -FARTHEST, FARTHEST)
        z = self.intercept + values @ np.array(self.coefficients)
        found: Probabilities = 1 / (1 + np.exp(-z))
        return found


class Tree(Frozen):
    """A binary decision tree as one row a node; node 0 is the root, children come after it.

    A row goes to ``left`` where its feature is at most ``threshold``, and where it is missing and
    ``missing_left`` says so, else to ``right``. ``feature`` is -1 at a leaf, whose ``value`` is the
    tree's.
    """

    feature: tuple[int, ...]
    threshold: tuple[FiniteFloat, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _children_below(self) -> Tree:
        columns = (self.threshold, self.missing_left, self.left, self.right, self.value)
        count = len(self.feature)
        if not count or {len(column) for column in columns} != {count}:
            raise ValueError("a tree needs a root, and one number a node in each of its lists")
        for node, (feature, *children) in enumerate(
            zip(self.feature, self.left, self.right, strict=True)
        ):
            below = all(node < child < count for child in children)
            if feature < -1 or (feature >= 0 and not below):
                raise ValueError(f"node {node}: its children must be nodes behind it")
        return self

    def values(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value (n,) of the leaf that each row of ``table`` (n, m) comes to."""
        feature, threshold = np.array(self.feature), np.array(self.threshold)
        missing_left = np.array(self.missing_left, bool)
        left, right = np.array(self.left), np.array(self.right)
        at = np.zeros(len(table), np.intp)
        rows = np.arange(len(table))
        while (inner := feature[at] >= 0).any():
            value = table[rows, np.maximum(feature[at], 0)]
            goes_left = np.where(np.isnan(value), missing_left[at], value <= threshold[at])
            at = np.where(inner, np.where(goes_left, left[at], right[at]), at)
        found: NDArray[np.float64] = np.array(self.value)[at]
        return found


class Trees(Frozen):
    """Gradient-boosted decision trees over named features (Friedman, Ann. Statist. 2001, 29, 1189).

    The probability is ``1 / (1 + exp(-z))`` with z the ``baseline`` plus the sum of the trees.
    What lies farther out than any patient of the fit counts as the farthest of them.
    """

    kind: Literal["trees"] = "trees"
    features: tuple[str, ...]
    baseline: FiniteFloat
    trees: tuple[Tree, ...]

    @model_validator(mode="after")
    def _features_are_named(self) -> Trees:
        if any(max(tree.feature) >= len(self.features) for tree in self.trees):
            raise ValueError("a tree asks for a feature that has no name")
        return self

    def probabilities(self, table: NDArray[np.float64], names: Sequence[str]) -> Probabilities:
        """Return the probability of each row; see `Logistic.probabilities`."""
        columns = table[:, [names.index(feature) for feature in self.features]]
        z = self.baseline + sum(tree.values(columns) for tree in self.trees)
        found: Probabilities = expit(np.broadcast_to(z, len(table)).astype(np.float64))
        return found


def _kind_of(model: object) -> str:
    """Cards that were written before there were trees name no kind: theirs are logistic."""
    kind = model.get("kind", "logistic") if isinstance(model, dict) else getattr(model, "kind", "")
    return str(kind)


Classifier = Annotated[
    Annotated[Logistic, Tag("logistic")] | Annotated[Trees, Tag("trees")], Discriminator(_kind_of)
]
