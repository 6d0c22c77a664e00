"""From a scan to the network's canvas: both views side by side (section 3.3).

What the settings take out of the counts (`filters`) is taken out first.
The 950 rows around the body are cut out of each view, the same rows of both so that they stay
level. What lies in this window above and below the body is air; keeping it means that a body
range that is a few rows off blanks nothing. Then comes the brightness gain, the rows below the
knees are dropped, and the views are put side by side. `mapping` knows the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonescan.config import PaperCanvas, ResampledCanvas
from bonescan.errors import BadInput, BadSettings
from bonescan.preprocess.body import Extent, body_columns, body_rows
from bonescan.preprocess.brightness import WHITE, brightness_gain
from bonescan.preprocess.filters import filtered
from bonescan.preprocess.mapping import block_mean, resize
from bonescan.scan import VIEW_NAMES, Canvas, Flag, Placement, Scan, View

AnyCanvas = PaperCanvas | ResampledCanvas

#: Pixel sizes that a whole-body scan can have, in mm; others are taken for a slip in the header.
PLAUSIBLE_SPACING_MM = (0.5, 15.0)
#: Views whose heights differ by no more than this share one row range.
LEVEL_HEIGHT_DIFFERENCE = 2


@dataclass(frozen=True)
class _Scaled:
    """A view at the canvas' pixel size, ``pixels`` (H, W) float32, and its doubts."""

    view: View
    pixels: NDArray[np.float32]
    flags: tuple[Flag, ...] = ()


def prepare_canvas(scan: Scan, settings: AnyCanvas) -> Canvas:
    """Put the views of a scan on the network's canvas.

    Parameters
    ----------
    scan : Scan
        With at least one view; counts are finite and 0 or more.
    settings : PaperCanvas or ResampledCanvas
        ``paper`` moves pixels and never interpolates; ``resampled`` first brings each view to a
        common pixel size and keeps the sum of its counts. Its filters come before either.

    Returns
    -------
    Canvas
        ``grey`` is (kept_rows / reduce, 2 view_columns / reduce) float32 in [0, 255].

    Raises
    ------
    BadInput
        If the scan has no view.
    BadSettings
        If ``reduce`` does not divide the canvas.
    """
    if not scan.views:
        raise BadInput(f"{scan.study}: no view to read; send an anterior or a posterior view")
    _check_reduction(settings)
    scan, suppressed, doubts = filtered(scan, settings)
    scaled = [_scaled(view, settings) for view in scan.views]
    ranges, flags = _row_ranges(scaled)
    flags += [*doubts, *(flag for item in scaled for flag in item.flags)]
    grey = np.zeros((settings.kept_rows, 2 * settings.view_columns), np.float32)
    placements = []
    for item, rows in zip(scaled, ranges, strict=True):
        part, placement, own = _place(item, rows, settings)
        left = VIEW_NAMES.index(item.view.name) * settings.view_columns
        grey[:, left : left + settings.view_columns] = part
        placements.append(placement)
        flags += own
    return Canvas(
        block_mean(grey, settings.reduce),
        tuple(placements),
        settings.reduce,
        tuple(flags),
        suppressed,
    )


def _check_reduction(settings: AnyCanvas) -> None:
    if settings.kept_rows % settings.reduce or settings.view_columns % settings.reduce:
        raise BadSettings(
            f"canvas.reduce: {settings.reduce} does not divide {settings.kept_rows} x "
            f"{settings.view_columns}; take a divisor of both"
        )


# --- pixel size ---------------------------------------------------------------------------------


def _scaled(view: View, settings: AnyCanvas) -> _Scaled:
    """Bring a view to the canvas' pixel size; the paper's preset leaves it as it is."""
    if settings.kind == "paper":
        return _Scaled(view, view.counts, _matrix_flags(view, settings))
    factors, flags = _scale_factors(view, settings)
    height, width = view.counts.shape
    shape = max(1, round(height * factors[0])), max(1, round(width * factors[1]))
    if shape == view.counts.shape:
        return _Scaled(view, view.counts, flags)
    kept_sum = np.float32(view.counts.size / (shape[0] * shape[1]))
    return _Scaled(view, resize(view.counts, shape) * kept_sum, flags)


def _scale_factors(
    view: View, settings: ResampledCanvas
) -> tuple[tuple[float, float], tuple[Flag, ...]]:
    """Row and column factor from view pixels to canvas pixels."""
    spacing = view.pixel_spacing_mm
    by_width = settings.view_columns / view.counts.shape[1]
    if spacing is None:
        return (by_width, by_width), ()
    least, most = PLAUSIBLE_SPACING_MM
    if not all(least <= size <= most for size in spacing):
        message = (
            f"The {view.name} view's pixel size of {spacing[0]:g} x {spacing[1]:g} mm is not "
            f"plausible, so its width was taken as {settings.view_columns} canvas pixels"
        )
        return (by_width, by_width), (Flag("spacing-ignored", message),)
    return (spacing[0] / settings.spacing_mm, spacing[1] / settings.spacing_mm), ()


def _matrix_flags(view: View, settings: AnyCanvas) -> tuple[Flag, ...]:
    """Say so where the paper's preset, which never scales, meets another matrix."""
    width = view.counts.shape[1]
    if width == settings.view_columns:
        return ()
    message = (
        f"The {view.name} view is {width} columns wide, the paper's preset expects "
        f"{settings.view_columns} and does not scale; use a model with the resampled preset"
    )
    return (Flag("matrix-differs", message),)


# --- place --------------------------------------------------------------------------------------


def _row_ranges(scaled: list[_Scaled]) -> tuple[list[Extent], list[Flag]]:
    """Body rows of each view; one range for both where their frames are equally high."""
    found = [body_rows(item.pixels) for item in scaled]
    flags = [
        Flag("body-not-found", f"No body stands out in the {item.view.name} view", "error")
        for item, rows in zip(scaled, found, strict=True)
        if rows is None
    ]
    heights = [item.pixels.shape[0] for item in scaled]
    ranges = [
        Extent(0, height) if rows is None else rows
        for rows, height in zip(found, heights, strict=True)
    ]
    seen = [rows for rows in found if rows is not None]
    if seen and max(heights) - min(heights) <= LEVEL_HEIGHT_DIFFERENCE:
        union = Extent(min(rows.first for rows in seen), max(rows.end for rows in seen))
        ranges = [union] * len(scaled)
    return ranges, flags


def _place(
    item: _Scaled, rows: Extent, settings: AnyCanvas
) -> tuple[NDArray[np.float32], Placement, list[Flag]]:
    """Return a view's (kept_rows, view_columns) part of the canvas and where it came from."""
    columns = _columns(item.pixels, rows, settings.view_columns)
    down = _row_shift(rows, settings)
    right = _column_shift(columns, item.pixels.shape[1], settings.view_columns)
    window = _moved(item.pixels, down, right, (settings.body_rows, settings.view_columns))
    gain = brightness_gain(window, settings.brightness)
    flags = _cut_flags(item.view, rows, columns, right, settings)
    if gain is None:
        message = f"The {item.view.name} view has too few counts to set its brightness by"
        flags.append(Flag("brightness-not-reached", message))
        gain = 1.0
    placement = _placement(item, down, right, settings, gain)
    part = np.minimum(window[: settings.kept_rows] * np.float32(gain), np.float32(WHITE))
    return part, placement, flags


def _columns(pixels: NDArray[np.float32], rows: Extent, window: int) -> Extent:
    """Columns of the body; a frame of the window's width stays as it is, so all of it."""
    width = pixels.shape[1]
    found = None if width == window else body_columns(pixels, rows)
    return found or Extent(0, width)


def _row_shift(rows: Extent, settings: AnyCanvas) -> int:
    """Rows to move down: the body centred, or from its top where it is longer than the window."""
    if settings.kind == "resampled" and settings.head_room is not None:
        return settings.head_room - rows.first
    return max(0, (settings.body_rows - rows.length) // 2) - rows.first


def _column_shift(columns: Extent, width: int, window: int) -> int:
    """Columns to move right: the body centred as far as no column is lost or left empty."""
    centred = (window - columns.first - columns.end) // 2
    return int(np.clip(centred, min(0, window - width), max(0, window - width)))


def _overlap(length: int, shift: int, window: int) -> Extent:
    """Source pixels that lie in the window after the shift."""
    first = min(max(0, -shift), length)
    return Extent(first, max(first, min(length, window - shift)))


def _moved(
    pixels: NDArray[Any], down: int, right: int, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return ``pixels`` moved into a zero window of ``shape``."""
    rows = _overlap(pixels.shape[0], down, shape[0])
    columns = _overlap(pixels.shape[1], right, shape[1])
    window = np.zeros(shape, np.float32)
    window[rows.first + down : rows.end + down, columns.first + right : columns.end + right] = (
        pixels[rows.first : rows.end, columns.first : columns.end]
    )
    return window


def _placement(item: _Scaled, down: int, right: int, settings: AnyCanvas, gain: float) -> Placement:
    rows = _overlap(item.pixels.shape[0], down, settings.kept_rows)
    columns = _overlap(item.pixels.shape[1], right, settings.view_columns)
    half = VIEW_NAMES.index(item.view.name) * settings.view_columns
    height, width = item.view.counts.shape
    return Placement(
        view=item.view.name,
        source_shape=(height, width),
        scaled_shape=(item.pixels.shape[0], item.pixels.shape[1]),
        source_top=rows.first,
        source_left=columns.first,
        rows=rows.length,
        columns=columns.length,
        canvas_top=rows.first + down,
        canvas_left=columns.first + right + half,
        gain=gain,
    )


def _cut_flags(
    view: View, rows: Extent, columns: Extent, right: int, settings: AnyCanvas
) -> list[Flag]:
    flags = []
    if rows.length > settings.body_rows:
        lost = rows.length - settings.body_rows
        message = f"The body is {rows.length} rows long; {lost} rows at the feet were cut"
        flags.append(Flag("body-cut-at-feet", f"{message} from the {view.name} view", "info"))
    lost = max(0, -(columns.first + right)) + max(0, columns.end + right - settings.view_columns)
    if lost:
        message = f"{lost} columns of the body in the {view.name} view do not fit the canvas"
        flags.append(Flag("body-cut-at-sides", message))
    return flags
