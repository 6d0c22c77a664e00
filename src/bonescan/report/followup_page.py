"""compare.html: all scans side by side with the lesions' outlines, the figures and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bonescan.report import followup_texts, texts
from bonescan.report.followup_sheet import FollowUpSheet, Picture
from bonescan.report.page import Framed, Margins, frame, png_uri, template

#: Room for numbers beside a view, and for its name, the date and the sides above it.
MARGINS = Margins(side=26, head=36, foot=22)


@dataclass(frozen=True)
class Shown:
    """One view of one visit, ready for the template.

    ``breadth`` is the share of the strip's width that it takes: its width in mm, so that all scans
    stand at one scale, or in pixels where one of them has no spacing.
    """

    view: Framed
    breadth: float
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
    view = frame(picture.panel, picture.marks, MARGINS, picture.label)
    return Shown(view, size * view.width, picture.description)
