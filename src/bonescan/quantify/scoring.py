"""Calibrated probabilities: of each candidate, and of the patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.config import LesionRule
from bonescan.package import Card
from bonescan.predict import Prediction
from bonescan.quantify.candidates import FEATURES, Candidates, find_candidates, log_odds
from bonescan.scan import Scan, ViewName

#: Side of the square patch whose mean probability makes the score without calibration, in pixels.
SCORE_PATCH = 3
#: What a patient's probability rests on.
PATIENT_FEATURES = (
    "highest",  # log odds of the most probable candidate's probability
    "second",  # the same of the second
    "expected",  # log(1 + sum of all probabilities)
)


@dataclass(frozen=True)
class Scores:
    """How probable metastasis is, by place and for the patient.

    Attributes
    ----------
    marks : mapping of view name to (H, W) float32
        Marks are cut from these pictures: each candidate has its calibrated probability, the rest
        is 0; the network's own probability of each pixel where the package does not calibrate.
    patient : float
        Probability that the patient has metastases; an uncalibrated score where the package does
        not calibrate it.
    """

    marks: dict[ViewName, NDArray[np.float32]]
    patient: float


def score_scan(scan: Scan, seen: Prediction, card: Card) -> Scores:
    """Score a scan with the means that a package's card brings.

    Parameters
    ----------
    scan : Scan
    seen : Prediction
        What the network says of it.
    card : Card
        Without ``lesions``, the network's own probabilities are returned, and as the patient's
        score the highest mean of any 3 x 3 pixels. With ``lesions`` but without ``patient`` that
        score is the highest probability of a candidate.
    """
    if card.lesions is None:
        return Scores(seen.metastasis, patient_score(seen.metastasis.values()))
    found = find_candidates(scan, seen, candidate_rule(card.lesions.low))
    scores = [card.lesions.model.probabilities(item.features, FEATURES) for item in found]
    marks = {item.view.name: _paint(item, own) for item, own in zip(found, scores, strict=True)}
    every = np.concatenate(scores) if scores else np.zeros(0)
    if card.patient is None:
        return Scores(marks, float(every.max(initial=0.0)))
    row = patient_features(every)[None]
    return Scores(marks, float(card.patient.model.probabilities(row, PATIENT_FEATURES)[0]))


def candidate_rule(low: float) -> LesionRule:
    """Return the rule by which pixels from a probability on become candidates."""
    return LesionRule(threshold=low)


def patient_features(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a patient's probability rests on, (len(PATIENT_FEATURES),) float64.

    ``probabilities`` (n,) are those of all the patient's candidates, of both views.
    """
    first, second = (-np.sort(-np.concatenate([probabilities, [0.0, 0.0]])))[:2]
    return np.array([log_odds(first), log_odds(second), np.log1p(probabilities.sum())])


def patient_score(probabilities: Iterable[NDArray[np.float32]]) -> float:
    """Return the highest mean probability of any 3 x 3 pixels; 0 without a view."""
    return max(
        (
            float(ndimage.uniform_filter(picture, SCORE_PATCH, mode="constant").max())
            for picture in probabilities
            if picture.size
        ),
        default=0.0,
    )


def _paint(item: Candidates, scores: NDArray[np.float64]) -> NDArray[np.float32]:
    painted: NDArray[np.float32] = np.concatenate([[0.0], scores])[item.labels].astype(np.float32)
    return painted
