"""report.pdf: the report on paper, A4 or letter, with nothing but ReportLab."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal

from reportlab import rl_config
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from bonescan.report import texts
from bonescan.report.pdf_blocks import (
    INK,
    RULE,
    facts_block,
    figures_block,
    flags_block,
    paragraph,
    table_block,
)
from bonescan.report.pdf_pictures import draw_pictures, pictures_height
from bonescan.report.sheet import Sheet, Table, compose
from bonescan.scan import Reading, Scan

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
#: Height of the pictures on the first page: what the rest leaves, within these limits.
LEAST_PICTURE, MOST_PICTURE = 76 * POINTS, 128 * POINTS
#: Between the table of marks and that of the index, and the width of the latter.
GUTTER = 5 * POINTS
INDEX_WIDTH = 64 * POINTS
#: No table is begun in less room than this.
LEAST_TABLE = 14 * POINTS


def write_pdf(scan: Scan, reading: Reading, *, paper: Paper = "a4") -> bytes:
    """Return the report as PDF.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study and what was read off it.
    paper : {"a4", "letter"}

    Returns
    -------
    bytes
        The same for the same scan and reading: the document's date is that of the reading's
        provenance. One page for up to about 12 marks; where there are more, the table goes on over
        further pages.
    """
    made_at = reading.provenance.made_at
    return render_pdf(compose(scan, reading), study=scan.study, made_at=made_at, paper=paper)


def render_pdf(sheet: Sheet, *, study: str, made_at: str, paper: Paper = "a4") -> bytes:
    """Return a composed sheet as PDF; ``made_at`` (ISO 8601) becomes the document's date."""
    counted = _Pages(sheet, study, paper, pages=None)
    counted.lay_out()
    pages = _Pages(sheet, study, paper, pages=counted.page)
    _describe(pages.canvas, study, made_at)
    pages.lay_out()
    pages.canvas.save()
    return pages.buffer.getvalue()


def _describe(canvas: Canvas, study: str, made_at: str) -> None:
    canvas.setTitle(f"{texts.TITLE}: {study}")
    canvas.setSubject(texts.RESEARCH_USE)
    canvas.setAuthor("bonescan")
    canvas.setCreator("bonescan")
    try:
        when = datetime.fromisoformat(made_at).astimezone(UTC)
    except ValueError:  # a reading from elsewhere: ReportLab's fixed date stays
        return
    canvas.setDateFormatter(lambda *_: f"D:{when:%Y%m%d%H%M%S}Z")


class _Pages:
    """Lays a sheet out from top to bottom; ``top`` is where the next block goes.

    ``pages`` is the number of pages that the foot names; None for the round that counts them,
    which leaves the pictures out.
    """

    def __init__(self, sheet: Sheet, study: str, paper: Paper, pages: int | None) -> None:
        self.sheet, self.study, self.pages = sheet, study, pages
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
        """Height that is left on this page."""
        return self.top - MARGIN - FOOT

    def lay_out(self) -> None:
        """Draw all pages."""
        sheet = self.sheet
        self._start_page()
        self._place(facts_block(sheet.facts, self.inner))
        if sheet.flags:
            self._place(flags_block(sheet.flags, self.inner))
        self._place(paragraph(sheet.summary, "summary"))
        self._place(figures_block(sheet.figures, self.inner))
        notes = self._notes()
        below = sum(self._height(note) + GAP / 2 for note in notes) + self._tables_height()
        self._pictures(self.room - below - GAP)
        self._tables()
        for note in notes:
            self._place(note, GAP / 2)
        self._finish_page()

    def _notes(self) -> list[Flowable]:
        sheet = self.sheet
        notes = [] if sheet.index else [paragraph(sheet.index_note, "strong")]
        notes.append(paragraph(f"{texts.MODEL}. ", "note", " ".join(sheet.model)))
        notes.append(paragraph(f"{texts.NOTES}. ", "note", " ".join(sheet.notes)))
        notes.append(paragraph(sheet.picture_note, "note"))
        return notes

    def _pictures(self, height: float) -> None:
        height = min(max(height, LEAST_PICTURE), MOST_PICTURE)
        height = pictures_height(self.sheet.panels, self.inner, height)
        if height > self.room:  # so many flags: the pictures head a page of their own
            self._turn()
        if self.pages is not None:
            draw_pictures(self.canvas, self.sheet.panels, MARGIN, self.top, self.inner, height)
        self.top -= height + GAP

    def _lesions_width(self) -> float:
        return self.inner - (INDEX_WIDTH + GUTTER if self.sheet.index else 0)

    def _tables_height(self) -> float:
        lesions, index = self.sheet.lesions, self._index_blocks()
        left = (
            self._height(table_block(lesions, self._lesions_width(), texts.MARKS))
            if lesions
            else 0.0
        )
        right = sum(self._height(block, INDEX_WIDTH) + GAP / 2 for block in index)
        return max(left, right) + GAP

    def _index_blocks(self) -> list[Flowable]:
        index = self.sheet.index
        if index is None:
            return []
        return [
            table_block(index, INDEX_WIDTH, texts.INDEX),
            paragraph(self.sheet.index_note, "note"),
        ]

    def _tables(self) -> None:
        """Put the marks on the left, the index on the right, and what is left over on new pages."""
        index = self._index_blocks()
        if self.room < LEAST_TABLE or sum(self._height(b, INDEX_WIDTH) for b in index) > self.room:
            self._turn()
        start = self.top
        left = MARGIN + (self._lesions_width() + GUTTER if self.sheet.lesions else 0)
        for block in index:
            self._place(block, GAP / 2, left, INDEX_WIDTH)
        lowest, self.top = self.top, start
        if self.sheet.lesions:
            lowest = self._marks(self.sheet.lesions, lowest)
        self.top = min(lowest, self.top)

    def _marks(self, lesions: Table, lowest: float) -> float:
        """Draw the table of marks over as many pages as it takes; return the page's lowest edge."""
        width = self._lesions_width()
        rest: list[Flowable] = [table_block(lesions, width, texts.MARKS)]
        while rest:
            table = rest.pop(0)
            if self._height(table, width) > self.room:
                first, *rest = table.split(width, self.room) or (None, table)
                if first is not None:
                    self._place(first, GAP, MARGIN, width)
                self._turn()
                lowest = self.top
            else:
                self._place(table, GAP, MARGIN, width)
        return lowest

    def _height(self, block: Flowable, width: float | None = None) -> float:
        return float(block.wrapOn(self.canvas, width or self.inner, 10 * self.height)[1])

    def _place(
        self,
        block: Flowable,
        gap: float = GAP,
        left: float = MARGIN,
        width: float | None = None,
    ) -> None:
        """Draw a block at the top, split over pages where it does not fit."""
        width = width or self.inner
        while (height := self._height(block, width)) > self.room:
            parts = block.split(width, self.room)
            if len(parts) < 2:
                if self.fresh:  # cannot be made smaller
                    break
                self._turn()
                continue
            self._draw(parts[0], left, self._height(parts[0], width), gap)
            self._turn()
            block = parts[1]
        self._draw(block, left, height, gap)

    def _draw(self, block: Flowable, left: float, height: float, gap: float) -> None:
        block.drawOn(self.canvas, left, self.top - height)
        self.top -= height + gap
        self.fresh = False

    def _turn(self) -> None:
        self._finish_page()
        self._start_page()

    def _start_page(self) -> None:
        """Begin a page: title, study, and the notice under them."""
        self.page += 1
        self.top = self.height - MARGIN
        title = texts.TITLE if self.page == 1 else f"{texts.TITLE} ({texts.CONTINUED})"
        heading = paragraph(f"{title}  ", "title", texts.SUBTITLE)
        self._place(heading, 0.6 * POINTS)
        self._place(paragraph(f"{texts.RESEARCH_USE} ", "notice", texts.DRAFT), 1.2 * POINTS)
        if self.page > 1:
            who = next(iter(self.sheet.facts), ("", ""))[1]
            self._place(paragraph(" · ".join(dict.fromkeys((who, self.study))), "fact"), 1 * POINTS)
        self.canvas.setStrokeColor(INK)
        self.canvas.setLineWidth(1.1)
        self.canvas.line(MARGIN, self.top, self.width - MARGIN, self.top)
        self.top -= GAP
        self.fresh = True

    def _finish_page(self) -> None:
        """End a page: provenance, notice, page number."""
        canvas, bottom = self.canvas, MARGIN - 3 * POINTS
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.5)
        canvas.line(MARGIN, bottom + FOOT, self.width - MARGIN, bottom + FOOT)
        provenance = paragraph(self.sheet.provenance, "note")
        height = self._height(provenance)
        provenance.drawOn(canvas, MARGIN, bottom + FOOT - height - 0.8 * POINTS)
        notice = paragraph(texts.RESEARCH_USE, "strong")
        self._height(notice)
        notice.drawOn(canvas, MARGIN, bottom)
        number = paragraph(texts.page_number(self.page, self.pages or 1), "page")
        self._height(number)
        number.drawOn(canvas, MARGIN, bottom)
        canvas.showPage()
