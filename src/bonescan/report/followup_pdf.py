"""compare.pdf: the page of a follow-up on paper, by the code of report.pdf."""

from __future__ import annotations

from io import BytesIO
from itertools import chain

from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader

from bonescan.report import followup_texts as says
from bonescan.report import texts
from bonescan.report.followup_sheet import FollowUpSheet, Picture, Row
from bonescan.report.fonts import PLAIN
from bonescan.report.pdf_blocks import (
    SOFT,
    facts_block,
    paragraph,
    table_block,
    told_flags_block,
)
from bonescan.report.pdf_pages import (
    GAP,
    MARGIN,
    POINTS,
    Flowable,
    Pages,
    Paper,
    print_pages,
)
from bonescan.report.pdf_pictures import Print, draw_pictures, pictures_height
from bonescan.report.sheet import Table

#: Height of a row of pictures, least and most.
LEAST_PICTURE, MOST_PICTURE = 62 * POINTS, 128 * POINTS
#: Timeline and table get so much of the first page at most; the table then goes on over others.
MOST_END = 110 * POINTS
TIMELINE_WIDTH = 150 * POINTS
LEGEND_SIZE = 7.0


def render_followup_pdf(sheet: FollowUpSheet, timeline: bytes, *, paper: Paper = "a4") -> bytes:
    """Return a follow-up as PDF.

    Parameters
    ----------
    sheet : FollowUpSheet
        What it says, from `bonescan.report.followup_sheet.compose_followup`.
    timeline : bytes
        The plot as PNG.
    paper : {"a4", "letter"}

    Returns
    -------
    bytes
        The same for the same comparison. The table goes on over further pages.
    """
    return print_pages(
        lambda pages: _Comparison(sheet, timeline, paper, pages), says.TITLE, sheet.made_at
    )


class _Comparison(Pages):
    """The follow-up of one patient; the round that counts the pages leaves pictures out."""

    def __init__(
        self, sheet: FollowUpSheet, timeline: bytes, paper: Paper, pages: int | None
    ) -> None:
        named = " · ".join((*texts.identity(sheet.facts), *sheet.labels))
        super().__init__(
            says.TITLE, says.SUBTITLE, named, sheet.provenance, paper=paper, pages=pages
        )
        self.sheet, self.timeline = sheet, timeline

    def lay_out(self) -> None:
        """Draw all pages."""
        sheet = self.sheet
        self.start_page()
        self.place(facts_block(sheet.facts, self.inner))
        if sheet.flags:
            self.place(told_flags_block(sheet.flags, self.inner))
        self.place(paragraph(sheet.summary, "summary"))
        caveats = " ".join((sheet.reason, *sheet.caveats))
        self.place(paragraph(f"{sheet.verdict}. ", "flag", caveats))
        rows = self._rows()
        below = self._key_height() + (self._end_height() if len(rows) == 1 else 0.0)
        for number, prints in enumerate(rows):
            self._pictures(prints, (self.room - below) / (len(rows) - number) - GAP)
        self._legend()
        first, *others = self._notes()
        self.place(first, GAP / 2)
        self._timeline()
        if sheet.rows:
            self.place(self._findings())
        for note in others:
            self.place(note, GAP / 2)
        self.finish_page()

    def _findings(self) -> Flowable:
        return table_block(_table(self.sheet), self.inner, says.FINDINGS)

    def _rows(self) -> list[list[Print]]:
        """Return the pictures in one row, or one row for each view."""
        strips = [[_printed(picture) for picture in strip] for strip in self.sheet.strips]
        return [list(chain.from_iterable(strips))] if self.sheet.in_one_row else strips

    def _notes(self) -> list[Flowable]:
        return [paragraph(note, "note") for note in self.sheet.notes]

    def _key_height(self) -> float:
        """Return the height of what explains the pictures."""
        return self.height_of(self._notes()[0]) + LEGEND_SIZE + 2 * GAP

    def _end_height(self) -> float:
        """Return the height of what follows the pictures, as far as a page should hold it."""
        blocks = [*([self._findings()] if self.sheet.rows else []), *self._notes()[1:]]
        height = self._timeline_height() + sum(self.height_of(block) + GAP for block in blocks)
        return min(height + GAP, MOST_END)

    def _pictures(self, prints: list[Print], height: float) -> None:
        height = min(max(height, LEAST_PICTURE), MOST_PICTURE)
        height = pictures_height(prints, self.inner, height)
        if height > self.room:
            self.turn()
        if self.pages is not None:
            draw_pictures(self.canvas, prints, MARGIN, self.top, self.inner, height)
        self.top -= height + GAP
        self.fresh = False

    def _legend(self) -> None:
        """Write what the colours mean, each beside a square of it."""
        if self.room < LEGEND_SIZE + GAP:
            self.turn()
        x, y = MARGIN, self.top - LEGEND_SIZE
        self.canvas.setFont(PLAIN, LEGEND_SIZE)
        for colour, words in self.sheet.legend:
            self.canvas.setStrokeColor(HexColor(colour))
            self.canvas.setLineWidth(1.2)
            self.canvas.rect(x, y, 0.7 * LEGEND_SIZE, 0.7 * LEGEND_SIZE)
            self.canvas.setFillColor(SOFT)
            self.canvas.drawString(x + 1.2 * LEGEND_SIZE, y, words)
            width = self.canvas.stringWidth(words, PLAIN, LEGEND_SIZE)
            x += float(width) + 3.2 * LEGEND_SIZE
        self.top = y - GAP

    def _timeline_height(self) -> float:
        width, height = ImageReader(BytesIO(self.timeline)).getSize()
        return float(TIMELINE_WIDTH * height / width)

    def _timeline(self) -> None:
        height = self._timeline_height()
        if height > self.room:
            self.turn()
        left = MARGIN + (self.inner - TIMELINE_WIDTH) / 2
        if self.pages is not None:
            picture = ImageReader(BytesIO(self.timeline))
            self.canvas.drawImage(picture, left, self.top - height, TIMELINE_WIDTH, height)
        self.top -= height + GAP
        self.fresh = False


def _printed(picture: Picture) -> Print:
    return Print(picture.panel, picture.marks, name=picture.visit, limit=True)


def _table(sheet: FollowUpSheet) -> Table:
    """Return the findings, a column for each scan."""
    headings = (says.COLUMN_FINDING, says.COLUMN_VIEW, says.COLUMN_PLACE, *sheet.labels)
    return Table(
        headings=headings,
        rows=tuple(_cells(row) for row in sheet.rows),
        numeric=(False,) * len(headings),
    )


def _cells(row: Row) -> tuple[str, ...]:
    # The measures stay together: where a column is narrow they stand below the word.
    told = (
        " ".join(part for part in (cell.word, cell.measures.replace(" ", "\u00a0")) if part)
        for cell in row.cells
    )
    return (str(row.finding), row.view, row.place, *told)
