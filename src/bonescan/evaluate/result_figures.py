"""Pictures of patients as the paper's Figures 5 to 11 show them: classes, marks and their scores.

Both are drawn from what finished folds keep of the canvas, in whole grey values.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bonescan.config import MinedMask, OtsuMask, Settings
from bonescan.evaluate.fold_plot import as_png
from bonescan.evaluate.overlays import BLACK, overlay
from bonescan.experiment import Experiment
from bonescan.masks import label_map
from bonescan.measures.pixels import PixelCounts
from bonescan.scan import BACKGROUND, METASTASIS, NON_METASTATIC
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import STEPS, Predictions

#: Colours of the classes: background, non-metastatic, metastasis.
CLASS_COLOURS = {
    BACKGROUND: (20, 20, 20),
    NON_METASTATIC: (120, 150, 190),
    METASTASIS: (230, 40, 40),
}
TRUTH = np.array([230, 40, 40])
#: Inches of a canvas' height in the figure, and of the text above or below it.
CANVAS_INCHES, TEXT_INCHES = 4.0, 0.4
#: Pictures beside one another; a patient's further runs go below.
ACROSS = 5
VIEWS = (
    "Left half anterior, patient's right on the left; right half posterior, as seen from behind."
)

Picture = NDArray[np.uint8]


def draw_results(experiment: Experiment, names: Sequence[str], runs: Path) -> bytes | None:
    """Draw annotation and marks of three test patients: the best, the median and the worst.

    Their order is that of the first run's F1 in the first fold that all the runs have finished.

    Parameters
    ----------
    experiment : Experiment
    names : sequence of str
        Its runs that mark metastasis; those that test other patients than the first are left out.
    runs : Path
        Folder of the run folders.

    Returns
    -------
    bytes or None
        A PNG with precision, sensitivity and F1 in percent under each picture; None without a
        common fold or a test patient with metastasis.
    """
    fold = common_fold(experiment, names, runs)
    if fold is None:
        return None
    found = {
        run: Predictions.load(RunFolder.of(runs, experiment, run, fold).predictions).of_part("test")
        for run in names
    }
    first = found[names[0]]
    found = {run: own for run, own in found.items() if own.studies == first.studies}
    ranked = sorted(
        np.flatnonzero(first.metastasis.any(axis=(1, 2))),
        key=lambda case: _counts(first, int(case)).f1 or 0.0,
        reverse=True,
    )
    if not ranked:
        return None
    chosen = list(dict.fromkeys(int(ranked[at]) for at in (0, len(ranked) // 2, -1)))
    rows = []
    for case in chosen:
        study = first.studies[case]
        truth = _filled(first.grey[case], first.metastasis[case])
        row = [(study, _inverse(first.grey[case]), ""), ("annotation", truth, "")]
        for run, own in found.items():
            at = own.studies.index(study)
            marks = overlay(own.grey[at], own.marked[at], own.metastasis[at])
            row.append((run, marks, _scores(_counts(own, at))))
        rows.append(row)
    title = (
        f"{experiment.title}: fold {fold}, test patients by the F1 of {names[0]}. "
        f"Marks: green found, red wrong, blue missed. {VIEWS}"
    )
    return _sheet(rows, title)


def draw_masks(experiment: Experiment, runs: Path) -> bytes | None:
    """Draw the classes that each run with three of them is compared with: its own kind of mask.

    Returns
    -------
    bytes or None
        A PNG of one patient with metastasis and, where a fold kept one, one without; None without a
        finished fold of such a run.
    """
    rows = []
    for run, settings in experiment.runs.items():
        fold = common_fold(experiment, [run], runs)
        if fold is not None and isinstance(settings.mask, OtsuMask | MinedMask):
            predictions = Predictions.load(RunFolder.of(runs, experiment, run, fold).predictions)
            mined = _mined(experiment, run, fold, runs)
            row = []
            for case in _one_of_each(predictions):
                study = predictions.studies[case]
                row.append((study, _inverse(predictions.grey[case]), ""))
                row.append((run, class_picture(predictions, case, settings, mined), ""))
            rows.append(row)
    if not any(rows):
        return None
    colours = "Dark background, blue non-metastatic, red metastasis."
    return _sheet(rows, f"{experiment.title}: classes. {colours} {VIEWS}")


def class_picture(
    predictions: Predictions, case: int, settings: Settings, mined: Predictions | None = None
) -> Picture:
    """Return a case's classes as (H, W, 3) uint8.

    Parameters
    ----------
    predictions : Predictions
    case : int
        Its place among them.
    settings : Settings
        Of a run with an Otsu or a mined mask.
    mined : Predictions, optional
        The baseline's on the same fold, for a mined mask.
    """
    assert isinstance(settings.mask, OtsuMask | MinedMask)
    probability = None
    if mined is not None:
        at = mined.studies.index(predictions.studies[case])
        probability = mined.probability[at].astype(np.float32) / STEPS
    labels = label_map(
        predictions.grey[case].astype(np.float32),
        predictions.metastasis[case],
        settings.mask,
        reduce=settings.canvas.reduce,
        mined=probability,
    )
    colours = np.array([CLASS_COLOURS[number] for number in sorted(CLASS_COLOURS)], np.uint8)
    picture: Picture = colours[labels.classes]
    return picture


def common_fold(experiment: Experiment, names: Sequence[str], runs: Path) -> int | None:
    """Return the first fold that all of these runs have finished."""
    for fold in range(experiment.folds):
        if names and all(RunFolder.of(runs, experiment, run, fold).is_done for run in names):
            return fold
    return None


def _mined(experiment: Experiment, run: str, fold: int, runs: Path) -> Predictions | None:
    for item in experiment.needed_by(run):
        if item.role == "baseline":
            folder = RunFolder.of(runs, item.experiment, item.run, fold)
            return Predictions.load(folder.predictions)
    return None


def _one_of_each(predictions: Predictions) -> list[int]:
    """Return the first case with metastasis and the first without, as far as there are any."""
    there = predictions.metastasis.any(axis=(1, 2))
    return [int(np.flatnonzero(which)[0]) for which in (there, ~there) if which.any()]


def _counts(predictions: Predictions, case: int) -> PixelCounts:
    return PixelCounts.of(predictions.marked[case], predictions.metastasis[case])


def _scores(counts: PixelCounts) -> str:
    names = (("P", counts.precision), ("S", counts.sensitivity), ("F1", counts.f1))
    return "  ".join(
        f"{name} {'–' if value is None else f'{100 * value:.1f}'}" for name, value in names
    )


def _inverse(grey: NDArray[np.uint8]) -> Picture:
    base = 255 * (1 - np.sqrt(np.clip(grey / BLACK, 0, 1)))
    return np.repeat(base.astype(np.uint8)[:, :, None], 3, axis=2)


def _filled(grey: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Picture:
    picture = _inverse(grey)
    picture[mask] = TRUTH
    return picture


def _sheet(rows: Sequence[Sequence[tuple[str, Picture, str]]], title: str) -> bytes:
    """Put pictures in rows, each with a name above it and a line below it."""
    rows = [row[start : start + ACROSS] for row in rows for start in range(0, len(row), ACROSS)]
    columns = max(len(row) for row in rows)
    height, width = rows[0][0][1].shape[:2]
    inches = (
        columns * CANVAS_INCHES * width / height + 0.3,
        len(rows) * (CANVAS_INCHES + TEXT_INCHES),
    )
    figure = Figure(figsize=(max(6.0, inches[0]), inches[1] + 0.6), dpi=150, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for row, places in zip(rows, grid, strict=True):
        for (name, picture, below), axes in zip(row, places, strict=False):
            _show(axes, name, picture, below)
    figure.suptitle(title, fontsize=8, wrap=True)
    return as_png(figure)


def _show(axes: Axes, name: str, picture: Picture, below: str) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set_title(name, fontsize=7, pad=2)
    if below:
        axes.text(0.5, -0.01, below, transform=axes.transAxes, ha="center", va="top", fontsize=6.5)
