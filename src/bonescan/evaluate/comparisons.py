"""Arms of several experiments side by side: one table of all, and paired differences over folds.

Which arms are compared stands in the experiment files (``[compare]``), so that the family of
comparisons is chosen before the results are seen; Holm's correction is over that family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bonescan.evaluate.folds import FoldScores
from bonescan.evaluate.table import Cell, Table
from bonescan.experiment import Experiment, Printed, split_reference
from bonescan.measures.pixels import f1_of, mean_of, pooled
from bonescan.measures.statistics import PairedDifference, holm, paired_difference

MEASURES = ("precision", "sensitivity", "F1")
#: Test over training patients of the paper's 8:1:1, for its printed folds.
PRINTED_TEST_SHARE = 1 / 8


@dataclass(frozen=True)
class Arm:
    """One run of one experiment: its finished folds here, and what a publication prints."""

    name: str
    paper: str | None
    folds: tuple[FoldScores, ...]
    printed: Printed | None
    against: tuple[str, ...]


def arms_of(
    experiments: Sequence[tuple[Experiment, dict[str, tuple[FoldScores, ...]]]],
) -> tuple[Arm, ...]:
    """Return the arms of experiments, each with its finished folds by run."""
    return tuple(
        Arm(
            f"{experiment.name}.{run}",
            experiment.paper,
            folds[run],
            experiment.printed.get(run),
            tuple(
                ".".join(split_reference(one, experiment.name))
                for one in experiment.compare.get(run, ())
            ),
        )
        for experiment, folds in experiments
        for run in folds
    )


def arm_table(arms: Sequence[Arm]) -> Table:
    """Return every arm in one row: ours in three averages of F1, beside the printed figures."""
    rows: list[tuple[Cell, ...]] = []
    for arm in arms:
        per_fold = [fold.pixels for fold in arm.folds]
        precision = mean_of(one.precision for one in per_fold)
        sensitivity = mean_of(one.sensitivity for one in per_fold)
        own = (
            precision,
            sensitivity,
            f1_of(precision, sensitivity),
            mean_of(one.f1 for one in per_fold),
            pooled(per_fold).f1,
        )
        rows.append((arm.paper, arm.name, len(arm.folds), *map(_percent, own), *_printed(arm)))
    return Table(
        "All arms: pixels of metastasis, percent",
        (
            "paper",
            "arm",
            "folds",
            "precision",
            "sensitivity",
            "F1 of the means",
            "mean of the fold F1",
            "pooled F1",
            "printed precision",
            "printed sensitivity",
            "printed F1 of the means",
            "printed mean of the fold F1",
        ),
        tuple(rows),
    )


def difference_table(arms: Sequence[Arm]) -> Table:
    """Return the paired differences that the experiment files ask for, beside the printed ones.

    The corrected ends and p are the corrected resampled t of Nadeau and Bengio; both Holm columns
    correct for the number of comparisons of the same measure in this table.
    """
    known = {arm.name: arm for arm in arms}
    pairs = [(arm, known[name]) for arm in arms for name in arm.against if name in known]
    rows: list[tuple[Cell, ...]] = []
    for position, measure in enumerate(MEASURES):
        found = [(one, two, compare_arms(one, two, position)) for one, two in pairs]
        there = [(one, two, here) for one, two, here in found if here is not None]
        corrected = holm([here.corrected_p for *_, here in there])
        ranked = holm([here.wilcoxon_p for *_, here in there])
        for (one, two, here), t_holm, rank_holm in zip(there, corrected, ranked, strict=True):
            printed = compare_printed(one, two, position)
            ends = (here.mean, here.low, here.high, here.corrected_low, here.corrected_high)
            tests = (here.corrected_p, t_holm, here.wilcoxon_p, rank_holm)
            rows.append(
                (
                    f"{one.name} - {two.name}",
                    measure,
                    here.pairs,
                    *(round(end, 2) for end in ends),
                    here.a_higher,
                    *(f"{p:.4f}" for p in tests),
                    None if printed is None else round(printed.mean, 2),
                    None if printed is None else printed.a_higher,
                )
            )
    return Table(
        "Differences paired over folds, points",
        (
            "arms",
            "measure",
            "folds",
            "mean",
            "low",
            "high",
            "corrected low",
            "corrected high",
            "folds in favour",
            "corrected p",
            "Holm",
            "Wilcoxon p",
            "Wilcoxon Holm",
            "printed mean",
            "printed folds in favour",
        ),
        tuple(rows),
    )


def compare_arms(one: Arm, two: Arm, measure: int) -> PairedDifference | None:
    """Compare two arms over the folds that both finished and where both have the measure.

    Folds are paired that test the same patients.

    Returns
    -------
    PairedDifference or None
        In points; None with fewer than two such folds.
    """
    a, b = ({fold.fold: fold for fold in arm.folds} for arm in (one, two))
    values = []
    for fold in sorted(set(a) & set(b)):
        ours, theirs = _measure(a[fold], measure), _measure(b[fold], measure)
        same = a[fold].tested == b[fold].tested
        if same and ours is not None and theirs is not None:
            values.append((fold, 100 * ours, 100 * theirs))
    tested = mean_of(len(a[fold].tested) for fold, *_ in values)
    trained = mean_of(a[fold].training_patients for fold, *_ in values)
    if not tested or not trained:
        return None
    return paired_difference(
        [x for _, x, _ in values], [y for *_, y in values], test_share=tested / trained
    )


def compare_printed(one: Arm, two: Arm, measure: int) -> PairedDifference | None:
    """Compare the printed folds of two arms; None where they are not printed."""
    if one.printed is None or two.printed is None:
        return None
    if not one.printed.folds or len(one.printed.folds) != len(two.printed.folds):
        return None
    return paired_difference(
        [fold[measure] for fold in one.printed.folds],
        [fold[measure] for fold in two.printed.folds],
        test_share=PRINTED_TEST_SHARE,
    )


def _measure(fold: FoldScores, measure: int) -> float | None:
    pixels = fold.pixels
    return (pixels.precision, pixels.sensitivity, pixels.f1)[measure]


def _printed(arm: Arm) -> tuple[Cell, ...]:
    if arm.printed is None:
        return (None,) * 4
    of_folds = mean_of(f1 for _, _, f1 in arm.printed.folds)
    return (
        arm.printed.precision,
        arm.printed.sensitivity,
        arm.printed.f1,
        None if of_folds is None else round(of_folds, 2),
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)
