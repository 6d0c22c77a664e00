"""F1 of every fold of every run, beside the printed folds, as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bonescan import RESEARCH_USE
from bonescan.evaluate.averages import averages
from bonescan.evaluate.folds import FoldScores
from bonescan.experiment import Experiment

#: Width that the runs of one fold share, of the distance between folds.
SPREAD = 0.7


def draw_folds(experiment: Experiment, folds: Mapping[str, Sequence[FoldScores]]) -> bytes:
    """Draw each fold's F1 of metastasis in percent, a colour for each run.

    Parameters
    ----------
    experiment : Experiment
        Its printed folds are drawn as open circles in the colour of their run.
    folds : mapping of str to sequence of FoldScores
        By run; those without a finished fold are left out.

    Returns
    -------
    bytes
        A PNG. The legend tells the F1 of the means, the average that the paper prints.
    """
    drawn = {run: scores for run, scores in folds.items() if scores}
    number = experiment.folds
    figure = Figure(figsize=(max(6.4, 0.9 * number), 4.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    offsets = np.linspace(-0.5, 0.5, len(drawn) + 2)[1:-1] * SPREAD
    colours = mpl.colormaps["tab10" if len(drawn) <= 10 else "tab20"]
    for index, ((run, scores), offset) in enumerate(zip(drawn.items(), offsets, strict=True)):
        shown = averages(scores)[0][4]
        label = f"{run}, {shown:.1f}" if isinstance(shown, float) else run
        places = [score.fold + offset for score in scores]
        values = [100 * (score.pixels.f1 or 0.0) for score in scores]
        axes.plot(places, values, "o", color=colours(index), label=label, markersize=5)
        printed = experiment.printed.get(run)
        if printed is not None and printed.folds:
            published = [f1 for _, _, f1 in printed.folds]
            own = np.arange(len(published)) + offset
            axes.plot(own, published, "o", color=colours(index), fillstyle="none", markersize=5)
    labels = {score.fold: score.label for scores in drawn.values() for score in scores}
    sites = any(score.site for scores in drawn.values() for score in scores)
    axes.set_xticks(range(number), [labels.get(fold, f"{fold}") for fold in range(number)])
    axes.set_xlim(-0.6, number - 0.4)
    axes.set_ylim(0, 100)
    axes.set_xlabel("site left out" if sites else "fold")
    axes.set_ylabel("F1 of metastasis, %")
    axes.grid(axis="y", alpha=0.3)
    for fold in range(1, number):
        axes.axvline(fold - 0.5, color="#e0e4e8", linewidth=0.8, zorder=0)
    hollow = " Open: as printed." if any(p.folds for p in experiment.printed.values()) else ""
    axes.set_title(f"{experiment.title}.{hollow}", fontsize=9, wrap=True)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8, title="run, F1 of means")
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    """Return a figure as PNG with the notice at its foot."""
    figure.supxlabel(RESEARCH_USE, fontsize=6, color="#56616e", x=0.01, ha="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
