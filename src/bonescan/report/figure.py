"""overlay.png: both views in inverse grey with outlined, numbered marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bonescan.quantify.lesions import trace_outline
from bonescan.quantify.position import side_of_edge
from bonescan.report import texts
from bonescan.report.display import SCALE_BAR_MM, Panel, lesion_marks, place_tags
from bonescan.report.fonts import in_picture
from bonescan.scan import ViewName

#: Picture pixels for one view pixel.
SCALE = 2
MARGIN = 30
HEADER = 64
FOOTER = 72
GAP = 24
TITLE_SIZE = 18

INK = (26, 32, 40)
MARK = (200, 16, 46)
TRUTH = (40, 150, 80)
LEADER = (226, 140, 150)
LIMIT = (61, 90, 128)
PAPER = (255, 255, 255)

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


class _Spot(NamedTuple):
    """Top-left corner of a cut-out in the picture, in picture pixels."""

    x: int
    y: int


def draw_overlay(
    panels: Sequence[Panel],
    title: str,
    *,
    truth: Mapping[ViewName, NDArray[np.bool_]] | None = None,
) -> Image.Image:
    """Draw the views side by side.

    Parameters
    ----------
    panels : sequence of Panel
        From `bonescan.report.display.lay_out`.
    title : str
        Stands at the top, for instance the study's name.
    truth : mapping, optional
        Annotated metastases (H, W) bool of each view, outlined in green below the marks.

    Returns
    -------
    Image
        RGB, two picture pixels for one view pixel, with ANT/POST, L/R, a scale bar where the pixel
        spacing is known, and the research-use notice.
    """
    widths = [SCALE * (panel.shape[1] + 2 * MARGIN) for panel in panels]
    height = SCALE * max(panel.shape[0] for panel in panels)
    width = sum(widths) + GAP * (len(panels) - 1)
    width = max(width, 640)
    picture = Image.new("RGB", (width, HEADER + height + FOOTER), PAPER)
    draw = ImageDraw.Draw(picture)
    draw_title(draw, title, width / 2)
    left = (width - sum(widths) - GAP * (len(panels) - 1)) // 2
    for panel, own in zip(panels, widths, strict=True):
        spot = _Spot(left + SCALE * MARGIN, HEADER)
        _draw_panel(picture, draw, panel, spot, None if truth is None else truth[panel.name])
        left += own + GAP
    foot = HEADER + height + FOOTER - 8
    draw.text((width / 2, foot), texts.RESEARCH_USE, INK, _font(17), anchor="ms")
    return picture


def draw_title(draw: ImageDraw.ImageDraw, title: str, middle: float) -> None:
    """Write a title of any script at the top of a picture, around a column of pixels."""
    runs = [(ImageFont.truetype(path, TITLE_SIZE), said) for path, said in in_picture(title)]
    left = middle - sum(font.getlength(said) for font, said in runs) / 2
    for font, said in runs:
        draw.text((left, 6 + TITLE_SIZE), said, INK, font, anchor="ls")
        left += font.getlength(said)


def _draw_panel(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    panel: Panel,
    spot: _Spot,
    truth: NDArray[np.bool_] | None,
) -> None:
    height, width = panel.shape
    grey = Image.fromarray(panel.grey)
    big = grey.resize((SCALE * width, SCALE * height), Image.Resampling.BICUBIC)
    picture.paste(big, (spot.x, spot.y))
    right = spot.x + SCALE * width
    middle = (spot.x + right) / 2
    name = texts.VIEW_LABEL[panel.name]
    draw.text((middle, spot.y - 10), name, INK, _font(22), anchor="ms")
    sides = (side_of_edge(panel.name, left=True), side_of_edge(panel.name, left=False))
    draw.text((spot.x, spot.y - 10), sides[0], INK, _font(22), anchor="ls")
    draw.text((right, spot.y - 10), sides[1], INK, _font(22), anchor="rs")
    _draw_limits(draw, panel, spot)
    _draw_unseen(draw, panel, spot)
    if truth is not None:
        for line in trace_outline(truth, -panel.top, -panel.left):
            draw.line([_at(spot, *point) for point in line], TRUTH, SCALE + 2, joint="curve")
    _draw_marks(draw, panel, spot)
    _draw_scale_bar(draw, panel, spot)


def _draw_marks(draw: ImageDraw.ImageDraw, panel: Panel, spot: _Spot) -> None:
    marks = lesion_marks(panel)
    tags = place_tags(marks, panel.shape)
    for tag in tags:
        edge = 0 if tag.left else panel.shape[1]
        start = _at(spot, tag.row, edge + (-4 if tag.left else 4))
        draw.line([start, _at(spot, *tag.anchor)], LEADER, 1)
    for mark in marks:
        for line in mark.lines:
            points = [_at(spot, row, column) for row, column in line]
            draw.line(points, MARK, SCALE, joint="curve")
    for mark, tag in zip(marks, tags, strict=True):
        edge = -6 if tag.left else panel.shape[1] + 6
        anchor = "rm" if tag.left else "lm"
        draw.text(_at(spot, tag.row, edge), str(mark.number), MARK, _font(22), anchor=anchor)


def _draw_limits(draw: ImageDraw.ImageDraw, panel: Panel, spot: _Spot) -> None:
    right = panel.shape[1]
    for limit in panel.limits:
        for column in range(0, right, 8):
            ends = (column, min(column + 4, right))
            draw.line([_at(spot, limit.row, end) for end in ends], LIMIT, 2)
        beside = _at(spot, limit.row + (2 if limit.told_under else -2), right)
        anchor = "ra" if limit.told_under else "rd"
        draw.text(beside, limit.told, LIMIT, _font(15), anchor=anchor)


def _draw_unseen(draw: ImageDraw.ImageDraw, panel: Panel, spot: _Spot) -> None:
    for line in panel.unseen:
        points = [_at(spot, row, column) for row, column in line]
        draw.line(points, LIMIT, 2)
        below = _at(spot, float(line[:, 0].max()) + 1, float(line[:, 1].mean()))
        draw.text(below, texts.NOT_SEEN, LIMIT, _font(15), anchor="ma")


def _draw_scale_bar(draw: ImageDraw.ImageDraw, panel: Panel, spot: _Spot) -> None:
    spacing = panel.view.pixel_spacing_mm
    if spacing is None:
        return
    length = SCALE * SCALE_BAR_MM / spacing[1]
    y = spot.y + SCALE * panel.shape[0] + 12
    draw.line([(spot.x, y), (spot.x + length, y)], INK, 3)
    for x in (spot.x, spot.x + length):
        draw.line([(x, y - 5), (x, y + 5)], INK, 2)
    draw.text((spot.x + length + 10, y), f"{SCALE_BAR_MM / 10:g} cm", INK, _font(17), anchor="lm")


def _at(spot: _Spot, row: float, column: float) -> tuple[float, float]:
    return spot.x + SCALE * column, spot.y + SCALE * row


def _font(size: int) -> Font:
    return ImageFont.load_default(size)
