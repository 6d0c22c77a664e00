"""A table that prints itself as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bonescan import RESEARCH_USE, __version__
from bonescan.files import write_whole

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of text, numbers or None (an empty cell)."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv(self) -> str:
        """Return comma-separated values with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if cell is None else cell for cell in row] for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """Return a Markdown table under its title."""
        lines = [f"**{self.title}**", "", _piped(self.columns)]
        lines.append(_piped(["---" if i < 1 else "---:" for i in range(len(self.columns))]))
        lines += [_piped([shown(cell) for cell in row]) for row in self.rows]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """Return a LaTeX ``table`` with its title as caption; needs the package booktabs."""
        lines = [
            r"\begin{table}",
            rf"\caption{{{_escaped(self.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
            r"\toprule",
            " & ".join(_escaped(name) for name in self.columns) + r" \\",
            r"\midrule",
            *(" & ".join(_escaped(shown(cell)) for cell in row) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def write_table(table: Table, stem: Path) -> None:
    """Write a table as ``stem.csv``, ``stem.md`` and ``stem.tex``, each whole or not at all."""
    contents = {
        "csv": table.csv(),
        "md": f"{table.markdown()}\n{footer()}\n",
        "tex": f"% {footer()}\n{table.latex()}",
    }
    for end, content in contents.items():
        write_whole(stem.with_name(f"{stem.name}.{end}"), content.encode())


def footer() -> str:
    """Return what stands below every table: the version, and what it is for."""
    return f"bonescan {__version__}. {RESEARCH_USE}"


def shown(cell: Cell) -> str:
    """Return a cell as a reader sees it: two decimals, a dash for what does not exist."""
    if cell is None:
        return "–"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "–": "--", "~": r"\textasciitilde{}"}
    special |= {"^": r"\textasciicircum{}"} | {c: f"\\{c}" for c in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)
