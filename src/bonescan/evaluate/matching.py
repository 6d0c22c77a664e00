"""Lesion by lesion: which true lesions are hit, which marks are false.

A lesion is an 8-connected component of a mask in one view; one that shows in both views counts in
each of them. Marks and lesions are compared by overlap, so that one mark over two lesions hits
both, and two marks on one lesion are both right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.config import Frozen
from bonescan.quantify.lesions import label_components

#: Share of the smaller of mark and lesion that has to overlap.
OVERLAP_SHARE = 0.1
#: Share of a mark that has to lie on lesions.
PURITY = 0.1

Box = tuple[int, int, int, int]


class MatchRule(Frozen):
    """When a mark and a true lesion belong together.

    ``overlap``: the pixels they share are at least ``share`` of the smaller one (a share of 0 asks
    for one pixel). ``iou``: their intersection over union is at least ``share``. ``centroid``: the
    mark's centroid lies on the lesion, or the lesion's on the mark.

    Under each of them a mark of which less than ``purity`` lies on lesions is false and hits
    nothing: else one mark over the whole body would hit every lesion without a false mark.
    """

    kind: Literal["overlap", "iou", "centroid"] = "overlap"
    share: float = OVERLAP_SHARE
    purity: float = PURITY

    def __str__(self) -> str:
        pair = f"they share at least {self.share:.0%} of the smaller of the two"
        if self.kind == "centroid":
            pair = "the centroid of the one lies on the other"
        elif self.kind == "iou":
            pair = f"their intersection over union is at least {self.share:g}"
        return (
            f"A mark belongs to a lesion if {pair}; a mark of which less than {self.purity:.0%} "
            "lies on lesions is false and hits nothing."
        )


@dataclass(frozen=True)
class Matching:
    """Marks and true lesions of one view, or of several together.

    Attributes
    ----------
    hit : (L,) bool
        For each true lesion, in the order of its numbers, whether a mark belongs to it.
    right : (M,) bool
        For each mark, in the order of its numbers, whether it belongs to a true lesion.
    """

    hit: NDArray[np.bool_]
    right: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Matching:
        """Return the matching of nothing with nothing."""
        return cls(np.zeros(0, bool), np.zeros(0, bool))

    @property
    def lesions(self) -> int:
        """Number of true lesions."""
        return len(self.hit)

    @property
    def hits(self) -> int:
        """Number of true lesions that were hit."""
        return int(self.hit.sum())

    @property
    def marks(self) -> int:
        """Number of marks."""
        return len(self.right)

    @property
    def false_marks(self) -> int:
        """Number of marks that belong to no true lesion."""
        return int((~self.right).sum())

    def __add__(self, other: Matching) -> Matching:
        return Matching(
            np.concatenate([self.hit, other.hit]), np.concatenate([self.right, other.right])
        )


def match_labels(
    marks: NDArray[np.integer[Any]],
    lesions: NDArray[np.integer[Any]],
    rule: MatchRule | None = None,
) -> Matching:
    """Match numbered marks with numbered true lesions.

    Parameters
    ----------
    marks, lesions : (H, W) int
        0 none, k the k-th; the numbers run from 1 without gaps.
    rule : MatchRule, optional
        The defaults without it.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    pairs = match_pairs(marks, lesions, rule)
    return Matching(hit=np.any(pairs, axis=0), right=np.any(pairs, axis=1))


def match_pairs(
    marks: NDArray[np.integer[Any]],
    lesions: NDArray[np.integer[Any]],
    rule: MatchRule | None = None,
) -> NDArray[np.bool_]:
    """Return which mark (row) belongs to which true lesion (column), (M, L) bool.

    Parameters, errors and rule are those of `match_labels`. A pair depends on its two alone, so
    that rows may be left out for marks that a threshold drops.
    """
    if marks.shape != lesions.shape:
        raise ValueError(f"marks of shape {marks.shape}, lesions of shape {lesions.shape}")
    rule = rule or MatchRule()
    number = int(marks.max(initial=0)), int(lesions.max(initial=0))
    pairs = _belongs(marks, lesions, number, rule)
    pairs[_purity(marks, lesions, number[0]) < rule.purity] = False
    return pairs


def match_masks(
    marked: NDArray[np.bool_], truth: NDArray[np.bool_], rule: MatchRule | None = None
) -> Matching:
    """Match the 8-connected components of two masks (H, W); see `match_labels`."""
    return match_labels(label_components(marked)[0], label_components(truth)[0], rule)


def boxes(mask: NDArray[np.bool_]) -> tuple[Box, ...]:
    """Return the box of each component as (top, left, bottom, right), the last two exclusive."""
    found = ndimage.find_objects(label_components(mask)[0])
    return tuple((r.start, c.start, r.stop, c.stop) for r, c in found)


def _belongs(
    marks: NDArray[np.integer[Any]],
    lesions: NDArray[np.integer[Any]],
    number: tuple[int, int],
    rule: MatchRule,
) -> NDArray[np.bool_]:
    """Return which mark (row) belongs to which lesion (column), (M, L) bool."""
    if 0 in number:
        return np.zeros(number, bool)
    if rule.kind == "centroid":
        return _centroids_meet(marks, lesions, number)
    shared = _shared_pixels(marks, lesions, number)
    mark_sizes = np.bincount(marks.ravel(), minlength=number[0] + 1)[1:, None]
    lesion_sizes = np.bincount(lesions.ravel(), minlength=number[1] + 1)[None, 1:]
    if rule.kind == "iou":
        share = shared / (mark_sizes + lesion_sizes - shared)
    else:
        share = shared / np.minimum(mark_sizes, lesion_sizes)
    belongs: NDArray[np.bool_] = (shared > 0) & (share >= rule.share)
    return belongs


def _purity(
    marks: NDArray[np.integer[Any]], lesions: NDArray[np.integer[Any]], number: int
) -> NDArray[np.float64]:
    """Return the share of each mark that lies on lesions, (M,)."""
    sizes = np.bincount(marks.ravel(), minlength=number + 1)[1:]
    covered = np.bincount(marks[lesions > 0], minlength=number + 1)[1:]
    return covered / sizes


def _shared_pixels(
    marks: NDArray[np.integer[Any]], lesions: NDArray[np.integer[Any]], number: tuple[int, int]
) -> NDArray[np.int64]:
    both = (marks > 0) & (lesions > 0)
    shared = np.zeros((number[0] + 1, number[1] + 1), np.int64)
    np.add.at(shared, (marks[both], lesions[both]), 1)
    return shared[1:, 1:]


def _centroids_meet(
    marks: NDArray[np.integer[Any]], lesions: NDArray[np.integer[Any]], number: tuple[int, int]
) -> NDArray[np.bool_]:
    meets = np.zeros((number[0] + 1, number[1] + 1), bool)
    for mark, (row, column) in enumerate(_centroids(marks, number[0]), start=1):
        meets[mark, lesions[row, column]] = True
    for lesion, (row, column) in enumerate(_centroids(lesions, number[1]), start=1):
        meets[marks[row, column], lesion] = True
    return meets[1:, 1:]


def _centroids(labels: NDArray[np.integer[Any]], number: int) -> list[tuple[int, int]]:
    """Return the pixel that holds each component's centroid."""
    found = ndimage.center_of_mass(labels > 0, labels, range(1, number + 1))
    return [(round(row), round(column)) for row, column in found]
