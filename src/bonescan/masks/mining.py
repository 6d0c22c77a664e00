"""Negative mining (section 3.4): what a binary baseline marks wrongly is the non-metastatic class.

The baseline must be the one of the same fold. One of another fold has learned from patients whom
this fold tests on: it would mark them too well, and its masks would carry that into training.
`FoldMining` cannot be made from such a baseline, nor asked for a patient who is held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonescan.config import MinedMask
from bonescan.errors import BadInput


@dataclass(frozen=True)
class FoldMining:
    """Probabilities of one fold's binary baseline for the cases that this fold learns from.

    Attributes
    ----------
    fold : int
        The fold of the baseline and of the training alike.
    learned_from : frozenset of str
        Patients that the baseline trained on or was chosen on.
    held_out : frozenset of str
        Test patients of the fold.
    patients : mapping of str to str
        The patient of each study in ``probability``.
    probability : mapping of str to (H, W) float32
        By study: the baseline's probability of metastasis, in [0, 1].

    Raises
    ------
    BadInput
        If the baseline has learned from a test patient, or a test patient is among the studies.
    """

    fold: int
    learned_from: frozenset[str]
    held_out: frozenset[str]
    patients: Mapping[str, str]
    probability: Mapping[str, NDArray[np.float32]]

    def __post_init__(self) -> None:
        leaked = sorted(self.learned_from & self.held_out)
        if leaked:
            raise BadInput(
                f"fold {self.fold}: the baseline has learned from its test patient {leaked[0]}; "
                "mine with the baseline of the same fold"
            )
        tested = sorted(self.held_out & set(self.patients.values()))
        if tested:
            raise BadInput(
                f"fold {self.fold}: its test patient {tested[0]} is among those to mine; "
                "mine training and validation patients only"
            )
        if set(self.probability) != set(self.patients):
            raise ValueError("probabilities and patients name different studies")

    def of(self, study: str, fold: int) -> NDArray[np.float32]:
        """Return the probabilities of a study for training a fold.

        Raises
        ------
        BadInput
            If the fold is another one than the baseline's, or the study was not mined.
        """
        if fold != self.fold:
            raise BadInput(
                f"{study}: mined by the baseline of fold {self.fold} for fold {fold}; "
                "mine with the baseline of the same fold"
            )
        if study not in self.probability:
            raise BadInput(f"{study}: was not mined; mine it with the baseline of fold {fold}")
        return self.probability[study]


def mined_body(probability: NDArray[np.float32], settings: MinedMask) -> NDArray[np.bool_]:
    """Return what the baseline marks, (H, W) bool: non-metastatic, where it is not annotated.

    Parameters
    ----------
    probability : (H, W) float32
        The baseline's probability of metastasis, in [0, 1].
    """
    return np.asarray(probability >= settings.threshold)
