"""Differences of two arms over the patients that both tested, with a bootstrap over patients.

The folds of `bonescan.evaluate.comparisons` are few, so their intervals are wide; patients are many
more. What varies here is who is tested, not how the training went: a second training of the same
arm would give another difference within the same interval or outside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bonescan.evaluate.comparisons import Arm
from bonescan.evaluate.folds import CaseScore
from bonescan.evaluate.table import Cell, Table
from bonescan.measures.statistics import bootstrap

#: TP, FP and FN pixels, lesions, lesions hit, false marks, scans: what adds up over a patient.
Sums = NDArray[np.float64]
#: Those of the same patient by two arms.
Pair = tuple[Sums, Sums]
Statistic = Callable[[Sums], float | None]


def _share(above: float, below: float) -> float | None:
    return 100 * above / below if below else None


def _precision(sums: Sums) -> float | None:
    return _share(sums[0], sums[0] + sums[1])


def _sensitivity(sums: Sums) -> float | None:
    return _share(sums[0], sums[0] + sums[2])


def _f1(sums: Sums) -> float | None:
    return _share(2 * sums[0], 2 * sums[0] + sums[1] + sums[2])


def _lesion_sensitivity(sums: Sums) -> float | None:
    return _share(sums[4], sums[3])


def _false_marks(sums: Sums) -> float | None:
    return float(sums[5] / sums[6]) if sums[6] else None


#: Name, whether of lesion-free patients, and how it follows from sums over patients.
MEASURES: tuple[tuple[str, bool, Statistic], ...] = (
    ("precision of pixels, points", False, _precision),
    ("sensitivity of pixels, points", False, _sensitivity),
    ("F1 of pixels, points", False, _f1),
    ("sensitivity of lesions, points", False, _lesion_sensitivity),
    ("false marks a patient", False, _false_marks),
    ("false marks a lesion-free patient", True, _false_marks),
)


def patient_difference_table(arms: Sequence[Arm], *, draws: int = 2000) -> Table:
    """Return the differences that the experiment files ask for, over pooled patients.

    Parameters
    ----------
    arms : sequence of Arm
        Those named in an arm's ``against`` are compared with it, where both are here.
    draws : int
        Of the bootstrap over patients, with seed 0.

    Returns
    -------
    Table
        For each pair and measure: the number of patients, the figure of both arms over all of them
        together, and the difference with its 95 % percentile interval. Test patients are those of
        the folds that both finished; lesion-free ones those that neither arm trained on, their
        false marks a mean over these folds.
    """
    known = {arm.name: arm for arm in arms}
    rows: list[tuple[Cell, ...]] = []
    for arm in arms:
        for name in arm.against:
            if name in known:
                rows += _rows(arm, known[name], draws)
    return Table(
        "Differences over patients",
        ("arms", "measure", "patients", "first", "second", "difference", "low", "high"),
        tuple(rows),
    )


def _rows(one: Arm, two: Arm, draws: int) -> list[tuple[Cell, ...]]:
    folds = {fold.fold for fold in one.folds} & {fold.fold for fold in two.folds}
    tested, healthy = (_pairs(one, two, folds, free) for free in (False, True))
    rows: list[tuple[Cell, ...]] = []
    for name, free, statistic in MEASURES:
        pairs = healthy if free else tested
        found = bootstrap(pairs, partial(_difference, statistic), draws=draws)
        if found is None:
            continue
        of_one, of_two = map(statistic, _together(pairs))
        numbers = (of_one, of_two, found.value, found.low, found.high)
        rows.append(
            (
                f"{one.name} - {two.name}",
                name,
                len(pairs),
                *(None if number is None else round(number, 2) for number in numbers),
            )
        )
    return rows


def _difference(statistic: Statistic, pairs: Sequence[Pair]) -> float | None:
    one, two = map(statistic, _together(pairs))
    return None if one is None or two is None else one - two


def _together(pairs: Sequence[Pair]) -> Pair:
    one, two = np.sum(np.array(pairs), axis=0)
    return one, two


def _pairs(one: Arm, two: Arm, folds: set[int], free: bool) -> list[Pair]:
    first, second = (_sums_of_patients(arm, folds, free) for arm in (one, two))
    return [(first[name], second[name]) for name in sorted(set(first) & set(second))]


def _sums_of_patients(arm: Arm, folds: set[int], free: bool) -> dict[str, Sums]:
    found: dict[str, Sums] = defaultdict(lambda: np.zeros(7))
    for fold in arm.folds:
        if fold.fold in folds:
            for case in fold.healthy if free else fold.test:
                found[case.patient] += _sums(case)
    return dict(found)


def _sums(case: CaseScore) -> Sums:
    pixels, lesions = case.pixels, case.lesions
    return np.array(
        [
            pixels.tp,
            pixels.fp,
            pixels.fn,
            lesions.lesions,
            lesions.hits,
            lesions.false_marks,
            1,
        ],
        dtype=np.float64,
    )
