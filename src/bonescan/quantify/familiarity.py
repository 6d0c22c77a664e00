"""Is a scan like those that a model was calibrated on? What is measured, and the flag where not.

Nothing here looks at single lesions: it is about the kind of picture. A crop of the pelvis, an
infant, a picture whose counts are clipped, or no bone scan at all make a reading that must not be
relied on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bonescan.package import Card
from bonescan.predict import Prediction
from bonescan.quantify.position import Body, outline_body
from bonescan.quantify.regions import FRAME_MM, clean_regions
from bonescan.scan import OTHER_BONE, REGIONS, Flag, Scan, View, ViewName

#: What is measured of a scan: how it is called to a reader, and the least spread that is believed,
#: as simulated patients and a few validation patients are more alike than a clinic's.
INPUTS: Mapping[str, tuple[str, float]] = {
    "regions": ("skeletal regions seen", 0.75),
    "skull_share": ("skull's share of the skeleton's area", 0.025),
    "femur_share": ("femora's share of the skeleton's area", 0.04),
    "bone_share": ("share of the body that the twelve regions cover", 0.06),
    "doubt": ("doubt of the model about bones", 0.03),
    "height_mm": ("body height in mm, the frame's where nothing tells a pixel's size", 120.0),
    "width_ratio": ("body's width over its height", 0.05),
    "frame_share": ("share of the frame that the body fills", 0.07),
    "hottest": ("log of the hottest hundredth over the body's median", 0.3),
    "spread": ("log of the upper over the lower quarter of the body's counts", 0.2),
    "saturated": ("share of the body at the highest count", 0.01),
    "air": ("counts beside the body over the body's median", 0.06),
    "middle": ("middle of the counts, as a share of the body's height from its top", 0.05),
    "beside_bones": ("counts beside the bones over those on them", 0.1),
}
#: Parts per thousand etc. tell a reader nothing; figures are given with so many digits.
DIGITS = 3


def measure_input(scan: Scan, seen: Prediction) -> NDArray[np.float64]:
    """Measure what kind of picture a scan is.

    Parameters
    ----------
    scan : Scan
    seen : Prediction
        What the network says of it.

    Returns
    -------
    (len(INPUTS),) float64
        In the order of `INPUTS`, the mean of the views that hold counts; NaN where a figure cannot
        be had: no view with counts, a model that names no bones.
    """
    views = [view for view in scan.views if view.counts.any()]
    found = dict.fromkeys(INPUTS, float("nan"))
    if views:
        bodies = {view.name: outline_body(view.counts) for view in views}
        pictures = [_of_picture(view, bodies[view.name]) for view in views]
        found |= {name: _mean([item[name] for item in pictures]) for name in pictures[0]}
        if seen.regions:
            found |= _of_skeleton(views, bodies, seen)
    return np.array([found[name] for name in INPUTS])


def unfamiliar(scan: Scan, seen: Prediction, card: Card) -> tuple[Flag, ...]:
    """Return a flag where a scan is unlike those that the package knows; none without the means."""
    known = card.familiarity
    if known is None:
        return ()
    values = dict(zip(INPUTS, measure_input(scan, seen), strict=True))
    table = np.array([[values[name] for name in known.features]])
    away = known.distances(table)[0]
    off = [
        f"{INPUTS[name][0]} {values[name]:.{DIGITS}g} (usual {known.low(i):.{DIGITS}g} to "
        f"{known.high(i):.{DIGITS}g})"
        for i, name in enumerate(known.features)
        if away[i] > known.limit
    ]
    if not off:
        return ()
    message = (
        "The reading is unreliable, as this is unlike the scans that the model was fitted on: "
        f"{'; '.join(off)}."
    )
    return (Flag("far-from-training", message, "error"),)


def _of_picture(view: View, body: Body) -> dict[str, float]:
    counts, inside = view.counts, body.mask
    row_mm, column_mm = view.pixel_spacing_mm or (FRAME_MM / counts.shape[0],) * 2
    if not inside.any() or not body.median_counts > 0:
        return dict.fromkeys(
            (
                *("height_mm", "width_ratio", "frame_share", "hottest", "spread", "saturated"),
                *("air", "middle"),
            ),
            float("nan"),
        )
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    height = (rows[-1] - rows[0] + 1) * row_mm
    own = counts[inside]
    lower, upper, hottest = np.percentile(own, [25, 75, 99])
    by_row = np.where(inside, counts, 0)[rows[0] : rows[-1] + 1].sum(axis=1, dtype=float)
    places = (np.arange(by_row.size) + 0.5) / by_row.size
    return {
        "height_mm": float(height),
        "width_ratio": float((columns[-1] - columns[0] + 1) * column_mm / height),
        "frame_share": float(inside.mean()),
        "hottest": float(np.log((hottest + 1) / (body.median_counts + 1))),
        "spread": float(np.log((upper + 1) / (lower + 1))),
        "saturated": float((own == own.max()).mean()),
        "air": float(counts[~inside].mean() / body.median_counts) if not inside.all() else 0.0,
        "middle": float(by_row @ places / by_row.sum()),
    }


def _of_skeleton(
    views: list[View], bodies: Mapping[ViewName, Body], seen: Prediction
) -> dict[str, float]:
    areas = np.zeros(OTHER_BONE + 1)
    shares, beside = [], []
    for view in views:
        regions = clean_regions(view, seen.regions[view.name])
        own = np.bincount(regions.ravel(), minlength=OTHER_BONE + 1)
        areas += own
        shares.append(float(own[1:OTHER_BONE].sum() / max(bodies[view.name].mask.sum(), 1)))
        beside.append(_beside_bones(view.counts, regions, bodies[view.name]))
    bone = max(float(areas[1:OTHER_BONE].sum()), 1.0)
    return {
        "regions": float((areas[1:OTHER_BONE] > 0).sum()),
        "skull_share": float(areas[1 + REGIONS.index("skull")] / bone),
        "femur_share": float(areas[1 + REGIONS.index("femora")] / bone),
        "bone_share": _mean(shares),
        "doubt": float("nan") if seen.doubt is None else seen.doubt,
        "beside_bones": _mean(beside),
    }


def _beside_bones(counts: NDArray[np.float32], regions: NDArray[np.uint8], body: Body) -> float:
    """Return the mean count beside the twelve regions in the body over that on them.

    Beside them is what is no bone, in the rows that the regions span; NaN without regions, or
    where they hold no counts. Near 1, the tracer is none of bone.
    """
    on = (regions > 0) & (regions < OTHER_BONE)
    rows = np.flatnonzero(on.any(axis=1))
    if not rows.size:
        return float("nan")
    span = slice(rows[0], rows[-1] + 1)
    bone = counts[span][on[span]]
    beside = counts[span][(regions[span] == 0) & body.mask[span]]
    if not beside.size or not bone.any():
        return float("nan")
    return float(beside.mean() / bone.mean())


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
