"""report.html: one page that a department can print, with nothing outside the file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from bonescan.quantify.position import side_of_edge
from bonescan.report import texts
from bonescan.report.display import Panel
from bonescan.report.sheet import Sheet
from bonescan.scan import Reading, Scan

#: Room for numbers left and right of a view, and for L, R, ANT and a scale bar above and below.
MARGIN, HEAD, FOOT = 24, 22, 22
SCALE_BAR_MM = 100.0


@dataclass(frozen=True)
class Mark:
    """One mark as SVG wants it: path, number, leader and tooltip."""

    number: int
    path: str
    leader: tuple[float, float, float, float]
    text_x: float
    text_y: float
    anchor: str
    tooltip: str


@dataclass(frozen=True)
class Picture:
    """One view as the page shows it; coordinates are pixels of the cut-out plus margins."""

    name: str
    label: str
    left_side: str
    right_side: str
    data_uri: str
    width: int
    height: int
    columns: int
    rows: int
    bar: float | None
    read_to: int | None
    marks: tuple[Mark, ...]
    plain_text: str
    marked_text: str


def render_report(sheet: Sheet, scan: Scan, reading: Reading) -> str:
    """Return the report as one self-contained HTML page.

    Parameters
    ----------
    sheet : Sheet
        What it says, from `bonescan.report.sheet.compose`.
    scan, reading : Scan, Reading
        The study and what was read off it.

    Returns
    -------
    str
        HTML with style and pictures inside; no script and no link to anything.
    """
    return _template().render(
        sheet=sheet,
        study=scan.study,
        pictures=[_picture(panel, reading) for panel in sheet.panels],
        texts=texts,
        margin=MARGIN,
        head=HEAD,
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
    return environment.get_template("report.html.j2")


def _picture(panel: Panel, reading: Reading) -> Picture:
    rows, columns = panel.shape
    spacing = panel.view.pixel_spacing_mm
    return Picture(
        name=panel.name,
        label=texts.VIEW_LABEL[panel.name],
        left_side=side_of_edge(panel.name, left=True),
        right_side=side_of_edge(panel.name, left=False),
        data_uri=_data_uri(panel),
        width=columns + 2 * MARGIN,
        height=rows + HEAD + FOOT,
        columns=columns,
        rows=rows,
        bar=None if spacing is None else round(SCALE_BAR_MM / spacing[1], 1),
        read_to=None if panel.read_to is None else HEAD + panel.read_to,
        marks=tuple(_marks(panel)),
        plain_text=texts.picture_text(reading, panel.name, marked=False),
        marked_text=texts.picture_text(reading, panel.name, marked=True),
    )


def _data_uri(panel: Panel) -> str:
    buffer = BytesIO()
    Image.fromarray(panel.grey).save(buffer, "PNG", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _marks(panel: Panel) -> list[Mark]:
    paths = {lesion.number: _path(panel, index) for index, lesion in enumerate(panel.lesions)}
    marks = []
    for tag in panel.tags:
        lesion = tag.lesion
        start = MARGIN - 3.0 if tag.left else MARGIN + panel.shape[1] + 3.0
        row, column = tag.anchor
        marks.append(
            Mark(
                number=lesion.number,
                path=paths[lesion.number],
                leader=(start, HEAD + tag.row, MARGIN + column, HEAD + row),
                text_x=start - 2 if tag.left else start + 2,
                text_y=HEAD + tag.row,
                anchor="end" if tag.left else "start",
                tooltip=texts.tooltip(lesion),
            )
        )
    return marks


def _path(panel: Panel, index: int) -> str:
    """Return a lesion's outlines as SVG path data."""
    parts = []
    for line in panel.polygons(panel.lesions[index]):
        points = " ".join(f"{column + MARGIN:g},{row + HEAD:g}" for row, column in line[:-1])
        parts.append(f"M{points}Z")
    return "".join(parts)
