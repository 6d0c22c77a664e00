"""What the command line prints: failures, progress bars, the summary of a reading."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bonescan.quantify.followup import FollowUp
    from bonescan.scan import BoneScanIndex, Reading

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
    """Print the marks of each region (or level) by view, the index, the flags, and the report."""
    from rich.table import Table
    from rich.text import Text

    zone_name = "region" if reading.regions else "zone"
    table = Table(title=Text(f"{reading.study}: marks by {zone_name} and view"))
    for column in (zone_name, *_VIEWS):
        table.add_column(column, justify="left" if column == zone_name else "right")
    read_views = {view.view for view in reading.views}
    for zone in _in_order({lesion.region for lesion in reading.lesions}):
        table.add_row(
            zone.replace("_", " "), *(_count(reading, read_views, view, zone) for view in _VIEWS)
        )
    table.add_row("all", *(_count(reading, read_views, view, None) for view in _VIEWS))
    console.print(table)
    if reading.index is not None:
        console.print(_index_line(reading.index), markup=False)
    for flag in reading.flags:
        console.print(f"[{flag.severity}] {flag.code}: {flag.message}", markup=False)
    console.print(f"report: {folder / 'report.html'}", markup=False)


def _in_order(zones: set[str]) -> list[str]:
    """Sort skeletal regions from the skull down, then everything else by name."""
    from bonescan.scan import REGIONS

    return sorted(zones, key=lambda zone: (REGIONS.index(zone) if zone in REGIONS else 99, zone))


def _index_line(index: BoneScanIndex) -> str:
    visible = "" if index.visible is None else f", {index.visible:.2f} % of the visible skeleton"
    rule = f"fusion {index.fusion}, weights {index.weights}"
    if index.whole is None:
        return f"bone scan index: not given{visible} ({rule})"
    return f"bone scan index: {index.whole:.2f} % (+/- {index.band:g}){visible} ({rule})"


def print_followup(followup: FollowUp) -> None:
    """Print what changed from scan to scan, the rule of new lesions, and the flags."""
    from bonescan.report import followup_texts as says

    print(says.summary(followup))
    for step in followup.steps:
        told = {status: number for status, number in step.counts.items() if status != "absent"}
        counts = ", ".join(f"{number} {status}" for status, number in told.items())
        print(f"scan {step.earlier + 1} to {step.later + 1}: {counts or 'no finding'}")
    print(f"{says.VERDICT[followup.progression.verdict]}. {followup.progression.reason}")
    for flag in followup.flags:
        print(f"[{flag.severity}] {flag.code}: {flag.message}")


def _count(reading: Reading, read_views: set[Any], view: str, zone: str | None) -> str:
    if view not in read_views:
        return "no view"
    lesions = (lesion for lesion in reading.lesions if lesion.view == view)
    return str(sum(zone is None or lesion.region == zone for lesion in lesions))
