"""report.html: one page that a department can print, with nothing outside the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonescan.report import texts
from bonescan.report.display import SCALE_BAR_MM, Panel, ReadLimit, lesion_marks
from bonescan.report.page import Framed, Margins, frame, template
from bonescan.report.sheet import Sheet
from bonescan.scan import Reading, Scan

#: Room for numbers left and right of a view, and for L, R, ANT and a scale bar above and below.
MARGINS = Margins(side=24, head=22, foot=22)


@dataclass(frozen=True)
class Unseen:
    """The outline of what the model did not see, as SVG points, and where that is said."""

    points: str
    text: tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """One view as the report shows it, with and without its marks; ``bar`` is the scale's length.

    Coordinates are pixels of the cut-out plus margins.
    """

    name: str
    view: Framed
    bar: float | None
    limits: tuple[ReadLimit, ...]
    unseen: tuple[Unseen, ...]
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
    return template("report.html.j2").render(
        sheet=sheet,
        study=scan.study,
        pictures=[_picture(panel, reading) for panel in sheet.panels],
        texts=texts,
        margin=MARGINS.side,
        head=MARGINS.head,
    )


def _unseen(line: NDArray[np.float64]) -> Unseen:
    rows, columns = line[:, 0] + MARGINS.head, line[:, 1] + MARGINS.side
    points = " ".join(f"{x:g},{y:g}" for x, y in zip(columns, rows, strict=True))
    return Unseen(points, (float(columns.mean()), float(rows.max()) + 12))


def _picture(panel: Panel, reading: Reading) -> Picture:
    spacing = panel.view.pixel_spacing_mm
    return Picture(
        name=panel.name,
        view=frame(panel, lesion_marks(panel), MARGINS, texts.VIEW_LABEL[panel.name]),
        bar=None if spacing is None else round(SCALE_BAR_MM / spacing[1], 1),
        limits=panel.limits,
        unseen=tuple(_unseen(line) for line in panel.unseen),
        plain_text=texts.picture_text(reading, panel.name, marked=False),
        marked_text=texts.picture_text(reading, panel.name, marked=True),
    )
