"""The threshold that a model package marks from, chosen on a run's validation patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bonescan.config import LesionRule
from bonescan.evaluate.sweep import THRESHOLDS, ScoredView, Sweep, choose_threshold, sweep_study
from bonescan.package import Threshold
from bonescan.scan import VIEW_NAMES, Crop, View
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import STEPS, Predictions

#: False marks a patient that are accepted for the sake of sensitivity.
MOST_FALSE = 1.0
#: Difference in lesion F1 that does not matter.
NEAR_BEST = 0.01
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
        For `bonescan.train.export.export_run`. Of equally sensitive thresholds the highest; where
        none keeps within ``most_false``, `best_lesion_f1`.

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
    within = bool((sweep.false_marks.mean(axis=0) <= most_false).any())
    at = choose_threshold(sweep, most_false) if within else best_lesion_f1(sweep)
    data = folder.read_starts()[-1]["description"]
    sensitivity = sweep.sensitivity(at) or 0.0
    return Threshold(
        value=float(sweep.thresholds[at]),
        rule=(
            f"{_RULES[within].format(most_false)} "
            f"({100 * sensitivity:.0f} % at {sweep.false_per_study(at) or 0.0:.2f} there)"
        ),
        chosen_on=f"{summary['validation']} validation patients, {data}",
    )


#: What a card says of its threshold, by whether any kept within the false marks allowed.
_RULES = {
    True: "highest lesion sensitivity at {:g} false marks a patient or fewer",
    False: "highest with a lesion F1 near the best, as none kept within {:g} false marks a patient",
}


def best_lesion_f1(sweep: Sweep) -> int:
    """Return the highest threshold's position whose lesion F1 is within `NEAR_BEST` of the best.

    Hits, misses and false marks are pooled over the patients. The curve is flat near its top, and
    there fewer false marks are worth more than the last lesion.
    """
    hits, lesions = sweep.hits.sum(axis=0), sweep.lesions.sum()
    false_marks = sweep.false_marks.sum(axis=0)
    f1 = 2 * hits / np.maximum(hits + lesions + false_marks, 1)
    return int(np.flatnonzero(f1 >= f1.max() - NEAR_BEST)[-1])


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
