"""report.pdf: the report on paper, A4 or letter, with nothing but ReportLab."""

from __future__ import annotations

from collections.abc import Sequence

from bonescan.report import texts
from bonescan.report.pdf_blocks import (
    facts_block,
    figures_block,
    flags_block,
    paragraph,
    table_block,
)
from bonescan.report.pdf_pages import GAP, MARGIN, POINTS, Flowable, Pages, Paper, print_pages
from bonescan.report.pdf_pictures import draw_pictures, marked_and_plain, pictures_height
from bonescan.report.sheet import Sheet, Table, compose
from bonescan.scan import Reading, Scan

#: Height of the pictures on the first page: what the rest leaves, within these limits.
LEAST_PICTURE, MOST_PICTURE = 70 * POINTS, 128 * POINTS
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
    title = f"{texts.TITLE}: {study}"
    return print_pages(lambda pages: _Report(sheet, study, paper, pages), title, made_at)


class _Report(Pages):
    """The report of one study; the round that counts the pages leaves the pictures out."""

    def __init__(self, sheet: Sheet, study: str, paper: Paper, pages: int | None) -> None:
        named = " · ".join(dict.fromkeys((*texts.identity(sheet.facts), study)))
        super().__init__(
            texts.TITLE, texts.SUBTITLE, named, sheet.provenance, paper=paper, pages=pages
        )
        self.sheet = sheet

    def lay_out(self) -> None:
        """Draw all pages."""
        sheet = self.sheet
        self.start_page()
        self.place(facts_block(sheet.facts, self.inner))
        if sheet.flags:
            self.place(flags_block(sheet.flags, self.inner))
        self.place(paragraph(sheet.summary, "summary"))
        self.place(figures_block(sheet.figures, self.inner))
        notes = self._notes()
        below = self._tables_height() + self._notes_height(notes, self.inner)
        beside = self._left_height(notes)
        if sheet.index and beside + GAP + LEAST_PICTURE <= self.room:
            # A short table of marks leaves room for the notes under it, beside the index.
            below = max(beside, self._tables_height())
            self._pictures(self.room - below - GAP)
            self._tables(notes)
        else:
            left = self.room - below - GAP
            if left < LEAST_PICTURE:  # the marks go on over another page: the pictures need not
                left = self.room - self._right_height() - GAP
            self._pictures(left)
            self._tables(())
            for note in notes:
                self.place(note, GAP / 2)
        self.finish_page()

    def _notes(self) -> list[Flowable]:
        sheet = self.sheet
        notes = [] if sheet.index else [paragraph(sheet.index_note, "strong")]
        notes.append(paragraph(f"{texts.MODEL}. ", "note", " ".join(sheet.model)))
        notes.append(paragraph(f"{texts.NOTES}. ", "note", " ".join(sheet.notes)))
        notes.append(paragraph(sheet.picture_note, "note"))
        return notes

    def _pictures(self, height: float) -> None:
        height = min(max(height, LEAST_PICTURE), MOST_PICTURE)
        prints = marked_and_plain(self.sheet.panels)
        height = pictures_height(prints, self.inner, height)
        if height > self.room:  # so many flags: the pictures head a page of their own
            self.turn()
        if self.pages is not None:
            draw_pictures(self.canvas, prints, MARGIN, self.top, self.inner, height)
        self.top -= height + GAP

    def _lesions_width(self) -> float:
        return self.inner - (INDEX_WIDTH + GUTTER if self.sheet.index else 0)

    def _tables_height(self) -> float:
        return max(self._left_height(()), self._right_height())

    def _right_height(self) -> float:
        """Return the height of the index with its note; what is left of it goes on over pages."""
        index = self._index_blocks()
        return sum(self.height_of(block, INDEX_WIDTH) + GAP / 2 for block in index) + GAP

    def _left_height(self, notes: Sequence[Flowable]) -> float:
        """Return the height of the table of marks with notes under it, left of the index."""
        lesions, width = self.sheet.lesions, self._lesions_width()
        table = self.height_of(table_block(lesions, width, texts.MARKS), width) if lesions else 0.0
        return table + GAP + self._notes_height(notes, width)

    def _notes_height(self, notes: Sequence[Flowable], width: float) -> float:
        return sum(self.height_of(note, width) + GAP / 2 for note in notes)

    def _index_blocks(self) -> list[Flowable]:
        index = self.sheet.index
        if index is None:
            return []
        return [
            table_block(index, INDEX_WIDTH, texts.INDEX),
            paragraph(self.sheet.index_note, "note"),
        ]

    def _tables(self, notes: Sequence[Flowable]) -> None:
        """Put marks and notes on the left, the index on the right, what is left on new pages."""
        index = self._index_blocks()
        if (
            self.room < LEAST_TABLE
            or sum(self.height_of(b, INDEX_WIDTH) for b in index) > self.room
        ):
            self.turn()
        start = self.top
        column = self.sheet.lesions or notes
        left = MARGIN + (self._lesions_width() + GUTTER if column else 0)
        for block in index:
            self.place(block, GAP / 2, left, INDEX_WIDTH)
        lowest, self.top = self.top, start
        if self.sheet.lesions:
            lowest = self._marks(self.sheet.lesions, lowest)
        for note in notes:
            self.place(note, GAP / 2, MARGIN, self._lesions_width())
        self.top = min(lowest, self.top)

    def _marks(self, lesions: Table, lowest: float) -> float:
        """Draw the table of marks over as many pages as it takes; return the page's lowest edge."""
        width = self._lesions_width()
        rest: list[Flowable] = [table_block(lesions, width, texts.MARKS)]
        while rest:
            table = rest.pop(0)
            if self.height_of(table, width) > self.room:
                first, *rest = table.split(width, self.room) or (None, table)
                if first is not None:
                    self.place(first, GAP, MARGIN, width)
                self.turn()
                lowest = self.top
            else:
                self.place(table, GAP, MARGIN, width)
        return lowest
