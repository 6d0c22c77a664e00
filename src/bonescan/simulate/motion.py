"""The patient moves while the camera passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonescan.simulate.camera import Array


@dataclass(frozen=True)
class Motion:
    """The patient moved while the heads passed over a part of the body.

    ``share`` of the counts of the rows [first, last) lie ``shift`` = (rows, columns) pixels away;
    the posterior view moves the other way along columns.
    """

    name: str
    first: int
    last: int
    shift: tuple[float, float]
    share: float

    def apply(self, views: Array) -> Array:
        """Return the two views (2, H, W) as they are acquired."""
        rows = np.arange(views.shape[1])
        edge = 1 / (1 + np.exp(np.clip((rows - self.last) / 2.0, -30, 30)))
        edge = edge / (1 + np.exp(np.clip((self.first - rows) / 2.0, -30, 30)))
        weight = (self.share * edge)[:, None].astype(np.float32)
        moved = np.empty_like(views)
        for view, sign in enumerate((1.0, -1.0)):
            step = (self.shift[0], sign * self.shift[1])
            shifted = ndimage.shift(views[view], step, order=1, mode="nearest")
            moved[view] = (1 - weight) * views[view] + weight * shifted
        return moved
