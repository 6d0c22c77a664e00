"""A comparison of several scans without identity; only the days between them stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from bonescan.privacy.anonymise import hide_reading, hide_scan, is_anonymised
from bonescan.privacy.messages import Cover, cover_scan
from bonescan.privacy.pseudonyms import Pseudonyms
from bonescan.quantify.change import IndexChange
from bonescan.quantify.followup import FollowUp, Visit
from bonescan.scan import Flag

#: The day that stands for the first scan.
FIRST_DAY = date(2000, 1, 1)


def cover_visits(visits: Sequence[Visit], pseudonyms: Pseudonyms) -> Cover:
    """Cover what the scans of a comparison know of their patient."""
    found = Cover({})
    for visit in visits:
        if not is_anonymised(visit.reading):
            patient, study = pseudonyms.patient(visit.scan), pseudonyms.study(visit.scan)
            found = found | cover_scan(visit.scan, patient, study)
    return found


def anonymise_followup(followup: FollowUp, pseudonyms: Pseudonyms) -> FollowUp:
    """Return a comparison whose scans stand under pseudonyms.

    Parameters
    ----------
    followup : FollowUp
        Visits that were stored without identity stay as they are.
    pseudonyms : Pseudonyms

    Returns
    -------
    FollowUp
        Where all scans have dates, 1 January 2000 stands for the first and the days between them
        are true; a flag says so.
    """
    cover = cover_visits(followup.visits, pseudonyms)
    flags = tuple(replace(flag, message=cover.hide(flag.message)) for flag in followup.flags)
    days = [visit.day for visit in followup.visits]
    visits = [_hide(visit, pseudonyms, cover) for visit in followup.visits]
    if all(day is not None for day in days):
        first = days[0]
        assert first is not None
        shifted = [FIRST_DAY + (day - first) for day in days if day is not None]
        visits = [_dated(visit, day) for visit, day in zip(visits, shifted, strict=True)]
        message = (
            f"Dates are shifted: {FIRST_DAY.isoformat()} stands for the first scan; the days "
            "between scans are true."
        )
        flags = (*flags, Flag("dates-shifted", message, "info"))
    steps = tuple(replace(step, index=_cover_index(step.index, cover)) for step in followup.steps)
    return replace(
        followup,
        visits=tuple(visits),
        flags=flags,
        steps=steps,
        overall=_cover_index(followup.overall, cover),
    )


def _cover_index(change: IndexChange, cover: Cover) -> IndexChange:
    return replace(change, reason=cover.hide(change.reason))


def _hide(visit: Visit, pseudonyms: Pseudonyms, cover: Cover) -> Visit:
    if is_anonymised(visit.reading):
        return visit
    scan = hide_scan(visit.scan, pseudonyms, cover)
    return Visit(scan, hide_reading(visit.reading, visit.scan, scan))


def _dated(visit: Visit, day: date) -> Visit:
    how = replace(visit.scan.acquisition, study_date=day.strftime("%Y%m%d"))
    return replace(visit, scan=replace(visit.scan, acquisition=how))
