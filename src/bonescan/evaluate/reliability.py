"""Do probabilities hold? Calibration error and reliability plot of lesions and patients."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bonescan.evaluate.logistic import BINS, calibration_error, perfect_calibration_error
from bonescan.evaluate.patients import patient_interval
from bonescan.measures.statistics import Interval

COLOUR, QUIET = "#b01030", "#56616e"
NOTICE = "Research use only"


@dataclass(frozen=True)
class Stated:
    """Stated probabilities and what was true, of n candidates or patients.

    Attributes
    ----------
    probabilities : (n,) float64
        In [0, 1].
    true : (n,) bool
    patients : tuple of n str
        Whose they are.
    """

    probabilities: NDArray[np.float64]
    true: NDArray[np.bool_]
    patients: tuple[str, ...]


@dataclass(frozen=True)
class Reliability:
    """How well the stated probabilities hold.

    ``lesion_error`` and ``patient_error`` are expected calibration errors in [0, 1] over
    `bonescan.evaluate.logistic.BINS` bins of equal width, each with its interval over patients;
    None without any. ``lesion_perfect`` and ``patient_perfect`` are what perfect probabilities of
    the same values would show, with the middle 95 % of what chance makes of it. ``calibrated``
    tells whether the package calibrates lesions.
    """

    lesions: Stated
    patients: Stated
    lesion_error: Interval | None
    patient_error: Interval | None
    lesion_perfect: Interval | None
    patient_perfect: Interval | None
    calibrated: bool


def measure_reliability(lesions: Stated, patients: Stated, *, calibrated: bool) -> Reliability:
    """Measure both calibration errors, and what they would be of perfect probabilities."""
    return Reliability(
        lesions,
        patients,
        _error(lesions),
        _error(patients),
        perfect_calibration_error(lesions.probabilities),
        perfect_calibration_error(patients.probabilities),
        calibrated,
    )


def draw_reliability(found: Reliability, title: str) -> bytes:
    """Draw observed share over stated probability, of candidates and of patients, as PNG."""
    figure = Figure(figsize=(9.2, 4.9), dpi=150, layout="constrained")
    panels = figure.subplots(1, 2)
    kind = "calibrated" if found.calibrated else "network's own"
    for axes, stated, error, name in (
        (panels[0], found.lesions, found.lesion_error, f"candidate regions ({kind})"),
        (panels[1], found.patients, found.patient_error, "patients"),
    ):
        _plot(axes, stated)
        text = "" if error is None else f", error {error.value:.3f}"
        axes.set_title(f"{len(stated.true)} {name}{text}", fontsize=10)
    figure.suptitle(title, fontsize=11)
    figure.text(0.005, 0.005, NOTICE, fontsize=7, color=QUIET)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _error(stated: Stated) -> Interval | None:
    if not len(stated.true):
        return None

    def error(rows: NDArray[np.intp]) -> float:
        return calibration_error(stated.probabilities[rows], stated.true[rows])

    return patient_interval(error, stated.patients)


def _plot(axes: Axes, stated: Stated) -> None:
    """Draw each bin as a dot whose area tells how much it holds, with Wilson's 95 % interval."""
    axes.plot([0, 1], [0, 1], color="#c0c6cc", linewidth=0.8)
    index = np.minimum((stated.probabilities * BINS).astype(int), BINS - 1)
    for number in np.unique(index):
        here = index == number
        count, share = int(here.sum()), float(stated.true[here].mean())
        stands = float(stated.probabilities[here].mean())
        low, high = wilson(int(stated.true[here].sum()), count)
        axes.plot([stands, stands], [low, high], color=COLOUR, linewidth=1, alpha=0.6)
        axes.plot(stands, share, "o", color=COLOUR, markersize=3 + 1.5 * np.log2(1 + count) / 2)
        above = share < 0.85
        axes.annotate(
            str(count),
            (stands, high if above else low),
            xytext=(0, 3 if above else -9),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=QUIET,
        )
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.05, 1.08)
    axes.set_aspect("equal")
    axes.set_xlabel("stated probability of metastasis")
    axes.set_ylabel("share that is metastasis")
    axes.grid(alpha=0.3)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; ``count`` must be 1 or more."""
    z = 1.959964
    share = hits / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float(middle - half), float(middle + half)


def put_together(items: Sequence[Stated]) -> Stated:
    """Return the stated probabilities of several studies as one; empty without any."""
    return Stated(
        np.concatenate([np.zeros(0), *(item.probabilities for item in items)]),
        np.concatenate([np.zeros(0, bool), *(item.true for item in items)]),
        tuple(patient for item in items for patient in item.patients),
    )
