"""A reader's marks in place of a model's: from drawn labels to lesions, and what is odd in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from bonescan.config import LesionRule
from bonescan.errors import BadInput
from bonescan.quantify.lesions import (
    MOST_LESIONS,
    FoundLesions,
    measure_lesions,
    smallest_lesion,
)
from bonescan.quantify.position import outline_body
from bonescan.scan import Flag, Marks, MarkSource, Scan, View, ViewName

#: A mark with less than this share of its pixels on the body is doubted.
LEAST_ON_BODY = 0.5


def number_marks(labels: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Number what a reader drew as lesions are numbered.

    Parameters
    ----------
    labels : (H, W) int
        0 none, any other number a mark.

    Returns
    -------
    (H, W) int32
        0 none, k the k-th 8-connected patch of one number, from top to bottom by its first pixel:
        patches that touch stay apart where their numbers differ.
    """
    patches = label(labels, background=0, connectivity=2)
    numbers, first = np.unique(patches, return_index=True)
    order = np.zeros(int(patches.max(initial=0)) + 1, np.int32)
    inside = numbers > 0
    order[numbers[inside][np.argsort(first[inside])]] = np.arange(1, inside.sum() + 1)
    numbered: NDArray[np.int32] = order[patches]
    return numbered


def measure_marks(view: View, marks: Marks, probability: NDArray[np.floating[Any]]) -> FoundLesions:
    """Measure a reader's marks in one view.

    Parameters
    ----------
    view : View
    marks : Marks
        With labels for this view; `number_marks` tells what of them is a lesion. None is too small.
    probability : (H, W) float
        The model's, which each lesion's probability is taken from.

    Raises
    ------
    BadInput
        If there are more lesions than an 8-bit mask numbers.
    """
    numbered = number_marks(marks.labels[view.name])
    count = int(numbered.max(initial=0))
    if count > MOST_LESIONS:
        file = next(source.name for source in marks.sources if view.name in source.views)
        raise BadInput(
            f"{file}: marks {count} separate lesions in the {view.name} view, above the "
            f"{MOST_LESIONS} that a mask numbers; join them, or remove what a soft brush has left"
        )
    return measure_lesions(view, numbered, probability)


def mark_flags(
    scan: Scan, marks: Marks, found: Mapping[ViewName, FoundLesions], rule: LesionRule
) -> list[Flag]:
    """Say whose marks were read, and what is odd in them.

    Parameters
    ----------
    scan : Scan
    marks : Marks
        Of its views, or of one of them.
    found : mapping from view name to FoundLesions
        The lesions that they became.
    rule : LesionRule
        The model's, for the size below which it marks nothing.
    """
    flags = [Flag("reader-marks", f"{said_source(source)}.", "info") for source in marks.sources]
    rest = [view.name for view in scan.views if view.name not in marks.labels]
    if rest:
        told = " and ".join(marks.labels)
        flags.append(
            Flag(
                "marks-one-view",
                f"The reader's files tell of the {told} view alone: the marks of the {rest[0]} "
                "view are the model's.",
            )
        )
    for view in scan.views:
        if view.name in marks.labels:
            flags += _doubts(view, found[view.name], rule)
    return [*flags, *marks.flags]


def said_source(source: MarkSource) -> str:
    """Say where marks come from, with the start of the digest that the provenance has whole."""
    views = " and ".join(source.views)
    noun = "view" if len(source.views) == 1 else "views"
    return (
        f"Marks of a reader from {source.name} (SHA-256 {source.short_digest}) in the {views} "
        f"{noun}; probabilities and regions are the model's"
    )


def _doubts(view: View, found: FoundLesions, rule: LesionRule) -> list[Flag]:
    """Doubt crumbs, and marks beside the body."""
    flags = []
    least = smallest_lesion(view, rule)
    small = [lesion.number for lesion in found.lesions if lesion.area_pixels < least]
    if small:
        flags.append(
            Flag(
                "marks-small",
                f"Smaller than anything the model marks ({least:.0f} pixels), in the {view.name} "
                f"view: {_listed(small)}. They count; erasers and soft brushes leave crumbs.",
            )
        )
    off = _off_body(view, found)
    if off:
        flags.append(
            Flag(
                "marks-off-body",
                f"Mostly beside the body, in the {view.name} view: {_listed(off)}. "
                "Do the marks belong to this scan?",
            )
        )
    return flags


def _off_body(view: View, found: FoundLesions) -> list[int]:
    if not found.lesions:
        return []
    body = outline_body(view.counts).mask
    sizes = np.bincount(found.mask.ravel())
    on_body = np.bincount(found.mask[body], minlength=len(sizes))
    return [k for k in range(1, len(sizes)) if on_body[k] < LEAST_ON_BODY * sizes[k]]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)
