"""Marks that cannot lie on bone: urine on clothes, between the thighs, in air, in a vein."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from bonescan.quantify.regions import MAIN_PART, Skeleton
from bonescan.scan import REGIONS

_PELVIS, _FEMORA = (1 + REGIONS.index(name) for name in ("pelvis", "femora"))


#: A patch that touches no bone, and whose pixels are this far from any in the mean, is on none.
#: Our choice: more than the two pixels of 4.8 mm beside bone in which the shipped network may mark.
FAR_FROM_BONE_MM = 12.0


def off_bone(
    labels: NDArray[np.integer[Any]],
    body: NDArray[np.bool_],
    skeleton: Skeleton | None,
    pixel_mm: tuple[float, float] | None,
) -> NDArray[np.bool_]:
    """Tell which patches are tracer outside of bone by their place alone.

    Parameters
    ----------
    labels : (H, W) int
        0 none, k the k-th of n patches.
    body : (H, W) bool
        The body's outline.
    skeleton : Skeleton or None
        Without it only the body's outline tells.
    pixel_mm : (float, float) or None
        Height and width of a pixel; without them no distance tells.

    Returns
    -------
    (n,) bool
        True for a patch wholly outside the body; for one that touches no bone and whose pixels
        lie `FAR_FROM_BONE_MM` from any in the mean; and for one that lies below the pelvis, has
        all its pixels between the thigh bones, and touches no bone but crumbs that a model calls
        pelvis there.
    """
    count = int(labels.max(initial=0))
    if not count:
        return np.zeros(0, bool)
    found: NDArray[np.bool_] = _inside(labels, body, count) == 0
    if skeleton is not None:
        regions = without_crumbs(skeleton.regions)
        free = _inside(labels, regions > 0, count) == 0
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        between = between_thighs(Skeleton(regions, skeleton.midline))
        found |= free & (_inside(labels, between, count) == sizes)
        if pixel_mm is not None:
            away = ndimage.distance_transform_edt(skeleton.regions == 0, sampling=pixel_mm)
            far = ndimage.mean(away, labels, np.arange(1, count + 1)) >= FAR_FROM_BONE_MM
            found |= far & (_inside(labels, skeleton.regions > 0, count) == 0)
    return found


def without_crumbs(regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the regions (H, W) without small parts of the pelvis, as urine below it makes them."""
    parts = label(regions == _PELVIS, connectivity=2)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    crumb = (parts > 0) & (sizes < MAIN_PART * sizes.max(initial=0))[parts]
    return np.where(crumb, 0, regions).astype(np.uint8)


def between_thighs(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Return what lies below the pelvis and between the thigh bones, (H, W) bool.

    Only rows that show both thigh bones, one on either side of the midline, have any of it.
    """
    regions = skeleton.regions
    between = np.zeros(regions.shape, bool)
    pelvis = np.flatnonzero((regions == _PELVIS).any(axis=1))
    if not pelvis.size:
        return between
    columns = np.arange(regions.shape[1])
    for row in range(int(pelvis[-1]) + 1, regions.shape[0]):
        thigh = regions[row] == _FEMORA
        middle = skeleton.midline.column + skeleton.midline.slope * row
        left, right = columns[thigh & (columns < middle)], columns[thigh & (columns > middle)]
        if left.size and right.size:
            between[row, left[-1] + 1 : right[0]] = True
    return between


def _inside(
    labels: NDArray[np.integer[Any]], mask: NDArray[np.bool_], count: int
) -> NDArray[np.intp]:
    """Return how many pixels of each patch lie in a mask, (n,)."""
    return np.bincount(labels[mask], minlength=count + 1)[1:]
