"""Which mark of the anterior view is the same lesion as which of the posterior one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from bonescan.quantify.position import Midline
from bonescan.scan import Lesion, View, ViewName

#: Centroids of one lesion lie no farther apart than this, the posterior view mirrored; the two
#: heads see a deep lesion under the same rows and columns.
MATCH_MM = 20.0
#: The same for pictures without a spacing: share of the frame's rows.
MATCH_SHARE_OF_ROWS = 0.01
#: Bones in front of the body's middle, and behind it: one lesion does not lie in both.
_FRONT = frozenset({"sternum", "clavicles"})
_BACK = frozenset({"thoracic_spine", "lumbar_spine", "scapulae"})
_FAR = 1e6


def match_views(
    anterior: View,
    posterior: View,
    lesions: Sequence[Lesion],
    midlines: Mapping[ViewName, Midline],
) -> tuple[Lesion, ...]:
    """Fill ``match`` of the lesions that both views show.

    Both heads see the patient at once, so that a lesion has the same height in both views, and the
    same distance from the midline with the sides mirrored. Pairs are chosen one to one, such that
    the sum of their distances is least.

    Parameters
    ----------
    anterior, posterior : View
    lesions : sequence of Lesion
        Of both views.
    midlines : mapping from view name to Midline
        In the pixels of each view; a view without one has no matches.

    Returns
    -------
    tuple of Lesion
        In the same order.
    """
    front = [lesion for lesion in lesions if lesion.view == "anterior"]
    back = [lesion for lesion in lesions if lesion.view == "posterior"]
    if not front or not back or len(midlines) < 2:
        return tuple(lesions)
    metric = anterior.pixel_spacing_mm is not None and posterior.pixel_spacing_mm is not None
    near = MATCH_MM if metric else MATCH_SHARE_OF_ROWS * anterior.counts.shape[0]
    here = np.array([_place(anterior, lesion, midlines["anterior"], metric) for lesion in front])
    there = np.array([_place(posterior, lesion, midlines["posterior"], metric) for lesion in back])
    there[:, 1] *= -1
    distance = np.linalg.norm(here[:, None] - there[None], axis=2)
    for i, one in enumerate(front):
        for j, other in enumerate(back):
            if distance[i, j] > near or _apart(one.region, other.region):
                distance[i, j] = _FAR
    pairs = {
        (front[i].number, back[j].number)
        for i, j in zip(*linear_sum_assignment(distance), strict=True)
        if distance[i, j] < _FAR
    }
    matches: dict[tuple[ViewName, int], int] = {("anterior", a): p for a, p in pairs}
    matches |= {("posterior", p): a for a, p in pairs}
    return tuple(
        replace(lesion, match=matches.get((lesion.view, lesion.number))) for lesion in lesions
    )


def _place(view: View, lesion: Lesion, midline: Midline, metric: bool) -> tuple[float, float]:
    """Return height and distance to the right of the midline, in mm or in pixels."""
    row, column = lesion.centroid[0] - 0.5, lesion.centroid[1] - 0.5
    tall, wide = view.pixel_spacing_mm if metric and view.pixel_spacing_mm else (1.0, 1.0)
    return row * tall, midline.offset(row, column) * wide


def _apart(one: str, other: str) -> bool:
    return (one in _FRONT and other in _BACK) or (one in _BACK and other in _FRONT)
