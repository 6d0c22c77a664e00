"""A skeleton in each view: a model's region map cleaned, checked and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from bonescan.quantify.position import Midline, fit_midline
from bonescan.scan import OTHER_BONE, REGIONS, RegionMeasure, View

#: Length of a whole-body frame, for pictures without a pixel spacing.
FRAME_MM = 2400.0
#: A patch of one region, or a hole, smaller than this takes the value beside it; in pixels where
#: the source has no pixel spacing. A camera's resolution, some 8 mm, shows nothing that small.
SPECK_MM2, SPECK_PIXELS = 50.0, 9
#: Work on regions is done within the box about all of them and this margin, for speed.
MARGIN_PIXELS = 8
#: A part of a region is its main part from this share of its largest one; a smaller one that lies
#: farther than `ISLAND_MM` from all main parts is no bone (a drop of urine called lumbar spine).
MAIN_PART = 0.1
ISLAND_MM = 40.0
#: A view that shows fewer of the 12 regions than this shows no skeleton.
LEAST_REGIONS = 6
#: What must lie from top to bottom in this order, by the median of their rows, where seen.
TOP_TO_BOTTOM = ("skull", "thoracic_spine", "lumbar_spine", "pelvis", "femora")
#: A region that comes this close to the edge of what was read, in pixels, is taken as cut: mapping
#: from the model's canvas back to the view may err by one pixel.
EDGE_PIXELS = 2
#: A lesion is on the skeleton where bone takes this share of its pixels or more. Counts blur over
#: the edge of a bone, so that most of a lesion of the ribs may lie beside them.
LEAST_ON_BONE = 0.25
#: Regions that lie on both sides of the midline, or on it.
_MIDDLE = ("skull", "cervical_spine", "thoracic_spine", "lumbar_spine", "sacrum", "pelvis")


@dataclass(frozen=True)
class Skeleton:
    """The skeleton that a view shows.

    Attributes
    ----------
    regions : (H, W) uint8
        0 none, 1-12 in the order of `REGIONS`, 13 other bones.
    midline : Midline
        Through skull, spine and pelvis.
    """

    regions: NDArray[np.uint8]
    midline: Midline


def find_skeleton(view: View, regions: NDArray[np.uint8]) -> Skeleton | None:
    """Clean a region map and accept it as a skeleton, or not.

    Parameters
    ----------
    view : View
    regions : (H, W) uint8
        As a model names the pixels: 0 none, 1-12 in the order of `REGIONS`, 13 other bones.

    Returns
    -------
    Skeleton or None
        None where fewer than 6 of the 12 regions are seen, or skull, spine, pelvis and femora do
        not lie in this order from top to bottom.

    Raises
    ------
    ValueError
        If the map has another shape than the view, or holds a value above 13.
    """
    if regions.shape != view.counts.shape:
        raise ValueError(f"regions are {regions.shape}, the view {view.counts.shape}")
    if int(regions.max(initial=0)) > OTHER_BONE:
        raise ValueError(f"regions hold {int(regions.max())}, the highest value is {OTHER_BONE}")
    clean = drop_islands(view, clean_regions(view, regions))
    seen = [name for value, name in enumerate(REGIONS, start=1) if (clean == value).any()]
    if len(seen) < LEAST_REGIONS:
        return None
    heights = [
        float(np.median(np.nonzero(clean == REGIONS.index(name) + 1)[0]))
        for name in TOP_TO_BOTTOM
        if name in seen
    ]
    if heights != sorted(heights):
        return None
    middle = np.isin(clean, [REGIONS.index(name) + 1 for name in _MIDDLE])
    if not middle.any():
        return None
    return Skeleton(clean, fit_midline(middle.astype(np.float32), middle))


def clean_regions(view: View, regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give specks and pinholes the value of the nearest pixel that is none.

    A view from behind has no sternum; what is called so there is taken as a speck.
    """
    box = _box_about(regions > 0, MARGIN_PIXELS)
    near = regions[box]
    limit = SPECK_PIXELS if view.pixel_area_mm2 is None else SPECK_MM2 / view.pixel_area_mm2
    patches = label(near, background=-1, connectivity=2)
    speck = (np.bincount(patches.ravel()) < limit)[patches]
    if view.name == "posterior":
        speck |= near == REGIONS.index("sternum") + 1
    if not speck.any() or speck.all():
        return regions
    rows, columns = ndimage.distance_transform_edt(
        speck, return_distances=False, return_indices=True
    )
    clean = regions.copy()
    clean[box] = near[rows, columns]
    return clean


def _box_about(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Return the box about what is set in a mask, wider by a margin; all of it where none is."""
    spans = []
    for axis in (1, 0):
        places = np.flatnonzero(mask.any(axis=axis))
        first, end = (places[0], places[-1] + 1) if places.size else (0, mask.shape[1 - axis])
        spans.append(slice(max(int(first) - margin, 0), int(end) + margin))
    return spans[0], spans[1]


def drop_islands(view: View, regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take away small parts of a region far from its main parts (`MAIN_PART`, `ISLAND_MM`).

    Parameters
    ----------
    view : View
    regions : (H, W) uint8
        0 none, 1-12 in the order of `REGIONS`, 13 other bones, which stay as they are.

    Returns
    -------
    (H, W) uint8
    """
    row_mm = FRAME_MM / regions.shape[0]
    pixel_mm = view.pixel_spacing_mm or (row_mm, row_mm)
    patches = label(np.where(regions < OTHER_BONE, regions, 0), background=0, connectivity=2)
    sizes = np.bincount(patches.ravel())
    kept = regions.copy()
    for value in range(1, OTHER_BONE):
        own = np.unique(patches[regions == value])
        small = own[sizes[own] < MAIN_PART * sizes[own].max(initial=0)]
        if not small.size:
            continue
        box = _box_about(regions == value, 0)
        near = patches[box]
        main = np.isin(near, np.setdiff1d(own, small))
        away = ndimage.distance_transform_edt(~main, sampling=pixel_mm)
        for number in small:
            island = near == number
            if away[island].min() > ISLAND_MM:
                kept[box][island] = 0
    return kept


def on_bone(regions: NDArray[np.uint8], mask: NDArray[np.integer[Any]]) -> dict[int, int]:
    """Return the region value that each lesion on the skeleton lies on most, by its number.

    Parameters
    ----------
    regions : (H, W) uint8
        Of a `Skeleton`.
    mask : (H, W) int
        0 none, k the k-th lesion.

    Returns
    -------
    dict from int to int
        Without the lesions that lie beside the bones (`LEAST_ON_BONE`).
    """
    inside = mask > 0
    table = np.zeros((int(mask.max(initial=0)) + 1, OTHER_BONE + 1), np.intp)
    np.add.at(table, (mask[inside], regions[inside]), 1)
    found = {}
    for number, row in enumerate(table):
        if row.any() and row[1:].sum() >= LEAST_ON_BONE * row.sum():
            found[number] = 1 + int(row[1:].argmax())
    return found


def measure_regions(
    view: View,
    skeleton: Skeleton,
    mask: NDArray[np.uint8],
    *,
    read_rows: tuple[int, int] | None = None,
    read_columns: tuple[int, int] | None = None,
) -> tuple[RegionMeasure, ...]:
    """Measure the skeletal regions of one view.

    Parameters
    ----------
    view : View
    skeleton : Skeleton
    mask : (H, W) uint8
        0 none, k the k-th lesion. Lesions beside the bones involve no region.
    read_rows, read_columns : (int, int), optional
        What the model saw of the view, [first, end); all of it without them.

    Returns
    -------
    tuple of RegionMeasure
        The regions that are seen, in the order of `REGIONS`.
    """
    regions, area = skeleton.regions, view.pixel_area_mm2
    involved = np.isin(mask, list(on_bone(regions, mask)))
    at_edge = set(np.unique(regions[_edge(regions.shape, read_rows, read_columns)]).tolist())
    measures = []
    for value, name in enumerate(REGIONS, start=1):
        here = regions == value
        pixels, lesion = int(here.sum()), int((here & involved).sum())
        if not pixels:
            continue
        spared = view.counts[here & (mask == 0)]
        measures.append(
            RegionMeasure(
                view=view.name,
                region=name,
                area_pixels=pixels,
                area_mm2=None if area is None else pixels * area,
                lesion_pixels=lesion,
                lesion_area_mm2=None if area is None else lesion * area,
                median_counts=float(np.median(spared)) if spared.size else None,
                cut=value in at_edge,
            )
        )
    return tuple(measures)


def _edge(
    shape: tuple[int, ...], rows: tuple[int, int] | None, columns: tuple[int, int] | None
) -> NDArray[np.bool_]:
    """Mark all pixels at or beyond the edge of what was read."""
    (top, bottom), (left, right) = rows or (0, shape[0]), columns or (0, shape[1])
    edge = np.ones(shape, bool)
    edge[top + EDGE_PIXELS : bottom - EDGE_PIXELS, left + EDGE_PIXELS : right - EDGE_PIXELS] = False
    return edge
