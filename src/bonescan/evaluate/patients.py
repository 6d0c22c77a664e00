"""Patient by patient: area under the ROC curve, and intervals by drawing patients anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from bonescan.measures.statistics import Interval, bootstrap


@dataclass(frozen=True)
class RocCurve:
    """Sensitivity over 1 - specificity.

    Attributes
    ----------
    thresholds : (T,) float64
        A patient counts as positive at or above the threshold; descending, the first one infinite.
    sensitivity, false_positive_rate : (T,) float64
        From 0 to 1.
    """

    thresholds: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """Return the area under the ROC curve.

    Parameters
    ----------
    scores : (P,) float
        Higher means more likely metastatic.
    positive : (P,) bool
        Whether the patient has metastases.

    Returns
    -------
    float or None
        The chance that a patient with metastases scores above one without, ties counting half
        (Mann-Whitney's U over the number of pairs); None without patients of both kinds.
    """
    truth = np.asarray(positive, bool)
    present, absent = int(truth.sum()), int((~truth).sum())
    if not present or not absent:
        return None
    ranks = rankdata(np.asarray(scores, float))
    wins = float(ranks[truth].sum()) - present * (present + 1) / 2
    return wins / (present * absent)


def roc_curve(scores: ArrayLike, positive: ArrayLike) -> RocCurve:
    """Return the ROC curve through every distinct score.

    Raises
    ------
    ValueError
        Without patients of both kinds.
    """
    values, truth = np.asarray(scores, float), np.asarray(positive, bool)
    if truth.all() or not truth.any():
        raise ValueError("a ROC curve needs patients with and without metastases")
    thresholds = np.concatenate([[np.inf], np.unique(values)[::-1]])
    called = values[None, :] >= thresholds[:, None]
    return RocCurve(
        thresholds=thresholds,
        sensitivity=called[:, truth].mean(axis=1),
        false_positive_rate=called[:, ~truth].mean(axis=1),
    )


def patient_interval(
    statistic: Callable[[NDArray[np.intp]], float | None],
    patients: Sequence[str],
    *,
    draws: int = 2000,
) -> Interval | None:
    """Return a figure over rows (studies) with its interval from drawing patients anew.

    Parameters
    ----------
    statistic : callable
        Takes row numbers (n,) and returns the figure over these rows, None where it is undefined.
    patients : sequence of str
        The patient of each row; the rows of a patient are drawn together.
    draws : int
        Bootstrap samples.

    Returns
    -------
    Interval or None
        None where the figure over all rows is undefined.
    """
    rows_of: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        rows_of.setdefault(patient, []).append(row)
    groups = [np.array(rows, np.intp) for rows in rows_of.values()]
    return bootstrap(groups, lambda drawn: statistic(np.concatenate(drawn)), draws=draws)
