"""Lesions: connected patches of metastasis, their measures and their outlines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from bonescan.config import LesionRule
from bonescan.quantify.position import Body, outline_body, side_of
from bonescan.scan import Lesion, View

#: Pixels that touch at an edge or a corner belong together.
EIGHT_CONNECTED = np.ones((3, 3), bool)
#: Share of a lesion's pixels, the most probable ones, whose mean is the lesion's probability.
PROBABILITY_SHARE = 0.1
#: An 8-bit mask holds no more lesions than this; the least probable ones are left out.
MOST_LESIONS = 255

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FoundLesions:
    """Lesions of one view.

    Attributes
    ----------
    mask : (H, W) uint8
        0 none, k the k-th lesion.
    lesions : tuple of Lesion
        In the mask's order.
    left_out : int
        Patches above the threshold that were too many for the mask.
    body_share : float
        Share of the body's pixels that lesions take.
    """

    mask: NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    left_out: int = 0
    body_share: float = 0.0


def label_components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the 8-connected components of a mask.

    Parameters
    ----------
    mask : (H, W) bool

    Returns
    -------
    labels : (H, W) int32
        0 outside, 1 to ``count`` in row-major order of each component's first pixel.
    count : int
    """
    labels, count = ndimage.label(mask, EIGHT_CONNECTED, output=np.int32)
    return labels, int(count)


def threshold_components(
    probability: NDArray[np.floating[Any]], rule: LesionRule, min_pixels: float
) -> NDArray[np.int32]:
    """Cut a probability picture into components by threshold, hysteresis and minimal size.

    Parameters
    ----------
    probability : (H, W) float
        In [0, 1].
    rule : LesionRule
        Its ``threshold`` and ``grow``.
    min_pixels : float
        Components with fewer pixels are left out.

    Returns
    -------
    (H, W) int32
        0 outside; the components are numbered from 1, top to bottom by their first pixel.
    """
    grow = rule.threshold if rule.grow is None else rule.grow
    labels, count = label_components(probability >= grow)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    seeded = np.zeros(count + 1, bool)
    seeded[np.unique(labels[probability >= rule.threshold])] = True
    kept = seeded & (sizes >= min_pixels)
    kept[0] = False
    return _renumber(labels, kept)


def smallest_lesion(view: View, rule: LesionRule) -> float:
    """Return the minimal size of a lesion in a view's pixels."""
    if view.pixel_area_mm2 is None:
        return float(rule.min_area_pixels)
    return rule.min_area_mm2 / view.pixel_area_mm2


def lesion_probability(values: NDArray[np.floating[Any]]) -> float:
    """Return the mean of the most probable tenth of a lesion's pixels (at least one pixel)."""
    count = max(1, round(PROBABILITY_SHARE * values.size))
    return float(np.partition(values, values.size - count)[-count:].mean())


def find_lesions(
    view: View, probability: NDArray[np.floating[Any]], rule: LesionRule | None = None
) -> FoundLesions:
    """Find and measure the lesions of one view.

    Parameters
    ----------
    view : View
        Counts (H, W), spacing and orientation.
    probability : (H, W) float
        Probability of metastasis in the view's geometry, 0 where the view was not read.
    rule : LesionRule, optional
        Threshold, hysteresis and minimal size; the defaults without it.

    Returns
    -------
    FoundLesions
        Lesions numbered from top to bottom by their highest pixel, from the picture's left where
        two start in the same row. A view without counts has none, whatever the probability says.

    Raises
    ------
    ValueError
        If ``probability`` has another shape than the view.
    """
    rule = rule or LesionRule()
    if probability.shape != view.counts.shape:
        raise ValueError(f"probability is {probability.shape}, the view {view.counts.shape}")
    if not view.counts.any():
        return FoundLesions(np.zeros(view.counts.shape, np.uint8), ())
    labels = threshold_components(probability, rule, smallest_lesion(view, rule))
    labels, left_out = _most_probable(labels, probability)
    return replace(measure_lesions(view, labels, probability), left_out=left_out)


def measure_lesions(
    view: View, labels: NDArray[np.integer[Any]], probability: NDArray[np.floating[Any]]
) -> FoundLesions:
    """Measure lesions that are already outlined, by a model or by a reader.

    Parameters
    ----------
    view : View
    labels : (H, W) int
        0 none, k the k-th lesion; every number from 1 to the highest (255 at most) occurs.
    probability : (H, W) float
    """
    boxes = ndimage.find_objects(labels)
    if not boxes:
        return FoundLesions(np.zeros(view.counts.shape, np.uint8), ())
    body = outline_body(view.counts)
    lesions = tuple(
        _measure(view, body, probability, labels, number, box)
        for number, box in enumerate(boxes, start=1)
    )
    pixels = int(body.mask.sum())
    share = np.count_nonzero(labels) / pixels if pixels else 0.0
    return FoundLesions(labels.astype(np.uint8), lesions, body_share=share)


def trace_outline(patch: NDArray[np.bool_], top: int = 0, left: int = 0) -> tuple[Outline, ...]:
    """Trace the borders of a patch.

    Parameters
    ----------
    patch : (h, w) bool
        The patch, or the box about it.
    top, left : int
        Where the box lies in the view.

    Returns
    -------
    tuple of polygons
        Closed (row, column) polygons, first point repeated at the end, holes included (even-odd
        rule). (0, 0) is the top-left corner of the view's top-left pixel, so that the centre of
        pixel (r, c) is (r + 0.5, c + 0.5); a polygon passes half-way between the centres of pixels
        inside and outside.
    """
    padded = np.pad(patch, 1).astype(np.float32)
    shift = np.array([top - 0.5, left - 0.5])
    contours = find_contours(padded, 0.5, fully_connected="high")
    corners = (approximate_polygon(contour, 0.0) for contour in contours)
    return tuple(
        tuple((float(row), float(column)) for row, column in contour + shift) for contour in corners
    )


def _measure(
    view: View,
    body: Body,
    probability: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    number: int,
    box: tuple[slice, slice],
) -> Lesion:
    patch = labels[box] == number
    top, left = int(box[0].start), int(box[1].start)
    inside_rows, inside_columns = np.nonzero(patch)
    rows, columns = inside_rows + top, inside_columns + left
    counts = view.counts[rows, columns]
    mean = float(counts.mean())
    area = view.pixel_area_mm2
    return Lesion(
        view=view.name,
        number=number,
        side=side_of(view, body.midline, rows, columns),
        region=body.level(float(rows.mean())),
        box=(top, left, int(box[0].stop), int(box[1].stop)),
        centroid=(float(rows.mean()) + 0.5, float(columns.mean()) + 0.5),
        area_pixels=int(rows.size),
        area_mm2=None if area is None else float(rows.size * area),
        max_counts=float(counts.max()),
        mean_counts=mean,
        uptake_ratio=mean / body.median_counts if body.median_counts > 0 else 0.0,
        probability=lesion_probability(probability[rows, columns]),
        outline=trace_outline(patch, top, left),
    )


def _most_probable(
    labels: NDArray[np.int32], probability: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.int32], int]:
    """Keep as many components as an 8-bit mask can number, the most probable ones."""
    count = int(labels.max(initial=0))
    if count <= MOST_LESIONS:
        return labels, 0
    highest = ndimage.maximum(probability, labels, np.arange(1, count + 1))
    kept = np.zeros(count + 1, bool)
    kept[1 + np.argsort(-highest, kind="stable")[:MOST_LESIONS]] = True
    return _renumber(labels, kept), count - MOST_LESIONS


def keep_labels(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep the components whose place in ``kept`` (n,) is True, and number them anew."""
    return _renumber(labels, np.concatenate([[False], kept]))


def _renumber(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep the components marked in ``kept`` (index = old number) and close the gaps."""
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    renumbered: NDArray[np.int32] = numbers[labels]
    return renumbered
