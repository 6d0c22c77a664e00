"""The blocks of which report.pdf is put together: text, facts, flags, figures, tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Paragraph
from reportlab.platypus import Table as Grid

from bonescan.report import texts
from bonescan.report.fonts import BOLD, PLAIN, markup
from bonescan.report.sheet import Table
from bonescan.scan import Flag

INK, SOFT, RULE = HexColor("#1a2028"), HexColor("#4c5763"), HexColor("#c3cad2")
BAND, MARK = HexColor("#f1f4f7"), HexColor("#c8102e")
SEVERITY = {
    "error": HexColor("#b3001b"),
    "warning": HexColor("#a86200"),
    "info": HexColor("#3d5a80"),
}
FACT_COLUMNS = 5
#: Air right of a cell, and what a text gets more than it takes, so that rounding breaks no word.
CELL_GAP, SLACK = 1.6 * mm, 0.2
#: Spaces that end no line: ``13.1 cm²``, ``17 %``, ``POST 12``.
_KEPT = re.compile(
    "|".join(
        [
            "(?<=[0-9]) (?=cm²|mm|%|pixels)",
            *(f"(?<={v}) (?=[0-9])" for v in texts.VIEW_LABEL.values()),
        ]
    )
)


def _style(size: float, leading: float, font: str = PLAIN, **more: object) -> ParagraphStyle:
    settings = {"textColor": INK, "splitLongWords": 1, **more}
    return ParagraphStyle("", fontName=font, fontSize=size, leading=leading, **settings)


STYLES = {
    "summary": _style(10, 12.5, BOLD),
    "strong": _style(8, 10, BOLD),
    "note": _style(6.6, 8, textColor=SOFT),
    "flag": _style(7.4, 9),
    "fact": _style(7.8, 9.4),
    "figure": _style(12, 14, BOLD),
    "caption": _style(6.8, 8.2, textColor=SOFT),
    "cell": _style(7.4, 8.8),
    "mark": _style(7.4, 8.8, BOLD, textColor=MARK),
    "number": _style(7.4, 8.8, alignment=2),
    "heading": _style(6.8, 8.2, BOLD, textColor=SOFT),
    "heading number": _style(6.8, 8.2, BOLD, textColor=SOFT, alignment=2),
    "total": _style(7.4, 8.8, BOLD),
    "total number": _style(7.4, 8.8, BOLD, alignment=2),
    "title": _style(15, 18),
    "notice": _style(7.6, 9.4, textColor=SOFT),
    "page": _style(7, 8.5, textColor=SOFT, alignment=2),
    "section": _style(8.6, 10.5, BOLD),
}


def paragraph(text: str, style: str, more: str = "") -> Paragraph:
    """Return a text in one of `STYLES`; with ``more``, the first part is bold."""
    text, more = _unbroken(text), _unbroken(more)
    said = f"<b>{markup(text)}</b>{markup(more)}" if more else markup(text)
    return Paragraph(said, STYLES[style])


def _unbroken(text: str) -> str:
    """Keep numbers with their units, and views with the numbers of their marks, on one line."""
    return _KEPT.sub("\u00a0", text)


def facts_block(facts: Sequence[tuple[str, str]], width: float) -> Grid:
    """Return patient, study and acquisition, names above values, five beside each other."""
    cells = [[paragraph(name, "caption"), paragraph(value, "fact")] for name, value in facts]
    cells += [[] for _ in range(-len(cells) % FACT_COLUMNS)]
    rows = [cells[start : start + FACT_COLUMNS] for start in range(0, len(cells), FACT_COLUMNS)]
    return _grid(
        rows,
        [width / FACT_COLUMNS] * FACT_COLUMNS,
        [
            ("BACKGROUND", (0, 0), (-1, -1), BAND),
            ("LEFTPADDING", (0, 0), (-1, -1), 2 * mm),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ],
    )


def flags_block(flags: Sequence[Flag], width: float) -> Grid:
    """Return the flags, each with a bar in the colour of its severity."""
    return told_flags_block([("", flag) for flag in flags], width)


def told_flags_block(flags: Sequence[tuple[str, Flag]], width: float) -> Grid:
    """Return flags with whose they are, each with a bar in the colour of its severity."""
    rows = [[_flag(whose, flag)] for whose, flag in flags]
    bars = [
        ("LINEBEFORE", (0, row), (0, row), 2.4, SEVERITY[flag.severity])
        for row, (_, flag) in enumerate(flags)
    ]
    settings = [
        ("LEFTPADDING", (0, 0), (-1, -1), 2 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 0.6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2),
    ]
    return _grid(rows, [width], [*settings, *bars])


def _flag(whose: str, flag: Flag) -> Paragraph:
    label = f'<font color="{_hex(flag.severity)}"><b>{markup(texts.SEVERITY_LABEL[flag.severity])}'
    code = f'<font color="#4c5763" size="6.2">[{markup(flag.code)}]</font>'
    said = markup(f"{whose}: {flag.message}" if whose else flag.message)
    return Paragraph(f"{label}</b></font> {said} {code}", STYLES["flag"])


def _hex(severity: str) -> str:
    return f"#{SEVERITY[severity].hexval()[2:]}"


def figures_block(figures: Sequence[tuple[str, str]], width: float) -> Grid:
    """Return the few numbers that head the page, side by side."""
    cells = [[paragraph(name, "caption"), paragraph(value, "figure")] for name, value in figures]
    wanted = [
        max(_width(name, STYLES["caption"]), _width(value, STYLES["figure"]))
        for name, value in figures
    ]
    spare = (width - sum(wanted)) / len(wanted)
    return _grid(
        [cells],
        [want + spare for want in wanted],
        [
            ("LINEABOVE", (0, 0), (-1, 0), 0.6, RULE),
            ("LINEBELOW", (0, -1), (-1, -1), 0.6, RULE),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ],
    )


def table_block(table: Table, width: float, title: str) -> Grid:
    """Return a table under its title; both and the headings are repeated on every page."""
    headings = [
        paragraph(heading, "heading number" if numeric else "heading")
        for heading, numeric in zip(table.headings, table.numeric, strict=True)
    ]
    blank = [""] * (len(headings) - 1)
    rows = [[paragraph(title, "section"), *blank], headings]
    first = "mark" if table.marks else "cell"
    rows += [_cells(row, table.numeric, first, "cell", "number") for row in table.rows]
    rows += [_cells(row, table.numeric, "total", "total", "total number") for row in table.totals]
    settings: list[tuple[object, ...]] = [
        ("SPAN", (0, 0), (-1, 0)),
        ("LINEBELOW", (0, 1), (-1, 1), 0.7, INK),
        ("LINEBELOW", (0, 2), (-1, -1), 0.3, RULE),
        ("TOPPADDING", (0, 0), (-1, -1), 0.8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.4),
        ("RIGHTPADDING", (0, 0), (-1, -1), CELL_GAP),
    ]
    if table.totals:
        settings.append(("LINEABOVE", (0, -len(table.totals)), (-1, -len(table.totals)), 0.7, INK))
    return _grid(rows, _widths(table, width), settings, repeat=2)


def _cells(
    row: Sequence[str], numeric: Sequence[bool], first: str, plain: str, number: str
) -> list[Paragraph]:
    styles = [number if is_number else plain for is_number in numeric]
    styles[0] = first
    return [paragraph(cell, style) for cell, style in zip(row, styles, strict=True)]


def _widths(table: Table, width: float) -> list[float]:
    """Give each column the width of its longest text, and what is over to all alike.

    Where there is too little, the columns give up what their longest words do not need, in
    proportion, so that texts break between words.
    """
    rows = (table.headings, *table.rows, *table.totals)
    columns = [tuple(map(_unbroken, column)) for column in zip(*rows, strict=True)]
    wanted = [max(_text_width(cell) for cell in column) for column in columns]
    spare = (width - sum(wanted)) / len(wanted)
    if spare < 0:
        least = [
            max(_text_width(word) for cell in column for word in cell.split(" "))
            for column in columns
        ]
        room = (width - sum(least)) / (sum(wanted) - sum(least) or 1.0)
        if room < 0:
            return [width * word / sum(least) for word in least]
        return [word + room * (want - word) for word, want in zip(least, wanted, strict=True)]
    return [want + spare for want in wanted]


def _text_width(text: str) -> float:
    width: float = _width(text, STYLES["total"]) + CELL_GAP + SLACK
    return width


def _width(text: str, style: ParagraphStyle) -> float:
    width: float = stringWidth(text, style.fontName, style.fontSize)
    return width


def _grid(
    rows: Sequence[Sequence[object]],
    widths: list[float],
    settings: Sequence[tuple[object, ...]],
    repeat: int = 0,
) -> Grid:
    bare = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ]
    return Grid(
        [list(row) for row in rows],
        widths,
        style=[*bare, *settings],
        repeatRows=repeat,
        hAlign="LEFT",
    )
