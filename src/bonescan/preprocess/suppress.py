"""Bladder and injection site taken out of a scan's counts, and what was taken out.

Both are sought where they can be, measured from the midline and from head to feet in heights of the
body, and only where they are far brighter than the patient's bones:

- the bladder is a round blob on the midline of the pelvis, *brighter from the front*: one that is
  brighter from behind may be a lesion of the sacrum and stays;
- the injection site is a small focus beside the trunk, at the elbow or below, *on one side*: worn
  joints are bright on both.

What is found is replaced by the level around it; everything else keeps its counts. A lesion under
a bladder cannot be seen afterwards; it could hardly be seen before.
`benchmarks/preprocessing.py` measures how often that happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from bonescan.config import Suppress
from bonescan.preprocess.body import body_rows
from bonescan.preprocess.midline import fit_midline
from bonescan.scan import SUPPRESSED, Flag, Scan, View, ViewName

BLADDER, INJECTION_SITE = (1 + SUPPRESSED.index(name) for name in ("bladder", "injection site"))

#: Gaussian sigma, in heights of the body, before anything is judged by its brightness.
SMOOTHING = 0.0025
#: This percentile of the body is its bright bone.
BRIGHT_PERCENTILE = 95.0
#: Counts above this many times the body's median do not pull the midline.
MIDLINE_CEILING = 3.0
#: What is suppressed ends where this share of a focus' height above its surroundings is left.
FOOT = 0.1
#: An injection site is so many times as bright as the brightest place of the other arm.
ONE_SIDED = 1.5
#: So much of a focus lies in its zone.
MOSTLY = 0.85

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Zone:
    """Where a focus may lie and how large it may be, in heights of the body.

    ``rows`` is measured from the top of the head; ``away`` is the distance from the midline,
    ``middle`` how far from it the focus' own centre may be at most. ``size`` is the diameter of the
    disc of the same area as what is above half of its height, ``foot`` how far beyond that it is
    followed: as far as a camera blurs it, and not into the bones beside it.
    """

    rows: tuple[float, float]
    away: tuple[float, float]
    size: tuple[float, float]
    foot: float
    middle: float = np.inf


#: Heights after ICRP Publication 110 (man, 1760 mm): iliac crest 0.39, symphysis 0.48 to 0.51 from
#: the top of the head; half-breadth at the trochanters 0.10. Bladders of 40 to 140 mm.
BLADDER_ZONE = Zone((0.41, 0.53), (0.0, 0.065), (0.016, 0.085), 0.010, middle=0.022)
#: The elbow, whose fold lies at 0.3 to 0.38 as the arms are held; then forearm and hand, beside the
#: trochanters. Foci of up to 70 mm.
ARM_ZONES = (
    Zone((0.30, 0.44), (0.095, 0.30), (0.002, 0.045), 0.015),
    Zone((0.44, 0.62), (0.118, 0.30), (0.002, 0.045), 0.015),
)


@dataclass(frozen=True)
class _Body:
    """A view in the body's own measures: ``down`` (H, 1) and ``right`` (H, W) in its heights."""

    view: View
    smooth: NDArray[np.float32]
    tissue: Mask
    down: NDArray[np.float64]
    right: NDArray[np.float64]
    height: int
    bright: float

    def inside(self, zone: Zone) -> Mask:
        """Return the zone, (H, W) bool."""
        rows = (self.down >= zone.rows[0]) & (self.down < zone.rows[1])
        away = np.abs(self.right)
        return np.asarray(rows & (away >= zone.away[0]) & (away < zone.away[1]))

    @property
    def mirrored(self) -> NDArray[np.float64]:
        """The coordinates of the other view's columns: left and right swapped."""
        return -self.right


@dataclass(frozen=True)
class _Focus:
    """``core`` is what lies above half of its height, ``mask`` what is suppressed.

    ``peak`` is in units of bright bone.
    """

    core: Mask
    mask: Mask
    peak: float


def suppressed(
    scan: Scan, settings: Suppress
) -> tuple[Scan, dict[ViewName, NDArray[np.uint8]], tuple[Flag, ...]]:
    """Take bladder and injection site out of a scan.

    Parameters
    ----------
    scan : Scan
        Counts, or grey values in proportion to them.
    settings : Suppress
        What is to be taken out, and from what brightness on.

    Returns
    -------
    scan : Scan
        With the counts of what was found replaced by a mean of the pixels around, weighted by a
        Gaussian; the scan itself where nothing was found.
    masks : dict of view name to (H, W) uint8
        In the geometry of `View.counts`: 0 as it was, else 1 + the index in
        `bonescan.scan.SUPPRESSED`. Views where nothing was found are not there.
    flags : tuple of Flag
        ``counts-suppressed`` for each thing found in a view; ``not-suppressed`` for a view that
        does not show the whole body, in which nothing was sought.
    """
    bodies = {view.name: _body_of(view) for view in scan.views}
    flags = [_not_sought(name) for name, body in bodies.items() if body is None]
    whole = {name: body for name, body in bodies.items() if body is not None}
    masks = {name: np.zeros(body.smooth.shape, np.uint8) for name, body in whole.items()}
    if settings.bladder:
        for name, focus in _bladder(whole, settings.bladder).items():
            masks[name][focus.mask] = BLADDER
            flags.append(_said(whole[name], focus, "bladder"))
    if settings.injection_site:
        for name, body in whole.items():
            for focus in _injection_sites(body, settings.injection_site):
                masks[name][focus.mask] = INJECTION_SITE
                flags.append(_said(body, focus, "injection site"))
    found = {name: mask for name, mask in masks.items() if mask.any()}
    views = {view.name: _without(view, found.get(view.name)) for view in scan.views}
    changed = replace(scan, anterior=views.get("anterior"), posterior=views.get("posterior"))
    return changed if found else scan, found, tuple(flags)


def _said(body: _Body, focus: _Focus, what: str) -> Flag:
    row, column = (round(float(places.mean())) for places in np.nonzero(focus.mask))
    message = (
        f"{int(focus.mask.sum())} pixels about row {row + 1}, column {column + 1} of the "
        f"{body.view.name} view, {focus.peak:.1f} times as bright as bright bone, were taken for "
        f"the {what} and replaced by the level around before the model saw them; it reads nothing "
        "there"
    )
    return Flag("counts-suppressed", message)


def _not_sought(name: ViewName) -> Flag:
    message = (
        f"The {name} view does not show the body from head to feet, so neither bladder nor "
        "injection site was sought in it"
    )
    return Flag("not-suppressed", message, "info")


# --- where the body is ----------------------------------------------------------------------------


def _body_of(view: View) -> _Body | None:
    """Measure a view; None where the body is not there from head to feet."""
    rows = body_rows(view.counts)
    if rows is None or rows.first == 0 or rows.end == view.counts.shape[0]:
        return None
    smooth = ndimage.gaussian_filter(view.counts, SMOOTHING * rows.length)
    tone = np.log1p(smooth)
    mask = tone > threshold_otsu(tone)
    ceiling = MIDLINE_CEILING * float(np.median(smooth[mask]))
    midline = fit_midline(np.minimum(smooth, ceiling), mask)
    down, right = np.mgrid[: view.counts.shape[0], : view.counts.shape[1]].astype(np.float64)
    return _Body(
        view=view,
        smooth=smooth,
        tissue=mask,
        down=(down[:, :1] - rows.first) / rows.length,
        right=(right - midline.column - midline.slope * down) / rows.length,
        height=rows.length,
        bright=float(np.percentile(smooth[mask], BRIGHT_PERCENTILE)),
    )


# --- what is sought -------------------------------------------------------------------------------


def _bladder(bodies: Mapping[ViewName, _Body], hot: float) -> dict[ViewName, _Focus]:
    """Find the bladder in the anterior view, and what shows of it from behind."""
    front, back = bodies.get("anterior"), bodies.get("posterior")
    if front is None or not hot:
        return {}
    ahead = _focus(front, front.inside(BLADDER_ZONE), BLADDER_ZONE, hot)
    if ahead is None or back is None:
        return {} if ahead is None else {"anterior": ahead}
    shadow = back.inside(BLADDER_ZONE) & _opposite(front, ahead.mask, back)
    if shadow.any() and float(back.smooth[shadow].max()) > ahead.peak * back.bright:
        return {}
    behind = _focus(back, shadow, BLADDER_ZONE, hot)
    return {"anterior": ahead} if behind is None else {"anterior": ahead, "posterior": behind}


def _opposite(front: _Body, mask: Mask, back: _Body) -> Mask:
    """Return the box around a mask as the other view shows it."""
    down, right = front.down[mask.any(axis=1), 0], front.right[mask]
    rows = (back.down >= down.min()) & (back.down <= down.max())
    mirrored = back.mirrored
    return np.asarray(rows & (mirrored >= right.min()) & (mirrored <= right.max()))


def _injection_sites(body: _Body, hot: float) -> list[_Focus]:
    """Find the hottest focus of each zone of the arm, where the other side has none like it."""
    found = []
    for zone in ARM_ZONES if hot else ():
        inside = body.inside(zone)
        sides = (inside & (body.right < 0), inside & (body.right > 0))
        peaks = [float(np.max(body.smooth, where=side, initial=0)) for side in sides]
        side = sides[int(np.argmax(peaks))]
        focus = _focus(body, side, zone, hot) if max(peaks) >= ONE_SIDED * min(peaks) else None
        if focus is not None:
            found.append(focus)
    return found


def _focus(body: _Body, where: Mask, zone: Zone, hot: float) -> _Focus | None:
    """Return the hottest focus of a part of a zone; None where it is not what is sought."""
    if not (where & body.tissue).any():
        return None
    smooth = body.smooth
    top = np.unravel_index(np.argmax(np.where(where, smooth, -1)), smooth.shape)
    peak, level = float(smooth[top]), float(np.median(smooth[where & body.tissue]))
    if peak < hot * body.bright:
        return None
    core = _around(smooth > (peak + level) / 2, top)
    size = 2 * np.sqrt(core.sum() / np.pi) / body.height
    lies_inside = body.inside(zone)[core].mean() >= MOSTLY
    centred = abs(float(body.right[core].mean())) <= zone.middle
    if not (zone.size[0] <= size <= zone.size[1] and lies_inside and centred):
        return None
    near = ndimage.distance_transform_edt(~core) <= zone.foot * body.height
    foot = _around(near & (smooth > level + FOOT * (peak - level)), top)
    mask = ndimage.binary_fill_holes(ndimage.binary_dilation(foot))
    return _Focus(core, mask, peak / body.bright)


def _around(mask: Mask, point: tuple[np.intp, ...]) -> Mask:
    """Return the 4-connected part of a mask that holds a point."""
    parts, _ = ndimage.label(mask)
    return np.asarray(parts == parts[point])


# --- what takes its place -------------------------------------------------------------------------


def _without(view: View, codes: NDArray[np.uint8] | None) -> View:
    """Return a view with the level around in place of what is suppressed."""
    if codes is None:
        return view
    counts = view.counts.copy()
    for code in np.unique(codes[codes > 0]):
        parts, number = ndimage.label(codes == code)
        for part in range(1, number + 1):
            mask = parts == part
            counts[mask] = _level_around(view.counts, mask, codes > 0)
    return replace(view, counts=counts)


def _level_around(counts: NDArray[np.float32], mask: Mask, unknown: Mask) -> NDArray[np.float32]:
    """Return a mean of the known counts about each pixel of a mask, nearer ones weighing more."""
    sigma = max(2.0, float(np.sqrt(mask.sum() / np.pi)) / 2)
    known = ndimage.gaussian_filter((~unknown).astype(np.float64), sigma)
    sums = ndimage.gaussian_filter(np.where(unknown, 0.0, counts), sigma)
    return np.asarray(sums[mask] / np.maximum(known[mask], 1e-12), np.float32)
