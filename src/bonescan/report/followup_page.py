"""compare.html: all scans side by side with the lesions' outlines, the figures and the rule."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from bonescan import __version__
from bonescan.quantify.change import Status
from bonescan.quantify.followup import FollowUp
from bonescan.quantify.position import side_of_edge
from bonescan.quantify.tracks import Track, size_of
from bonescan.report import followup_texts, texts
from bonescan.report.display import Panel, lay_out
from bonescan.scan import VIEW_NAMES, View, ViewName

MARGIN, HEAD, FOOT = 26, 34, 8
#: Radius of the circle where a lesion is gone, in view pixels.
GONE_RADIUS = 7.0


@dataclass(frozen=True)
class Outline:
    """One mark on a picture: SVG path, colour, the finding's number and where that stands."""

    path: str
    colour: str
    gone: bool
    number: int
    text: tuple[float, float]
    anchor: str
    leader: tuple[float, float, float, float]
    tooltip: str


@dataclass(frozen=True)
class Picture:
    """One view of one visit, ready for the template; lengths in view pixels."""

    label: str
    sides: tuple[str, str]
    data_uri: str
    width: int
    height: int
    columns: int
    rows: int
    outlines: tuple[Outline, ...]
    description: str


def render_page(followup: FollowUp, timeline: bytes) -> str:
    """Return the page; it holds its pictures and loads nothing.

    Parameters
    ----------
    followup : FollowUp
    timeline : bytes
        The plot as PNG.
    """
    panels = [lay_out(visit.scan, visit.reading) for visit in followup.visits]
    strips = [
        (name, [_picture(followup, number, panel) for number, panel in _of(panels, name)])
        for name in VIEW_NAMES
    ]
    statuses = {status for finding in followup.findings for status in finding.statuses}
    return _template().render(
        followup=followup,
        texts=texts,
        says=followup_texts,
        strips=[(name, pictures) for name, pictures in strips if pictures],
        legend=[
            (followup_texts.COLOUR[status], words)
            for status, words in followup_texts.LEGEND.items()
            if status in statuses
        ],
        labels=[followup_texts.visit_label(v, n) for n, v in enumerate(followup.visits)],
        rows=[
            _row(followup, track, finding.number)
            for finding in followup.findings
            for track in finding.tracks
        ],
        timeline=_uri(timeline),
        margin=MARGIN,
        head=HEAD,
        version=__version__,
        facts=_facts(followup),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("bonescan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("followup.html.j2")


def _facts(followup: FollowUp) -> list[tuple[str, str]]:
    who = followup.visits[0].scan.identity
    found = [
        ("Patient", who.patient_name.replace("^", " ").strip()),
        ("Patient ID", who.patient_id),
        ("Born", who.birth_date),
        ("Sex", who.sex),
    ]
    found += [
        (f"Scan {number}", f"{visit.scan.study}" + (f", {visit.day}" if visit.day else ""))
        for number, visit in enumerate(followup.visits, start=1)
    ]
    return [(name, value) for name, value in found if value]


def _of(panels: list[tuple[Panel, ...]], name: ViewName) -> list[tuple[int, Panel]]:
    return [
        (number, panel) for number, own in enumerate(panels) for panel in own if panel.name == name
    ]


def _picture(followup: FollowUp, number: int, panel: Panel) -> Picture:
    rows, columns = panel.shape
    buffer = io.BytesIO()
    Image.fromarray(panel.grey).save(buffer, "PNG")
    visit = followup_texts.visit_label(followup.visits[number], number)
    label = f"{texts.VIEW_LABEL[panel.name]} {visit}"
    outlines = tuple(_outlines(followup, number, panel))
    return Picture(
        label=label,
        sides=(side_of_edge(panel.name, left=True), side_of_edge(panel.name, left=False)),
        data_uri=_uri(buffer.getvalue()),
        width=columns + 2 * MARGIN,
        height=rows + HEAD + FOOT,
        columns=columns,
        rows=rows,
        outlines=outlines,
        description=f"{label}: {len(outlines)} lesions marked.",
    )


def _outlines(followup: FollowUp, number: int, panel: Panel) -> list[Outline]:
    tags = {tag.lesion.number: tag for tag in panel.tags}
    found = []
    for finding in followup.findings:
        for track in finding.tracks:
            if track.view != panel.name:
                continue
            status = track.statuses[number]
            told = f"{finding.number}: {status}"
            if status == "gone":
                found.append(_gone(track, number, panel, finding.number, told))
            for lesion in track.seen[number]:
                tag = tags[lesion.number]
                start = MARGIN - 3.0 if tag.left else MARGIN + panel.shape[1] + 3.0
                found.append(
                    Outline(
                        path=_path(panel, panel.lesions.index(lesion)),
                        colour=followup_texts.COLOUR[status],
                        gone=False,
                        number=finding.number,
                        text=(start - 2 if tag.left else start + 2, HEAD + tag.row),
                        anchor="end" if tag.left else "start",
                        leader=(
                            start,
                            HEAD + tag.row,
                            MARGIN + tag.anchor[1],
                            HEAD + tag.anchor[0],
                        ),
                        tooltip=f"{told}, {texts.area(lesion)}, uptake {lesion.uptake_ratio:.1f}",
                    )
                )
    return found


def _gone(track: Track, number: int, panel: Panel, finding: int, told: str) -> Outline:
    """Draw a circle where a lesion was, and its number beside it."""
    place = track.places[number]
    assert place is not None
    x, y = place[1] - panel.left + MARGIN, place[0] - panel.top + HEAD
    r = GONE_RADIUS
    circle = f"M{x - r:.1f},{y:.1f}a{r},{r} 0 1 0 {2 * r},0a{r},{r} 0 1 0 {-2 * r},0Z"
    return Outline(
        path=circle,
        colour=followup_texts.COLOUR["gone"],
        gone=True,
        number=finding,
        text=(x + r + 2, y),
        anchor="start",
        leader=(0, 0, 0, 0),
        tooltip=told,
    )


def _path(panel: Panel, index: int) -> str:
    parts = []
    for line in panel.polygons(panel.lesions[index]):
        points = " ".join(f"{column + MARGIN:g},{row + HEAD:g}" for row, column in line[:-1])
        parts.append(f"M{points}Z")
    return "".join(parts)


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@dataclass(frozen=True)
class Row:
    """One line of the table: a finding in one view, a cell (text, status) for each visit."""

    finding: int
    view: str
    place: str
    cells: tuple[tuple[str, Status, str], ...]


def _row(followup: FollowUp, track: Track, finding: int) -> Row:
    known = next(lesions[0] for lesions in track.seen if lesions)
    cells = []
    for number, (lesions, status) in enumerate(zip(track.seen, track.statuses, strict=True)):
        views = followup.visits[number].scan.views
        view = next((view for view in views if view.name == track.view), None)
        measures = ""
        if lesions and view is not None:
            size = size_of(lesions, view)
            measures = f"{_area(size.area_mm2, view)}, uptake {size.uptake:.1f}"
        cells.append((measures, status, followup_texts.SHORT.get(status, status)))
    return Row(finding, texts.VIEW_LABEL[track.view], texts.place(known), tuple(cells))


def _area(area_mm2: float, view: View) -> str:
    return "no spacing" if view.pixel_spacing_mm is None else f"{area_mm2 / 100:.1f} cm²"
