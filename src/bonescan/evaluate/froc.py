"""Candidates with scores: how many lesions they hit at how many false marks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: False marks a study at which sensitivity is given.
FALSE_MARKS = (0.125, 0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Curve:
    """A FROC curve through every distinct score, or through given thresholds.

    Attributes
    ----------
    thresholds : (T,) float64
        Descending; what scores at or above it is marked. The first one is infinite.
    hits : (T,) int64
        Lesions hit.
    false_marks : (T,) int64
    lesions, studies : int
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.int64]
    false_marks: NDArray[np.int64]
    lesions: int
    studies: int

    def sensitivity_at(self, false_marks: float) -> float:
        """Return the highest sensitivity within a number of false marks a study; 0 at the least."""
        within = self.false_marks <= false_marks * self.studies
        return float(self.hits[within].max() / max(self.lesions, 1))

    def envelope(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return false marks, ascending, and the most lesions hit within so many, each (T,).

        Where marks grow together as the threshold falls, neither rises all the way.
        """
        order = np.lexsort((self.hits, self.false_marks))
        return self.false_marks[order], np.maximum.accumulate(self.hits[order])

    @property
    def mean_sensitivity(self) -> float:
        """Mean of the sensitivities at `FALSE_MARKS`."""
        return float(np.mean([self.sensitivity_at(at) for at in FALSE_MARKS]))


def froc(
    scores: NDArray[np.float64],
    hits: list[frozenset[tuple[int, int]]],
    lesions: int,
    studies: int,
) -> Curve:
    """Return the FROC curve of scored candidates.

    Parameters
    ----------
    scores : (n,) float64
    hits : list of n sets
        The lesions that each candidate belongs to, by any unique name; empty for a false one.
    lesions, studies : int
        Number of true lesions, reached or not, and of studies.
    """
    order = np.argsort(-scores, kind="stable")
    seen: set[tuple[int, int]] = set()
    reached, wrong = [0], [0]
    for index in order.tolist():
        seen |= hits[index]
        reached.append(len(seen))
        wrong.append(wrong[-1] + (not hits[index]))
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], bool(len(ranked))))
    chosen = np.concatenate([[0], ends + 1]).astype(np.intp)
    return Curve(
        thresholds=np.concatenate([[np.inf], ranked[ends]]),
        hits=np.array(reached)[chosen],
        false_marks=np.array(wrong)[chosen],
        lesions=lesions,
        studies=studies,
    )
