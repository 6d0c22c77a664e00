"""timeline.png: index, area of the marks and number of findings over the scans."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

from bonescan import RESEARCH_USE
from bonescan.quantify.followup import FollowUp
from bonescan.report.followup_texts import COLOUR, visit_label

INK, SOFT = "#1a2028", "#56616e"
DOTS_PER_INCH = 130


def draw_timeline(followup: FollowUp) -> bytes:
    """Return the plot as PNG; the index has a panel of its own where any scan has one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    visits = followup.visits
    days = [visit.day for visit in visits]
    dated = [day for day in days if day is not None]
    places: list[Any] = list(range(len(visits)))
    if len(set(dated)) == len(visits):
        places = [day.toordinal() for day in dated]
    labels = [visit_label(visit, number) for number, visit in enumerate(visits)]
    indexed = any(v.reading.index and v.reading.index.whole is not None for v in visits)
    figure = Figure(figsize=(9.0, 2.7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, 3 if indexed else 2, squeeze=False)[0])
    if indexed:
        _draw_index(axes.pop(0), followup, places)
    _draw_area(axes[0], followup, places)
    _draw_findings(axes[1], followup, places)
    for axis in figure.axes:
        axis.set_xticks(places, labels, rotation=25, ha="right", fontsize=8)
        axis.tick_params(axis="y", labelsize=8, colors=INK)
        axis.set_ylim(bottom=0)
        axis.margins(x=0.12)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(RESEARCH_USE, fontsize=7, color=SOFT)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _draw_index(axis: Any, followup: FollowUp, places: list[Any]) -> None:
    points = [
        (place, visit.reading.index.whole, visit.reading.index.band)
        for place, visit in zip(places, followup.visits, strict=True)
        if visit.reading.index is not None and visit.reading.index.whole is not None
    ]
    x, y, band = zip(*points, strict=True)
    axis.errorbar(x, y, yerr=band, color=INK, marker="o", capsize=4, lw=1.3, ecolor=SOFT)
    axis.set_title("Bone scan index (%), bar: repeatability", fontsize=9, loc="left")


def _draw_area(axis: Any, followup: FollowUp, places: list[Any]) -> None:
    known = [
        (place, visit.area_mm2 / 100)
        for place, visit in zip(places, followup.visits, strict=True)
        if visit.area_mm2 is not None
    ]
    if known:
        axis.plot(*zip(*known, strict=True), color=INK, marker="o", lw=1.3)
    axis.set_title("Area of all marks, both views (cm²)", fontsize=9, loc="left")


def _draw_findings(axis: Any, followup: FollowUp, places: list[Any]) -> None:
    """Stack known and new findings of each scan as bars."""
    numbers = range(len(places))
    seen = [sum(f.seen_at(v) for f in followup.findings) for v in numbers]
    new = [sum(f.statuses[v] == "new" for f in followup.findings) for v in numbers]
    known = [all_ - fresh for all_, fresh in zip(seen, new, strict=True)]
    width = 0.5 * min((b - a for a, b in pairwise(places)), default=1)
    axis.bar(places, known, width, color=COLOUR["unchanged"], label="known")
    axis.bar(places, new, width, bottom=known, color=COLOUR["new"], label="new")
    for place, count, fresh in zip(places, seen, new, strict=True):
        text = f"{count} ({fresh} new)" if fresh else str(count)
        axis.annotate(
            text, (place, count), (0, 2), textcoords="offset points", ha="center", fontsize=8
        )
    axis.set_title("Findings", fontsize=9, loc="left")
    axis.set_ymargin(0.15)
