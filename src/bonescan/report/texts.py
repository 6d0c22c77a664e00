"""Every word that the report says to a reader, in one place: a translation is a file like this one.

Flags are not here: their sentences come from the stage that raises them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bonescan import RESEARCH_USE as RESEARCH_USE
from bonescan.scan import (
    REGIONS,
    Flag,
    Lesion,
    Provenance,
    Reading,
    RegionMeasure,
    Scan,
    Severity,
    ViewName,
)

LANGUAGE = "en"
TITLE = "Whole-body bone scan"
SUBTITLE = "Pre-diagnostic report"
DRAFT = "Draft made by software. A physician has to check every mark against the scan."
NOTHING_RULED_OUT = "That rules nothing out: see the flags, the limits of the model and the scan."
LEVEL_NOTE = (
    "Level: height between the top of the head and the soles, compared with an average body. "
    "It names no bone. Side: from the midline of the body's outline."
)
BODY_NOTE = "× body: mean counts of the mark over the median counts of the body in that view."
REGION_NOTE = (
    "Share: the mark's area over its region's area in that view. "
    "× region: its mean counts over the region's median counts outside of marks."
)
MEASURE_NOTE = (
    "× mirror: mean counts of the mark over those of the same place on the patient's other side. "
    "Probability: mean of the most probable tenth of the mark's pixels, as the model gives it. "
    "Match: the mark in the other view that shows the same place; the two are one lesion, and "
    "marks that could not be matched count as two. "
    "–: cannot be told."
)
NO_SPACING = "The source gives no pixel spacing: areas are in pixels, and nothing is in mm."
WINDOW_NOTE = "99th percentile of the body in that view, at most eight times its median"
NOT_READ_ABOVE, NOT_READ_BELOW = "not read above", "not read below"
NOT_SEEN = "taken out, not read"
SCALE_BAR = "10 cm"
SCORE_OF_MODEL = "It is the model's, whatever a reader marks."
SCORE_NOTE = "Highest mean probability of any 3 x 3 pixels in either view; no calibrated risk."

VIEW_LABEL: dict[ViewName, str] = {"anterior": "ANT", "posterior": "POST"}
SEVERITY_LABEL = {"error": "Error", "warning": "Warning", "info": "Note"}
SIDE_LABEL = {"R": "right", "L": "left"}
BOTH_SIDES = "both sides"
REGION_LABEL = {name: name.replace("_", " ") for name in REGIONS}

PATIENT, PATIENT_ID, BORN = "Patient", "Patient ID", "Born"
STUDY, STUDY_DATE = "Study", "Study date"
FLAGS = "Flags"
MARKED, PLAIN = "marked", "plain"
MARKS, INDEX, MODEL, NOTES = "Marks", "Bone scan index", "What the model is and is not", "Notes"
CONTINUED = "continued"
COLUMN_MARK, COLUMN_REGION, COLUMN_LEVEL, COLUMN_SIDE = "Mark", "Region", "Level", "Side"
COLUMN_AREA, COLUMN_SHARE, COLUMN_MATCH = "Area", "Share", "Match"
COLUMN_REGION_RATIO, COLUMN_MIRROR, COLUMN_BODY_RATIO = "× region", "× mirror", "× body"
COLUMN_PROBABILITY = "Probability"
INDEX_COLUMNS = ("Region", "Weight %", "ANT", "POST", "Index %")
WHOLE_SKELETON, VISIBLE_SKELETON = "Whole skeleton", "Visible skeleton"
LESIONS, VISIBLE_INDEX = "Suspected lesions", "Index of the visible skeleton"
NONE = "–"
#: Ratios and probabilities beyond these are not told more finely.
MOST_TIMES, LEAST_PROBABILITY = 10.0, 0.01
NOT_GIVEN = "not given"


def summary(reading: Reading) -> str:
    """Return the one or two sentences that stand at the head of a report."""
    read = " and ".join(view.view for view in reading.views)
    noun = "view" if len(reading.views) == 1 else "views"
    lesions = reading.lesions
    corrected = any(view.marked_by == "reader" for view in reading.views)
    if not lesions:
        who = " by the reader" if corrected else ""
        return f"No metastasis was marked{who} in the {read} {noun}. {NOTHING_RULED_OUT}"
    counts = ", ".join(
        f"{sum(lesion.view == view.view for lesion in lesions)} {view.view}"
        for view in reading.views
    )
    noun = "metastasis" if reading.patient_lesions == 1 else "metastases"
    found = sentence(f"{lesion_number(reading)} suspected {noun}").rstrip(".")
    marks = "1 mark" if len(lesions) == 1 else f"{len(lesions)} marks"
    said = f"{found} in {marks} ({counts}): {places(lesions)}. {_largest(lesions)}"
    if corrected:
        return f"{said} The marks are {_who(reading)}."
    sure = max(lesions, key=lambda lesion: lesion.probability)
    return f"{said} Most probable: {mark_name(sure)} ({probability(sure.probability)})."


def lesion_number(reading: Reading) -> str:
    """Tell how many lesions there are; at most so many where both views have unmatched marks."""
    unmatched = {lesion.view for lesion in reading.lesions if lesion.match is None}
    most = "up to " if len(unmatched) > 1 else ""
    return f"{most}{reading.patient_lesions}"


def _who(reading: Reading) -> str:
    """Say whose marks they are: a reader's, or the model's in one of the views."""
    by_model = [view.view for view in reading.views if view.marked_by == "model"]
    return f"a reader's, but for the {by_model[0]} view's" if by_model else "a reader's"


def places(lesions: Sequence[Lesion]) -> str:
    """Return where lesions lie, the place with the largest area first: ``ribs (right), sacrum``."""
    areas: Counter[str] = Counter()
    sides: dict[str, set[str]] = {}
    for lesion in lesions:
        areas[lesion.region] += lesion.area_pixels
        sides.setdefault(lesion.region, set()).add(lesion.side)
    return ", ".join(f"{region_name(name)}{_sides(sides[name])}" for name, _ in areas.most_common())


def _sides(sides: set[str]) -> str:
    """Tell the sides of a place; nothing where it lies on the midline, too."""
    if sides == set(SIDE_LABEL):
        return f" ({BOTH_SIDES})"
    side = next(iter(sides)) if len(sides) == 1 else ""
    return f" ({SIDE_LABEL[side]})" if side in SIDE_LABEL else ""


def _largest(lesions: Sequence[Lesion]) -> str:
    largest = max(lesions, key=lambda lesion: lesion.area_mm2 or lesion.area_pixels)
    return f"Largest: {mark_name(largest)} ({area(largest)})."


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
    side = SIDE_LABEL.get(lesion.side, lesion.side)
    return f"{region_name(lesion.region)}, {side}"


def region_name(region: str) -> str:
    """Return a skeletal region, or a level of the body, as one writes it."""
    return REGION_LABEL.get(region, region)


def level(lesion: Lesion) -> str:
    """Return a lesion's level under a heading that says that it is one: ``chest``."""
    return region_name(lesion.region).removesuffix(" level").removeprefix("level ")


def match_name(lesion: Lesion) -> str:
    """Name the same lesion's mark in the other view, for instance ``POST 2``."""
    other: ViewName = "posterior" if lesion.view == "anterior" else "anterior"
    return NONE if lesion.match is None else f"{VIEW_LABEL[other]} {lesion.match}"


def tooltip(lesion: Lesion) -> str:
    """Describe a mark in a line, where the pointer rests on it."""
    sure = f"probability {probability(lesion.probability)}"
    return f"{mark_name(lesion)}: {place(lesion)}, {area(lesion)}, {sure}"


def percent(share: float | None) -> str:
    """Return a share in [0, 1] in percent: ``0.4 %``, ``12 %``."""
    if share is None:
        return NONE
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def times(ratio: float | None) -> str:
    """Return a ratio with one decimal; from ten on the few counts below it tell no more."""
    if ratio is None:
        return NONE
    return f"{ratio:.1f}" if ratio < MOST_TIMES else f"> {MOST_TIMES:g}"


def probability(value: float) -> str:
    """Return a probability with two decimals, which is never one and never none."""
    if value > 1 - LEAST_PROBABILITY:
        return f"> {1 - LEAST_PROBABILITY:g}"
    return f"{value:.2f}" if value >= LEAST_PROBABILITY else f"< {LEAST_PROBABILITY:g}"


def index_value(value: float | None) -> str:
    """Return an index in percent with two decimals; a dash where none is given."""
    return "–" if value is None else f"{value:.2f}"


def highest(scan: Scan) -> str:
    """Head the column of a mark's highest pixel."""
    return f"Highest {unit(scan)}"


def mean(scan: Scan) -> str:
    """Head the column of a mark's mean."""
    return f"Mean {unit(scan)}"


def facts(scan: Scan) -> tuple[tuple[str, str], ...]:
    """Return what is known of patient, study and acquisition, as (name, value)."""
    who, how = scan.identity, scan.acquisition
    found = (
        (PATIENT, person_name(who.patient_name)),
        (PATIENT_ID, who.patient_id),
        (BORN, iso_date(who.birth_date)),
        ("Sex", who.sex),
        (STUDY, scan.study),
        (STUDY_DATE, iso_date(how.study_date or "")),
        ("Accession", who.accession_number),
        ("Tracer", (how.tracer or "").replace("^", "")),
        ("Camera", " ".join(part for part in (how.manufacturer, how.camera) if part)),
        ("Collimator", how.collimator or ""),
        ("Scan speed", "" if how.velocity_mm_s is None else f"{how.velocity_mm_s:.2f} mm/s"),
        ("Duration", "" if how.duration_s is None else f"{how.duration_s:.0f} s a view"),
        ("Counts", _counts(scan)),
    )
    return tuple((name, value) for name, value in found if value)


def identity(facts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return what tells patient and study from others, for the head of a further page."""
    return tuple(
        f"{name.lower()} {value}" if name == BORN else value
        for name, value in facts
        if name in (PATIENT, PATIENT_ID, BORN, STUDY, STUDY_DATE)
    )


def person_name(value: str) -> str:
    """Return a DICOM person name as one writes it (PS3.5, 6.2.1).

    >>> person_name("Yamada^Tarou=山田^太郎")
    'Yamada Tarou (山田 太郎)'
    """
    groups = [" ".join(group.replace("^", " ").split()) for group in value.split("=")]
    first, *others = [group for group in groups if group] or [""]
    return f"{first} ({', '.join(others)})" if others else first


def _counts(scan: Scan) -> str:
    if not scan.acquisition.true_counts:
        return "not known (grey values of a picture)"
    return ", ".join(
        f"{VIEW_LABEL[view.name]} {float(view.counts.sum()) / 1e6:.2f} M" for view in scan.views
    )


def iso_date(raw: str) -> str:
    """Turn a DICOM date into ISO form; anything else stays as it is."""
    if len(raw) == 8 and raw.isdigit():
        return f"{raw[:4]}-{raw[4:6]}-{raw[6:]}"
    return raw


def figures(reading: Reading) -> tuple[tuple[str, str], ...]:
    """Return the few numbers that head a report, as (name, value)."""
    by_view = " + ".join(
        f"{sum(lesion.view == view.view for lesion in reading.lesions)} {VIEW_LABEL[view.view]}"
        for view in reading.views
    )
    found = [(LESIONS, lesion_number(reading)), (MARKS, by_view)]
    index = reading.index
    if index is None or index.whole is None:
        found.append((INDEX, NOT_GIVEN))
    else:
        found.append((INDEX, f"{index.whole:.2f} ± {index.band:.2f} %"))
    if index is not None and index.visible is not None:
        found.append((VISIBLE_INDEX, f"{index.visible:.2f} %"))
    found.append(("Patient score", probability(reading.patient_score)))
    return tuple(found)


def index_note(reading: Reading) -> str:
    """Tell what the index is made of, or why there is none."""
    index = reading.index
    if index is None:
        return "No bone scan index is given: the model names no bones."
    if index.refused:
        reasons = " ".join(sentence(reason) for reason in index.refused)
        what = "" if index.visible is None else " of the whole skeleton"
        return f"No bone scan index{what} is given. {reasons}"
    return (
        f"Share of the skeleton's mass that marks involve. Views fused by {index.fusion}; weights "
        f"{index.weights}. ANT, POST: involved share of a region. Repeat scans of one patient "
        f"differ within ± {index.band:g}."
    )


def region_areas(reading: Reading) -> str:
    """Say how large the skeletal regions are in each view; nothing where none was found."""
    areas = {(item.region, item.view): _region_area(item) for item in reading.regions}
    metric = all(item.area_mm2 is not None for item in reading.regions)
    views = [view.view for view in reading.views]
    said = [
        f"{region_name(region)} {' / '.join(areas.get((region, view), NONE) for view in views)}"
        for region in REGIONS
        if any((region, view) in areas for view in views)
    ]
    if not said:
        return ""
    heads = " / ".join(VIEW_LABEL[view] for view in views)
    cut = " *: cut by the edge of what was read." if any(r.cut for r in reading.regions) else ""
    return f"Region areas ({heads}) in {'cm²' if metric else 'pixels'}: {', '.join(said)}.{cut}"


def _region_area(measure: RegionMeasure) -> str:
    area = measure.area_pixels if measure.area_mm2 is None else measure.area_mm2 / 100
    return f"{area:.0f}{'*' if measure.cut else ''}"


def score(reading: Reading) -> str:
    """Say the patient's score and what it is."""
    note = str(reading.provenance.settings.get("patient_score", SCORE_NOTE))
    said = f"Patient score {probability(reading.patient_score)}: {note[:1].lower()}{note[1:]}"
    return f"{said} {SCORE_OF_MODEL}" if reading.provenance.marks else said


def window(name: ViewName, black: float) -> str:
    """Tell which value of a view is shown black."""
    return f"{VIEW_LABEL[name]} white 0, black {black:.3g}"


def picture_note(unit: str, windows: str) -> str:
    """Tell how the pictures are shown."""
    return (
        f"Inverse grey, linear, in {unit}: {windows} ({WINDOW_NOTE}). "
        "The posterior view is as seen from behind."
    )


def model_is(made_by: Provenance) -> tuple[str, ...]:
    """Say what the model is and is not."""
    said = [f"{made_by.model_name} {made_by.model_version} proposes; a physician decides."]
    if made_by.training:
        said.append(f"It has learned from: {made_by.training}.")
    if made_by.intended_use:
        said.append(sentence(made_by.intended_use))
    return (*said, *(sentence(limit) for limit in made_by.limits))


def made_by(provenance: Provenance) -> str:
    """Say what made a report, and when."""
    return (
        f"Made {provenance.made_at} by bonescan {provenance.bonescan_version}, model "
        f"{provenance.model_name} {provenance.model_version}, "
        f"SHA-256 {provenance.model_sha256}.{_marks_of(provenance)} "
        "Settings and all figures: result.json."
    )


def _marks_of(provenance: Provenance) -> str:
    if not provenance.marks:
        return ""
    files = ", ".join(f"{source.name} (SHA-256 {source.sha256})" for source in provenance.marks)
    return f" Marks of a reader from {files}."


def page_number(page: int, pages: int) -> str:
    """Number a page."""
    return f"page {page} of {pages}"


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
        f"{lesion.number}: {region_name(lesion.region)}, {lesion.side}" for lesion in lesions
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
