"""What is usual of the scans that a package was calibrated on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bonescan.package import Familiarity
from bonescan.quantify.familiarity import INPUTS

#: Distance from which a figure is unusual, in spreads (`bonescan.package.Familiarity`). For a
#: normal law one spread is 1.64 standard deviations, so that this is at 6.6 of them; the fit's own
#: scans, or a clinic's, are not normal.
LIMIT = 4.0
#: The limit is at least so many times the largest distance among the scans of the fit.
MARGIN = 1.1
#: Fewer scans than this do not tell what is usual.
LEAST_SCANS = 20


def fit_familiarity(inputs: NDArray[np.float64], measured_on: str) -> Familiarity | None:
    """Learn what is usual.

    Parameters
    ----------
    inputs : (n, len(INPUTS)) float64
        Of each scan, see `bonescan.quantify.familiarity.measure_input`; NaN where missing.
    measured_on : str
        The scans, for the card.

    Returns
    -------
    Familiarity or None
        With the figures that at least `LEAST_SCANS` scans have; None if there are none.
    """
    names = tuple(INPUTS)
    kept = [i for i in range(len(names)) if np.isfinite(inputs[:, i]).sum() >= LEAST_SCANS]
    if not kept:
        return None
    low, medians, high = np.nanquantile(inputs[:, kept], [0.05, 0.5, 0.95], axis=0)
    least = np.array([INPUTS[names[i]][1] for i in kept])
    found = Familiarity(
        features=tuple(names[i] for i in kept),
        medians=_numbers(medians),
        below=_numbers(np.maximum(medians - low, least)),
        above=_numbers(np.maximum(high - medians, least)),
        limit=LIMIT,
        largest=0.0,
        measured_on=measured_on,
    )
    largest = float(found.distances(inputs[:, kept]).max())
    limit = round(max(LIMIT, MARGIN * largest), 2)
    return found.model_copy(update={"limit": limit, "largest": round(largest, 2)})


def _numbers(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
