"""Every sentence that the outputs say to a reader, in one place."""

from __future__ import annotations

from bonescan import RESEARCH_USE as RESEARCH_USE
from bonescan.quantify.position import UNKNOWN_LEVEL
from bonescan.scan import Flag, Lesion, Reading, Scan, Severity, ViewName

DRAFT = "Draft made by software. A physician has to check every mark against the scan."
NOTHING_RULED_OUT = "That rules nothing out: see the flags, the limits of the model and the scan."
LEVEL_NOTE = (
    "Level: height between the top of the head and the soles, compared with an average body. "
    "It names no bone. Side: from the midline of the body's outline."
)
MEASURE_NOTE = (
    "Uptake: mean counts of the mark over the median counts of the body in that view. "
    "Probability: mean of the most probable tenth of the mark's pixels, as the model gives it."
)
WINDOW_NOTE = "99th percentile of the body in that view, at most eight times its median"
NOT_READ = "not read below"
SCORE_NOTE = "Highest mean probability of any 3 x 3 pixels in either view; no calibrated risk."

VIEW_LABEL: dict[ViewName, str] = {"anterior": "ANT", "posterior": "POST"}
SEVERITY_LABEL = {"error": "Error", "warning": "Warning", "info": "Note"}


def summary(reading: Reading) -> str:
    """Return the one or two sentences that stand at the head of a report."""
    read = " and ".join(view.view for view in reading.views)
    noun = "view" if len(reading.views) == 1 else "views"
    lesions = reading.lesions
    if not lesions:
        return f"No metastasis was marked in the {read} {noun}. {NOTHING_RULED_OUT}"
    counts = ", ".join(
        f"{sum(lesion.view == view.view for lesion in lesions)} {view.view}"
        for view in reading.views
    )
    marks = "1 mark" if len(lesions) == 1 else f"{len(lesions)} marks"
    sure = max(lesions, key=lambda lesion: lesion.probability)
    return (
        f"{marks} of suspected metastasis ({counts}). {_largest(lesions)} "
        f"The most probable is {mark_name(sure)}, probability {sure.probability:.2f}."
    )


def _largest(lesions: tuple[Lesion, ...]) -> str:
    largest = max(lesions, key=lambda lesion: lesion.area_mm2 or lesion.area_pixels)
    return f"The largest is {mark_name(largest)}, {area(largest)}, {place(largest)}."


def mark_name(lesion: Lesion) -> str:
    """Name a mark as the pictures do, for instance ``ANT 3``."""
    return f"{VIEW_LABEL[lesion.view]} {lesion.number}"


def area(lesion: Lesion) -> str:
    """Return a lesion's area with its unit."""
    if lesion.area_mm2 is None:
        return f"{lesion.area_pixels} pixels"
    return f"{lesion.area_mm2 / 100:.1f} cm²"


def place(lesion: Lesion) -> str:
    """Return a lesion's level and side, for instance ``chest level, left``."""
    side = {"R": "right", "L": "left"}.get(lesion.side, lesion.side)
    return f"{lesion.region}, {side}"


def level(lesion: Lesion) -> str:
    """Return a lesion's level under a heading that says that it is one: ``chest``."""
    return lesion.region.removesuffix(" level").removeprefix("level ")


def unit(scan: Scan) -> str:
    """Name what a pixel's value is: counts, or grey values where a picture was read."""
    return "counts" if scan.acquisition.true_counts else "grey values"


def view_caption(scan: Scan, name: ViewName) -> str:
    """Tell where a view comes from and how it was recognised."""
    view = scan.anterior if name == "anterior" else scan.posterior
    if view is None:
        return f"There is no {name} view."
    spacing = "no pixel spacing"
    if view.pixel_spacing_mm is not None:
        spacing = f"{view.pixel_spacing_mm[0]:.3g} x {view.pixel_spacing_mm[1]:.3g} mm pixels"
    height, width = view.counts.shape
    return (
        f"{name.capitalize()}: {view.source.name}, frame {view.frame}, {height} x {width}, "
        f"{spacing}, recognised by {view.recognised_by}."
    )


def picture_text(reading: Reading, name: ViewName, *, marked: bool) -> str:
    """Describe a picture to those who cannot see it."""
    lesions = [lesion for lesion in reading.lesions if lesion.view == name]
    if not marked:
        return f"The {name} view without marks, inverse grey."
    if not lesions:
        return f"The {name} view; nothing is marked."
    listed = "; ".join(
        f"{lesion.number}: {'level unknown' if lesion.region == UNKNOWN_LEVEL else lesion.region}, "
        f"{lesion.side}"
        for lesion in lesions
    )
    return f"The {name} view with {len(lesions)} outlined marks. {listed}."


def grouped(flags: tuple[Flag, ...]) -> tuple[Flag, ...]:
    """Say flags of one code and severity, as for both views, in one entry."""
    messages: dict[tuple[str, Severity], list[str]] = {}
    for flag in flags:
        messages.setdefault((flag.code, flag.severity), []).append(sentence(flag.message))
    return tuple(
        Flag(code, " ".join(said), severity) for (code, severity), said in messages.items()
    )


def sentence(text: str) -> str:
    """Return a text that starts with a capital and ends with a full stop."""
    start = text[:1].upper() + text[1:]
    return start if start.endswith((".", "!", "?")) else f"{start}."
