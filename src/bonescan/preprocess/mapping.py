"""The way between a view and its canvas, both directions, from the placements alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bonescan.scan import Canvas, Placement, ViewName

#: Share of a canvas pixel that a mask must cover where the canvas is coarser than the view.
MASK_SHARE = 0.5


def restore(
    canvas: Canvas, picture: NDArray[Any], view: ViewName, *, order: Literal[0, 1] = 0
) -> NDArray[Any]:
    """Map a canvas picture back to the geometry of a view.

    Parameters
    ----------
    canvas : Canvas
        The canvas that the picture belongs to.
    picture : (H, W) array
        Of the shape of ``canvas.grey``: labels, a mask, probabilities or grey values.
    view : {"anterior", "posterior"}
        A view that the canvas holds.
    order : {0, 1}
        0 takes the nearest pixel and keeps the dtype (masks, labels); 1 interpolates linearly
        within the view's own part and returns float32 (probabilities).

    Returns
    -------
    (h, w) array
        In the shape of `View.counts`; 0 where the view was not put on the canvas. With the
        paper's preset and ``reduce=1`` this is the exact inverse, for either order.
    """
    placement = placement_of(canvas, view)
    if picture.shape != canvas.grey.shape:
        raise ValueError(f"picture is {picture.shape}, the canvas {canvas.grey.shape}")
    rows, columns = (_to_canvas(run, canvas.reduce) for run in _runs(placement))
    inside = np.ix_(rows.inside, columns.inside)
    out = np.zeros(placement.source_shape, picture.dtype if order == 0 else np.float32)
    if order == 0:
        out[inside] = picture[np.ix_(rows.nearest, columns.nearest)]
        return out
    low, high = picture[rows.below].astype(np.float32), picture[rows.above].astype(np.float32)
    lines = low + (high - low) * rows.share[:, None]
    left, right = lines[:, columns.below], lines[:, columns.above]
    out[inside] = left + (right - left) * columns.share[None, :]
    return out


def kept(canvas: Canvas, view: ViewName) -> NDArray[np.bool_]:
    """Return the (h, w) mask of the view's pixels that are on the canvas."""
    return restore(canvas, np.ones(canvas.grey.shape, np.bool_), view)


def place_mask(canvas: Canvas, masks: Mapping[ViewName, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Put masks of views on the canvas.

    Parameters
    ----------
    canvas : Canvas
        Where to.
    masks : mapping of view name to (h, w) bool
        In the geometry of `View.counts`; views that the canvas lacks are an error.

    Returns
    -------
    (H, W) bool
        A pixel is set where the mask covers at least half of it.
    """
    share = np.zeros(_full_shape(canvas), np.float32)
    for name, mask in masks.items():
        placement = placement_of(canvas, name)
        share[_target(placement)] = _source(placement, mask.astype(np.float32))
    return np.asarray(block_mean(share, canvas.reduce) >= MASK_SHARE)


def place_labels(canvas: Canvas, labels: Mapping[ViewName, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put label pictures of views on the canvas: (H, W) uint8, the label nearest to each centre."""
    out = np.zeros(canvas.grey.shape, np.uint8)
    for name, label in labels.items():
        placement = placement_of(canvas, name)
        rows, columns = (_to_view(run, canvas.reduce) for run in _runs(placement))
        out[np.ix_(rows[0], columns[0])] = label[np.ix_(rows[1], columns[1])]
    return out


def place_point(
    placement: Placement, reduce: int, row: float, column: float
) -> tuple[int, int] | None:
    """Return the canvas pixel (row, column) of a point of a view; None where it was cut off.

    Parameters
    ----------
    placement : Placement
        Of the view.
    reduce : int
        Reduction of the canvas.
    row, column : float
        In pixels of the view, the centre of the first one at 0.
    """
    found = []
    for run, at in zip(_runs(placement), (row, column), strict=True):
        place = (at + 0.5) * (run.scaled / run.length) - run.start
        if not 0 <= place < run.count:
            return None
        found.append(int((place + run.target) // reduce))
    return found[0], found[1]


def placement_of(canvas: Canvas, view: ViewName) -> Placement:
    """Return where a view lies on the canvas; KeyError where it does not."""
    for placement in canvas.placements:
        if placement.view == view:
            return placement
    raise KeyError(f"the canvas has no {view} view")


def block_mean(picture: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Average (H, W) over blocks of ``size`` x ``size``; H and W are multiples of it."""
    if size == 1:
        return picture
    height, width = picture.shape
    blocks = picture.reshape(height // size, size, width // size, size)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def resize(picture: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resample (h, w) to ``shape`` linearly; a smaller picture averages what each pixel covers."""
    if picture.shape == shape:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture, np.float32))
    return np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR), np.float32)


# --- one axis -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A `Placement` along one axis: ``length`` view pixels, ``scaled`` of them at canvas size.

    Of these, ``count`` from ``start`` on lie on the canvas from ``target`` on.
    """

    length: int
    scaled: int
    start: int
    count: int
    target: int


@dataclass(frozen=True)
class _Axis:
    """Canvas pixels that belong to the view pixels ``inside`` along one axis.

    ``nearest`` for order 0; ``below``, ``above`` and the ``share`` of the latter for order 1.
    """

    inside: NDArray[np.intp]
    nearest: NDArray[np.intp]
    below: NDArray[np.intp]
    above: NDArray[np.intp]
    share: NDArray[np.float32]


def _runs(placement: Placement) -> tuple[_Run, _Run]:
    """Rows and columns of a placement."""
    (height, width), (tall, wide) = placement.source_shape, placement.scaled_shape
    return (
        _Run(height, tall, placement.source_top, placement.rows, placement.canvas_top),
        _Run(width, wide, placement.source_left, placement.columns, placement.canvas_left),
    )


def _to_canvas(run: _Run, reduce: int) -> _Axis:
    """Follow view pixel centres through scaling, cutting out, placing and reduction."""
    centres = (np.arange(run.length) + 0.5) * (run.scaled / run.length) - run.start
    inside = np.flatnonzero((centres >= 0) & (centres < run.count))
    placed = (centres[inside] + run.target) / reduce
    first, last = run.target // reduce, max(run.target + run.count - 1, run.target) // reduce
    nearest = np.clip(np.floor(placed).astype(np.intp), first, last)
    below = np.floor(placed - 0.5).astype(np.intp)
    share = (placed - 0.5 - below).astype(np.float32)
    return _Axis(
        inside, nearest, np.clip(below, first, last), np.clip(below + 1, first, last), share
    )


def _to_view(run: _Run, reduce: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Canvas pixels whose centre lies in the view, and the view pixel at each centre."""
    pixels = np.arange(run.target // reduce, (run.target + run.count - 1) // reduce + 1)
    centres = (pixels + 0.5) * reduce - run.target
    on_view = (centres >= 0) & (centres < run.count)
    source = np.floor((centres[on_view] + run.start) * (run.length / run.scaled)).astype(np.intp)
    return pixels[on_view], np.clip(source, 0, run.length - 1)


def _full_shape(canvas: Canvas) -> tuple[int, int]:
    height, width = canvas.grey.shape
    return height * canvas.reduce, width * canvas.reduce


def _target(placement: Placement) -> tuple[slice, slice]:
    """Where a view lies on the canvas before its reduction."""
    top, left = placement.canvas_top, placement.canvas_left
    return slice(top, top + placement.rows), slice(left, left + placement.columns)


def _source(placement: Placement, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the kept part out of a view picture, at the canvas' pixel size."""
    if picture.shape != placement.source_shape:
        raise ValueError(f"picture is {picture.shape}, the view {placement.source_shape}")
    top, left = placement.source_top, placement.source_left
    scaled = resize(picture, placement.scaled_shape)
    return scaled[top : top + placement.rows, left : left + placement.columns]
