"""What the settings of a canvas do to the counts before they are placed on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bonescan.config import Denoise, PaperCanvas, ResampledCanvas
from bonescan.preprocess.denoise import denoised, grey_per_count
from bonescan.preprocess.suppress import suppressed
from bonescan.scan import Flag, Scan, View, ViewName


def filtered(
    scan: Scan, settings: PaperCanvas | ResampledCanvas
) -> tuple[Scan, dict[ViewName, NDArray[np.uint8]], tuple[Flag, ...]]:
    """Suppress first, so that no hot edge is smeared, then denoise; each only if it is asked for.

    Parameters
    ----------
    scan : Scan
    settings : PaperCanvas or ResampledCanvas

    Returns
    -------
    scan, masks, flags
        As `bonescan.preprocess.suppress.suppressed` gives them; the scan itself where no filter
        is on.
    """
    masks: dict[ViewName, NDArray[np.uint8]] = {}
    flags: tuple[Flag, ...] = ()
    if settings.suppress is not None:
        scan, masks, flags = suppressed(scan, settings.suppress)
    if settings.denoise is not None:
        scan = _denoised(scan, settings.denoise)
    return scan, masks, flags


def _denoised(scan: Scan, settings: Denoise) -> Scan:
    """Denoise each view; grey values a count are measured where pixels are no counts."""

    def smooth(view: View | None) -> View | None:
        if view is None:
            return None
        per_count = 1.0 if scan.acquisition.true_counts else grey_per_count(view.counts)
        return replace(view, counts=denoised(view.counts, settings, per_count=per_count))

    return replace(scan, anterior=smooth(scan.anterior), posterior=smooth(scan.posterior))
