"""Vendors as parameter sets: what their cameras do to the picture and to the DICOM header.

The GE figures are those of a Discovery 670 study (pixel 2.40112 mm, velocity 4.43 mm/s, window
129.96-151.04 keV) and a Millennium MG picture (2.26 mm); the others are plausible settings of
their kind, not measurements of a product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from bonescan.simulate.camera import LEGP, LEHR, Camera, Collimator
from bonescan.simulate.motion import Motion
from bonescan.simulate.passes import Join, draw_joins

ViewHint = Literal[
    "code", "legacy code", "code without meaning", "private text", "private view", "view position",
    "none",
]  # fmt: skip
Layout = Literal["frames", "files", "one frame"]
Grey = Literal["MONOCHROME2", "MONOCHROME1", "MONOCHROME1, inverted"]


@dataclass(frozen=True)
class Header:
    """How the files of a scan are written: habits of a make and of its sites.

    Attributes
    ----------
    view_hint : ViewHint
        How the views are told: by View Code Sequence; by the text that GE or Siemens keep in
        private attributes, or by Siemens' Whole Body View (0019,xx61); by the root View Position
        (with a file a view, as it holds one value); or not at all.
    posterior_first : bool
        The posterior view comes first, or lies on the left.
    layout : Layout
        The views are frames of a file, files of a series, or side by side in one frame.
    scatter_kev : (float, float), optional
        A window below the photopeak, whose frames come before those of the photopeak.
    geometric_mean : bool
        A third frame holds the geometric mean of the views.
    grey : Grey
        MONOCHROME1 shows plain counts as black on white; ``inverted`` stores the greatest count
        less each count, so that hot bone is still shown bright.
    jpeg_lossless : bool
        Pixel Data is compressed (JPEG Lossless, process 14, first-order prediction).
    tells_detectors, tells_spacing, tells_date : bool
        Whether Detector Information Sequence, Pixel Spacing and Study Date hold anything.
    """

    view_hint: ViewHint = "code"
    posterior_first: bool = False
    layout: Layout = "frames"
    scatter_kev: tuple[float, float] | None = None
    geometric_mean: bool = False
    grey: Grey = "MONOCHROME2"
    jpeg_lossless: bool = False
    tells_detectors: bool = True
    tells_spacing: bool = True
    tells_date: bool = True


@dataclass(frozen=True)
class Vendor:
    """One make of camera.

    ``pixel_mm`` are the spacings that it is used with, the usual one first; ``velocity_mm_s`` the
    range of table velocities; ``window_kev`` the energy window; ``technique`` how it scans a body
    wider than its crystal.
    """

    key: str
    manufacturer: str
    model: str
    software: str
    pixel_mm: tuple[float, ...]
    velocity_mm_s: tuple[float, float]
    window_kev: tuple[float, float]
    collimators: tuple[Collimator, ...] = (LEHR,)
    intrinsic_fwhm_mm: float = 3.5
    technique: str = "1PS"
    header: Header = Header()


VENDORS: dict[str, Vendor] = {
    vendor.key: vendor
    for vendor in (
        Vendor(
            "ge-discovery", "GE MEDICAL SYSTEMS", "Discovery NM/CT 670", "1.0",
            (2.40112,), (2.2, 4.43), (129.96, 151.04),
        ),
        Vendor(
            "ge-infinia", "GE MEDICAL SYSTEMS", "INFINIA", "2.0",
            (2.26,), (2.0, 3.4), (126.45, 154.56), header=Header("private text"),
        ),
        Vendor(
            "ge-millennium", "GE MEDICAL SYSTEMS", "Millennium MG", "1.0",
            (2.26,), (1.67, 2.7), (126.0, 154.0), (LEHR, LEGP), 4.0, "MSP", Header("none"),
        ),
        Vendor(
            "siemens-symbia", "SIEMENS NM", "Symbia T2", "6.5",
            (2.3976, 2.7974), (2.2, 3.8), (129.5, 150.5), header=Header("code without meaning"),
        ),
        Vendor(
            "siemens-ecam", "SIEMENS NM", "e.cam", "5.0",
            (2.3976,), (1.7, 3.0), (129.5, 150.5), (LEHR, LEGP), 3.9,
            header=Header("private text"),
        ),
        Vendor(
            "philips-brightview", "Philips Medical Systems", "BrightView XCT", "2.5",
            (2.33, 2.0), (2.0, 3.6), (126.45, 154.56), intrinsic_fwhm_mm=3.6,
            header=Header("legacy code", posterior_first=True),
        ),
        Vendor(
            "mediso-anyscan", "Mediso", "AnyScan S", "3.0",
            (2.14, 2.6), (1.8, 3.2), (130.0, 151.0), (LEHR, LEGP), 3.2,
        ),
        Vendor(
            "toshiba-eca", "TOSHIBA", "E.CAM", "4.0",
            (2.9,), (2.5, 4.6), (126.0, 154.0), (LEGP,), 4.3, header=Header("none"),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Habit:
    """A habit of some sites with one make; ``share`` is that of all scans of a screening cohort.

    ``changes`` are what it changes in the make's `Header`.
    """

    make: str
    name: str
    share: float
    changes: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Key of the make with this habit."""
        return f"{self.make}-{self.name}"


#: Shares are ours. The camera is the make's own, so that a habit changes no picture. A make's
#: habits lie at the end of its share of the draw: a new one goes before its others.
HABITS = (
    Habit("ge-discovery", "geometric-mean", 0.01, {"geometric_mean": True}),
    Habit("ge-discovery", "no-detectors", 0.01, {"tells_detectors": False}),
    Habit("ge-discovery", "jpeg", 0.02, {"jpeg_lossless": True}),
    Habit("ge-infinia", "geometric-mean", 0.01, {"geometric_mean": True}),
    Habit("ge-infinia", "no-detectors", 0.01, {"tells_detectors": False}),
    Habit("ge-infinia", "one-frame", 0.02, {"layout": "one frame"}),
    Habit("ge-infinia", "undated", 0.03, {"tells_date": False}),
    Habit("ge-millennium", "posterior-left", 0.01,
          {"layout": "one frame", "posterior_first": True}),
    Habit("ge-millennium", "no-spacing", 0.04, {"tells_spacing": False}),
    Habit("siemens-symbia", "inverted", 0.02, {"grey": "MONOCHROME1, inverted"}),
    Habit("siemens-symbia", "jpeg", 0.01, {"jpeg_lossless": True}),
    Habit("siemens-symbia", "two-windows", 0.03, {"scatter_kev": (108.5, 129.5)}),
    Habit("siemens-ecam", "private-view", 0.02, {"view_hint": "private view"}),
    Habit("siemens-ecam", "split", 0.04, {"layout": "files"}),
    Habit("philips-brightview", "black-on-white", 0.01, {"grey": "MONOCHROME1"}),
    Habit("philips-brightview", "view-position", 0.02,
          {"view_hint": "view position", "layout": "files"}),
)  # fmt: skip


def _with_habit(habit: Habit) -> Vendor:
    make = VENDORS[habit.make]
    return replace(make, key=habit.key, header=replace(make.header, **habit.changes))


VENDORS |= {habit.key: _with_habit(habit) for habit in HABITS}


def _with_habits(make: str, share: float) -> tuple[tuple[str, float], ...]:
    """Divide a make's share among its usual header and its sites' habits."""
    habits = tuple((habit.key, habit.share) for habit in HABITS if habit.make == make)
    return ((make, share - sum(part for _, part in habits)), *habits)


_MAKES = (
    ("ge-discovery", 0.35), ("ge-infinia", 0.15), ("ge-millennium", 0.10),
    ("siemens-symbia", 0.20), ("siemens-ecam", 0.08), ("philips-brightview", 0.12),
)  # fmt: skip

#: Vendors of each preset with the chance of each. The paper's scans come from GE cameras.
PRESET_VENDORS: dict[str, tuple[tuple[str, float], ...]] = {
    "paper": (("ge-discovery", 0.6), ("ge-infinia", 0.3), ("ge-millennium", 0.1)),
    "screening": tuple(row for make, share in _MAKES for row in _with_habits(make, share)),
    "followup": _MAKES,
    "elsewhere": (("mediso-anyscan", 0.6), ("toshiba-eca", 0.4)),
}

#: Median and log standard deviation of the counts of an anterior view, by preset.
PRESET_COUNTS: dict[str, tuple[float, float]] = {
    "paper": (900e3, 0.25),
    "screening": (520e3, 0.55),
    "followup": (750e3, 0.30),
    "elsewhere": (450e3, 0.50),
}
COUNTS_RANGE = (200e3, 3600e3)
#: Chance of the second pixel spacing of a make that is used with two.
UNUSUAL_PIXEL = 0.15
#: Chance that an 8-bit export loses single counts, as in three of ten published pairs (BS-80K).
LOST_SINGLES = 0.3


@dataclass(frozen=True)
class Acquisition:
    """A camera of a vendor, set up for one scan; ``velocity_mm_s`` is the table's.

    Each line of the body is under a head for a time that goes as 1 / velocity, so that the expected
    counts of the anterior view, ``camera.counts``, are the patient's count rate over the velocity.
    ``joins`` are the lines where the pieces of a scan in several passes or steps meet;
    ``export_least`` is the least number of counts that a pixel keeps in an 8-bit export.
    """

    vendor: Vendor
    camera: Camera
    velocity_mm_s: float
    motion: Motion | None = None
    joins: tuple[Join, ...] = ()
    export_least: int = 1


def draw_acquisition(
    rng: np.random.Generator,
    preset: str,
    height_mm: float,
    counts: float | None = None,
    velocity_mm_s: float | None = None,
) -> Acquisition:
    """Draw a vendor, its camera, the counts and the velocity of a scan.

    Counts are drawn first, and the velocity is one that they can have come from (see
    `_velocity`). What the caller asks for changes nothing else about the scan: of counts and
    velocity the other one follows, the patient's count rate being what it is.

    Parameters
    ----------
    rng : numpy.random.Generator
    preset : str
    height_mm : float
        The patient's height.
    counts : float, optional
        Expected counts of the anterior view. The velocity is then the count rate over them,
        within what the make is used with.
    velocity_mm_s : float, optional
        Velocity of the table, of whatever make. The counts are then the count rate over it; with
        ``counts`` given as well, both are as asked.

    Returns
    -------
    Acquisition

    Raises
    ------
    ValueError
        For counts or a velocity that are not above 0.
    """
    for name, asked in (("counts", counts), ("velocity_mm_s", velocity_mm_s)):
        if asked is not None and not asked > 0:
            raise ValueError(f"{name} is {asked:g}; give more than 0")
    names, chances = zip(*PRESET_VENDORS[preset], strict=True)
    vendor = VENDORS[names[int(rng.choice(len(names), p=np.array(chances)))]]
    unusual = len(vendor.pixel_mm) > 1 and rng.random() < UNUSUAL_PIXEL
    pixel = vendor.pixel_mm[int(unusual)]
    median, spread = PRESET_COUNTS[preset]
    many = float(rng.standard_normal())
    drawn = float(np.clip(median * np.exp(spread * many), *COUNTS_RANGE))
    room = 1024 * pixel - height_mm
    camera = Camera(
        pixel_mm=pixel,
        collimator=vendor.collimators[int(rng.integers(len(vendor.collimators)))],
        intrinsic_fwhm_mm=vendor.intrinsic_fwhm_mm * float(rng.uniform(0.94, 1.08)),
        anterior_gap_mm=float(rng.uniform(8, 32)),
        posterior_gap_mm=float(rng.uniform(15, 65)),
        contouring=bool(rng.random() < 0.75),
        table_transmission=float(rng.uniform(0.88, 0.93)),
        scatter=float(rng.normal(0.18, 0.02)),
        background=float(np.exp(rng.normal(-8.0, 1.5))),
        uniformity=float(rng.uniform(0.003, 0.012)),
        counts=drawn,
        top_mm=float(rng.uniform(0.08, 0.30) * max(room, 100.0)),
        shift_mm=float(rng.normal(0, 9)),
    )
    velocity = _velocity(vendor, many, spread, rng.random())
    rate = drawn * velocity
    if velocity_mm_s is not None:
        velocity = velocity_mm_s
        camera = replace(camera, counts=rate / velocity if counts is None else counts)
    elif counts is not None:
        velocity = float(np.clip(rate / counts, *vendor.velocity_mm_s))
        camera = replace(camera, counts=counts)
    motion = _draw_motion(rng, camera, height_mm)
    several = vendor.technique in ("2PS", "MSP")
    for_joins, for_export = rng.spawn(2)
    joins = draw_joins(for_joins, camera.rows, camera.columns, pixel, several)
    least = 2 if for_export.random() < LOST_SINGLES else 1
    return Acquisition(vendor, camera, velocity, motion, joins, least)


def _velocity(vendor: Vendor, many: float, spread: float, chance: float) -> float:
    """Draw the velocity that a scan's counts can have come from, in mm/s.

    Counts are a count rate over a velocity. Over all scans of a make the velocity is log-uniform
    in its range, and the rate (activity, time since the injection, body, collimator) log-normal
    and independent of it: the log variance of the counts is the sum of both. Given the counts, the
    velocity's normal score therefore has the mean ``-share * many``, the share being the
    velocity's part of the counts' log standard deviation, and the variance 1 - share^2: fast scans
    have few counts.

    The rate (counts of the anterior view times mm/s) has the median of `PRESET_COUNTS` times the
    middle of the range: for a Discovery 670 1.6 million in ``screening`` with a log standard
    deviation of 0.51, 2.8 million with 0.15 in ``paper``. The one study whose header was seen
    (4.43 mm/s with 0.74 to 1.36 million counts, 3.3 to 6.0 million counts times mm/s) had more: the
    counts were set so that noise is that of published pictures.

    Parameters
    ----------
    vendor : Vendor
    many, spread : float
        Normal score of the log counts, and their log standard deviation.
    chance : float
        From 0 to 1.
    """
    low, high = np.log(vendor.velocity_mm_s)
    share = min((high - low) / np.sqrt(12) / spread, 1.0)
    normal = NormalDist()
    own = normal.inv_cdf(float(np.clip(chance, 1e-9, 1 - 1e-9)))
    score = -share * many + np.sqrt(1 - share**2) * own
    return float(np.exp(low + (high - low) * normal.cdf(float(score))))


def _draw_motion(rng: np.random.Generator, camera: Camera, height_mm: float) -> Motion | None:
    """Now and then the head turns, or a shoulder twitches, while it is scanned."""
    chance, share = rng.random(), rng.uniform(0.2, 0.5)
    rows, columns = rng.normal(0, 1.0), rng.normal(0, 4.0)
    if chance > 0.065:
        return None
    name = "head motion" if chance < 0.04 else "shoulder motion"
    upper, lower = (0.0, 0.135) if name == "head motion" else (0.14, 0.22)
    first, last = (round((camera.top_mm + s * height_mm) / camera.pixel_mm) for s in (upper, lower))
    first = 0 if name == "head motion" else first
    return Motion(name, first, last, (float(rows), float(columns)), float(share))
