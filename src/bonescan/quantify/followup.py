"""Follow-up of one patient: scans laid over each other, lesions linked, the change in figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import get_args

from bonescan.errors import BadInput
from bonescan.quantify.change import (
    ChangeRule,
    IndexChange,
    Progression,
    Status,
    index_change,
    progression,
)
from bonescan.quantify.registration import Registration, identity, register
from bonescan.quantify.tracks import Look, Track, link_lesions
from bonescan.scan import VIEW_NAMES, Flag, Reading, Scan, ViewName


@dataclass(frozen=True)
class Visit:
    """A scan and what was read off it."""

    scan: Scan
    reading: Reading

    @property
    def day(self) -> date | None:
        """The study date, where the source tells a valid one."""
        raw = (self.scan.acquisition.study_date or "").replace("-", "").replace(".", "")
        try:
            return date(int(raw[:4]), int(raw[4:6]), int(raw[6:8]))
        except ValueError:
            return None

    @property
    def area_mm2(self) -> float | None:
        """Area of all marks of both views; None without a pixel spacing."""
        areas = [lesion.area_mm2 for lesion in self.reading.lesions]
        known = [area for area in areas if area is not None]
        if len(known) < len(areas) or any(v.pixel_spacing_mm is None for v in self.scan.views):
            return None
        return float(sum(known))


@dataclass(frozen=True)
class Finding:
    """One lesion of the patient: the tracks, one or two views, that are the same in the body.

    ``statuses`` is for each visit that of the views together: ``new`` only where neither view
    showed it before, and neither's map of an earlier scan was high there (``doubtful``).
    """

    number: int
    tracks: tuple[Track, ...]
    statuses: tuple[Status, ...]

    def seen_at(self, visit: int) -> bool:
        """Whether any view shows it at a visit."""
        return any(track.seen[visit] for track in self.tracks)


@dataclass(frozen=True)
class Step:
    """What happened between two visits: findings by status, and the index."""

    earlier: int
    later: int
    counts: dict[Status, int]
    index: IndexChange


@dataclass(frozen=True)
class FollowUp:
    """The comparison of two or more scans of one patient.

    Attributes
    ----------
    visits : tuple of Visit
        In the order of time.
    registrations : tuple of dict
        For each visit and view the map from the first visit.
    tracks : tuple of Track
        Anterior first.
    findings : tuple of Finding
    steps : tuple of Step
        From each visit to the next.
    overall : IndexChange
        From the first visit to the last.
    progression : Progression
        What the rule of new lesions says.
    flags : tuple of Flag
        Doubts about the comparison, not those of the readings.
    rule : ChangeRule
    """

    visits: tuple[Visit, ...]
    registrations: tuple[dict[ViewName, Registration], ...]
    tracks: tuple[Track, ...]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    overall: IndexChange
    progression: Progression
    flags: tuple[Flag, ...]
    rule: ChangeRule


def compare_visits(
    visits: Sequence[Visit],
    *,
    rule: ChangeRule | None = None,
    different_patients: bool = False,
) -> FollowUp:
    """Compare scans of one patient.

    Parameters
    ----------
    visits : sequence of Visit
        Two or more, in the order of time.
    rule : ChangeRule, optional
    different_patients : bool
        Compare although the identities differ; a flag says so.

    Returns
    -------
    FollowUp

    Raises
    ------
    BadInput
        For fewer than two visits, another order than that of the study dates, identities that
        differ, or visits that have no view in common with the first.
    """
    rule = rule or ChangeRule()
    visits = tuple(visits)
    if len(visits) < 2:
        raise BadInput("compare: one scan is given; name an earlier and a later one")
    flags = [*_identity_flags(visits, different_patients), *_date_flags(visits)]
    flags += _reading_flags(visits)
    registrations = tuple(_registrations(visits[0], visit) for visit in visits)
    flags += _registration_flags(visits, registrations)
    tracks: list[Track] = []
    for name in VIEW_NAMES:
        looks = [
            _look(visit, maps, name) for visit, maps in zip(visits, registrations, strict=True)
        ]
        tracks += link_lesions(looks, rule)
    findings = _findings(tracks, visits)
    return FollowUp(
        visits=visits,
        registrations=registrations,
        tracks=tuple(tracks),
        findings=findings,
        steps=tuple(_step(visits, findings, later) for later in range(1, len(visits))),
        overall=index_change(visits[0].reading, visits[-1].reading),
        progression=_progression(visits, findings, rule),
        flags=tuple(flags),
        rule=rule,
    )


# --- checks -------------------------------------------------------------------------------------


def _identity_flags(visits: Sequence[Visit], different_patients: bool) -> list[Flag]:
    """Refuse scans of different patients; doubt scans that do not tell."""
    flags = []
    named = _told(visits, "patient_id")
    born = _told(visits, "birth_date")
    silent = [v.scan.study for v in visits if not v.scan.identity.patient_id.strip()]
    for told, name in ((named, "Patient ID"), (born, "Patient's Birth Date")):
        if len(told) < 2:
            continue
        (one, first), (two, second), *_ = told.items()
        same = name != "Patient ID" and len(named) == 1 and not silent
        if not (different_patients or same):
            raise BadInput(
                f"{second}: {name} {two} differs from {one} of {first}; "
                "give scans of one patient, or --different-patients"
            )
        message = f"{name} differs between {first} and {second}: these may be different patients."
        flags.append(Flag("different-patients", message, "warning" if same else "error"))
    if silent:
        message = f"No Patient ID in {', '.join(silent)}; that it is one patient was not checked."
        flags.append(Flag("patient-unknown", message))
    return flags


def _told(visits: Sequence[Visit], attribute: str) -> dict[str, str]:
    """Return the values of an identity's attribute that are told, each with a study of it."""
    found: dict[str, str] = {}
    for visit in visits:
        value = str(getattr(visit.scan.identity, attribute)).strip()
        if value:
            found.setdefault(value, visit.scan.study)
    return found


def _date_flags(visits: Sequence[Visit]) -> list[Flag]:
    flags = []
    undated = [visit.scan.study for visit in visits if visit.day is None]
    if undated:
        message = f"No study date in {', '.join(undated)}; the scans are taken in the order given."
        flags.append(Flag("date-missing", message))
    for earlier, later in pairwise([visit for visit in visits if visit.day is not None]):
        one, two = earlier.day, later.day
        assert one is not None
        assert two is not None
        if two < one:
            raise BadInput(
                f"{later.scan.study}: Study Date {two.isoformat()} is before {one.isoformat()} of "
                f"{earlier.scan.study}; give the earlier scan first"
            )
        if one == two:
            message = f"{earlier.scan.study} and {later.scan.study} have the same study date."
            flags.append(Flag("same-date", message))
    return flags


def _reading_flags(visits: Sequence[Visit]) -> list[Flag]:
    """Doubt a comparison of readings that were not made alike."""
    flags = []
    made = [visit.reading.provenance for visit in visits]
    models = dict.fromkeys(
        f"{one.model_name} {one.model_version}, SHA-256 {one.model_sha256[:8]}" for one in made
    )
    if len(models) > 1:
        message = (
            f"The scans were read by different models ({'; '.join(models)}): what changes may be "
            "the reading, not the patient. Read all of them with one model."
        )
        flags.append(Flag("models-differ", message))
    drawn, proposed = (
        [v.scan.study for v in visits if any(view.marked_by == who for view in v.reading.views)]
        for who in ("reader", "model")
    )
    if drawn and proposed:
        message = (
            f"Marks of {', '.join(drawn)} are a reader's, of {', '.join(proposed)} the model's: "
            "what is new or gone may be who marked it. Correct all of the scans, or none."
        )
        flags.append(Flag("marks-differ", message))
    return flags


def _registration_flags(
    visits: Sequence[Visit], registrations: Sequence[dict[ViewName, Registration]]
) -> list[Flag]:
    flags = []
    for visit, maps in zip(visits[1:], registrations[1:], strict=True):
        study = visit.scan.study
        if not maps:
            raise BadInput(
                f"{study}: has no view in common with {visits[0].scan.study}; "
                "give scans of the same view"
            )
        flags += [
            Flag(
                "registration-poor",
                f"The {name} view of {study} does not lie well over that of "
                f"{visits[0].scan.study} (correlation {found.correlation:.2f}): new and gone "
                "lesions there are doubtful.",
            )
            for name, found in maps.items()
            if not found.good
        ]
    for name in VIEW_NAMES:
        lacking = [
            visit.scan.study
            for visit, m in zip(visits, registrations, strict=True)
            if name not in m
        ]
        if lacking and len(lacking) < len(visits):
            message = f"{', '.join(lacking)}: the {name} view cannot be compared."
            flags.append(Flag("view-not-compared", message))
    return flags


# --- views --------------------------------------------------------------------------------------


def _registrations(first: Visit, visit: Visit) -> dict[ViewName, Registration]:
    """Register each view that both visits have."""
    if first is visit:
        return {view.name: identity() for view in first.scan.views}
    base = {view.name: view for view in first.scan.views}
    return {
        view.name: register(base[view.name], view) for view in visit.scan.views if view.name in base
    }


def _look(visit: Visit, maps: dict[ViewName, Registration], name: ViewName) -> Look | None:
    if name not in maps:
        return None
    view = next(view for view in visit.scan.views if view.name == name)
    reading = next(reading for reading in visit.reading.views if reading.view == name)
    lesions = tuple(lesion for lesion in visit.reading.lesions if lesion.view == name)
    return Look(view, reading, lesions, maps[name])


# --- the patient's lesions ----------------------------------------------------------------------


def _findings(tracks: Sequence[Track], visits: Sequence[Visit]) -> tuple[Finding, ...]:
    """Join tracks of the two views that any visit matched to one another."""
    owner = {
        (visit, lesion.view, lesion.number): index
        for index, track in enumerate(tracks)
        for visit, lesions in enumerate(track.seen)
        for lesion in lesions
    }
    group = list(range(len(tracks)))
    for (visit, view, _), index in owner.items():
        other = VIEW_NAMES[1 - VIEW_NAMES.index(view)]
        for lesion in tracks[index].seen[visit]:
            partner = owner.get((visit, other, lesion.match or 0))
            if partner is not None:
                old, new = group[partner], group[index]
                group = [new if value == old else value for value in group]
    members = [
        tuple(tracks[i] for i in range(len(tracks)) if group[i] == key)
        for key in dict.fromkeys(group)
    ]
    return tuple(
        Finding(number, own, _joint_statuses(own, len(visits)))
        for number, own in enumerate(members, start=1)
    )


#: What a finding is where its views differ: the first of these that any of them is.
_PRECEDENCE: tuple[Status, ...] = (
    "mixed", "grown", "faded", "unchanged", "baseline", "doubtful", "new", "merged", "gone",
    "absent", "not seen",
)  # fmt: skip
assert set(_PRECEDENCE) == set(get_args(Status))
#: What a view calls a lesion that it has not shown before.
FIRST_STATUSES: frozenset[Status] = frozenset({"new", "doubtful", "baseline"})


def _joint_statuses(tracks: Sequence[Track], visits: int) -> tuple[Status, ...]:
    joint: list[Status] = []
    for visit in range(visits):
        own = {track.statuses[visit] for track in tracks}
        known = any(any(track.seen[:visit]) for track in tracks)
        if {"grown", "faded"} <= own:
            joint.append("mixed")
        elif own & FIRST_STATUSES and known:  # one view shows it now, the other did before
            rest = own - FIRST_STATUSES - {"gone", "absent", "not seen"}
            joint.append(next((s for s in _PRECEDENCE if s in rest), "unchanged"))
        elif known and own == {"absent", "not seen"}:  # the view that showed it is not there
            joint.append("not seen")
        else:
            joint.append(next(status for status in _PRECEDENCE if status in own))
    return tuple(joint)


def _step(visits: Sequence[Visit], findings: Iterable[Finding], later: int) -> Step:
    # Gone, between two visits, is only what the first of them still showed.
    statuses = [
        "absent" if status == "gone" and not finding.seen_at(later - 1) else status
        for finding in findings
        for status in [finding.statuses[later]]
    ]
    counts = {status: statuses.count(status) for status in get_args(Status)}
    change = index_change(visits[later - 1].reading, visits[later].reading)
    return Step(later - 1, later, {s: n for s, n in counts.items() if n}, change)


def _progression(
    visits: Sequence[Visit], findings: Sequence[Finding], rule: ChangeRule
) -> Progression:
    number = range(len(visits))
    new = [frozenset(f.number for f in findings if f.statuses[k] == "new") for k in number]
    seen = [frozenset(f.number for f in findings if f.seen_at(k)) for k in number]
    return progression(new, seen, [visit.day for visit in visits], rule)
