"""compare.html: all scans side by side with the lesions' outlines, the figures and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bonescan.quantify.position import side_of_edge
from bonescan.report import followup_texts, texts
from bonescan.report.followup_sheet import FollowUpSheet, Picture
from bonescan.report.page import Margins, SvgMark, grey_uri, png_uri, svg_marks, template

#: Room for numbers beside a view, and for its name, the date and the sides above it.
MARGINS = Margins(side=26, head=36, foot=8)


@dataclass(frozen=True)
class Shown:
    """One view of one visit, ready for the template; lengths in view pixels.

    ``breadth`` is the share of the strip's width that it takes: its width in mm, so that all scans
    stand at one scale, or in pixels where one of them has no spacing.
    """

    label: str
    sides: tuple[str, str]
    data_uri: str
    width: int
    height: int
    breadth: float
    columns: int
    rows: int
    marks: tuple[SvgMark, ...]
    description: str


def render_page(sheet: FollowUpSheet, timeline: bytes) -> str:
    """Return the page; it holds its pictures and loads nothing.

    Parameters
    ----------
    sheet : FollowUpSheet
        What it says, from `bonescan.report.followup_sheet.compose_followup`.
    timeline : bytes
        The plot as PNG.
    """
    return template("followup.html.j2").render(
        sheet=sheet,
        texts=texts,
        says=followup_texts,
        strips=[_strip(strip) for strip in sheet.strips],
        timeline=png_uri(timeline),
        margin=MARGINS.side,
        head=MARGINS.head,
    )


def _strip(pictures: Sequence[Picture]) -> list[Shown]:
    spacings = [picture.panel.view.pixel_spacing_mm for picture in pictures]
    known = [spacing[1] for spacing in spacings if spacing is not None]
    sizes = known if len(known) == len(pictures) else [1.0] * len(pictures)
    return [_shown(picture, size) for picture, size in zip(pictures, sizes, strict=True)]


def _shown(picture: Picture, size: float) -> Shown:
    panel = picture.panel
    rows, columns = panel.shape
    width = columns + 2 * MARGINS.side
    return Shown(
        label=picture.label,
        sides=(side_of_edge(panel.name, left=True), side_of_edge(panel.name, left=False)),
        data_uri=grey_uri(panel),
        width=width,
        breadth=size * width,
        height=rows + MARGINS.head + MARGINS.foot,
        columns=columns,
        rows=rows,
        marks=svg_marks(picture.marks, panel, MARGINS),
        description=picture.description,
    )
