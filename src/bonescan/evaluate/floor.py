"""The classical hot-spot detector on the folds of an experiment: the floor that networks must beat.

It reads what the folds kept of the canvas, so that nothing is trained and no cohort is needed. What
it has to choose, a top-hat and the multiple of the body's median counts, it chooses on each fold's
validation patients, as a network's checkpoint is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.config import CanvasSettings
from bonescan.evaluate.hotspot import HotSpotSettings, hot_spot_score
from bonescan.measures.pixels import best_threshold
from bonescan.scan import VIEW_NAMES, Crop, View
from bonescan.train.predictions import STEPS, Predictions

#: Radii of the disc whose opening is taken off: wider than a vertebra, or none.
TOP_HATS_MM = (None, 30.0)


def detect(predictions: Predictions, canvas: CanvasSettings) -> Predictions:
    """Return the same cases with the detector's scores and marks in place of the network's."""
    validation = np.array([part == "validation" for part in predictions.parts])
    truth = predictions.metastasis[validation]
    best = None
    for top_hat in TOP_HATS_MM:
        pixel_mm = HotSpotSettings().pixel_mm * canvas.reduce
        settings = HotSpotSettings(top_hat_mm=top_hat, pixel_mm=pixel_mm)
        scores = np.stack([_scores(predictions, case, settings) for case in range(len(validation))])
        threshold, counts = best_threshold(scores[validation], truth)
        if best is None or (counts.f1 or 0.0) > best[0]:
            best = (counts.f1 or 0.0, threshold, scores)
    assert best is not None
    _, threshold, scores = best
    return replace(predictions, probability=scores, marked=scores >= threshold)


def _scores(predictions: Predictions, case: int, settings: HotSpotSettings) -> NDArray[np.uint8]:
    """Return a canvas (H, W) of scores in steps of 1 / 255, each view by its own body."""
    area = float(predictions.pixel_area_mm2[case])
    side = None if np.isnan(area) else float(np.sqrt(area))
    halves = np.split(predictions.grey[case].astype(np.float32), 2, axis=1)
    views: Sequence[View] = [
        View(
            name=name,
            counts=half,
            pixel_spacing_mm=None if side is None else (side, side),
            source=Path(predictions.studies[case]),
            crop=Crop.whole((half.shape[0], half.shape[1])),
        )
        for name, half in zip(VIEW_NAMES, halves, strict=True)
    ]
    score = np.concatenate([hot_spot_score(view, settings) for view in views], axis=1)
    steps: NDArray[np.uint8] = np.rint(score * STEPS).astype(np.uint8)
    return steps
