"""The views in report.pdf: inverse grey, plain beside marked, with outlines and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.pathobject import PDFPathObject

from bonescan.quantify.position import side_of_edge
from bonescan.report import texts
from bonescan.report.display import NumberTag, Panel, place_tags
from bonescan.report.fonts import BOLD, PLAIN
from bonescan.scan import Lesion

INK, MARK, LIMIT = HexColor("#1a2028"), HexColor("#c8102e"), HexColor("#3d5a80")
LEADER, RULE = HexColor("#e28c96"), HexColor("#dfe3e8")
#: Room above a picture for its name, below for the scale bar, and beside it for numbers.
HEAD, FOOT, ASIDE = 5 * mm, 4.5 * mm, 5 * mm
#: Between two pictures.
GAP = 1.5 * mm
SCALE_BAR_MM = 100.0
#: Pixels of the printed picture for one of the view, so that viewers need not smooth it.
FINER = 2
NUMBER_SIZE = 6.5


@dataclass(frozen=True)
class _Frame:
    """Where a cut-out lies on the page: its top left corner and points for a pixel."""

    left: float
    top: float
    scale: float

    def at(self, row: float, column: float) -> tuple[float, float]:
        return self.left + self.scale * column, self.top - self.scale * row


def pictures_height(panels: Sequence[Panel], width: float, height: float) -> float:
    """Return how much of a height the views take in a box of a width, in points."""
    used: float = HEAD + FOOT + _scale(panels, width, height) * max(p.shape[0] for p in panels)
    return used


def _scale(panels: Sequence[Panel], width: float, height: float) -> float:
    """Return points for a pixel."""
    slots = 2 * len(panels)
    wide = (width - GAP * (slots - 1)) / slots - 2 * ASIDE
    high = height - HEAD - FOOT
    scale: float = min(min(wide / panel.shape[1], high / panel.shape[0]) for panel in panels)
    return scale


def draw_pictures(
    canvas: Canvas, panels: Sequence[Panel], left: float, top: float, width: float, height: float
) -> None:
    """Draw each view marked and plain into a box, as large as it allows.

    Parameters
    ----------
    canvas : Canvas
    panels : sequence of Panel
        From `bonescan.report.display.lay_out`.
    left, top, width, height : float
        The box, in points, from the page's lower left corner.
    """
    slots = 2 * len(panels)
    scale = _scale(panels, width, height)
    used = [scale * panel.shape[1] + 2 * ASIDE for panel in panels for _ in (0, 1)]
    x = left + (width - sum(used) - GAP * (slots - 1)) / 2
    for panel in panels:
        picture = _finer(panel)
        for marked in (True, False):
            frame = _Frame(x + ASIDE, top - HEAD, scale)
            _draw_view(canvas, panel, picture, frame)
            if marked:
                _draw_limit(canvas, panel, frame)
                _draw_marks(canvas, panel, frame)
            x += scale * panel.shape[1] + 2 * ASIDE + GAP


def _finer(panel: Panel) -> ImageReader:
    rows, columns = panel.shape
    grey = Image.fromarray(panel.grey)
    return ImageReader(grey.resize((FINER * columns, FINER * rows), Image.Resampling.BICUBIC))


def _draw_view(canvas: Canvas, panel: Panel, picture: ImageReader, frame: _Frame) -> None:
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


def _draw_limit(canvas: Canvas, panel: Panel, frame: _Frame) -> None:
    if panel.read_to is None:
        return
    canvas.setStrokeColor(LIMIT)
    canvas.setLineWidth(0.6)
    canvas.setDash(3, 2)
    canvas.line(*frame.at(panel.read_to, 0), *frame.at(panel.read_to, panel.shape[1]))
    canvas.setDash()
    canvas.setFillColor(LIMIT)
    canvas.setFont(PLAIN, 5.5)
    right, y = frame.at(panel.read_to, panel.shape[1] - 2)
    canvas.drawRightString(right, y - 6, texts.NOT_READ)


def _draw_marks(canvas: Canvas, panel: Panel, frame: _Frame) -> None:
    pitch = 1.05 * NUMBER_SIZE / frame.scale
    tags = place_tags(panel.lesions, panel.top, panel.left, panel.shape, pitch=pitch)
    canvas.setLineJoin(1)
    canvas.setStrokeColor(LEADER)
    canvas.setLineWidth(0.35)
    for tag in tags:
        edge = -2.0 if tag.left else panel.shape[1] + 2.0
        canvas.line(*frame.at(tag.row, edge), *frame.at(*tag.anchor))
    canvas.setStrokeColor(MARK)
    canvas.setLineWidth(0.6)
    for lesion in panel.lesions:
        canvas.drawPath(_path(canvas, panel, lesion, frame))
    canvas.setFillColor(MARK)
    for tag in tags:
        _draw_number(canvas, tag, panel.shape, len(tags), frame)


def _path(canvas: Canvas, panel: Panel, lesion: Lesion, frame: _Frame) -> PDFPathObject:
    path = canvas.beginPath()
    for line in panel.polygons(lesion):
        path.moveTo(*frame.at(*line[0]))
        for point in line[1:-1]:
            path.lineTo(*frame.at(*point))
        path.close()
    return path


def _draw_number(
    canvas: Canvas, tag: NumberTag, shape: tuple[int, int], numbers: int, frame: _Frame
) -> None:
    size = min(NUMBER_SIZE, 0.95 * frame.scale * shape[0] / numbers)
    canvas.setFont(BOLD, size)
    x, y = frame.at(tag.row, -3.0 if tag.left else shape[1] + 3.0)
    draw = canvas.drawRightString if tag.left else canvas.drawString
    draw(x, y - 0.36 * size, str(tag.lesion.number))
