"""The label map that training compares with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from bonescan.config import MinedMask, NoMask, OtsuMask
from bonescan.masks.mining import mined_body
from bonescan.masks.otsu import PLAUSIBLE_SHARE, otsu_body, present
from bonescan.scan import METASTASIS, NON_METASTATIC, Flag, LabelMap


def label_map(
    grey: NDArray[np.float32],
    metastasis: NDArray[np.bool_],
    settings: OtsuMask | MinedMask | NoMask,
    *,
    reduce: int = 1,
    mined: NDArray[np.float32] | None = None,
) -> LabelMap:
    """Give each canvas pixel its class.

    Parameters
    ----------
    grey : (H, W) float32
        Canvas grey values in [0, 255].
    metastasis : (H, W) bool
        The annotation on the canvas.
    settings : OtsuMask, MinedMask or NoMask
        ``otsu``: background 0, non-metastatic body 1, metastasis 2, where the body is everything
        above the threshold that is not metastasis nor within ``border_margin`` pixels of one.
        ``mined``: the same with all that the baseline marks in place of the body.
        ``none``: 1 is metastasis and 0 is not.
    reduce : int
        The canvas' reduction: smoothing and margin are given in pixels before it.
    mined : (H, W) float32, optional
        For ``mined``: the probability of metastasis by the baseline of the same fold, see
        `bonescan.masks.mining.FoldMining`.

    Returns
    -------
    LabelMap
        With ``otsu`` flagged ``body-mask-implausible`` if body and metastasis together take less
        than 20 % or more than 60 % of the canvas (of its half where a view is missing).

    Raises
    ------
    ValueError
        With ``mined`` and without probabilities.
    """
    if settings.kind == "none":
        return LabelMap(metastasis.astype(np.uint8), ("not metastasis", "metastasis"))
    if settings.kind == "mined":
        if mined is None:
            raise ValueError("a mined mask needs the probabilities of the fold's baseline")
        body = mined_body(mined, settings)
    else:
        body = otsu_body(grey, settings, reduce=reduce)
    classes = np.where(
        body & ~_near(metastasis, settings.border_margin / reduce), NON_METASTATIC, 0
    )
    classes[metastasis] = METASTASIS
    flag = None
    if settings.kind == "otsu":
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
