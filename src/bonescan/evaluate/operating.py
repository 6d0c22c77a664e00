"""The threshold that a model package marks from, chosen on a run's validation patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LesionRule
from bonescan.evaluate.sweep import THRESHOLDS, ScoredView, Sweep, sweep_study
from bonescan.package import Threshold
from bonescan.scan import VIEW_NAMES, Crop, View
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import STEPS, Predictions

#: False marks a patient that are accepted for the sake of sensitivity.
MOST_FALSE = 1.0
#: Difference in lesion F1 that does not matter.
NEAR_BEST = 0.01
#: A threshold within the false marks allowed that finds a smaller share than this of what the best
#: lesion F1 finds is not taken: few patients, all with lesions, may allow hardly any mark.
LEAST_OF_BEST = 0.5
#: Finer than the curve's: the choice is made once.
FINE = tuple(sorted({*THRESHOLDS, *(step / 50 for step in range(1, 50))}))


def lesion_threshold(run_folder: Path, *, most_false: float = MOST_FALSE) -> Threshold:
    """Choose the most sensitive threshold within a number of false marks a patient.

    Parameters
    ----------
    run_folder : Path
        A finished ``fold<k>`` folder; only its validation patients are looked at.
    most_false : float
        False marks a patient, both views together.

    Returns
    -------
    Threshold
        For `bonescan.train.export.export_run`; see `operating_point`.

    Raises
    ------
    BadInput
        If the run is not finished or not whole.
    """
    folder = RunFolder(run_folder)
    folder.require_done()
    summary = folder.read_summary()
    settings = folder.read_settings()
    validation = Predictions.load(folder.predictions).of_part("validation")
    sweep = sweep_predictions(validation, settings.canvas.reduce)
    strict_first = slice(None, None, -1)
    at, kept = operating_point(
        sweep.hits.sum(axis=0)[strict_first],
        sweep.false_marks.sum(axis=0)[strict_first],
        int(sweep.lesions.sum()),
        most_false * len(sweep.lesions),
    )
    at = len(sweep.thresholds) - 1 - at
    data = folder.read_starts()[-1]["description"]
    return Threshold(
        value=float(sweep.thresholds[at]),
        rule=threshold_rule(
            kept, most_false, sweep.sensitivity(at) or 0.0, sweep.false_per_study(at) or 0.0
        ),
        chosen_on=f"{summary['validation']} validation patients, {data}",
    )


def threshold_rule(kept: bool, most_false: float, sensitivity: float, false_marks: float) -> str:
    """Say what a threshold was chosen for and what it gave on the patients that chose it."""
    there = f"({100 * sensitivity:.0f} % at {false_marks:.2f} there)"
    return f"{_RULES[kept].format(most_false)} {there}"


#: What a card says of its threshold, by whether it keeps within the false marks allowed.
_RULES = {
    True: "highest lesion sensitivity at {:g} false marks a patient or fewer",
    False: (
        "fewest false marks with a lesion F1 near the best, as within {:g} false marks a patient "
        "too few lesions are found"
    ),
}


def operating_point(
    hits: NDArray[np.int64], false_marks: NDArray[np.int64], lesions: int, allowed: float
) -> tuple[int, bool]:
    """Choose where to stand on a curve, also on few patients, all of them with lesions.

    Parameters
    ----------
    hits, false_marks : (T,) int64
        At each threshold, from the strictest on, pooled over patients.
    lesions : int
        True lesions.
    allowed : float
        False marks, pooled, that are accepted for the sake of sensitivity.

    Returns
    -------
    int
        The most sensitive threshold within ``allowed``, the strictest of equal ones; but where
        that finds less than half (`LEAST_OF_BEST`) of what the threshold of the best lesion F1
        finds, or none keeps within ``allowed``: the threshold with the fewest false marks whose
        lesion F1 is within `NEAR_BEST` of the best.
    bool
        Whether it keeps within ``allowed``.
    """
    f1 = 2 * hits / np.maximum(hits + lesions + false_marks, 1)
    near = np.flatnonzero(f1 >= f1.max() - NEAR_BEST)
    best = int(near[np.argmin(false_marks[near])])
    within = np.flatnonzero(false_marks <= allowed)
    if within.size:
        at = int(within[np.argmax(hits[within])])
        if hits[at] >= LEAST_OF_BEST * hits[best]:
            return at, True
    return best, bool(false_marks[best] <= allowed)


def sweep_predictions(predictions: Predictions, reduce: int) -> Sweep:
    """Mark every case at every threshold, each half of the canvas as a view."""
    rows = []
    for i in range(len(predictions.studies)):
        rule = LesionRule()
        if np.isnan(predictions.pixel_area_mm2[i]):
            rule = LesionRule(min_area_pixels=max(1, round(rule.min_area_pixels / reduce**2)))
        rows.append(sweep_study(_views(predictions, i), rule, thresholds=FINE))
    return Sweep.stack(rows)


def _views(predictions: Predictions, i: int) -> list[ScoredView]:
    area = float(predictions.pixel_area_mm2[i])
    spacing = None if np.isnan(area) else (area**0.5, area**0.5)
    middle = predictions.grey.shape[2] // 2
    views = []
    for name, side in zip(VIEW_NAMES, (slice(None, middle), slice(middle, None)), strict=True):
        grey = predictions.grey[i, :, side].astype(np.float32)
        view = View(name, grey, spacing, Path(predictions.studies[i]), Crop.whole(grey.shape))
        score = predictions.probability[i, :, side].astype(np.float32) / np.float32(STEPS)
        views.append(ScoredView(view, score, predictions.metastasis[i, :, side]))
    return views
