"""Where lesions lie on the skeleton, and how hot they are against it and the other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bonescan.quantify.position import Midline, outline_body, side_of
from bonescan.quantify.regions import Skeleton, on_bone
from bonescan.scan import OTHER_BONE, REGIONS, Lesion, RegionMeasure, View

#: Region of a lesion on a bone of none of the 12 regions.
ON_OTHER_BONE = "other bone"
#: The other side tells something where this share of the mirrored pixels is in the body and in no
#: lesion; where legs or arms lie unevenly, the mirrored place is air.
LEAST_MIRRORED = 0.5


def place_on_skeleton(
    view: View,
    lesions: Sequence[Lesion],
    mask: NDArray[np.uint8],
    skeleton: Skeleton,
    measures: Sequence[RegionMeasure],
) -> tuple[Lesion, ...]:
    """Name the region of each lesion of a view, its share of it, and its uptake against it.

    Parameters
    ----------
    view : View
    lesions : sequence of Lesion
        Of this view.
    mask : (H, W) uint8
        0 none, k the k-th lesion.
    skeleton : Skeleton
    measures : sequence of RegionMeasure
        Of this view, from `bonescan.quantify.regions.measure_regions`.

    Returns
    -------
    tuple of Lesion
        A lesion beside the bones keeps the level that it had as its region. Sides are told anew
        from the skeleton's midline.
    """
    named = on_bone(skeleton.regions, mask)
    by_name = {measure.region: measure for measure in measures}
    placed = []
    for lesion in lesions:
        rows, columns = np.nonzero(mask == lesion.number)
        lesion = replace(lesion, side=side_of(view, skeleton.midline, rows, columns))
        value = named.get(lesion.number)
        if value == OTHER_BONE:
            lesion = replace(lesion, region=ON_OTHER_BONE)
        elif value is not None:
            measure = by_name[REGIONS[value - 1]]
            on_region = int((skeleton.regions[rows, columns] == value).sum())
            median = measure.median_counts
            lesion = replace(
                lesion,
                region=measure.region,
                region_share=on_region / measure.area_pixels,
                region_ratio=lesion.mean_counts / median if median else None,
            )
        placed.append(lesion)
    return tuple(placed)


def compare_sides(
    view: View, lesions: Sequence[Lesion], mask: NDArray[np.uint8], midline: Midline
) -> tuple[Lesion, ...]:
    """Fill the ratio of each lesion's mean count to that of the same place on the other side.

    Parameters
    ----------
    view, lesions, mask
        As in `place_on_skeleton`.
    midline : Midline
        The skeleton's, or the body's where there is none.

    Returns
    -------
    tuple of Lesion
        ``mirror_ratio`` stays None for a lesion at the midline, where less than half of the
        mirrored place is in the body and free of lesions, and where that has no counts.
    """
    if not lesions:
        return ()
    comparable = outline_body(view.counts).mask & (mask == 0)
    return tuple(
        replace(lesion, mirror_ratio=_mirror_ratio(view, lesion, mask, comparable, midline))
        for lesion in lesions
    )


def _mirror_ratio(
    view: View,
    lesion: Lesion,
    mask: NDArray[np.uint8],
    comparable: NDArray[np.bool_],
    midline: Midline,
) -> float | None:
    if lesion.side == "midline":
        return None
    pixels = np.nonzero(mask == lesion.number)
    rows, columns = (np.rint(axis).astype(int) for axis in midline.mirror(*pixels))
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    rows, columns = rows[inside], columns[inside]
    free = comparable[rows, columns]
    if free.sum() < LEAST_MIRRORED * lesion.area_pixels:
        return None
    mirrored = float(view.counts[rows[free], columns[free]].mean())
    return lesion.mean_counts / mirrored if mirrored > 0 else None
