"""How a view is shown: grey window, cut-out, and where the marks' numbers go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonescan.quantify.lesions import trace_outline
from bonescan.quantify.position import Body, outline_body
from bonescan.quantify.unread import unread_ends
from bonescan.report import texts
from bonescan.scan import Lesion, Reading, Scan, View, ViewName, ViewReading

#: Counts at or above this percentile of the body are black, so that neither a full bladder nor an
#: injection site, which fill less than a hundredth of it, pales the skeleton.
BLACK_PERCENTILE = 99.0
#: ... but never more than this multiple of the body's median, so that disease all over does not.
BLACK_TIMES_MEDIAN = 8.0
#: Air kept around the body, in pixels.
AIR_PIXELS = 10
#: Colour of marks where it tells nothing else.
MARK_COLOUR = "#c8102e"
#: Smallest room for one number, in pixels of a view.
NUMBER_PITCH = 15.0
#: Radius of the circle where a lesion is gone, in pixels of a view.
GONE_RADIUS = 7.0
#: Length of the bar that shows the scale.
SCALE_BAR_MM = 100.0
#: Rows of a view that words need above a line across it.
ROOM_FOR_WORDS = 24


@dataclass(frozen=True)
class ReadLimit:
    """Where reading began or ended: a row of the cut-out, and which side of it was not read."""

    row: int
    unread_below: bool

    @property
    def told(self) -> str:
        """What stands beside the line."""
        return texts.NOT_READ_BELOW if self.unread_below else texts.NOT_READ_ABOVE

    @property
    def told_under(self) -> bool:
        """Whether its words stand under the line: above the picture stand view and sides."""
        return self.unread_below or self.row < ROOM_FOR_WORDS


@dataclass(frozen=True)
class Panel:
    """One view, ready to be drawn.

    Attributes
    ----------
    view : View
    grey : (h, w) uint8
        Inverse grey, cut out around the body: 255 where there are no counts.
    top, left : int
        Where the cut-out lies in the view.
    black : float
        Counts that are shown black.
    lesions : tuple of Lesion
        In view pixels, as everywhere.
    limits : tuple of ReadLimit
        One for each end beyond which the view was not read, as the flag ``partly-read`` tells.
    unseen : tuple of (n, 2) float64
        Closed outlines, row and column in the cut-out, of what was taken out of the counts before
        the model saw them.
    """

    view: View
    grey: NDArray[np.uint8]
    top: int
    left: int
    black: float
    lesions: tuple[Lesion, ...]
    limits: tuple[ReadLimit, ...] = ()
    unseen: tuple[NDArray[np.float64], ...] = ()

    @property
    def name(self) -> ViewName:
        """Anterior or posterior."""
        return self.view.name

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the cut-out."""
        return self.grey.shape[0], self.grey.shape[1]

    def polygons(self, lesion: Lesion) -> list[NDArray[np.float64]]:
        """Return a lesion's outlines as (n, 2) row, column in the cut-out."""
        return [np.array(line) - (self.top, self.left) for line in lesion.outline]


@dataclass(frozen=True)
class Mark:
    """One mark on a panel, as HTML and paper draw it.

    Attributes
    ----------
    number : int
        What stands beside it: the lesion's number, or that of the finding over several scans.
    colour : str
        ``#rrggbb``.
    lines : tuple of (n, 2) float64
        Closed outlines, row and column in the cut-out; none where a lesion is gone, which is shown
        as a circle of `GONE_RADIUS`.
    place : (float, float)
        Its middle in the cut-out.
    told : str
        One line about it.
    """

    number: int
    colour: str
    lines: tuple[NDArray[np.float64], ...]
    place: tuple[float, float]
    told: str

    @property
    def gone(self) -> bool:
        """Whether it is the place of a lesion that is gone."""
        return not self.lines

    def edge(self, *, left: bool) -> float:
        """Return its leftmost or rightmost column."""
        if self.gone:
            return self.place[1] + (-GONE_RADIUS if left else GONE_RADIUS)
        columns = np.concatenate([line[:, 1] for line in self.lines])
        return float(columns.min() if left else columns.max())


@dataclass(frozen=True)
class NumberTag:
    """Where the number of a mark stands.

    ``row`` is the number's middle, ``anchor`` the (row, column) on the mark where its line ends,
    both in pixels of the cut-out; ``left`` tells the margin.
    """

    row: float
    anchor: tuple[float, float]
    left: bool


def lay_out(scan: Scan, reading: Reading) -> tuple[Panel, ...]:
    """Prepare a panel for each view; views of one matrix show equal rows, equally wide.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The scan and what was read off it.

    Returns
    -------
    tuple of Panel
        Anterior first.
    """
    marks = {
        view.name: tuple(lesion for lesion in reading.lesions if lesion.view == view.name)
        for view in scan.views
    }
    windows = [_Window.around(view, marks[view.name]) for view in scan.views]
    if len({view.counts.shape for view in scan.views}) == 1:
        windows = _equal(windows, scan.views[0].counts.shape[1])
    seen = {view.view: view for view in reading.views}
    return tuple(
        _panel(view, window, marks[view.name], seen[view.name])
        for view, window in zip(scan.views, windows, strict=True)
    )


def lesion_marks(panel: Panel) -> tuple[Mark, ...]:
    """Return a panel's lesions as marks, each with its own number."""
    return tuple(
        Mark(
            number=lesion.number,
            colour=MARK_COLOUR,
            lines=tuple(panel.polygons(lesion)),
            place=(lesion.centroid[0] - panel.top, lesion.centroid[1] - panel.left),
            told=texts.tooltip(lesion),
        )
        for lesion in panel.lesions
    )


def place_tags(
    marks: Sequence[Mark], shape: tuple[int, int], *, pitch: float = NUMBER_PITCH
) -> tuple[NumberTag, ...]:
    """Put the numbers of marks into the two margins, in order, without overlap.

    Parameters
    ----------
    marks : sequence of Mark
    shape : (int, int)
        Rows and columns of the cut-out.
    pitch : float
        Smallest distance of two numbers, in pixels of the view.

    Returns
    -------
    tuple of NumberTag
        One for each mark, in their order. A mark left of the cut-out's middle has its number in
        the left margin. The numbers keep the marks' order from top to bottom and stand at least
        ``pitch`` apart, or as far as the height allows.
    """
    tags: dict[int, NumberTag] = {}
    for left in (True, False):
        own = [n for n, mark in enumerate(marks) if (mark.place[1] < shape[1] / 2) == left]
        own.sort(key=lambda n: marks[n].place[0])
        rows = spread([marks[n].place[0] for n in own], shape[0], pitch)
        for n, row in zip(own, rows, strict=True):
            tags[n] = NumberTag(row, (marks[n].place[0], marks[n].edge(left=left)), left)
    return tuple(tags[n] for n in range(len(marks)))


def spread(wanted: Sequence[float], length: float, pitch: float = NUMBER_PITCH) -> list[float]:
    """Move sorted positions apart to one pitch, inside [0, length], as little as need be."""
    if not wanted:
        return []
    pitch = min(pitch, length / len(wanted))
    placed: list[float] = []
    for position in wanted:
        least = placed[-1] + pitch if placed else pitch / 2
        placed.append(max(position, least))
    limit = length - pitch / 2
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - pitch
    return placed


def inverse_grey(counts: NDArray[np.float32], black: float) -> NDArray[np.uint8]:
    """Return counts (H, W) as inverse grey uint8: no counts white, ``black`` counts black."""
    scaled = np.clip(counts / black, 0, 1) if black > 0 else np.zeros_like(counts)
    return np.round(255 * (1 - scaled)).astype(np.uint8)


@dataclass(frozen=True)
class _Window:
    """Rows and columns that are shown, ends exclusive, and the counts shown black."""

    top: int
    bottom: int
    left: int
    right: int
    black: float

    @classmethod
    def around(cls, view: View, lesions: Sequence[Lesion]) -> _Window:
        body = outline_body(view.counts)
        height, width = view.counts.shape
        if not body.mask.any():
            return cls(0, height, 0, width, 0.0)
        columns = np.flatnonzero(body.mask.any(axis=0))
        top, left = body.top, int(columns[0])
        bottom, right = body.bottom, int(columns[-1]) + 1
        for lesion in lesions:
            top, left = min(top, lesion.box[0]), min(left, lesion.box[1])
            bottom, right = max(bottom, lesion.box[2]), max(right, lesion.box[3])
        return cls(
            max(0, top - AIR_PIXELS),
            min(height, bottom + AIR_PIXELS),
            max(0, left - AIR_PIXELS),
            min(width, right + AIR_PIXELS),
            _black(view, body),
        )


def _black(view: View, body: Body) -> float:
    percentile = float(np.percentile(view.counts[body.mask], BLACK_PERCENTILE))
    most = BLACK_TIMES_MEDIAN * body.median_counts
    return min(percentile, most) if most > 0 else percentile


def _equal(windows: list[_Window], width: int) -> list[_Window]:
    """Give all windows the rows of all of them, and the columns of the widest, within a frame."""
    top = min(window.top for window in windows)
    bottom = max(window.bottom for window in windows)
    columns = max(window.right - window.left for window in windows)
    equal = []
    for window in windows:
        left = (window.left + window.right - columns) // 2
        left = min(max(0, left), width - columns)
        equal.append(_Window(top, bottom, left, left + columns, window.black))
    return equal


def _panel(
    view: View,
    window: _Window,
    lesions: tuple[Lesion, ...],
    seen: ViewReading,
) -> Panel:
    part = view.counts[window.top : window.bottom, window.left : window.right]
    grey = inverse_grey(part, window.black)
    return Panel(
        view=view,
        grey=grey,
        top=window.top,
        left=window.left,
        black=window.black,
        lesions=lesions,
        limits=_limits(view, seen, window),
        unseen=_unseen(seen, window),
    )


def _limits(view: View, seen: ViewReading, window: _Window) -> tuple[ReadLimit, ...]:
    """Return the ends of what was read; one that lies beyond the cut-out is drawn at its edge."""
    return tuple(
        ReadLimit(min(max(0, row - window.top), window.bottom - window.top), below)
        for row, below in zip(unread_ends(view, seen), (False, True), strict=True)
        if row is not None
    )


def _unseen(seen: ViewReading, window: _Window) -> tuple[NDArray[np.float64], ...]:
    if seen.suppressed is None:
        return ()
    part = seen.suppressed[window.top : window.bottom, window.left : window.right]
    return tuple(np.array(line) for line in trace_outline(part > 0))
