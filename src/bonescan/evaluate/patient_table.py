"""Patients with and without metastasis told apart: by a classifier, or by the hottest mark.

The score of a patient is the highest probability of metastasis anywhere on the canvas; a classifier
of patients has the same one at every pixel. Test patients of every finished fold take part, and the
patients without metastasis that the fold did not train on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bonescan.evaluate.averages import percent
from bonescan.evaluate.folds import FoldScores
from bonescan.evaluate.patients import patient_interval, roc_auc
from bonescan.evaluate.table import Cell, Table
from bonescan.experiment import Experiment


def patient_table(experiment: Experiment, folds: Mapping[str, Sequence[FoldScores]]) -> Table:
    """Return each run's area under the ROC curve with its interval, and its own rule's shares.

    The interval is the middle 95 % of draws of patients, those with several cases or folds as one.
    """
    rows = [(run, *_row(scores)) for run, scores in folds.items() if scores]
    return Table(
        f"{experiment.title}: patients with metastasis told from those without, percent",
        (
            "run",
            "folds",
            "patients with",
            "without",
            "AUC",
            "low",
            "high",
            "sensitivity",
            "specificity",
        ),
        tuple(rows),
    )


def _row(scores: Sequence[FoldScores]) -> tuple[Cell, ...]:
    cases = [case for fold in scores for case in (*fold.test, *fold.healthy)]
    patients = [case.patient for case in cases]
    score = np.array([case.score for case in cases])
    called = np.array([case.pixels.tp + case.pixels.fp > 0 for case in cases])
    positive = np.array([case.pixels.tp + case.pixels.fn > 0 for case in cases])

    def area(rows: NDArray[np.intp]) -> float | None:
        return roc_auc(score[rows], positive[rows])

    interval = patient_interval(area, patients)
    ends = (None,) * 3 if interval is None else (interval.value, interval.low, interval.high)
    return (
        len(scores),
        _number(patients, positive),
        _number(patients, ~positive),
        *percent(*ends),
        *percent(_share(called[positive]), _share(~called[~positive])),
    )


def _number(patients: Sequence[str], chosen: NDArray[np.bool_]) -> int:
    return len({patient for patient, own in zip(patients, chosen, strict=True) if own})


def _share(which: NDArray[np.bool_]) -> float | None:
    return float(which.mean()) if which.size else None
