"""The patient moves while the camera passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bonescan.simulate.camera import Array, Camera, Patch


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


def moved_patches(
    patches: tuple[Patch, Patch], motion: Motion, camera: Camera
) -> tuple[Patch, Patch]:
    """Smear what is seen of a focus as the patient's motion smears the views."""
    views = np.zeros((2, camera.rows, camera.columns), np.float32)
    for view, patch in zip(views, patches, strict=True):
        patch.add_to(view)
    moved = []
    for view in motion.apply(views):
        rows, columns = (np.flatnonzero((view != 0).any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            moved.append(Patch(slice(0, 0), slice(0, 0), view[:0, :0]))
            continue
        at = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        moved.append(Patch(*at, view[at]))
    return moved[0], moved[1]
