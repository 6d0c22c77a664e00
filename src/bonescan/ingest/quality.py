"""Doubts about a scan, each a `Flag` with a stable code that every output repeats.

Codes made here: ``view-missing``, ``view-guessed``, ``view-contradicted``, ``low-counts``,
``counts-disagree``, ``fast-scan``, ``saturated-counts``, ``wrapped-counts``, ``body-clipped``,
``no-spacing``, ``implausible-spacing``, ``upside-down``. Those about files and pixel formats are
made where the file is read: ``picture-source``, ``colour-picture``, ``burned-in-text``,
``inverted``, ``rescaled``, ``negative-counts``, ``several-energy-windows``, ``derived-frame``,
``composite-frame``, ``duplicate-file``, ``shared-instance-uid``, ``no-frame-count``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.ingest.appearance import Appearance, appearance_of
from bonescan.ingest.outline import Outline, body_mask, cut_sides, outline_of
from bonescan.ingest.resolve import BY_OTHER, GUESSED
from bonescan.ingest.spacing import spacing_flags
from bonescan.scan import VIEW_NAMES, Flag, Scan, Severity, View, ViewName

#: Counts of a view below which the bone scan index becomes unreliable, and unusable.
FEW_COUNTS, TOO_FEW_COUNTS = 500_000, 200_000

#: Published error of the bone scan index at the counts above.
_BSI_ERROR = {FEW_COUNTS: 0.57, TOO_FEW_COUNTS: 4.7}

#: Customary scan speed is 10 to 15 cm/min (SNM procedure guideline for bone scintigraphy 3.0).
USUAL_VELOCITY_MM_S = 2.5

#: So many touching pixels at a maximum of at least 32 mean that the counter was full.
_PLATEAU_PIXELS, _PLATEAU_LEVEL = 6, 32

#: A counter that starts again at 0 leaves so many pixels dark, by share of its range, among at
#: least so many hot ones of the 25 around; a camera's resolution of 4 pixels or more does not.
_WRAP_PIXELS, _WRAP_DARK, _WRAP_HOT, _WRAP_NEIGHBOURS = 3, 0.25, 0.75, 8

#: So many pixels of this share of the maximum outside the body are letters or marks.
_TEXT_PIXELS, _TEXT_LEVEL = 10, 0.4

#: A body with less than these shares of its counts and of its area in its upper half stands on its
#: head: 21 real views have 0.63 to 0.83 and 0.59 to 0.67, and 0.46 and 0.44 without their legs.
_HEAD_UP_COUNTS, _HEAD_UP_AREA = 0.4, 0.42

#: The anterior view's score above the posterior one's that makes them look swapped; in ten real
#: pairs in the right order it is -0.58 or less.
_SWAPPED = 0.3

#: Header and pixels disagree on the counts beyond this factor.
_COUNT_FACTOR = 1.25


@dataclass(frozen=True)
class Look:
    """What one view shows: the body's outline and which side of it."""

    outline: Outline | None
    appearance: Appearance

    @classmethod
    def at(cls, view: View) -> Look:
        """Look at a view's counts."""
        outline = outline_of(view.counts)
        return cls(outline, appearance_of(view.counts, outline))


def judge(scan: Scan, looks: Mapping[ViewName, Look]) -> list[Flag]:
    """Return the doubts about a scan.

    Parameters
    ----------
    scan : Scan
        As loaded, with the flags that its files raised.
    looks : mapping from view name to Look
        One for each of its views.
    """
    flags = _missing(scan) + _contradicted(scan, looks) + _velocity(scan) + _spacing(scan, looks)
    if scan.acquisition.true_counts:
        flags += _disagreement(scan)
    for view in scan.views:
        flags += _guessed(view)
        flags += _counts(view) if scan.acquisition.true_counts else _burned_in_text(view)
        flags += _saturated(view) + _wrapped(view)
        outline = looks[view.name].outline
        if outline is not None:
            flags += _clipped(view, outline) + _upside_down(view, outline)
    return flags


def _missing(scan: Scan) -> list[Flag]:
    present = {view.name for view in scan.views}
    return [
        Flag("view-missing", f"There is no {name} view; what shows only there is missed")
        for name in VIEW_NAMES
        if name not in present
    ]


def _guessed(view: View) -> list[Flag]:
    if view.recognised_by not in GUESSED:
        return []
    message = (
        f"Nothing written tells which view frame {view.frame} of {view.source.name} shows; "
        f"it is taken as {view.name} by {view.recognised_by}; check that it is"
    )
    severity: Severity = "info" if view.recognised_by == BY_OTHER else "warning"
    return [Flag("view-guessed", message, severity)]


def _contradicted(scan: Scan, looks: Mapping[ViewName, Look]) -> list[Flag]:
    """Let the pixels object: both views against each other, a single one against the middle."""
    scores = {view.name: looks[view.name].appearance.score for view in scan.views}
    front, back = scores.get("anterior"), scores.get("posterior")
    if front is not None and back is not None:
        if front - back < _SWAPPED:
            return []
        message = (
            f"By their pixels the views look swapped (scores {front:+.2f} for the anterior, "
            f"{back:+.2f} for the posterior view, higher is posterior); check which is which"
        )
        return [Flag("view-contradicted", message, "error")]
    flags = []
    for view in scan.views:
        look = looks[view.name].appearance
        if look.clear_view and look.clear_view != view.name:
            message = (
                f"The view is {view.name} by {view.recognised_by}, but its pixels look "
                f"{look.clear_view} (score {look.score:+.2f}, positive is posterior); check it"
            )
            flags.append(Flag("view-contradicted", message))
    return flags


def _counts(view: View) -> list[Flag]:
    total = float(view.counts.sum(dtype=np.float64))
    if total >= FEW_COUNTS:
        return []
    limit = FEW_COUNTS if total >= TOO_FEW_COUNTS else TOO_FEW_COUNTS
    message = (
        f"The {view.name} view has {total / 1e6:.2f} million counts; at {limit / 1e6:.1f} million "
        f"the bone scan index already errs by {_BSI_ERROR[limit]:g}"
    )
    return [Flag("low-counts", message, "warning" if total >= TOO_FEW_COUNTS else "error")]


def _disagreement(scan: Scan) -> list[Flag]:
    """Compare the header's counts with those of a view, or of all views, whichever fits."""
    stated = scan.acquisition.counts_accumulated
    # With several energy windows the header counts frames that were not read.
    if not stated or any(flag.code == "several-energy-windows" for flag in scan.flags):
        return []
    sums = [float(view.counts.sum(dtype=np.float64)) for view in scan.views]
    if any(
        stated / _COUNT_FACTOR <= total <= stated * _COUNT_FACTOR for total in (*sums, sum(sums))
    ):
        return []
    shown = " and ".join(f"{total / 1e6:.2f}" for total in sums)
    message = (
        f"The header states {stated / 1e6:.2f} million counts, the views hold {shown} million; "
        "the pixels may have been scaled"
    )
    return [Flag("counts-disagree", message, "info")]


def _velocity(scan: Scan) -> list[Flag]:
    velocity = scan.acquisition.velocity_mm_s
    if velocity is None or velocity <= USUAL_VELOCITY_MM_S:
        return []
    message = (
        f"The table moved at {velocity:.2f} mm/s ({velocity * 6:.0f} cm/min); 10 to 15 cm/min are "
        "usual, and a faster scan has fewer counts and more noise"
    )
    fast = velocity > 2 * USUAL_VELOCITY_MM_S
    return [Flag("fast-scan", message, "warning" if fast else "info")]


def _saturated(view: View) -> list[Flag]:
    top = float(view.counts.max())
    at_top = view.counts == top
    if top < _PLATEAU_LEVEL or int(at_top.sum()) < _PLATEAU_PIXELS:
        return []
    labels, _ = ndimage.label(at_top)
    largest = int(np.bincount(labels.ravel())[1:].max())
    if largest < _PLATEAU_PIXELS:
        return []
    message = (
        f"{largest} touching pixels of the {view.name} view are at its maximum of {top:g}: the "
        "hottest spot is cut off and its uptake is not known"
    )
    return [Flag("saturated-counts", message)]


def _wrapped(view: View) -> list[Flag]:
    """Find dark rings in a hot spot: a counter that started again at 0 (modulo 256, say)."""
    top = float(view.counts.max())
    span = 2.0 ** np.ceil(np.log2(top + 1)) if top > 0 else 0.0
    if span < 256 or top < 0.8 * span:
        return []
    hot = ndimage.uniform_filter((view.counts > _WRAP_HOT * span).astype(np.float32), 5) * 25
    holes = (view.counts < _WRAP_DARK * span) & (hot > _WRAP_NEIGHBOURS - 0.5)
    count = int((holes & _body(view)).sum())
    if count < _WRAP_PIXELS:
        return []
    message = (
        f"{count} dark pixels lie inside the hottest spot of the {view.name} view: counts wrapped "
        f"round at {span:g} there and are too low"
    )
    return [Flag("wrapped-counts", message)]


def _burned_in_text(view: View) -> list[Flag]:
    """Find bright marks outside the body in a picture: letters, scales, arrows."""
    marks = int(((view.counts > _TEXT_LEVEL * view.counts.max()) & ~_body(view)).sum())
    if marks < _TEXT_PIXELS:
        return []
    message = (
        f"{marks} bright pixels of the {view.name} view lie outside the body: burned-in text or "
        "marks may be taken for uptake"
    )
    return [Flag("burned-in-text", message)]


def _body(view: View) -> NDArray[np.bool_]:
    """Return the body in the view's own pixels, a few pixels wider."""
    mask, factor, _ = body_mask(view.counts)
    wide = np.kron(ndimage.binary_dilation(mask, iterations=2), np.ones((factor, factor), bool))
    body = np.zeros(view.counts.shape, bool)
    body[: wide.shape[0], : wide.shape[1]] = wide
    return body


def _clipped(view: View, outline: Outline) -> list[Flag]:
    cut = cut_sides(view.counts, outline)
    if not cut:
        return []
    shown = ", ".join(f"{side} edge over {length} pixels" for side, length in cut.items())
    message = f"The body of the {view.name} view is cut by the frame: {shown}"
    return [Flag("body-clipped", message)]


def _upside_down(view: View, outline: Outline) -> list[Flag]:
    """Say so where legs lie above trunk and head; a body cut at its hips shows none of it."""
    mask, factor, _ = body_mask(view.counts)
    body = mask[outline.top // factor : outline.bottom // factor]
    trunk = view.counts[outline.top : outline.bottom]
    usual = np.minimum(trunk, np.percentile(trunk[trunk > 0], 99))
    area, counts = _upper_half(body), _upper_half(usual)
    cut = "bottom" in cut_sides(view.counts, outline)
    if counts >= _HEAD_UP_COUNTS or area >= _HEAD_UP_AREA or cut:
        return []
    message = (
        f"The body of the {view.name} view looks upside down ({counts:.0%} of its counts are in "
        "the upper half); export it head up and read it again"
    )
    return [Flag("upside-down", message, "error")]


def _upper_half(picture: NDArray[Any]) -> float:
    """Return the share of a picture's sum that lies in its upper half."""
    return float(picture[: len(picture) // 2].sum() / picture.sum())


def _spacing(scan: Scan, looks: Mapping[ViewName, Look]) -> list[Flag]:
    refused = any(flag.code == "implausible-spacing" for flag in scan.flags)
    outlines = {name: look.outline for name, look in looks.items()}
    return spacing_flags(scan.views, outlines, refused=refused)
