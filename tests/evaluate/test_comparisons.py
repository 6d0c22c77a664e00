"""Arms of several experiments: differences by hand, printed ones from the shipped files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bonescan.evaluate.comparisons import Arm, arm_table, arms_of, compare_printed, difference_table
from bonescan.evaluate.folds import CaseScore, FoldScores
from bonescan.evaluate.matching import Matching
from bonescan.evaluate.patient_differences import patient_difference_table
from bonescan.experiment import load_experiment
from bonescan.measures.pixels import PixelCounts
from bonescan.measures.statistics import holm, paired_difference

FOLDER = Path(__file__).resolve().parents[2] / "experiments"


def fold(number: int, tp: int, fp: int, fn: int) -> FoldScores:
    nothing = Matching(np.zeros(0, bool), np.zeros(0, bool))
    case = CaseScore("s", f"p{number}", "D1", PixelCounts(tp, fp, fn), nothing)
    return FoldScores("dice", number, (case,), (), 4, 1, collapsed=False)


def arm(name: str, *folds: FoldScores, against: tuple[str, ...] = ()) -> Arm:
    return Arm(name, None, folds, None, against)


def test_differences_by_hand() -> None:
    # Precision 50, 50, 50 against 100, 75, 50: differences 50, 25, 0.
    low = arm("low.a", fold(0, 1, 1, 0), fold(1, 1, 1, 0), fold(2, 1, 1, 0))
    high = arm(
        "high.a", fold(0, 4, 0, 0), fold(1, 3, 1, 0), fold(2, 2, 2, 0), against=("low.a", "no.a")
    )
    table = difference_table((low, high))
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert (first["arms"], first["measure"], first["folds"]) == ("high.a - low.a", "precision", 3)
    assert (first["mean"], first["folds in favour"]) == (25.0, 2)
    t = 25 / (25 * np.sqrt(1 / 3 + 1 / 4))
    assert float(str(first["corrected p"])) == pytest.approx(2 * stats.t.sf(t, 2), abs=1e-4)
    assert [row[1] for row in table.rows] == ["precision", "sensitivity", "F1"]
    assert table.rows[1][9] == "1.0000"  # every sensitivity is 100 %: no difference
    assert dict(
        zip(*[arm_table((low, high)).columns, arm_table((low, high)).rows[1]], strict=True)
    )["F1 of the means"] == pytest.approx(200 * 0.75 / 1.75, abs=0.01)


def test_differences_over_patients_by_hand() -> None:
    def case(patient: str, counts: PixelCounts, hits: str, right: str) -> CaseScore:
        marks = (np.array([one == "+" for one in text], bool) for text in (hits, right))
        return CaseScore("s", patient, "D1", counts, Matching(*marks))

    def one_fold(number: int, test: CaseScore, *healthy: CaseScore) -> FoldScores:
        return FoldScores("dice", number, (test,), healthy, 4, 1, collapsed=False)

    free = [case("h", PixelCounts(0, 9, 0), "", "---"), case("k", PixelCounts(), "", "")]
    first = arm(
        "new.a",
        one_fold(0, case("p", PixelCounts(6, 2, 4), "++", "++-"), *free),
        one_fold(1, case("q", PixelCounts(3, 1, 0), "+", "+"), *free),
        one_fold(2, case("only here", PixelCounts(9, 0, 0), "+", "+"), *free),
        against=("old.a",),
    )
    second = arm(
        "old.a",
        one_fold(0, case("p", PixelCounts(4, 2, 6), "+-", "+"), free[1]),
        one_fold(1, case("q", PixelCounts(3, 1, 0), "+", "+-"), free[1]),
    )
    table = patient_difference_table((first, second), draws=500)
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    f1 = rows["F1 of pixels, points"]
    # 2 x 9 / (18 + 3 + 4) against 2 x 7 / (14 + 3 + 6), and of patient q alone no difference.
    assert (f1["patients"], f1["first"], f1["second"]) == (2, 72.0, 60.87)
    assert f1["difference"] == pytest.approx(72 - 1400 / 23, abs=0.01)
    assert f1["low"] == 0.0
    assert f1["high"] == pytest.approx(100 * (12 / 18 - 8 / 16), abs=0.01)
    lesions = rows["sensitivity of lesions, points"]
    assert (lesions["first"], lesions["second"]) == (100.0, 66.67)
    assert rows["false marks a patient"]["difference"] == 0.0
    # Patient h was in the second arm's training, so that only k counts.
    assert rows["false marks a lesion-free patient"]["patients"] == 1
    assert rows["false marks a lesion-free patient"]["difference"] == 0.0


def test_an_arm_without_folds_has_printed_figures_only() -> None:
    experiments = [load_experiment(FOLDER / f"table{k}.toml") for k in (2, 3)]
    arms = arms_of([(one, dict.fromkeys(one.runs, ())) for one in experiments])
    assert difference_table(arms).rows == ()
    (row, *_) = arm_table(arms).rows
    assert row[:5] == ("Table 2", "table2.dice", 0, None, None)
    assert row[-4:] == (61.56, 62.99, 62.27, 60.43)


def test_printed_claim_otsu_beats_binary_in_every_fold() -> None:
    experiments = [load_experiment(FOLDER / f"table{k}.toml") for k in (2, 3)]
    binary, otsu, _ = arms_of([(one, dict.fromkeys(one.runs, ())) for one in experiments])
    found = compare_printed(otsu, binary, 2)
    assert found is not None
    assert found.mean == pytest.approx(4.3, abs=0.05)
    assert found.a_higher == 10


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


def test_equal_arms_do_not_differ() -> None:
    found = paired_difference([1.0, 2.0], [1.0, 2.0], test_share=0.1)
    assert found is not None
    assert (found.corrected_p, found.wilcoxon_p) == (1.0, 1.0)
