"""What the canvas left out of a view: the flag about it and the pictures' line are one rule."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bonescan.scan import Flag, Scan, View, ViewReading

#: Share of a view's counts that may lie unread at one end without a word: the air above the head
#: holds 0.0003 or less of it in 21 real views, legs windowed nearly to black 0.002.
UNREAD_SHARE = 0.001


def unread_ends(view: View, seen: ViewReading) -> tuple[int | None, int | None]:
    """Return the rows where reading began and ended, each None where nothing to speak of is beyond.

    Parameters
    ----------
    view : View
    seen : ViewReading
        What was read off it.

    Returns
    -------
    first, end : int or None
        Rows before ``first`` and from ``end`` on were not read, and hold counts.
    """
    if seen.read_rows is None:
        return None, None
    first, end = seen.read_rows
    total = float(view.counts.sum(dtype=np.float64))
    return (
        first if _share(view.counts[:first], total) >= UNREAD_SHARE else None,
        end if _share(view.counts[end:], total) >= UNREAD_SHARE else None,
    )


def unread_flags(scan: Scan, views: Iterable[ViewReading]) -> list[Flag]:
    """Tell which part of the body the canvas leaves out, where that holds counts."""
    parts = []
    for view, seen in zip(scan.views, views, strict=True):
        if seen.read_rows is None or unread_ends(view, seen) == (None, None):
            continue
        first, end = seen.read_rows
        read = _share(view.counts[first:end], float(view.counts.sum(dtype=np.float64)))
        rows = f"rows {first + 1} to {end} of {view.counts.shape[0]}"
        parts.append(f"of the {view.name} view {rows} ({read:.1%} of its counts)")
    if not parts:
        return []
    message = f"The model saw not all of the body: {' and '.join(parts)} were read."
    return [Flag("partly-read", message, "info")]


def _share(part: NDArray[np.float32], total: float) -> float:
    return float(part.sum(dtype=np.float64)) / total if total else 0.0
