"""Which lesions are hit and which marks are false, on masks drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from bonescan.evaluate.matching import MatchRule, boxes, match_masks


def _mask(*squares: tuple[int, int, int]) -> np.ndarray:
    """Return a 40 x 40 mask with squares (top, left, size)."""
    mask = np.zeros((40, 40), bool)
    for top, left, size in squares:
        mask[top : top + size, left : left + size] = True
    return mask


def test_hits_misses_and_false_marks() -> None:
    truth = _mask((0, 0, 4), (20, 20, 4))
    marked = _mask((2, 2, 4), (30, 0, 3))
    found = match_masks(marked, truth)
    assert (found.lesions, found.hits, found.marks, found.false_marks) == (2, 1, 2, 1)
    assert found.hit.tolist() == [True, False]
    assert found.right.tolist() == [True, False]


def test_one_mark_over_two_lesions_and_two_marks_on_one() -> None:
    pair, cover = _mask((5, 5, 3), (5, 12, 3)), _mask((2, 2, 13))
    assert match_masks(cover, pair).hits == 2
    assert match_masks(pair, cover).false_marks == 0


@pytest.mark.parametrize(
    ("rule", "hits"),
    [
        (MatchRule(), 0),  # 1 of 16 pixels shared
        (MatchRule(share=0.05, purity=0), 1),
        (MatchRule(share=0, purity=0), 1),
        (MatchRule(kind="iou", share=0.05), 0),  # 1 of 31
        (MatchRule(kind="iou", share=0.03, purity=0), 1),
        (MatchRule(kind="centroid", purity=0), 0),
    ],
)
def test_rules_at_a_touching_corner(rule: MatchRule, hits: int) -> None:
    assert match_masks(_mask((3, 3, 4)), _mask((0, 0, 4)), rule).hits == hits


def test_a_small_mark_in_a_large_lesion() -> None:
    truth, marked = _mask((0, 0, 20)), _mask((0, 0, 3))
    assert match_masks(marked, truth).hits == 1
    assert match_masks(marked, truth, MatchRule(kind="iou", share=0.1)).hits == 0
    assert match_masks(marked, truth, MatchRule(kind="centroid")).hits == 1


def test_nothing_marked_and_nothing_there() -> None:
    nothing, something = _mask(), _mask((3, 3, 3))
    assert match_masks(nothing, nothing).lesions == 0
    assert match_masks(nothing, something).hits == 0
    assert match_masks(something, nothing).false_marks == 1
    added = match_masks(nothing, something) + match_masks(something, nothing)
    assert (added.lesions, added.hits, added.false_marks) == (1, 0, 1)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        match_masks(np.zeros((3, 3), bool), np.zeros((3, 4), bool))


def test_boxes() -> None:
    assert boxes(_mask((3, 5, 2), (20, 1, 4))) == ((3, 5, 5, 7), (20, 1, 24, 5))


@pytest.mark.parametrize("kind", ["overlap", "iou", "centroid"])
def test_one_mark_over_everything_hits_nothing(kind: str) -> None:
    truth = _mask((5, 5, 3), (18, 18, 3), (30, 30, 3))
    found = match_masks(_mask((0, 0, 40)), truth, MatchRule(kind=kind, share=0))
    assert found.hits == 0
    assert found.false_marks == 1


def test_the_rule_reads_as_a_sentence() -> None:
    assert "at least 10% of the smaller of the two" in str(MatchRule())
    assert "less than 10% lies on lesions is false" in str(MatchRule())


@given(arrays.arrays(bool, (7, 7)))
def test_a_perfect_reader(truth: np.ndarray) -> None:
    found = match_masks(truth, truth)
    assert found.hits == found.lesions == found.marks
    assert found.false_marks == 0
