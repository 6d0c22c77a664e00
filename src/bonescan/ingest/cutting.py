"""What was drawn on a source frame, cut into the views that the frame holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bonescan.errors import BadInput
from bonescan.scan import Flag, View, ViewName

#: 0 none, any other number a lesion.
Labels = NDArray[np.int32]


def cut_into_views(
    name: str, drawn: Labels, views: Sequence[View]
) -> tuple[dict[ViewName, Labels], list[Flag]]:
    """Cut a drawing into views.

    Parameters
    ----------
    name : str
        What the drawing is called in messages.
    drawn : (H, W) int32
        In the size of the source frame that all ``views`` were cut from, or of the only view.
    views : sequence of View
        At least one.

    Returns
    -------
    labels : dict from view name to (H, W) int32
        In the geometry of `View.counts`.
    flags : list of Flag
        That parts of the drawing lie on none of the views.

    Raises
    ------
    BadInput
        If the drawing has another size.
    """
    shape = drawn.shape
    if all(view.crop.frame_shape == shape for view in views):
        beyond = drawn != 0
        for view in views:
            view.crop.cut(beyond)[...] = False
        return {view.name: view.crop.cut(drawn) for view in views}, _beyond(name, beyond, views)
    if len(views) == 1 and views[0].counts.shape == shape:
        return {views[0].name: drawn}, []
    view = next(view for view in views if view.crop.frame_shape != shape)
    height, width = view.crop.frame_shape
    raise BadInput(
        f"{name}: is {shape[0]} x {shape[1]} pixels, but the frame of the {view.name} view is "
        f"{height} x {width}; name marks drawn on this scan, in the frame's size"
    )


def _beyond(name: str, beyond: NDArray[np.bool_], views: Sequence[View]) -> list[Flag]:
    pixels = int(beyond.sum())
    if not pixels:
        return []
    shown = " and the ".join(f"{view.name} view" for view in views)
    message = f"{name}: {pixels} marked pixels lie outside the {shown} and are left out"
    return [Flag("marks-left-out", message)]
