"""What every HTML page of ours shares: its template, its pictures inside the file, marks as SVG."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from bonescan.report.display import Mark, Panel

#: Radius of the circle where a lesion is gone, in view pixels.
GONE_RADIUS = 7.0


@dataclass(frozen=True)
class Margins:
    """Room around a cut-out, in view pixels: for numbers beside it, for text above and below."""

    side: int
    head: int
    foot: int


@dataclass(frozen=True)
class SvgMark:
    """One mark as SVG wants it, in the picture with its margins.

    ``path`` is path data, ``leader`` a line (x1, y1, x2, y2) or None, ``text`` where the number
    stands and ``anchor`` which end of it.
    """

    number: int
    colour: str
    path: str
    dashed: bool
    leader: tuple[float, float, float, float] | None
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


def grey_uri(panel: Panel) -> str:
    """Return a view's cut-out as an address that holds it."""
    buffer = BytesIO()
    Image.fromarray(panel.grey).save(buffer, "PNG", compress_level=6)
    return png_uri(buffer.getvalue())


def svg_marks(marks: Iterable[Mark], panel: Panel, margins: Margins) -> tuple[SvgMark, ...]:
    """Return marks of a panel as SVG."""
    return tuple(_svg(mark, panel, margins) for mark in marks)


def _svg(mark: Mark, panel: Panel, margins: Margins) -> SvgMark:
    row, column = mark.place
    x, y = column + margins.side, row + margins.head
    if mark.tag is None:  # a place where nothing is marked: a circle, its number beside it
        r = GONE_RADIUS
        circle = f"M{x - r:.1f},{y:.1f}a{r},{r} 0 1 0 {2 * r},0a{r},{r} 0 1 0 {-2 * r},0Z"
        text = (x + r + 2, y)
        return SvgMark(mark.number, mark.colour, circle, True, None, text, "start", mark.told)
    tag = mark.tag
    start = margins.side - 3.0 if tag.left else margins.side + panel.shape[1] + 3.0
    level = margins.head + tag.row
    return SvgMark(
        number=mark.number,
        colour=mark.colour,
        path=_path(mark, margins),
        dashed=False,
        leader=(start, level, margins.side + tag.anchor[1], margins.head + tag.anchor[0]),
        text=(start - 2 if tag.left else start + 2, level),
        anchor="end" if tag.left else "start",
        tooltip=mark.told,
    )


def _path(mark: Mark, margins: Margins) -> str:
    parts = []
    for line in mark.lines:
        points = " ".join(
            f"{column + margins.side:g},{row + margins.head:g}" for row, column in line[:-1]
        )
        parts.append(f"M{points}Z")
    return "".join(parts)
