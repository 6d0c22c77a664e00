"""A picture of errors: false marks by what lies beneath, missed lesions by class, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bonescan.evaluate.beneath import GROUPS
from bonescan.evaluate.error_tables import Missed, count_false_marks, count_missed
from bonescan.evaluate.fold_plot import as_png
from bonescan.evaluate.run_errors import Analysed

#: Inches of a row, and least height of the figure.
ROW_INCHES, LEAST_INCHES = 0.2, 4.0
#: What lies beneath less often than this share of a run's false marks goes without a row.
LEAST_SHARE = 0.01
#: How the classes of a table are written in the picture.
_CLASS = {"diameter, mm": "diameter {} mm", "contrast": "contrast {}"}


def draw_errors(title: str, found: Mapping[str, Sequence[Analysed]]) -> bytes | None:
    """Draw the errors of runs, a colour for each.

    Left, where simulated cases tell: false marks per 100 readings by what lies beneath. Right: the
    share of lesions that is found, by size, contrast and bone, with their number.

    Returns
    -------
    bytes or None
        A PNG; None without a lesion and without a false mark that is told of.
    """
    runs = {run: readings for run, readings in found.items() if readings}
    rates = {run: _rates(readings) for run, readings in runs.items()}
    missed = {run: count_missed(readings) for run, readings in runs.items()}
    names = _names(rates)
    classes = list(dict.fromkeys((row.by, row.name) for rows in missed.values() for row in rows))
    if not names and not classes:
        return None
    rows = max(len(names), len(classes)) * max(1.0, 0.45 * len(runs))
    height = max(LEAST_INCHES, ROW_INCHES * rows + 1.6)
    figure = Figure(figsize=(11.0, height), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_marks(left, names, rates)
    _draw_lesions(right, classes, missed)
    handles, labels = (right if classes else left).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=6, frameon=False, fontsize=8)
    figure.suptitle(f"{title}: errors", fontsize=10, wrap=True)
    return as_png(figure)


def _rates(readings: Sequence[Analysed]) -> dict[tuple[str, str], float]:
    """Return false marks per 100 readings of which it is known what lies beneath."""
    told = [one for one in readings if one.errors.false_marks is not None]
    counted = count_false_marks(told)
    least = LEAST_SHARE * sum(row.marks for row in counted)
    return {
        (row.group, row.what): 100 * row.marks / len(told)
        for row in counted
        if row.marks and row.marks >= least
    }


def _names(rates: Mapping[str, Mapping[tuple[str, str], float]]) -> list[tuple[str, str]]:
    """Return what lies beneath, group by group, the most frequent of all runs first."""
    names = {name for own in rates.values() for name in own}

    def place(name: tuple[str, str]) -> tuple[int, float]:
        return GROUPS.index(name[0]), -sum(own.get(name, 0.0) for own in rates.values())

    return sorted(names, key=place)


def _draw_marks(
    axes: Axes,
    names: Sequence[tuple[str, str]],
    rates: Mapping[str, Mapping[tuple[str, str], float]],
) -> None:
    if not names:
        axes.axis("off")
        told = "Nothing tells what lies beneath\nthe false marks of these cases."
        axes.text(0.5, 0.5, told, ha="center", transform=axes.transAxes)
        return
    thickness = 0.8 / len(rates)
    colours = mpl.colormaps["tab10" if len(rates) <= 10 else "tab20"]
    for index, (run, own) in enumerate(rates.items()):
        places = np.arange(len(names)) + (index - (len(rates) - 1) / 2) * thickness
        values = [own.get(name, 0.0) for name in names]
        axes.barh(places, values, height=thickness, color=colours(index), label=run)
    axes.set_yticks(range(len(names)), [_label(*name) for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("false marks per 100 readings")
    axes.set_title("What lies beneath false marks (simulated)", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    for place in range(1, len(names)):
        if names[place][0] != names[place - 1][0]:
            axes.axhline(place - 0.5, color="#56616e", linewidth=0.8)


def _draw_lesions(
    axes: Axes, classes: Sequence[tuple[str, str]], missed: Mapping[str, Sequence[Missed]]
) -> None:
    if not classes:
        axes.axis("off")
        return
    colours = mpl.colormaps["tab10" if len(missed) <= 10 else "tab20"]
    spread = np.linspace(-0.25, 0.25, len(missed)) if len(missed) > 1 else np.zeros(1)
    number: dict[tuple[str, str], int] = {}
    for index, (run, rows) in enumerate(missed.items()):
        own = {(row.by, row.name): row for row in rows}
        there = [place for place, name in enumerate(classes) if name in own]
        shares = [1 - own[classes[at]].missed / own[classes[at]].lesions for at in there]
        places = np.array(there) + spread[index]
        axes.plot([100 * s for s in shares], places, "o", color=colours(index), label=run)
        for name, row in own.items():
            number[name] = max(number.get(name, 0), row.lesions)
    labels = [f"{_CLASS.get(by, '{}').format(name)} ({number[by, name]})" for by, name in classes]
    axes.set_yticks(range(len(classes)), labels, fontsize=8)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("lesions found, %")
    axes.set_title("Lesions found, with their number", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    for place in range(1, len(classes)):
        if classes[place][0] != classes[place - 1][0]:
            axes.axhline(place - 0.5, color="#56616e", linewidth=0.8)


def _label(group: str, what: str) -> str:
    return f"{group}: {what}" if what else group
