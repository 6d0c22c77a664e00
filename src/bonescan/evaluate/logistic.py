"""Regularised logistic regression for few examples, and how well its probabilities hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from bonescan.classifiers import FARTHEST, Logistic, Trees
from bonescan.measures.statistics import Interval

#: Penalties that cross-validation chooses from: half of it times the coefficients' squared length
#: is added to the summed log loss, the features being scaled to unit spread.
PENALTIES = (3.0, 10.0, 30.0, 100.0)
#: Parts of a cross-validation, at most one a patient.
FOLDS = 10
#: A feature with a smaller spread tells nothing.
LEAST_SPREAD = 1e-6
#: Bins of the expected calibration error.
BINS = 10
#: Draws of outcomes that tell what the error would be of perfect probabilities.
PERFECT_DRAWS = 1000

Table = NDArray[np.float64]
Truth = NDArray[np.bool_]


def fit_logistic(
    table: Table,
    truth: Truth,
    names: Sequence[str],
    penalty: float,
    signs: Mapping[str, int] | None = None,
) -> Logistic:
    """Fit a logistic regression with a ridge penalty and coefficients of known sign.

    Parameters
    ----------
    table : (n, m) float64
        NaN where a feature is missing: it then counts as its mean.
    truth : (n,) bool
        With both values among them.
    names : sequence of str
        The m features. Those that are never measured, or never differ, are left out.
    penalty : float
        See `PENALTIES`; the intercept is not penalised.
    signs : mapping from feature to {1, -1}, optional
        Coefficients that must not be negative, or not positive; the others are free.

    Raises
    ------
    ValueError
        If ``truth`` holds one value only.
    """
    if truth.all() or not truth.any():
        raise ValueError("a logistic regression needs examples of both kinds")
    measured = np.isfinite(table)
    counts = np.maximum(measured.sum(axis=0), 1)
    means = np.where(measured, table, 0).sum(axis=0) / counts
    away = np.where(measured, table - means, 0)
    scales = np.sqrt((away**2).sum(axis=0) / counts)
    kept = np.flatnonzero(scales > LEAST_SPREAD)
    scaled = np.clip(away[:, kept] / scales[kept], -FARTHEST, FARTHEST)
    sign = np.where(truth, 1.0, -1.0)

    def loss(weights: Table) -> tuple[float, Table]:
        margin = sign * (scaled @ weights[1:] + weights[0])
        pull = -sign * expit(-margin)
        value = np.logaddexp(0, -margin).sum() + penalty / 2 * (weights[1:] ** 2).sum()
        gradient = np.concatenate([[pull.sum()], scaled.T @ pull + penalty * weights[1:]])
        return float(value), gradient

    ends = {1: (0, None), -1: (None, 0)}
    bounds = [ends.get((signs or {}).get(names[int(i)], 0), (None, None)) for i in kept]
    start = np.zeros(len(kept) + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(None, None), *bounds])
    weights = found.x
    return Logistic(
        features=tuple(names[int(i)] for i in kept),
        means=tuple(float(means[i]) for i in kept),
        scales=tuple(float(scales[i]) for i in kept),
        coefficients=tuple(float(weight) for weight in weights[1:]),
        intercept=float(weights[0]),
    )


@dataclass(frozen=True)
class Fit:
    """A fitted classifier and what cross-validation by patient says of it.

    ``setting`` is the penalty, or the number of trees, that did best; ``held_out`` (n,) are the
    probabilities of the examples, each by a fit without its patient; NaN where the patients left
    over were all of one kind.
    """

    model: Logistic | Trees
    setting: float
    held_out: Table


#: What fits a classifier with one setting, as `fit_logistic` with a penalty.
Fitter = Callable[[Table, Truth, Sequence[str], Any, Mapping[str, int] | None], Logistic | Trees]


def fit_by_patient(
    table: Table,
    truth: Truth,
    patients: Sequence[str],
    names: Sequence[str],
    signs: Mapping[str, int] | None = None,
    *,
    fitter: Fitter = fit_logistic,
    settings: Sequence[float] = PENALTIES,
) -> Fit:
    """Fit with the setting whose log loss on patients that were left out is least.

    Parameters
    ----------
    table, truth, names, signs
        As for `fit_logistic`.
    patients : sequence of str
        The patient of each row; a patient's rows are left out together.
    fitter : Fitter
        What fits.
    settings : sequence of float
        What it is tried with, in turn.
    """
    tried = {
        setting: held_out_probabilities(table, truth, patients, names, setting, signs, fitter)
        for setting in settings
    }
    best = min(tried, key=lambda item: log_loss(tried[item], truth))
    return Fit(fitter(table, truth, names, best, signs), best, tried[best])


def held_out_probabilities(
    table: Table,
    truth: Truth,
    patients: Sequence[str],
    names: Sequence[str],
    setting: float,
    signs: Mapping[str, int] | None = None,
    fitter: Fitter = fit_logistic,
) -> Table:
    """Return each row's probability by a fit that has not seen its patient, (n,)."""
    parts = _parts(patients)
    found = np.full(len(truth), np.nan)
    for part in range(int(parts.max(initial=-1)) + 1):
        here, rest = parts == part, parts != part
        if truth[rest].any() and not truth[rest].all():
            model = fitter(table[rest], truth[rest], names, setting, signs)
            found[here] = model.probabilities(table[here], names)
    return found


def log_loss(probabilities: Table, truth: Truth) -> float:
    """Return the mean log loss; infinite where a probability is missing."""
    if np.isnan(probabilities).any():
        return float("inf")
    sure = np.clip(np.where(truth, probabilities, 1 - probabilities), 1e-9, 1)
    return float(-np.log(sure).mean())


def calibration_error(probabilities: Table, truth: Truth, bins: int = BINS) -> float:
    """Return the expected calibration error in [0, 1].

    The mean, over bins of equal width weighted by what they hold, of the difference between the
    mean probability and the share that is true; 0 without examples. With few examples it is above
    0 for perfect probabilities too.

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015.
    """
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    gap = np.bincount(index, probabilities - truth, minlength=bins)
    return float(np.abs(gap).sum() / max(len(truth), 1))


def perfect_calibration_error(
    probabilities: Table, bins: int = BINS, draws: int = PERFECT_DRAWS
) -> Interval | None:
    """Return the expected calibration error that perfect probabilities of these values would show.

    Outcomes are drawn from the probabilities themselves, each example by itself: what the error is
    then comes from the number of examples alone. Of examples that go together (the candidates of
    one patient) it is higher than this.

    Returns
    -------
    Interval or None
        Mean, and 2.5 and 97.5 % quantiles, over the draws; None without examples.
    """
    if not len(probabilities):
        return None
    rng = np.random.default_rng(0)
    errors = [
        calibration_error(probabilities, rng.random(len(probabilities)) < probabilities, bins)
        for _ in range(draws)
    ]
    low, high = np.quantile(errors, (0.025, 0.975))
    return Interval(float(np.mean(errors)), float(low), float(high))


def _parts(patients: Sequence[str]) -> NDArray[np.intp]:
    """Deal the patients out to `FOLDS` parts in a fixed random order; (n,) part of each row."""
    names = sorted(set(patients))
    order = np.random.default_rng(0).permutation(len(names))
    part_of = {names[int(i)]: place % FOLDS for place, i in enumerate(order)}
    return np.array([part_of[patient] for patient in patients], np.intp)
