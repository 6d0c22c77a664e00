"""From a scan to the probability of metastasis in each of its views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bonescan.predict.engine import Engine
from bonescan.preprocess import prepare_canvas, restore
from bonescan.scan import Canvas, Scan, View, ViewName


def metastasis_probability(
    scan: Scan, engine: Engine
) -> tuple[Canvas, dict[ViewName, NDArray[np.float32]]]:
    """Return the canvas of a scan, and the probability of metastasis (H, W) in each view."""
    canvas = prepare_canvas(scan, engine.package.card.canvas)
    on_canvas = engine.metastasis(canvas.grey[None])[0]
    return canvas, {view.name: view_probability(canvas, on_canvas, view) for view in scan.views}


def view_probability(
    canvas: Canvas, on_canvas: NDArray[np.float32], view: View
) -> NDArray[np.float32]:
    """Bring probabilities (H, W) on the canvas back to a view; 0 where nothing was read.

    An empty view (no counts at all) has no probability anywhere.
    """
    placed = any(placement.view == view.name for placement in canvas.placements)
    if not placed or not view.counts.any():
        return np.zeros(view.counts.shape, np.float32)
    restored = restore(canvas, on_canvas, view.name, order=1)
    clipped: NDArray[np.float32] = np.clip(restored, 0, 1).astype(np.float32)
    return clipped


def read_rows(canvas: Canvas, view: View) -> tuple[int, int] | None:
    """Return the rows [first, end) of a view that lie on the canvas; None if all of them do."""
    placement = next((item for item in canvas.placements if item.view == view.name), None)
    if placement is None:
        return 0, 0
    height = placement.source_shape[0]
    scale = height / placement.scaled_shape[0]
    first = round(placement.source_top * scale)
    end = round((placement.source_top + placement.rows) * scale)
    return None if (first, end) == (0, height) else (first, end)
