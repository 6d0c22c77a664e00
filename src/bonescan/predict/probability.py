"""From a scan to what a network sees in its views: metastasis, and bones if it knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bonescan.config import FINDINGS
from bonescan.predict.engine import Engine
from bonescan.preprocess import prepare_canvas, restore
from bonescan.scan import Canvas, Scan, View, ViewName

#: Grey values above this weigh no more in the doubt about bones, lest a bladder rule it.
DOUBT_CEILING = np.float32(32)


@dataclass(frozen=True)
class Prediction:
    """What a network says of a scan, in the geometry of `View.counts`.

    Attributes
    ----------
    canvas : Canvas
        The picture that it saw.
    metastasis : mapping of view name to (H, W) float32
        Probability of metastasis in [0, 1].
    regions : mapping of view name to (H, W) uint8
        The most probable bone: 0 none, 1-12 as `bonescan.scan.REGIONS`, 13 other bones. Empty where
        the model names no bones.
    benign, outside : mapping of view name to (H, W) float32
        Probability of benign uptake in bone, and of tracer outside bone, in [0, 1]. Empty where the
        model does not tell them apart.
    doubt : float or None
        Mean over the canvas, weighted by its grey values up to `DOUBT_CEILING`, of 1 minus the
        highest probability of any bone or none; None where the model names no bones.
    """

    canvas: Canvas
    metastasis: dict[ViewName, NDArray[np.float32]]
    regions: dict[ViewName, NDArray[np.uint8]] = field(default_factory=dict)
    benign: dict[ViewName, NDArray[np.float32]] = field(default_factory=dict)
    outside: dict[ViewName, NDArray[np.float32]] = field(default_factory=dict)
    doubt: float | None = None


def predict_scan(scan: Scan, engine: Engine) -> Prediction:
    """Run a network on a scan.

    Raises
    ------
    BadInput
        If the scan has no view, or the package does not run.
    """
    card = engine.package.card
    canvas = prepare_canvas(scan, card.canvas)
    classes = engine.probabilities(canvas.grey[None])[0]
    regions: dict[ViewName, NDArray[np.uint8]] = {}
    doubt: float | None = None
    if card.bone_channels is not None:
        bones = classes[card.bone_channels].argmax(axis=0).astype(np.uint8)
        unsure = 1 - classes[card.bone_channels].max(axis=0)
        lit = np.minimum(canvas.grey, DOUBT_CEILING)
        doubt = float((unsure * lit).sum() / max(float(lit.sum()), 1.0))
        regions = {view.name: _view_regions(canvas, bones, view) for view in scan.views}
    benign: dict[ViewName, NDArray[np.float32]] = {}
    outside: dict[ViewName, NDArray[np.float32]] = {}
    if card.finding_channels is not None:
        findings = classes[card.finding_channels]
        benign = _in_views(scan, canvas, findings[FINDINGS.index("benign bone")])
        outside = _in_views(scan, canvas, findings[FINDINGS.index("tracer outside bone")])
    metastasis = _in_views(scan, canvas, classes[card.metastasis_channel])
    return Prediction(canvas, metastasis, regions, benign, outside, doubt)


def _in_views(
    scan: Scan, canvas: Canvas, on_canvas: NDArray[np.float32]
) -> dict[ViewName, NDArray[np.float32]]:
    return {view.name: view_probability(canvas, on_canvas, view) for view in scan.views}


def _view_regions(canvas: Canvas, bones: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Bring region numbers (H, W) on the canvas back to a view; 0 where nothing was read."""
    if not _is_placed(canvas, view):
        return np.zeros(view.counts.shape, np.uint8)
    return restore(canvas, bones, view.name).astype(np.uint8)


def _is_placed(canvas: Canvas, view: View) -> bool:
    placed = any(placement.view == view.name for placement in canvas.placements)
    return placed and bool(view.counts.any())


def view_probability(
    canvas: Canvas, on_canvas: NDArray[np.float32], view: View
) -> NDArray[np.float32]:
    """Bring probabilities (H, W) on the canvas back to a view; 0 where nothing was read.

    An empty view (no counts at all) has no probability anywhere.
    """
    if not _is_placed(canvas, view):
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
