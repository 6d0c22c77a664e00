"""The label map that training compares with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from bonescan.config import NoMask, OtsuMask
from bonescan.masks.otsu import PLAUSIBLE_SHARE, otsu_body, present
from bonescan.scan import METASTASIS, NON_METASTATIC, Flag, LabelMap

#: How the body is found, by the ``kind`` of the mask settings.
BODY_MASKS = {"otsu": otsu_body}


def label_map(
    grey: NDArray[np.float32],
    metastasis: NDArray[np.bool_],
    settings: OtsuMask | NoMask,
    *,
    reduce: int = 1,
) -> LabelMap:
    """Give each canvas pixel its class.

    Parameters
    ----------
    grey : (H, W) float32
        Canvas grey values in [0, 255].
    metastasis : (H, W) bool
        The annotation on the canvas.
    settings : OtsuMask or NoMask
        ``otsu``: background 0, non-metastatic body 1, metastasis 2, where the body is everything
        above the threshold that is not metastasis nor within ``border_margin`` pixels of one.
        ``none``: 1 is metastasis and 0 is not.
    reduce : int
        The canvas' reduction: smoothing and margin are given in pixels before it.

    Returns
    -------
    LabelMap
        Flagged ``body-mask-implausible`` if body and metastasis together take less than 20 % or
        more than 60 % of the canvas (of its half where a view is missing).
    """
    if settings.kind == "none":
        return LabelMap(metastasis.astype(np.uint8), ("not metastasis", "metastasis"))
    body = BODY_MASKS[settings.kind](grey, settings, reduce=reduce)
    classes = np.where(
        body & ~_near(metastasis, settings.border_margin / reduce), NON_METASTATIC, 0
    )
    classes[metastasis] = METASTASIS
    flag = _implausible(body | metastasis, present(grey))
    return LabelMap(classes.astype(np.uint8), flags=(flag,) if flag else ())


def _near(mask: NDArray[np.bool_], margin: float) -> NDArray[np.bool_]:
    """Pixels whose centre is at most ``margin`` pixels from one of the mask."""
    if margin == 0 or not mask.any():
        return mask
    return np.asarray(distance_transform_edt(~mask) <= margin)


def _implausible(body: NDArray[np.bool_], seen: NDArray[np.bool_]) -> Flag | None:
    share = float(body[:, seen].mean()) if seen.any() else 0.0
    low, high = PLAUSIBLE_SHARE
    if low <= share <= high:
        return None
    return Flag(
        "body-mask-implausible",
        f"The body mask takes {share:.0%} of the canvas, expected are {low:.0%} to {high:.0%}",
    )
