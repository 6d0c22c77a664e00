"""What every HTML page of ours shares: its template, its pictures inside the file, marks as SVG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from numpy.typing import NDArray
from PIL import Image

from bonescan.quantify.position import side_of_edge
from bonescan.report.display import (
    GONE_RADIUS,
    SCALE_BAR_MM,
    Mark,
    NumberTag,
    Panel,
    ReadLimit,
    place_tags,
)


@dataclass(frozen=True)
class Margins:
    """Room around a cut-out, in view pixels: for numbers beside it, for text above and below."""

    side: int
    head: int
    foot: int


@dataclass(frozen=True)
class SvgMark:
    """One mark as SVG wants it, in the picture with its margins.

    ``path`` is path data, ``leader`` a line (x1, y1, x2, y2), ``text`` where the number
    stands and ``anchor`` which end of it.
    """

    number: int
    colour: str
    path: str
    dashed: bool
    leader: tuple[float, float, float, float]
    text: tuple[float, float]
    anchor: str
    tooltip: str


@cache
def template(name: str) -> Template:
    """Return a template of this package; what it names and is not given is an error."""
    environment = Environment(
        loader=PackageLoader("bonescan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def png_uri(png: bytes) -> str:
    """Return a PNG as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@dataclass(frozen=True)
class Unseen:
    """The outline of what the model did not see, as SVG points, and where that is said."""

    points: str
    text: tuple[float, float]


@dataclass(frozen=True)
class Framed:
    """One view with its margins and marks, ready for a template; lengths in view pixels.

    ``bar`` is the scale's length, None where the pixels have no size; ``limits`` and ``unseen``
    tell what of the view was not read.
    """

    label: str
    sides: tuple[str, str]
    data_uri: str
    width: int
    height: int
    columns: int
    rows: int
    marks: tuple[SvgMark, ...]
    bar: float | None
    limits: tuple[ReadLimit, ...]
    unseen: tuple[Unseen, ...]


def frame(panel: Panel, marks: Sequence[Mark], margins: Margins, label: str) -> Framed:
    """Return a view as every page shows it.

    Parameters
    ----------
    panel : Panel
    marks : sequence of Mark
    margins : Margins
    label : str
        What stands above it.
    """
    rows, columns = panel.shape
    buffer = BytesIO()
    Image.fromarray(panel.grey).save(buffer, "PNG", compress_level=6)
    tags = place_tags(marks, panel.shape)
    spacing = panel.view.pixel_spacing_mm
    return Framed(
        label=label,
        sides=(side_of_edge(panel.name, left=True), side_of_edge(panel.name, left=False)),
        data_uri=png_uri(buffer.getvalue()),
        width=columns + 2 * margins.side,
        height=rows + margins.head + margins.foot,
        columns=columns,
        rows=rows,
        marks=tuple(
            _svg(mark, tag, columns, margins) for mark, tag in zip(marks, tags, strict=True)
        ),
        bar=None if spacing is None else round(SCALE_BAR_MM / spacing[1], 1),
        limits=panel.limits,
        unseen=tuple(_unseen(line, margins) for line in panel.unseen),
    )


def _unseen(line: NDArray[np.float64], margins: Margins) -> Unseen:
    rows, columns = line[:, 0] + margins.head, line[:, 1] + margins.side
    points = " ".join(f"{x:g},{y:g}" for x, y in zip(columns, rows, strict=True))
    return Unseen(points, (float(columns.mean()), float(rows.max()) + 12))


def _svg(mark: Mark, tag: NumberTag, columns: int, margins: Margins) -> SvgMark:
    start = margins.side - 3.0 if tag.left else margins.side + columns + 3.0
    level = margins.head + tag.row
    return SvgMark(
        number=mark.number,
        colour=mark.colour,
        path=_circle(mark, margins) if mark.gone else _path(mark, margins),
        dashed=mark.gone,
        leader=(start, level, margins.side + tag.anchor[1], margins.head + tag.anchor[0]),
        text=(start - 2 if tag.left else start + 2, level),
        anchor="end" if tag.left else "start",
        tooltip=mark.told,
    )


def _circle(mark: Mark, margins: Margins) -> str:
    x, y, r = mark.place[1] + margins.side, mark.place[0] + margins.head, GONE_RADIUS
    return f"M{x - r:.1f},{y:.1f}a{r},{r} 0 1 0 {2 * r},0a{r},{r} 0 1 0 {-2 * r},0Z"


def _path(mark: Mark, margins: Margins) -> str:
    parts = []
    for line in mark.lines:
        points = " ".join(
            f"{column + margins.side:g},{row + margins.head:g}" for row, column in line[:-1]
        )
        parts.append(f"M{points}Z")
    return "".join(parts)
