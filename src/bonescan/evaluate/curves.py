"""FROC and ROC curves of a local validation, as PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bonescan.evaluate.patients import roc_auc, roc_curve

if TYPE_CHECKING:
    from bonescan.evaluate.sweep import Sweep
    from bonescan.evaluate.validation_figures import Figures, Validation

MODEL_COLOUR, FLOOR_COLOUR = "#b01030", "#56616e"
NOTICE = "Research use only"


def draw_froc(found: Validation) -> bytes:
    """Draw lesion sensitivity over false marks a study, for the model and the hot-spot floor."""
    figure = Figure(figsize=(6.4, 4.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    _plot(axes, found.floor_sweep, FLOOR_COLOUR, found.floor)
    _plot(axes, found.model_sweep, MODEL_COLOUR, found.model)
    axes.set_xscale("symlog", linthresh=1)
    ticks = [0, 0.5, 1, 2, 5, 10, 20, 50]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlim(0, 50)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("false marks a study")
    axes.set_ylabel("lesion sensitivity")
    axes.set_title(f"{found.card.name} {found.card.version}: {found.lesions} lesions", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False)
    return _png(figure)


def draw_roc(found: Validation) -> bytes | None:
    """Draw the patients' ROC curves; None without studies of both kinds."""
    truth = [outcome.metastasis for outcome in found.outcomes]
    if all(truth) or not any(truth):
        return None
    figure = Figure(figsize=(5.2, 5.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for name, colour, scores in (
        ("hot spots", FLOOR_COLOUR, [outcome.hot_spot_score for outcome in found.outcomes]),
        ("model", MODEL_COLOUR, [outcome.model_score for outcome in found.outcomes]),
    ):
        curve = roc_curve(scores, truth)
        label = f"{name}, area {roc_auc(scores, truth):.2f}"
        axes.plot(curve.false_positive_rate, curve.sensitivity, color=colour, label=label)
    axes.plot([0, 1], [0, 1], color="#c0c6cc", linewidth=0.8)
    axes.set_aspect("equal")
    axes.set_xlabel("1 - specificity (patients)")
    axes.set_ylabel("sensitivity (patients)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    return _png(figure)


def _plot(axes: Axes, sweep: Sweep, colour: str, figures: Figures) -> None:
    """Draw a sweep as a line with a dot at the threshold in use."""
    name, marked_from = figures.method, figures.marked_from
    at = sweep.index_of(figures.threshold)
    points = range(len(sweep.thresholds))
    false_marks = np.array([sweep.false_per_study(index) or 0.0 for index in points])
    found = [sweep.sensitivity(index) for index in points]
    sensitivity = np.array([np.nan if value is None else value for value in found])
    axes.plot(false_marks, sensitivity, color=colour, marker=".", markersize=4, label=name)
    axes.plot(
        false_marks[at],
        sensitivity[at],
        "o",
        color=colour,
        markersize=9,
        label=f"{name} from {marked_from}",
    )


def _png(figure: Figure) -> bytes:
    figure.text(0.005, 0.005, NOTICE, fontsize=7, color="#56616e")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
