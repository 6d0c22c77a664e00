"""What the command line prints: failures, progress bars, the summary of a reading."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bonescan.scan import Reading

#: Takes what is done and the total.
Progress = Callable[[int, int], None]

_VIEWS = ("anterior", "posterior")


def complain(failures: Iterable[str]) -> None:
    """Print each failure on one line, even where a file's name has a line break in it."""
    for failure in failures:
        print(f"bonescan: {' '.join(failure.splitlines())}", file=sys.stderr)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show a progress bar once something has been reported; yields ``report(done, total)``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=Console(stderr=True))
    task = bar.add_task(what, total=None)

    def report(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield report
    finally:
        if bar.live.is_started:
            bar.stop()


def print_reading(console: Any, reading: Reading, folder: Path) -> None:
    """Print how many marks each view has at each level, the flags, and where the report is."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{reading.study}: marks by zone and view"))
    for column in ("zone", "anterior", "posterior"):
        table.add_column(column, justify="left" if column == "zone" else "right")
    read_views = {view.view for view in reading.views}
    for zone in sorted({lesion.region for lesion in reading.lesions}):
        table.add_row(zone, *(_count(reading, read_views, view, zone) for view in _VIEWS))
    table.add_row("all", *(_count(reading, read_views, view, None) for view in _VIEWS))
    console.print(table)
    for flag in reading.flags:
        console.print(f"[{flag.severity}] {flag.code}: {flag.message}", markup=False)
    console.print(f"report: {folder / 'report.html'}", markup=False)


def _count(reading: Reading, read_views: set[Any], view: str, zone: str | None) -> str:
    if view not in read_views:
        return "no view"
    lesions = (lesion for lesion in reading.lesions if lesion.view == view)
    return str(sum(zone is None or lesion.region == zone for lesion in lesions))
