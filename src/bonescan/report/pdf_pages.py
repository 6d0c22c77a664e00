"""Pages of paper: blocks from top to bottom, a title above them, notice and page number below."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal

from reportlab import rl_config
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from bonescan.report import texts
from bonescan.report.pdf_blocks import INK, RULE, paragraph

#: ReportLab would turn each picture into text (ASCII 85), in Python: a tenth of a study's time, a
#: quarter more bytes. PDF takes them as they are.
rl_config.useA85 = 0

#: A block of ReportLab's; the library has no types.
Flowable = Any

Paper = Literal["a4", "letter"]
#: Millimetre in points.
POINTS: float = mm
PAPERS: dict[Paper, tuple[float, float]] = {"a4": A4, "letter": LETTER}

MARGIN = 12 * POINTS
#: Room at the foot of each page for notice, provenance and page number.
FOOT = 13 * POINTS
GAP = 1.8 * POINTS


class Pages(ABC):
    """Lays blocks out from top to bottom; ``top`` is where the next one goes.

    Parameters
    ----------
    title, subtitle : str
        Stand at the top of each page.
    named : str
        Patient and study, on every page but the first.
    provenance : str
        Stands at the foot of each page.
    paper : {"a4", "letter"}
    pages : int or None
        The number of pages that the foot names; None for the round that counts them, in which
        pictures may be left out.
    """

    def __init__(
        self,
        title: str,
        subtitle: str,
        named: str,
        provenance: str,
        *,
        paper: Paper = "a4",
        pages: int | None,
    ) -> None:
        self.title, self.subtitle, self.named = title, subtitle, named
        self.provenance, self.pages = provenance, pages
        self.width: float
        self.height: float
        self.width, self.height = PAPERS[paper]
        self.inner: float = self.width - 2 * MARGIN
        self.buffer = BytesIO()
        self.canvas = Canvas(self.buffer, pagesize=PAPERS[paper], invariant=1, lang=texts.LANGUAGE)
        self.page = 0
        self.top: float = 0.0
        self.fresh = True

    @property
    def room(self) -> float:
        """Height that is left on this page, in points."""
        return self.top - MARGIN - FOOT

    @abstractmethod
    def lay_out(self) -> None:
        """Draw all pages."""

    def height_of(self, block: Flowable, width: float | None = None) -> float:
        """Return the height of a block, in points."""
        return float(block.wrapOn(self.canvas, width or self.inner, 10 * self.height)[1])

    def place(
        self,
        block: Flowable,
        gap: float = GAP,
        left: float = MARGIN,
        width: float | None = None,
    ) -> None:
        """Draw a block at the top, split over pages where it does not fit."""
        width = width or self.inner
        while (height := self.height_of(block, width)) > self.room:
            parts = block.split(width, self.room)
            if len(parts) < 2:
                if self.fresh:  # cannot be made smaller
                    break
                self.turn()
                continue
            self._draw(parts[0], left, self.height_of(parts[0], width), gap)
            self.turn()
            block = parts[1]
        self._draw(block, left, height, gap)

    def _draw(self, block: Flowable, left: float, height: float, gap: float) -> None:
        block.drawOn(self.canvas, left, self.top - height)
        self.top -= height + gap
        self.fresh = False

    def turn(self) -> None:
        """End this page and begin the next one."""
        self.finish_page()
        self.start_page()

    def start_page(self) -> None:
        """Begin a page: title, study, and the notice under them."""
        self.page += 1
        self.top = self.height - MARGIN
        title = self.title if self.page == 1 else f"{self.title} ({texts.CONTINUED})"
        self.place(paragraph(f"{title}  ", "title", self.subtitle), 0.6 * POINTS)
        self.place(paragraph(f"{texts.RESEARCH_USE} ", "notice", texts.DRAFT), 1.2 * POINTS)
        if self.page > 1:
            self.place(paragraph(self.named, "fact"), 1 * POINTS)
        self.canvas.setStrokeColor(INK)
        self.canvas.setLineWidth(1.1)
        self.canvas.line(MARGIN, self.top, self.width - MARGIN, self.top)
        self.top -= GAP
        self.fresh = True

    def finish_page(self) -> None:
        """End a page: provenance, notice, page number."""
        canvas, bottom = self.canvas, MARGIN - 3 * POINTS
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, bottom + FOOT, self.width - MARGIN, bottom + FOOT)
        provenance = paragraph(self.provenance, "note")
        height = self.height_of(provenance)
        provenance.drawOn(canvas, MARGIN, bottom + FOOT - height - 0.8 * POINTS)
        notice = paragraph(texts.RESEARCH_USE, "strong")
        self.height_of(notice)
        notice.drawOn(canvas, MARGIN, bottom)
        number = paragraph(texts.page_number(self.page, self.pages or 1), "page")
        self.height_of(number)
        number.drawOn(canvas, MARGIN, bottom)
        canvas.showPage()


def print_pages(make: Callable[[int | None], Pages], title: str, made_at: str) -> bytes:
    """Return a document as PDF.

    Parameters
    ----------
    make : callable
        Takes the number of pages, or None in the round that counts them.
    title : str
        Of the document.
    made_at : str
        ISO 8601; becomes the document's date. The same input gives the same bytes.
    """
    counted = make(None)
    counted.lay_out()
    pages = make(counted.page)
    _describe(pages.canvas, title, made_at)
    pages.lay_out()
    pages.canvas.save()
    return pages.buffer.getvalue()


def _describe(canvas: Canvas, title: str, made_at: str) -> None:
    canvas.setTitle(title)
    canvas.setSubject(texts.RESEARCH_USE)
    canvas.setAuthor("bonescan")
    canvas.setCreator("bonescan")
    try:
        when = datetime.fromisoformat(made_at).astimezone(UTC)
    except ValueError:  # a reading from elsewhere: ReportLab's fixed date stays
        return
    canvas.setDateFormatter(lambda *_: f"D:{when:%Y%m%d%H%M%S}Z")
