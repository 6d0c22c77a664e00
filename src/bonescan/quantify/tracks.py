"""One lesion at several dates: the lesions of one view, linked from scan to scan.

Every lesion is a set of pixel centres in mm of the first scan's view. A lesion is an earlier one if
their edges lie within reach; where several could be, the pairing with the smallest sum of distances
is taken (Hungarian method). A mark left over that touches a paired lesion is a part of it (a lesion
that fell apart); an earlier lesion left over that touches a paired one has merged with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from bonescan.quantify.change import ChangeRule, Size, Status, status_of
from bonescan.quantify.registration import Registration, pixel_mm
from bonescan.scan import Lesion, View, ViewName, ViewReading

#: Share of the distance of the middles that is added to that of the edges, to choose among pairs.
MIDDLE_SHARE = 0.1
#: Edges this near touch, in mm: a pixel and its diagonal neighbour.
TOUCH_MM = 4.0

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """One view at one date: what is linked, and how it lies over the first date.

    ``registration`` maps the first date's mm to this one's.
    """

    view: View
    reading: ViewReading
    lesions: tuple[Lesion, ...]
    registration: Registration


@dataclass(frozen=True)
class Track:
    """One lesion of a view at all visits.

    Attributes
    ----------
    view : {"anterior", "posterior"}
    number : int
        Counts from 1 within the view; the same at every visit.
    seen : tuple of tuple of Lesion
        For each visit the marks that are this lesion; several where it fell apart.
    places : tuple of (float, float) or None
        For each visit its (row, column) in view pixels, mapped where it is not seen; None where the
        visit has no such view.
    statuses : tuple of Status
        For each visit, against the last visit that showed it.
    """

    view: ViewName
    number: int
    seen: tuple[tuple[Lesion, ...], ...]
    places: tuple[tuple[float, float] | None, ...]
    statuses: tuple[Status, ...]

    @property
    def first(self) -> int:
        """The visit that shows it first, from 0."""
        return next(visit for visit, lesions in enumerate(self.seen) if lesions)


def size_of(lesions: Sequence[Lesion], view: View) -> Size:
    """Return area and mean uptake of the marks of one lesion."""
    rows, columns = pixel_mm(view)
    pixels = [lesion.area_pixels for lesion in lesions]
    uptake = np.average([lesion.uptake_ratio for lesion in lesions], weights=pixels)
    return Size(sum(pixels) * rows * columns, float(uptake))


def link_lesions(looks: Sequence[Look | None], rule: ChangeRule) -> tuple[Track, ...]:
    """Link the lesions of one view over all visits.

    Parameters
    ----------
    looks : sequence of Look or None
        One for each visit, in the order of time; None where the visit has no such view.
    rule : ChangeRule

    Returns
    -------
    tuple of Track
        In the order of their first visit, then of their number there.
    """
    open_tracks: list[_Open] = []
    for visit, look in enumerate(looks):
        if look is not None:
            _extend(open_tracks, look, visit, rule)
    return tuple(
        _closed(track, number, looks, rule) for number, track in enumerate(open_tracks, start=1)
    )


class _Open:
    """A track while it grows: its marks by visit, where it was last, and what it merged with."""

    def __init__(self) -> None:
        self.marks: dict[int, list[Lesion]] = {}
        self.points: Points = np.empty((0, 2))
        self.merged: dict[int, _Open] = {}

    def add(self, visit: int, lesion: Lesion, points: Points) -> None:
        """Take a mark; the first of a visit replaces where the track lay before."""
        known = self.points if visit in self.marks else np.empty((0, 2))
        self.points = np.concatenate([known, points])
        self.marks.setdefault(visit, []).append(lesion)


def _extend(tracks: list[_Open], look: Look, visit: int, rule: ChangeRule) -> None:
    """Give each lesion of one visit to a track, or start one."""
    points = [_points(look, lesion) for lesion in look.lesions]
    known = list(tracks)
    gaps, costs = _distances([track.points for track in known], points)
    owner = _pair(gaps, costs, rule.reach_mm)
    for index, lesion in enumerate(look.lesions):
        if index in owner:
            known[owner[index]].add(visit, lesion, points[index])
    for index, lesion in enumerate(look.lesions):
        if index in owner:
            continue
        near = _nearest(gaps[:, index], set(owner.values()))
        if near is not None:
            known[near].add(visit, lesion, points[index])
            continue
        fresh = _Open()
        fresh.add(visit, lesion, points[index])
        tracks.append(fresh)
    for row, track in enumerate(known):
        if visit in track.marks:
            continue
        into = _nearest(gaps[row], set(owner))
        if into is not None:
            track.merged[visit] = known[owner[into]]


def _points(look: Look, lesion: Lesion) -> Points:
    """Return a lesion's pixel centres in mm of the first visit, (n, 2)."""
    pixels = np.argwhere(look.reading.mask == lesion.number) + 0.5
    return look.registration.to_earlier(pixels * np.array(pixel_mm(look.view)))


def _distances(before: Sequence[Points], now: Sequence[Points]) -> tuple[Points, Points]:
    """Return the gaps between the edges in mm, and the costs of pairing, both (before, now)."""
    gaps = np.full((len(before), len(now)), np.inf)
    costs = gaps.copy()
    trees = [cKDTree(points) for points in now]
    for row, points in enumerate(before):
        for column, tree in enumerate(trees):
            middle = float(np.hypot(*(points.mean(axis=0) - now[column].mean(axis=0))))
            gaps[row, column] = tree.query(points)[0].min()
            costs[row, column] = gaps[row, column] + MIDDLE_SHARE * middle
    return gaps, costs


def _pair(gaps: Points, costs: Points, reach: float) -> dict[int, int]:
    """Return for each lesion of now (column) the track (row) that it is."""
    if not gaps.size:
        return {}
    never = 1e6
    rows, columns = linear_sum_assignment(np.where(gaps <= reach, costs, never))
    return {int(c): int(r) for r, c in zip(rows, columns, strict=True) if gaps[r, c] <= reach}


def _nearest(gaps: Points, allowed: set[int]) -> int | None:
    """Return the nearest of the allowed ones that touches."""
    near = [index for index in allowed if gaps[index] <= TOUCH_MM]
    return min(near, key=lambda index: float(gaps[index]), default=None)


# --- what becomes of a track --------------------------------------------------------------------


def _closed(track: _Open, number: int, looks: Sequence[Look | None], rule: ChangeRule) -> Track:
    view = next(iter(track.marks.values()))[0].view
    seen = tuple(tuple(track.marks.get(visit, ())) for visit in range(len(looks)))
    places = _places(seen, looks)
    return Track(view, number, seen, places, _statuses(track, seen, places, looks, rule))


def _places(
    seen: tuple[tuple[Lesion, ...], ...], looks: Sequence[Look | None]
) -> tuple[tuple[float, float] | None, ...]:
    """Return where the track lies at each visit: its middle, or the last (or first) one mapped."""
    own: list[Points | None] = []
    for lesions, look in zip(seen, looks, strict=True):
        if not lesions or look is None:
            own.append(None)
            continue
        middles = np.array([lesion.centroid for lesion in lesions])
        middle = np.average(middles, axis=0, weights=[lesion.area_pixels for lesion in lesions])
        own.append(look.registration.to_earlier(middle[None] * np.array(pixel_mm(look.view)))[0])
    known = next(place for place in own if place is not None)
    places: list[tuple[float, float] | None] = []
    for place, look in zip(own, looks, strict=True):
        known = known if place is None else place
        if look is None:
            places.append(None)
            continue
        row, column = look.registration.to_later(known[None])[0] / np.array(pixel_mm(look.view))
        places.append((float(row), float(column)))
    return tuple(places)


def _statuses(
    track: _Open,
    seen: tuple[tuple[Lesion, ...], ...],
    places: tuple[tuple[float, float] | None, ...],
    looks: Sequence[Look | None],
    rule: ChangeRule,
) -> tuple[Status, ...]:
    statuses: list[Status] = []
    last: Size | None = None
    covered = False
    for visit, look in enumerate(looks):
        if look is None or not _covers(look, places[visit]):
            statuses.append("not seen")
        elif seen[visit]:
            now = size_of(seen[visit], look.view)
            if last is not None:
                statuses.append(status_of(last, now, rule))
            else:
                statuses.append(_first_status(seen[visit], visit, looks, rule, covered=covered))
            last, covered = now, True
        else:
            covered = True
            statuses.append(_missing(track, visit, known=last is not None))
    return tuple(statuses)


def _first_status(
    lesions: Sequence[Lesion],
    visit: int,
    looks: Sequence[Look | None],
    rule: ChangeRule,
    *,
    covered: bool,
) -> Status:
    """Tell whether a lesion that is marked for the first time is new."""
    look = looks[visit]
    if not covered or look is None:
        return "baseline"
    points = np.concatenate([_points(look, lesion) for lesion in lesions])
    before = (_highest(earlier, points) for earlier in looks[:visit] if earlier is not None)
    return "doubtful" if max(before, default=0.0) >= rule.doubt_probability else "new"


def _highest(look: Look, points: Points) -> float:
    """Return the highest probability of a visit within `TOUCH_MM` of points, (n, 2) in mm."""
    spacing = np.array(pixel_mm(look.view))
    pixels = np.floor(look.registration.to_later(points) / spacing).astype(int)
    reach = 2 * np.rint(TOUCH_MM / spacing).astype(int) + 1
    near = ndimage.maximum_filter(look.reading.probability, tuple(reach.tolist()))
    inside = ((pixels >= 0) & (pixels < near.shape)).all(axis=1)
    return float(near[tuple(pixels[inside].T)].max(initial=0.0))


def _missing(track: _Open, visit: int, *, known: bool) -> Status:
    if not known:
        return "absent"
    return "merged" if visit in track.merged else "gone"


def _covers(look: Look, place: tuple[float, float] | None) -> bool:
    """Tell whether a visit's view was read where the lesion lies."""
    if place is None:
        return False
    height, width = look.view.counts.shape
    top, bottom = look.reading.read_rows or (0, height)
    left, right = look.reading.read_columns or (0, width)
    return top <= place[0] < bottom and left <= place[1] < right
