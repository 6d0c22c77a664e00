"""Lay two scans of one patient over each other: the same view at two dates, in mm.

Both pictures become log(1 + counts / median of the body), cut above a few times the median, so that
neither a full bladder nor a lesion that came or went pulls the fit. Translation comes from
cross-correlation, then a rigid and an affine map from robust least squares [1]_, coarse to fine.
One affine map holds head, trunk and pelvis; arms and legs that lie otherwise are not followed.

References
----------
.. [1] P. J. Huber, *Robust Statistics*, 1981; `scipy.optimize.least_squares`, loss ``soft_l1``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal
from scipy.optimize import least_squares

from bonescan.quantify.position import outline_body
from bonescan.scan import View

#: Length of a whole-body frame, for pictures without a pixel spacing.
FRAME_MM = 2400.0
#: Counts above this many times the body's median all count the same.
CEILING = 3.0
#: Grid steps, coarse to fine.
STEPS_MM = (16.0, 8.0)
#: The map may stretch the patient by so much at most; beyond it, only turn and shift are used.
LARGEST_STRETCH = 0.12
#: Residual (of the logarithm) from which a point counts as an outlier.
OUTLIER = 0.2
#: Below this correlation the two pictures are not taken to show the same patient alike.
LEAST_CORRELATION = 0.85

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Registration:
    """Where a point of the earlier view lies in the later one: ``matrix @ point + shift``.

    Points are (row, column) in mm from the view's top-left corner.

    Attributes
    ----------
    matrix : (2, 2) float64
    shift : (2,) float64
    correlation : float
        Of the two pictures over the body, once laid over each other; 1 is the same picture.
    correlation_before : float
        The same with nothing moved.
    """

    matrix: Points
    shift: Points
    correlation: float
    correlation_before: float

    @property
    def good(self) -> bool:
        """Whether the pictures agree enough to compare lesions by their place."""
        return self.correlation >= LEAST_CORRELATION

    def to_later(self, points: Points) -> Points:
        """Map points (n, 2) in mm of the earlier view to the later one."""
        mapped: Points = points @ self.matrix.T + self.shift
        return mapped

    def to_earlier(self, points: Points) -> Points:
        """Map points (n, 2) in mm of the later view to the earlier one."""
        mapped: Points = (points - self.shift) @ np.linalg.inv(self.matrix).T
        return mapped


def pixel_mm(view: View) -> tuple[float, float]:
    """Return row and column spacing; without one, as if the frame were 2.4 m long."""
    if view.pixel_spacing_mm is not None:
        return view.pixel_spacing_mm
    step = FRAME_MM / view.counts.shape[0]
    return step, step


def identity() -> Registration:
    """Return the map that moves nothing."""
    return Registration(np.eye(2), np.zeros(2), 1.0, 1.0)


def register(earlier: View, later: View) -> Registration:
    """Find the map from one view to the same view at another date.

    Parameters
    ----------
    earlier, later : View
        The same view of one patient; matrix and pixel spacing may differ.

    Returns
    -------
    Registration
        The identity with a correlation of 0 where one of the views shows no body.

    Raises
    ------
    ValueError
        If the views are not of one name.
    """
    if earlier.name != later.name:
        raise ValueError(f"an {earlier.name} view is not laid over a {later.name} one")
    pictures = [_Picture.of(view, STEPS_MM[0]) for view in (earlier, later)]
    if any(picture is None for picture in pictures):
        return Registration(np.eye(2), np.zeros(2), 0.0, 0.0)
    fixed, moving = (picture for picture in pictures if picture is not None)
    found = np.array([*_translation(fixed, moving), 0, 0, 0, 0, 0], float)[:6]
    for step in STEPS_MM:
        fixed, moving = _at(earlier, step), _at(later, step)
        found = _fit(fixed, moving, found, rigid=step == STEPS_MM[0])
    before = _correlation(fixed, moving, np.zeros(6))
    matrix, shift = _affine(fixed, found)
    return Registration(matrix, shift, _correlation(fixed, moving, found), before)


@dataclass(frozen=True)
class _Picture:
    """A smoothed picture of log counts on a grid of square steps from the view's corner.

    ``inside`` tells where the body is; ``centre`` is its middle in mm.
    """

    values: NDArray[np.float64]
    inside: NDArray[np.bool_]
    step: float
    centre: Points

    @classmethod
    def of(cls, view: View, step: float) -> _Picture | None:
        body = outline_body(view.counts)
        if not body.mask.any() or body.median_counts <= 0:
            return None
        spacing = np.array(pixel_mm(view))
        counts = np.minimum(view.counts / body.median_counts, CEILING).astype(float)
        values = np.log1p(ndimage.gaussian_filter(counts, 0.5 * step / spacing))
        extent = np.array(view.counts.shape) * spacing
        rows, columns = (np.arange(step / 2, end, step) for end in extent)
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
        places = grid / spacing[:, None, None] - 0.5
        coarse = ndimage.map_coordinates(values, places, order=1, mode="nearest")
        inside = ndimage.map_coordinates(body.mask.astype(float), places, order=1) > 0.5
        centre = np.array([np.mean(grid[axis][inside]) for axis in (0, 1)])
        return cls(coarse, inside, step, centre)

    def points(self) -> Points:
        """Grid points on and about the body, (n, 2) in mm."""
        near = ndimage.binary_dilation(self.inside, iterations=2)
        return np.asarray((np.argwhere(near) + 0.5) * self.step, np.float64)

    def at(self, points: Points) -> Points:
        """Values at points (n, 2) in mm; air beyond the frame."""
        places = (points / self.step - 0.5).T
        found: Points = ndimage.map_coordinates(self.values, places, order=1, cval=0.0)
        return found


def _at(view: View, step: float) -> _Picture:
    picture = _Picture.of(view, step)
    assert picture is not None
    return picture


def _translation(fixed: _Picture, moving: _Picture) -> tuple[float, float]:
    """Return the shift in mm at which the two pictures agree best."""
    product = signal.correlate(moving.values, fixed.values, mode="full", method="fft")
    row, column = np.unravel_index(int(np.argmax(product)), product.shape)
    rows, columns = fixed.values.shape
    return (float(row) - rows + 1) * fixed.step, (float(column) - columns + 1) * fixed.step


def _affine(fixed: _Picture, values: Points) -> tuple[Points, Points]:
    """Turn (shift, shift, turn, row stretch, column stretch, shear) into matrix and shift."""
    shift, (turn, rows, columns, shear) = values[:2], values[2:]
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    matrix = rotation @ np.array([[1 + rows, 0.0], [shear, 1 + columns]])
    return matrix, fixed.centre + shift - matrix @ fixed.centre


def _fit(fixed: _Picture, moving: _Picture, start: Points, *, rigid: bool) -> Points:
    """Refine the six values by robust least squares; a rigid fit moves the first three."""
    points = fixed.points()
    wanted = fixed.at(points)
    unit = np.array([100.0, 100.0, 0.1, 0.1, 0.1, 0.1])  # about equal changes of the picture
    free = 3 if rigid else 6

    def misfit(x: Points) -> Points:
        values = np.concatenate([(x - 1) * unit[: len(x)], start[len(x) :]])
        matrix, shift = _affine(fixed, values)
        residual: Points = moving.at(points @ matrix.T + shift) - wanted
        return residual

    # Counted from 1, because least_squares takes its steps relative to the values.
    begin = 1 + (start / unit)[:free]
    found = least_squares(
        misfit, begin, loss="soft_l1", f_scale=OUTLIER, diff_step=1e-2, max_nfev=40
    )
    values = np.concatenate([(found.x - 1) * unit[:free], start[free:]])
    if np.abs(values[3:]).max() > LARGEST_STRETCH:
        return start
    return np.asarray(values, np.float64)


def _correlation(fixed: _Picture, moving: _Picture, values: Points) -> float:
    points = fixed.points()
    matrix, shift = _affine(fixed, values)
    one, two = fixed.at(points), moving.at(points @ matrix.T + shift)
    if not (one.std() > 0 and two.std() > 0):
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])
