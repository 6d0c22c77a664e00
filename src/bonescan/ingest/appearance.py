"""Tell anterior from posterior by the pixels alone: where along the body its midline is bright.

From behind, the spine lies near the camera and the midline stands out most at the lower thoracic
and lumbar levels. From the front the sternum and manubrium stand out above it, while the spine
fades behind the abdomen; lower down, the sacrum is the bright part of the pelvis from behind, the
bladder and pubis from the front. Both are compared as ratios of midline to flanks at two levels
of the same picture, so that neither counts, brightness nor matrix matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.ingest.outline import Outline, outline_of
from bonescan.scan import ViewName

#: Levels as shares of the body's height, from the crown.
_STERNAL, _LUMBAR = (0.16, 0.24), (0.24, 0.36)
_SACRAL, _PUBIC = (0.44, 0.48), (0.48, 0.52)

#: Half width of the midline band, and inner and outer border of the flanks, in body heights.
_MIDLINE, _FLANKS = 0.02, (0.035, 0.08)

#: Breadth with arms, and shoulder row below the crown, in body heights: the means of 21 real views,
#: which scatter by 6 %. They give the scale where the frame cuts the head or the feet off.
_BREADTH, _SHOULDER = 0.296, 0.149

#: A picture that shows air in more of the body's rows is too hard to be measured.
_BROKEN_ROWS = 0.1

#: Weight of the pelvic ratio beside the thoracic one, and the score that lies between the views.
_PELVIC_WEIGHT, _MIDDLE = 0.25, -0.1

#: Scores nearer to the middle than this decide nothing; further than ``CLEAR`` contradict a text.
UNDECIDED, CLEAR = 0.1, 0.2


@dataclass(frozen=True)
class Appearance:
    """What the pixels of one picture say.

    ``score`` is a log ratio, 0 between the views, positive for posterior; None where no body was
    found to measure.
    """

    score: float | None

    @property
    def view(self) -> ViewName | None:
        """The view that the picture looks like; None where it is unclear."""
        return self._beyond(UNDECIDED)

    @property
    def clear_view(self) -> ViewName | None:
        """The view that the picture looks like beyond reasonable doubt, or None."""
        return self._beyond(CLEAR)

    def _beyond(self, margin: float) -> ViewName | None:
        if self.score is None or abs(self.score) < margin:
            return None
        return "posterior" if self.score > 0 else "anterior"


def appearance_of(grey: NDArray[Any], outline: Outline | None = None) -> Appearance:
    """Measure whether a picture looks like the front or the back of a body.

    Parameters
    ----------
    grey : (H, W) array
        Counts or grey values, high is hot; one body, head up.
    outline : Outline, optional
        The body's outline, where the caller has it already.
    """
    outline = outline or outline_of(grey)
    if outline is None or not outline.looks_like_a_body or outline.broken_rows > _BROKEN_ROWS:
        return Appearance(None)
    crown, height = _scale(outline, grey.shape[0])
    first = max(0, crown)
    trunk = np.asarray(grey[first : crown + int(0.55 * height)], np.float32)
    tissue = trunk[trunk > 0]
    if tissue.size == 0 or trunk.shape[0] < 0.3 * height:
        return Appearance(None)
    smooth = ndimage.gaussian_filter(
        np.minimum(trunk, np.percentile(tissue[::4], 99.5)), 0.004 * height
    )
    top = crown - first
    middle = _midline(smooth[_rows(top, height, (0.2, 0.5))])
    contrasts = [
        _contrast(smooth[_rows(top, height, level)], middle, height)
        for level in (_STERNAL, _LUMBAR, _SACRAL, _PUBIC)
    ]
    if any(contrast is None or contrast <= 0 for contrast in contrasts):
        return Appearance(None)
    sternal, lumbar, sacral, pubic = np.log(np.asarray(contrasts, float))
    score = lumbar - sternal + _PELVIC_WEIGHT * np.clip(sacral - pubic, -1, 1) - _MIDDLE
    return Appearance(float(score))


def _scale(outline: Outline, rows: int) -> tuple[int, float]:
    """Return the crown's row and the body's height, in pixels, even where the frame cuts them."""
    edge = 0.004 * rows
    if outline.top > edge and outline.bottom < rows - edge:
        return outline.top, float(outline.height)
    height = outline.breadth / _BREADTH
    return round(outline.shoulder - _SHOULDER * height), height


def telling_apart(first: Appearance, second: Appearance) -> ViewName | None:
    """Return which view the first of two pictures of one body is; None where it is unclear."""
    if first.score is None or second.score is None:
        return first.view or _other(second.view)
    difference = first.score - second.score
    if abs(difference) < 2 * UNDECIDED:
        return None
    return "posterior" if difference > 0 else "anterior"


def _other(view: ViewName | None) -> ViewName | None:
    if view is None:
        return None
    return "posterior" if view == "anterior" else "anterior"


def _rows(top: int, height: float, level: tuple[float, float]) -> slice:
    start, stop = (max(0, int(top + share * height)) for share in level)
    return slice(start, stop)


def _midline(trunk: NDArray[np.float32]) -> float:
    """Return the column of the body's middle: the mean column, hot spots limited."""
    tissue = trunk[trunk > 0.2 * trunk.mean()]
    profile = np.minimum(trunk, 3 * np.median(tissue) if tissue.size else 0).sum(axis=0)
    total = float(profile.sum())
    if total <= 0:
        return float(trunk.shape[1] / 2)
    return float((profile * np.arange(trunk.shape[1])).sum() / total)


def _contrast(rows: NDArray[np.float32], middle: float, height: float) -> float | None:
    """Return the mean of the midline over the mean of both flanks; None outside the picture."""
    if rows.size == 0:
        return None

    def mean(start: float, stop: float) -> float:
        left, right = round(middle + start * height), round(middle + stop * height)
        part = rows[:, max(left, 0) : max(right, 0)]
        return float(part.mean()) if part.size else float("nan")

    flanks = (mean(-_FLANKS[1], -_FLANKS[0]) + mean(_FLANKS[0], _FLANKS[1])) / 2
    ratio = mean(-_MIDLINE, _MIDLINE) / flanks if flanks > 0 else float("nan")
    return float(ratio) if np.isfinite(ratio) else None
