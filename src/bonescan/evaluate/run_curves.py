"""Finished folds at every threshold: FROC of lesions, ROC of patients, and the boxes of marks.

Candidates are patches of the probability map, as the reader of a package has them
(`bonescan.quantify.candidates`); the score of one is the mean of the most probable tenth of its
pixels. Each half of a canvas is a view. Lesions of the test patients of all finished folds count
together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.config import LesionRule
from bonescan.evaluate.averages import percent
from bonescan.evaluate.fold_plot import as_png
from bonescan.evaluate.folds import FoldScores
from bonescan.evaluate.froc import FALSE_MARKS, Curve, froc
from bonescan.evaluate.halves import halves_of, smallest_mark
from bonescan.evaluate.hotspot import HotSpotSettings
from bonescan.evaluate.matching import match_labels, match_pairs
from bonescan.evaluate.patients import roc_auc, roc_curve
from bonescan.evaluate.table import Cell, Table
from bonescan.experiment import Experiment
from bonescan.quantify.candidates import candidate_labels
from bonescan.quantify.lesions import (
    label_components,
    lesion_probability,
    threshold_components,
)
from bonescan.quantify.scoring import candidate_rule
from bonescan.scan import VIEW_NAMES
from bonescan.train.predictions import STEPS, Predictions

#: Probability from which pixels make candidates.
LOW = 0.1
#: The FROC curve is drawn up to so many false marks a study.
MOST_FALSE = 8.0
#: Columns of the table of boxes, in the order of `box_rows`; edges in canvas pixels.
BOX_COLUMNS = (
    *("run", "fold", "study", "view", "what", "number"),
    *("top", "left", "bottom", "right", "matched"),
)


class _Test(NamedTuple):
    """One view of a test case: score (H, W) in [0, 1], its true lesions, numbered."""

    score: NDArray[np.float32]
    lesions: NDArray[np.int32]
    smallest: float


def lesion_curve(tests: Sequence[Predictions], reduce: int) -> Curve:
    """Return the FROC curve of a network's candidates, of the test patients of several folds."""
    scores: list[float] = []
    hits: list[frozenset[tuple[int, int]]] = []
    lesions = 0
    for place, view in enumerate(_views(tests, reduce)):
        labels = candidate_labels(view.score, candidate_rule(LOW), view.smallest)
        for number, row in enumerate(match_pairs(labels, view.lesions), start=1):
            scores.append(lesion_probability(view.score[labels == number]))
            hits.append(frozenset((place, int(j)) for j in np.flatnonzero(row)))
        lesions += int(view.lesions.max(initial=0))
    return froc(np.array(scores), hits, lesions, _studies(tests))


def floor_curve(tests: Sequence[Predictions], reduce: int) -> Curve:
    """Return the FROC curve of the floor: all that is as hot as each multiple of the body's median.

    Its score is no probability: a patch above a low one is a whole body.
    """
    thresholds = HotSpotSettings().thresholds[::-1]
    hits, false_marks = np.zeros((2, len(thresholds) + 1), np.int64)
    lesions = 0
    for view in _views(tests, reduce):
        for at, level in enumerate(thresholds, start=1):
            rule = LesionRule(threshold=level)
            marks = threshold_components(view.score, rule, view.smallest)
            found = match_labels(marks, view.lesions)
            hits[at] += found.hits
            false_marks[at] += found.false_marks
        lesions += int(view.lesions.max(initial=0))
    return Curve(np.array([np.inf, *thresholds]), hits, false_marks, lesions, _studies(tests))


def _studies(tests: Sequence[Predictions]) -> int:
    return sum(len(test.studies) for test in tests)


def _views(tests: Sequence[Predictions], reduce: int) -> Iterator[_Test]:
    for test in tests:
        for at in range(len(test.studies)):
            smallest = smallest_mark(float(test.pixel_area_mm2[at]), reduce)
            scores = np.split(test.probability[at].astype(np.float32) / STEPS, 2, axis=1)
            truths = np.split(test.metastasis[at], 2, axis=1)
            for score, truth in zip(scores, truths, strict=True):
                yield _Test(score, label_components(truth)[0], smallest)


def froc_table(experiment: Experiment, curves: Mapping[str, Curve]) -> Table:
    """Return the share of lesions found at given numbers of false marks a study, and its mean."""
    rows: list[tuple[Cell, ...]] = [
        (
            run,
            curve.studies,
            curve.lesions,
            *percent(*(curve.sensitivity_at(at) for at in FALSE_MARKS), curve.mean_sensitivity),
        )
        for run, curve in curves.items()
        if curve.lesions
    ]
    at = tuple(f"at {number:g}" for number in FALSE_MARKS)
    return Table(
        f"{experiment.title}: lesions found at so many false marks a test study, percent",
        ("run", "studies", "lesions", *at, "mean"),
        tuple(rows),
    )


def box_rows(run: str, label: str, test: Predictions, reduce: int) -> list[tuple[Cell, ...]]:
    """Return the box of every lesion and mark of a fold's test patients, in canvas pixels."""
    rows: list[tuple[Cell, ...]] = []
    for at, study in enumerate(test.studies):
        smallest = smallest_mark(float(test.pixel_area_mm2[at]), reduce)
        halves = halves_of(test.marked[at], test.metastasis[at], smallest)
        for view, half in zip(VIEW_NAMES, halves, strict=True):
            for what, labels, good in (
                ("lesion", half.lesions, half.matching.hit),
                ("mark", half.marks, half.matching.right),
            ):
                for number, box in enumerate(ndimage.find_objects(labels), start=1):
                    left = half.columns.start
                    edges = (box[0].start, left + box[1].start, box[0].stop, left + box[1].stop)
                    matched = "yes" if good[number - 1] else "no"
                    rows.append((run, label, study, view, what, number, *edges, matched))
    return rows


def draw_curves(
    experiment: Experiment,
    curves: Mapping[str, Curve],
    folds: Mapping[str, Sequence[FoldScores]],
) -> bytes | None:
    """Draw the FROC of lesions and the ROC of patients, a colour for each run.

    Returns
    -------
    bytes or None
        A PNG; None where there are neither lesions nor patients of both kinds.
    """
    patients = {run: _patients(folds[run]) for run in curves}
    both = {run: (s, t) for run, (s, t) in patients.items() if t.any() and not t.all()}
    lesions = {run: curve for run, curve in curves.items() if curve.lesions}
    if not both and not lesions:
        return None
    figure = Figure(figsize=(11.0, 6.0), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = mpl.colormaps["tab10" if len(curves) <= 10 else "tab20"]
    for index, run in enumerate(curves):
        if run in lesions:
            _draw_froc(left, run, lesions[run], colours(index))
        if run in both:
            scores, truth = both[run]
            curve = roc_curve(scores, truth)
            right.plot(
                100 * curve.false_positive_rate,
                100 * curve.sensitivity,
                color=colours(index),
                label=f"{run}, area {100 * (roc_auc(scores, truth) or 0.0):.1f}",
            )
    left.set(xlim=(0, MOST_FALSE), ylim=(0, 102), xlabel="false marks a test study")
    left.set(ylabel="lesions found, %", title="Lesions (FROC)")
    right.plot([0, 100], [0, 100], color="#c0c6cc", linewidth=0.8)
    right.set(
        xlabel="patients without metastasis called, %", ylabel="patients with metastasis called, %"
    )
    right.set(title="Patients (ROC)", aspect="equal")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:  # below, where no curve is
            axes.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.13),
                ncols=3,
                frameon=False,
                fontsize=7,
            )
    figure.suptitle(experiment.title, fontsize=10, wrap=True)
    return as_png(figure)


def _draw_froc(axes: Axes, run: str, curve: Curve, colour: object) -> None:
    false_marks, hits = curve.envelope()
    x, y = false_marks / max(curve.studies, 1), 100 * hits / curve.lesions
    label = f"{run}, mean {100 * curve.mean_sensitivity:.1f}"
    axes.step(x, y, where="post", color=colour, label=label)


def _patients(folds: Sequence[FoldScores]) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of test and healthy cases, and which have metastasis."""
    cases = [case for fold in folds for case in (*fold.test, *fold.healthy)]
    return (
        np.array([case.score for case in cases]),
        np.array([case.pixels.tp + case.pixels.fn > 0 for case in cases], bool),
    )
