"""report.html: one page that a department can print, with nothing outside the file."""

from __future__ import annotations

from dataclasses import dataclass

from bonescan.report import texts
from bonescan.report.display import Panel, lesion_marks
from bonescan.report.page import Framed, Margins, frame, template
from bonescan.report.sheet import Sheet
from bonescan.scan import Reading, Scan

#: Room for numbers left and right of a view, and for L, R, ANT and a scale bar above and below.
MARGINS = Margins(side=24, head=22, foot=22)


@dataclass(frozen=True)
class Picture:
    """One view as the report shows it, with and without its marks.

    Coordinates are pixels of the cut-out plus margins.
    """

    name: str
    view: Framed
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


def _picture(panel: Panel, reading: Reading) -> Picture:
    return Picture(
        name=panel.name,
        view=frame(panel, lesion_marks(panel), MARGINS, texts.VIEW_LABEL[panel.name]),
        plain_text=texts.picture_text(reading, panel.name, marked=False),
        marked_text=texts.picture_text(reading, panel.name, marked=True),
    )
