"""Marks and lesions of a canvas, each of its halves a view by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LesionRule
from bonescan.evaluate.matching import Matching, match_labels
from bonescan.quantify.lesions import label_components, threshold_components


def smallest_mark(pixel_area_mm2: float, reduce: int, rule: LesionRule | None = None) -> float:
    """Return the smallest number of canvas pixels that counts as a mark."""
    rule = rule or LesionRule()
    if np.isnan(pixel_area_mm2):
        return rule.min_area_pixels / reduce**2
    return rule.min_area_mm2 / pixel_area_mm2


def match_halves(marked: NDArray[np.bool_], truth: NDArray[np.bool_], smallest: float) -> Matching:
    """Match marks and lesions of both views of a canvas (H, W), each view for itself."""
    found = Matching.none()
    for half in halves_of(marked, truth, smallest):
        found += half.matching
    return found


class Half(NamedTuple):
    """One view's columns of a canvas, with its numbered marks and lesions (H, W / 2) int32."""

    columns: slice
    marks: NDArray[np.int32]
    lesions: NDArray[np.int32]
    matching: Matching


def halves_of(
    marked: NDArray[np.bool_], truth: NDArray[np.bool_], smallest: float
) -> Iterator[Half]:
    """Yield the anterior and the posterior half of a canvas; smaller marks are left out."""
    middle = marked.shape[1] // 2
    for columns in (slice(0, middle), slice(middle, 2 * middle)):
        marks = threshold_components(marked[:, columns].astype(np.float32), LesionRule(), smallest)
        lesions, _ = label_components(truth[:, columns])
        yield Half(columns, marks, lesions, match_labels(marks, lesions))
