"""Outlines to masks and back. (x, y) with x to the right, y down, (0, 0) the picture's corner.

A pixel belongs to an outline when its centre does, so a traced mask is filled to itself again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

Points = NDArray[np.float64]
EIGHT_CONNECTED = np.ones((3, 3), np.bool_)


def fill_polygon(points: Points, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a closed polygon.

    Parameters
    ----------
    points : (N, 2) float
        Corners (x, y) in pixels; the last is joined to the first. They may lie outside the
        picture, repeat, touch or cross: inside is where the winding number is not zero, so a loop
        that overlaps itself is filled, and an inner ring that runs the other way is a hole.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    (H, W) bool
        True where the pixel's centre lies inside; a centre on a left edge does, on a right one
        does not.
    """
    height, width = shape
    ends = np.roll(points, -1, axis=0)
    downwards = points[:, 1] < ends[:, 1]
    upper = np.where(downwards[:, None], points, ends)
    lower = np.where(downwards[:, None], ends, points)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.intp)
    stop = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.intp)
    # One entry for every row of every edge: where the edge crosses the row's middle.
    edge = np.repeat(np.arange(len(points)), stop - first)
    rows = np.arange(edge.size) - np.repeat(np.cumsum(stop - first) - stop, stop - first)
    (x0, y0), (x1, y1) = upper[edge].T, lower[edge].T
    crossing = x0 + (rows + 0.5 - y0) / (y1 - y0) * (x1 - x0)
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
    filled = np.zeros(shape, np.bool_)
    if rows.size:
        top, bottom = int(rows.min()), int(rows.max()) + 1
        turns = np.zeros((bottom - top, width + 1), np.int32)
        np.add.at(turns, (rows - top, columns), np.where(downwards[edge], 1, -1))
        filled[top:bottom] = np.cumsum(turns, axis=1)[:, :width] != 0
    return filled


def fill_circle(centre: Points, radius: float, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a circle around ``centre`` (x, y); returns (H, W) bool, True for centres inside."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1])
    return np.asarray(distance < radius)


def outline_polygons(mask: NDArray[np.bool_], tolerance: float = 0.25) -> list[Points]:
    """Trace a mask: one closed polygon for each 8-connected patch.

    A hole is joined to the outer ring by a cut of no width that runs there and back, which every
    filling rule leaves out, so that one polygon holds a patch with its holes.

    Parameters
    ----------
    mask : (H, W) bool
    tolerance : float
        How far, in pixels, a corner may lie off the line that replaces it. 0 keeps them all, and
        filling gives back the very mask; below half a pixel only border pixels can differ.

    Returns
    -------
    list of (N, 2) float
        Corners (x, y), the first not repeated.
    """
    labels, count = ndimage.label(mask, EIGHT_CONNECTED)
    boxes = ndimage.find_objects(labels)
    polygons = []
    for number, (rows, columns) in zip(range(1, count + 1), boxes, strict=True):
        patch = labels[rows, columns] == number
        offset = np.array([columns.start, rows.start], np.float64)
        polygons.append(_polygon(patch, tolerance) + offset)
    return polygons


def _polygon(patch: NDArray[np.bool_], tolerance: float) -> Points:
    """Return one connected patch, holes included, as one ring."""
    rings = _rings(patch)
    simple = _joined([_simplified(ring, tolerance) for ring in rings])
    if _differs_inside(fill_polygon(simple, patch.shape), patch):
        return _joined(rings)
    return simple


def _rings(patch: NDArray[np.bool_]) -> list[Points]:
    """Closed rings (first corner repeated) of a connected patch, the outer one first."""
    contours = find_contours(np.pad(patch, 1).astype(np.float64), 0.5, fully_connected="high")
    # Padded pixel indices (row, column) to corner coordinates (x, y) of the patch.
    rings = [contour[:, ::-1] - 0.5 for contour in contours]
    return sorted(rings, key=_size, reverse=True)


def _size(ring: Points) -> float:
    """Area of a ring's bounding box: the outer ring's is the largest."""
    width, height = np.ptp(ring, axis=0)
    return float(width * height)


def _simplified(ring: Points, tolerance: float) -> Points:
    if tolerance <= 0:
        return ring
    simple = approximate_polygon(ring, tolerance)
    return np.asarray(simple if len(simple) > 3 else ring, np.float64)


def _joined(rings: list[Points]) -> Points:
    """Join closed rings, outer first, to one open one."""
    whole = rings[0]
    for hole in rings[1:]:
        gaps = np.hypot(*(whole[:, None, :] - hole[None, :, :]).transpose(2, 0, 1))
        at, to = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
        turned = np.concatenate([hole[to:-1], hole[: to + 1]])
        whole = np.concatenate([whole[: at + 1], turned, whole[at:]])
    return whole[:-1]


def _differs_inside(filled: NDArray[np.bool_], patch: NDArray[np.bool_]) -> bool:
    """Tell whether filling changed pixels that do not lie on the patch's border, or lost it."""
    return not filled.any() or bool(((filled != patch) & ~border(patch)).any())


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return pixels that have a neighbour (8-connected) on the other side of the mask's edge."""
    padded = np.pad(mask, 1)
    grown = ndimage.binary_dilation(padded, EIGHT_CONNECTED)
    shrunk = ndimage.binary_erosion(padded, EIGHT_CONNECTED)
    return np.asarray((grown & ~shrunk)[1:-1, 1:-1])
