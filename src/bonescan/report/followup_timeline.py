"""timeline.png: index, area of the marks and number of findings over the scans."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from bonescan import RESEARCH_USE
from bonescan.quantify.change import index_kind
from bonescan.quantify.followup import FollowUp
from bonescan.report.followup_texts import COLOUR, visit_label

INK, SOFT = "#1a2028", "#56616e"
DOTS_PER_INCH = 130


def draw_timeline(followup: FollowUp) -> bytes:
    """Return the plot as PNG; index and area have a panel where any scan has a figure for them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    visits = followup.visits
    days = [visit.day for visit in visits]
    dated = [day for day in days if day is not None]
    places: list[Any] = list(range(len(visits)))
    if len(set(dated)) == len(visits):
        places = [day.toordinal() for day in dated]
    labels = [visit_label(visit, number) for number, visit in enumerate(visits)]
    panels: list[Callable[[Any, FollowUp, list[Any]], None]] = [_draw_findings]
    if _areas(followup)[1]:
        panels.insert(0, _draw_area)
    if any(v.reading.index and v.reading.index.whole is not None for v in visits):
        panels.insert(0, _draw_index)
    figure = Figure(figsize=(9.0, 2.3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for draw, axis in zip(panels, axes, strict=True):
        axis.margins(x=0.12)
        draw(axis, followup, places)
        axis.set_ylim(bottom=0)
        axis.set_xticks(places, labels, rotation=25, ha="right", fontsize=8)
        axis.tick_params(axis="y", labelsize=8, colors=INK)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(RESEARCH_USE, fontsize=7, color=SOFT)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _areas(followup: FollowUp) -> tuple[str, list[float | None]]:
    """Return the areas of all marks and their unit; none where pixels differ and have no size.

    A scan that lacks a view of another one has no area, which would seem to shrink.
    """
    visits = followup.visits
    known: list[float | None] = [
        None if visit.area_mm2 is None or lacking else visit.area_mm2 / 100
        for visit, lacking in zip(visits, _lacking(followup), strict=True)
    ]
    if any(area is not None for area in known):
        return "cm²", known
    shapes = {view.counts.shape for visit in visits for view in visit.scan.views}
    if len(shapes) > 1:
        return "", []
    return "pixels", [
        None if lacking else float(sum(lesion.area_pixels for lesion in visit.reading.lesions))
        for visit, lacking in zip(visits, _lacking(followup), strict=True)
    ]


def _lacking(followup: FollowUp) -> list[bool]:
    """Tell for each visit whether it lacks a view that another one has."""
    shown = [{view.name for view in visit.scan.views} for visit in followup.visits]
    return [views != set().union(*shown) for views in shown]


def _draw_index(axis: Any, followup: FollowUp, places: list[Any]) -> None:
    points = [
        (place, visit.reading.index.whole, visit.reading.index.band)
        for place, visit in zip(places, followup.visits, strict=True)
        if visit.reading.index is not None and visit.reading.index.whole is not None
    ]
    x, y, band = zip(*points, strict=True)
    shown = [v.reading for v in followup.visits if v.reading.index is not None]
    line = "-" if len({index_kind(reading) for reading in shown}) == 1 else ""
    axis.errorbar(x, y, yerr=band, color=INK, marker="o", ls=line, capsize=4, lw=1.3, ecolor=SOFT)
    axis.set_title("Bone scan index (%), bar: repeatability", fontsize=9, loc="left")


def _draw_area(axis: Any, followup: FollowUp, places: list[Any]) -> None:
    unit, areas = _areas(followup)
    known = [(p, area) for p, area in zip(places, areas, strict=True) if area is not None]
    axis.plot(*zip(*known, strict=True), color=INK, marker="o", lw=1.3)
    axis.set_ylim(top=1.15 * max(1.0, *(area for _, area in known)))
    seen = {view.name for visit in followup.visits for view in visit.scan.views}
    both = ", both views" if len(seen) > 1 else ""
    axis.set_title(f"Area of all marks{both} ({unit})", fontsize=9, loc="left")


def _draw_findings(axis: Any, followup: FollowUp, places: list[Any]) -> None:
    """Stack known and new findings of each scan as bars; they are counted in whole numbers."""
    from matplotlib.ticker import MaxNLocator

    numbers = range(len(places))
    seen = [sum(f.seen_at(v) for f in followup.findings) for v in numbers]
    new = [sum(f.statuses[v] == "new" for f in followup.findings) for v in numbers]
    known = [all_ - fresh for all_, fresh in zip(seen, new, strict=True)]
    width = 0.5 * min((b - a for a, b in pairwise(places)), default=1)
    axis.bar(places, known, width, color=COLOUR["unchanged"], label="known")
    axis.bar(places, new, width, bottom=known, color=COLOUR["new"], label="new")
    for place, count, fresh, lacking in zip(places, seen, new, _lacking(followup), strict=True):
        text = f"{count} ({fresh} new)" if fresh else str(count)
        text += "\none view" if lacking else ""
        axis.annotate(
            text, (place, count), (0, 2), textcoords="offset points", ha="center", fontsize=8
        )
    axis.set_title("Findings, of them new", fontsize=9, loc="left")
    axis.set_ylim(top=(1.3 if any(_lacking(followup)) else 1.15) * max(4, *seen))
    axis.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
