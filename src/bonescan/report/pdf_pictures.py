"""Views on paper: cut-outs side by side, with the outlines and numbers of marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.pathobject import PDFPathObject

from bonescan.quantify.position import side_of_edge
from bonescan.report import texts
from bonescan.report.display import (
    GONE_RADIUS,
    SCALE_BAR_MM,
    Mark,
    NumberTag,
    Panel,
    lesion_marks,
    place_tags,
)
from bonescan.report.fonts import BOLD, PLAIN

INK, LIMIT, RULE = HexColor("#1a2028"), HexColor("#3d5a80"), HexColor("#dfe3e8")
#: Room above a picture for its name, below for the scale bar, and beside it for numbers.
HEAD, FOOT, ASIDE = 5 * mm, 4.5 * mm, 5 * mm
#: More room above pictures that have names.
NAME = 3.6 * mm
#: Between two pictures.
GAP = 1.5 * mm
#: Pixels of the printed picture for one of the view, so that viewers need not smooth it.
FINER = 2
NUMBER_SIZE = 6.5
LEADER_ALPHA = 0.5


@dataclass(frozen=True)
class Print:
    """One picture on paper: a panel, its marks, and a name above it that tells it from others.

    ``limit`` draws where reading ended.
    """

    panel: Panel
    marks: tuple[Mark, ...] = ()
    name: str = ""
    limit: bool = False


def marked_and_plain(panels: Sequence[Panel]) -> tuple[Print, ...]:
    """Return each view with its lesions, and beside it without."""
    return tuple(
        Print(panel, lesion_marks(panel) if marked else (), limit=marked)
        for panel in panels
        for marked in (True, False)
    )


@dataclass(frozen=True)
class _Frame:
    """Where a cut-out lies on the page: its top left corner and points for a pixel."""

    left: float
    top: float
    scale: float

    def at(self, row: float, column: float) -> tuple[float, float]:
        return self.left + self.scale * column, self.top - self.scale * row


def pictures_height(prints: Sequence[Print], width: float, height: float) -> float:
    """Return how much of a height pictures take side by side in a width, in points."""
    scales = _scales(prints, width, height)
    rows = (scale * item.panel.shape[0] for scale, item in zip(scales, prints, strict=True))
    used: float = _head(prints) + FOOT + max(rows)
    return used


def _head(prints: Sequence[Print]) -> float:
    named = any(item.name for item in prints)
    room: float = HEAD + (NAME if named else 0.0)
    return room


def _scales(prints: Sequence[Print], width: float, height: float) -> list[float]:
    """Return each picture's points for a pixel: all at one scale in mm, or else in pixels."""
    spacings = [item.panel.view.pixel_spacing_mm for item in prints]
    known = [sum(spacing) / 2 for spacing in spacings if spacing is not None]
    sizes = known if len(known) == len(prints) else [1.0] * len(prints)
    slots = len(prints)
    wide = (width - GAP * (slots - 1)) / slots - 2 * ASIDE
    high = height - _head(prints) - FOOT
    scale = min(
        min(wide / (size * item.panel.shape[1]), high / (size * item.panel.shape[0]))
        for size, item in zip(sizes, prints, strict=True)
    )
    return [scale * size for size in sizes]


def draw_pictures(
    canvas: Canvas, prints: Sequence[Print], left: float, top: float, width: float, height: float
) -> None:
    """Draw pictures side by side into a box, as large as it allows, all at one scale.

    Parameters
    ----------
    canvas : Canvas
    prints : sequence of Print
    left, top, width, height : float
        The box, in points, from the page's lower left corner.
    """
    scales = _scales(prints, width, height)
    used = [
        scale * item.panel.shape[1] + 2 * ASIDE for scale, item in zip(scales, prints, strict=True)
    ]
    x = left + (width - sum(used) - GAP * (len(prints) - 1)) / 2
    pictures: dict[int, ImageReader] = {}  # the same picture twice is stored once
    for item, own, scale in zip(prints, used, scales, strict=True):
        picture = pictures.setdefault(id(item.panel), _finer(item.panel))
        frame = _Frame(x + ASIDE, top - _head(prints), scale)
        _draw_view(canvas, item, picture, frame)
        if item.limit:
            _draw_limits(canvas, item.panel, frame)
            _draw_unseen(canvas, item.panel, frame)
        _draw_marks(canvas, item, frame)
        x += own + GAP


def _finer(panel: Panel) -> ImageReader:
    rows, columns = panel.shape
    grey = Image.fromarray(panel.grey)
    return ImageReader(grey.resize((FINER * columns, FINER * rows), Image.Resampling.BICUBIC))


def _draw_view(canvas: Canvas, item: Print, picture: ImageReader, frame: _Frame) -> None:
    panel = item.panel
    rows, columns = panel.shape
    width, height = frame.scale * columns, frame.scale * rows
    canvas.drawImage(picture, frame.left, frame.top - height, width, height)
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.4)
    canvas.rect(frame.left, frame.top - height, width, height)
    canvas.setFillColor(INK)
    canvas.setFont(BOLD, 8)
    y = frame.top + 1.4 * mm
    canvas.drawString(frame.left, y, side_of_edge(panel.name, left=True))
    canvas.drawCentredString(frame.left + width / 2, y, texts.VIEW_LABEL[panel.name])
    canvas.drawCentredString(frame.left + width / 2, y + NAME, item.name)
    canvas.drawRightString(frame.left + width, y, side_of_edge(panel.name, left=False))
    _draw_scale_bar(canvas, panel, frame)


def _draw_scale_bar(canvas: Canvas, panel: Panel, frame: _Frame) -> None:
    spacing = panel.view.pixel_spacing_mm
    if spacing is None:
        return
    length = frame.scale * SCALE_BAR_MM / spacing[1]
    y = frame.top - frame.scale * panel.shape[0] - 2.4 * mm
    canvas.setStrokeColor(INK)
    canvas.setLineWidth(0.8)
    canvas.line(frame.left, y, frame.left + length, y)
    for x in (frame.left, frame.left + length):
        canvas.line(x, y - 1.5, x, y + 1.5)
    canvas.setFont(PLAIN, 6)
    canvas.drawString(frame.left + length + 3, y - 2, texts.SCALE_BAR)


def _draw_limits(canvas: Canvas, panel: Panel, frame: _Frame) -> None:
    canvas.setStrokeColor(LIMIT)
    canvas.setLineWidth(0.6)
    canvas.setFillColor(LIMIT)
    canvas.setFont(PLAIN, 5.5)
    for limit in panel.limits:
        canvas.setDash(3, 2)
        canvas.line(*frame.at(limit.row, 0), *frame.at(limit.row, panel.shape[1]))
        canvas.setDash()
        right, y = frame.at(limit.row, panel.shape[1] - 2)
        canvas.drawRightString(right, y + (-6 if limit.told_under else 2), limit.told)


def _draw_unseen(canvas: Canvas, panel: Panel, frame: _Frame) -> None:
    canvas.setFont(PLAIN, 5.5)
    for line in panel.unseen:
        canvas.setStrokeColor(LIMIT)
        canvas.setFillColor(LIMIT)
        canvas.setLineWidth(0.6)
        canvas.setDash(2, 1.5)
        canvas.drawPath(_closed(canvas, [line], frame))
        canvas.setDash()
        x, y = frame.at(float(line[:, 0].max()), float(line[:, 1].mean()))
        canvas.drawCentredString(x, y - 6, texts.NOT_SEEN)


def _draw_marks(canvas: Canvas, item: Print, frame: _Frame) -> None:
    shape = item.panel.shape
    size = min(NUMBER_SIZE, 0.95 * frame.scale * shape[0] / max(1, len(item.marks)))
    tags = place_tags(item.marks, shape, pitch=1.05 * NUMBER_SIZE / frame.scale)
    canvas.setLineJoin(1)
    for mark, tag in zip(item.marks, tags, strict=True):
        edge = -2.0 if tag.left else shape[1] + 2.0
        canvas.setStrokeColor(HexColor(mark.colour), LEADER_ALPHA)
        canvas.setLineWidth(0.35)
        canvas.line(*frame.at(tag.row, edge), *frame.at(*tag.anchor))
    canvas.setStrokeAlpha(1)
    for mark, tag in zip(item.marks, tags, strict=True):
        canvas.setStrokeColor(HexColor(mark.colour))
        canvas.setLineWidth(0.6)
        if mark.gone:
            canvas.setDash(1.5, 1)
            canvas.circle(*frame.at(*mark.place), frame.scale * GONE_RADIUS)
            canvas.setDash()
        else:
            canvas.drawPath(_closed(canvas, mark.lines, frame))
        _draw_number(canvas, mark, tag, shape[1], size, frame)


def _closed(canvas: Canvas, lines: Sequence[NDArray[np.float64]], frame: _Frame) -> PDFPathObject:
    path = canvas.beginPath()
    for line in lines:
        path.moveTo(*frame.at(*line[0]))
        for point in line[1:-1]:
            path.lineTo(*frame.at(*point))
        path.close()
    return path


def _draw_number(
    canvas: Canvas, mark: Mark, tag: NumberTag, columns: int, size: float, frame: _Frame
) -> None:
    canvas.setFont(BOLD, size)
    canvas.setFillColor(HexColor(mark.colour))
    x, y = frame.at(tag.row, -3.0 if tag.left else columns + 3.0)
    draw = canvas.drawRightString if tag.left else canvas.drawString
    draw(x, y - 0.36 * size, str(mark.number))
