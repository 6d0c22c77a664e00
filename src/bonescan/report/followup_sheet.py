"""What a follow-up says and shows, as plain text and marks: the one source of its HTML and PDF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bonescan import __version__
from bonescan.quantify.change import Status
from bonescan.quantify.followup import FIRST_STATUSES, Finding, FollowUp
from bonescan.quantify.tracks import Track, size_of
from bonescan.report import followup_texts as says
from bonescan.report import texts
from bonescan.report.display import Mark, Panel, lay_out
from bonescan.scan import VIEW_NAMES, Flag, View, ViewName

#: Pictures in one row at most.
MOST_IN_A_ROW = 4


@dataclass(frozen=True)
class Picture:
    """One view of one scan with the marks of its findings."""

    panel: Panel
    visit: str
    marks: tuple[Mark, ...]

    @property
    def label(self) -> str:
        """Name the view and the scan: ``ANT 2020-01-31``."""
        return f"{texts.VIEW_LABEL[self.panel.name]} {self.visit}"

    @property
    def description(self) -> str:
        """Say in a line what the picture shows."""
        return f"{self.label}: {len(self.marks)} lesions marked."


@dataclass(frozen=True)
class Cell:
    """What a scan says of a finding: the status in a word, its colour, and the measures."""

    word: str
    colour: str
    measures: str


@dataclass(frozen=True)
class Row:
    """One line of the table: a finding in one view, a cell for each scan."""

    finding: int
    view: str
    place: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class FollowUpSheet:
    """Everything that the page of a follow-up shows, in the order in which it is shown.

    Attributes
    ----------
    facts : tuple of (str, str)
        The patient and the scans.
    flags : tuple of (str, Flag)
        Doubts about the comparison, then about each scan, with whose they are.
    summary, verdict, reason : str
    caveats : tuple of str
    strips : tuple of tuple of Picture
        One for each view, in the order of time.
    legend : tuple of (str, str)
        Colours and what they mean.
    labels : tuple of str
        Names of the scans, the heads of the table's columns.
    rows : tuple of Row
    notes : tuple of str
    provenance, made_at : str
        What made it; when the last scan was read (ISO 8601).
    """

    facts: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, Flag], ...]
    summary: str
    verdict: str
    reason: str
    caveats: tuple[str, ...]
    strips: tuple[tuple[Picture, ...], ...]
    legend: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    provenance: str
    made_at: str

    @property
    def in_one_row(self) -> bool:
        """Whether all pictures stand in one row; else each view has a row of its own."""
        return sum(len(strip) for strip in self.strips) <= MOST_IN_A_ROW


def compose_followup(followup: FollowUp) -> FollowUpSheet:
    """Put together what the page of a follow-up shows."""
    panels = [lay_out(visit.scan, visit.reading) for visit in followup.visits]
    strips = [
        tuple(
            _picture(followup, number, panel)
            for number, own in enumerate(panels)
            for panel in own
            if panel.name == name
        )
        for name in VIEW_NAMES
    ]
    statuses = {status for finding in followup.findings for status in finding.statuses}
    legend = [
        (says.COLOUR[status], words) for status, words in says.LEGEND.items() if status in statuses
    ]
    found = followup.progression
    return FollowUpSheet(
        facts=_facts(followup),
        flags=tuple(_flags(followup)),
        summary=says.summary(followup),
        verdict=says.VERDICT[found.verdict],
        reason=found.reason,
        caveats=found.caveats,
        strips=tuple(strip for strip in strips if strip),
        legend=tuple({words: (colour, words) for colour, words in legend}.values()),
        labels=tuple(says.visit_label(v, n) for n, v in enumerate(followup.visits)),
        rows=tuple(
            _row(followup, track, finding)
            for finding in followup.findings
            for track in finding.tracks
        ),
        notes=(says.PICTURE_NOTE, says.rule_sentence(followup), says.UPTAKE_NOTE),
        provenance=says.made_by(followup, __version__),
        made_at=max(visit.reading.provenance.made_at for visit in followup.visits),
    )


def _facts(followup: FollowUp) -> tuple[tuple[str, str], ...]:
    who = followup.visits[0].scan.identity
    found = [
        (texts.PATIENT, texts.person_name(who.patient_name)),
        (texts.PATIENT_ID, who.patient_id),
        (texts.BORN, texts.iso_date(who.birth_date)),
        ("Sex", who.sex),
    ]
    found += [
        (f"Scan {number}", visit.scan.study + (f", {visit.day}" if visit.day else ""))
        for number, visit in enumerate(followup.visits, start=1)
    ]
    return tuple((name, value) for name, value in found if value)


def _flags(followup: FollowUp) -> Iterator[tuple[str, Flag]]:
    """Yield the comparison's flags, then what the scans' own say that is more than a note."""
    for flag in texts.grouped(followup.flags):
        yield "", flag
    shared = [
        {flag for flag in visit.reading.flags if flag.severity != "info"}
        for visit in followup.visits
    ]
    common = set.intersection(*shared)
    for flag in texts.grouped(tuple(sorted(common, key=lambda flag: flag.code))):
        yield says.ALL_SCANS, flag
    for visit, own in zip(followup.visits, shared, strict=True):
        for flag in texts.grouped(tuple(f for f in visit.reading.flags if f in own - common)):
            yield visit.scan.study, flag


def _picture(followup: FollowUp, number: int, panel: Panel) -> Picture:
    visit = says.visit_label(followup.visits[number], number)
    return Picture(panel, visit, tuple(_marks(followup, number, panel)))


def _marks(followup: FollowUp, number: int, panel: Panel) -> Iterator[Mark]:
    for finding in followup.findings:
        for track in finding.tracks:
            if track.view != panel.name:
                continue
            status = shown_status(finding, track, number)
            told = f"{finding.number}: {status}"
            place = track.places[number]
            if status == "gone" and place is not None and finding.seen_at(number - 1):
                where = (place[0] - panel.top, place[1] - panel.left)
                yield Mark(finding.number, says.COLOUR["gone"], (), where, told)
            for lesion in track.seen[number]:
                yield Mark(
                    number=finding.number,
                    colour=says.COLOUR[status],
                    lines=tuple(panel.polygons(lesion)),
                    place=(lesion.centroid[0] - panel.top, lesion.centroid[1] - panel.left),
                    told=f"{told}, {texts.area(lesion)}, uptake {lesion.uptake_ratio:.1f}",
                )


def shown_status(finding: Finding, track: Track, number: int) -> Status:
    """Return what is said of a view at a visit: the view's own status, but never against the other.

    What one view shows for the first time is not new where the other showed it before; what one
    view no longer shows is not gone where the other does.
    """
    own, joint = track.statuses[number], finding.statuses[number]
    if own in FIRST_STATUSES:
        return joint
    return "absent" if own == "gone" != joint else own


def _row(followup: FollowUp, track: Track, finding: Finding) -> Row:
    known = next(lesions[0] for lesions in track.seen if lesions)
    cells = tuple(
        Cell(
            word=says.SHORT.get(status, status),
            colour=says.COLOUR.get(status, says.PLAIN_COLOUR),
            measures=_measures(followup, track, number),
        )
        for number in range(len(followup.visits))
        for status in [shown_status(finding, track, number)]
    )
    return Row(finding.number, texts.VIEW_LABEL[track.view], texts.place(known), cells)


def _measures(followup: FollowUp, track: Track, number: int) -> str:
    lesions, view = track.seen[number], view_of(followup, number, track.view)
    if not lesions or view is None:
        return ""
    size = size_of(lesions, view)
    pixels = sum(lesion.area_pixels for lesion in lesions)
    no_spacing = view.pixel_spacing_mm is None
    area = f"{pixels} pixels" if no_spacing else f"{size.area_mm2 / 100:.1f} cm²"
    return f"{area}, × {size.uptake:.1f}"


def view_of(followup: FollowUp, number: int, name: ViewName) -> View | None:
    """Return a view of a visit; None where the visit has none."""
    views = followup.visits[number].scan.views
    return next((view for view in views if view.name == name), None)
