"""From region maps and lesion masks to everything that a skeleton tells about a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bonescan.quantify.bsi import bone_scan_index, scan_refusals
from bonescan.quantify.matching import match_views
from bonescan.quantify.placing import compare_sides, place_on_skeleton
from bonescan.quantify.position import Midline, outline_body
from bonescan.quantify.regions import Skeleton, find_skeleton, measure_regions
from bonescan.quantify.weights import Weights
from bonescan.scan import (
    REGIONS,
    BoneScanIndex,
    Flag,
    Lesion,
    RegionMeasure,
    Scan,
    ViewName,
    ViewReading,
)


@dataclass(frozen=True)
class SkeletalReading:
    """What regions and sides tell: views, lesions, measures, index and doubts.

    ``views`` carry the cleaned region maps, None where no skeleton was found; ``index`` is None
    where the model names no bones.
    """

    views: tuple[ViewReading, ...]
    lesions: tuple[Lesion, ...]
    regions: tuple[RegionMeasure, ...]
    index: BoneScanIndex | None
    flags: tuple[Flag, ...]


def read_skeleton(
    scan: Scan,
    views: Sequence[ViewReading],
    lesions: Sequence[Lesion],
    *,
    regions: Mapping[ViewName, NDArray[np.uint8]] | None = None,
    weights: Weights | None = None,
) -> SkeletalReading:
    """Place lesions on the skeleton, match them between the views and compute the index.

    Parameters
    ----------
    scan : Scan
    views : sequence of ViewReading
        One for each view of the scan, with its lesion mask.
    lesions : sequence of Lesion
        Those of the masks, of both views.
    regions : mapping from view name to (H, W) uint8, optional
        As a model names the pixels; None where it names no bones: lesions are then compared with
        the other side and the other view by the midline of the body's outline.
    weights : Weights, optional
        Weights and fusion rule of the index.

    Returns
    -------
    SkeletalReading
        The same call on what it returned gives the same again, so that corrected masks can be
        measured with the regions of an earlier reading.
    """
    skeletons = _skeletons(scan, regions or {})
    midlines = _midlines(scan, lesions, skeletons)
    read: list[ViewReading] = []
    measures: list[RegionMeasure] = []
    placed: list[Lesion] = []
    for view, reading in zip(scan.views, views, strict=True):
        skeleton = skeletons.get(view.name)
        here = tuple(lesion for lesion in lesions if lesion.view == view.name)
        if skeleton is not None:
            measured = measure_regions(
                view,
                skeleton,
                reading.mask,
                read_rows=reading.read_rows,
                read_columns=reading.read_columns,
            )
            here = place_on_skeleton(view, here, reading.mask, skeleton, measured)
            measures += measured
        if here:
            here = compare_sides(view, here, reading.mask, midlines[view.name])
        placed += here
        read.append(replace(reading, regions=None if skeleton is None else skeleton.regions))
    if scan.anterior is not None and scan.posterior is not None:
        placed = list(match_views(scan.anterior, scan.posterior, placed, midlines))
    index: BoneScanIndex | None = None
    flags: list[Flag] = []
    if regions is not None:
        index = bone_scan_index(measures, weights=weights, refused=scan_refusals(scan))
        flags = [*_no_skeleton(scan, skeletons), *_outside(placed, skeletons), *_index_flags(index)]
        if not scan.acquisition.true_counts:
            flags.append(
                Flag(
                    "index-counts-unknown",
                    "The source is a picture, so that nothing tells whether its counts carry a "
                    "bone scan index.",
                )
            )
    return SkeletalReading(tuple(read), tuple(placed), tuple(measures), index, tuple(flags))


def _skeletons(
    scan: Scan, regions: Mapping[ViewName, NDArray[np.uint8]]
) -> dict[ViewName, Skeleton]:
    found = {
        view.name: find_skeleton(view, regions[view.name])
        for view in scan.views
        if view.name in regions
    }
    return {name: skeleton for name, skeleton in found.items() if skeleton is not None}


def _midlines(
    scan: Scan, lesions: Sequence[Lesion], skeletons: Mapping[ViewName, Skeleton]
) -> dict[ViewName, Midline]:
    """Take the skeleton's midline, or the outline's in a view with lesions and no skeleton."""
    marked = {lesion.view for lesion in lesions}
    lines: dict[ViewName, Midline] = {name: item.midline for name, item in skeletons.items()}
    for view in scan.views:
        if view.name in marked and view.name not in lines:
            lines[view.name] = outline_body(view.counts).midline
    return lines


def _no_skeleton(scan: Scan, skeletons: Mapping[ViewName, Skeleton]) -> list[Flag]:
    return [
        Flag(
            "no-skeleton",
            f"No skeleton was found in the {view.name} view; its marks have a level in place of a "
            "region, and there is no bone scan index.",
        )
        for view in scan.views
        if view.name not in skeletons
    ]


def _outside(lesions: Sequence[Lesion], skeletons: Mapping[ViewName, Skeleton]) -> list[Flag]:
    outside = [
        f"{lesion.view} {lesion.number}"
        for lesion in lesions
        if lesion.view in skeletons and lesion.region not in REGIONS
    ]
    if not outside:
        return []
    message = (
        f"Outside the 12 skeletal regions, so that they add nothing to the bone scan index: "
        f"{', '.join(outside)}."
    )
    return [Flag("lesion-outside-regions", message)]


def _index_flags(index: BoneScanIndex) -> list[Flag]:
    if not index.refused:
        return []
    return [Flag("index-refused", f"No bone scan index: {' '.join(index.refused)}")]
