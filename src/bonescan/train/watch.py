"""Where training reports to: nobody, or progress bars and lines on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

#: One epoch's line of ``metrics.jsonl``.
Record = dict[str, Any]


class Watcher(Protocol):
    """What training tells while it works."""

    def step(self, done: int, total: int) -> None:
        """``done`` of ``total`` batches of the running epoch are done."""

    def epoch(self, record: Record, total: int) -> None:
        """An epoch of ``total`` is done and saved."""

    def side_by_side(self, done: int, runs: int, epochs: int, total: int) -> None:
        """``done`` of ``runs`` fold runs and ``epochs`` of ``total`` epochs of all are done."""

    def say(self, line: str) -> None:
        """Something that the user should know."""


class Silent:
    """Tells nobody."""

    def step(self, done: int, total: int) -> None:
        """Ignore it."""

    def epoch(self, record: Record, total: int) -> None:
        """Ignore it."""

    def side_by_side(self, done: int, runs: int, epochs: int, total: int) -> None:
        """Ignore it."""

    def say(self, line: str) -> None:
        """Ignore it."""


class Lines(Silent):
    """Keeps what is said, for somebody else to show."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        """Keep a line."""
        self.said.append(line)


class Bars:
    """Progress bars of rich for the epochs and the batches of one fold after another."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._epochs = bar.add_task("epochs", total=None)
        self._steps = bar.add_task("batches", total=None)

    def step(self, done: int, total: int) -> None:
        """Move the bar of the batches."""
        self._bar.update(self._steps, completed=done, total=total)

    def epoch(self, record: Record, total: int) -> None:
        """Move the bar of the epochs and show the newest figures."""
        shown = [f"loss {record['loss']:.3f}"]
        if record.get("f1") is not None:
            shown.append(f"validation F1 {100 * record['f1']:.1f}")
        self._bar.update(
            self._epochs,
            completed=record["epoch"],
            total=total,
            description="epochs, " + ", ".join(shown),
        )

    def side_by_side(self, done: int, runs: int, epochs: int, total: int) -> None:
        """Move the bar of the epochs of all fold runs; that of the batches has no meaning."""
        shown = f"epochs, {done} of {runs} fold runs done"
        self._bar.update(self._epochs, completed=epochs, total=total, description=shown)
        self._bar.update(self._steps, visible=False)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bars() -> Iterator[Bars]:
    """Show progress on standard error while the context lasts."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Bars(bar)
