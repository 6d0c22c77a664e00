"""What counts as a change between two scans: every rule of follow-up and its number, in one place.

The rule of new lesions is that of the Prostate Cancer Working Group 3 (PCWG3) [1]_: at the first
follow-up within the flare window two new lesions or more are no progression yet, they need two
*additional* ones on a confirming scan; afterwards two new ones against the first follow-up have to
persist on a confirming scan. It counts lesions and dates; it knows neither treatment nor symptoms.

References
----------
.. [1] H. I. Scher et al., J. Clin. Oncol. 34 (2016) 1402-1418, table 3 (bone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from bonescan.config import Frozen
from bonescan.scan import Reading

Status = Literal[
    "baseline",
    "new",
    "doubtful",
    "unchanged",
    "grown",
    "faded",
    "mixed",
    "gone",
    "merged",
    "absent",
    "not seen",
]
Verdict = Literal["single", "no progression", "unconfirmed", "progression"]


class ChangeRule(Frozen):
    """The numbers of follow-up.

    ``reach_mm``: a lesion is the earlier one if, once the scans are laid over each other, their
    edges lie no further apart. ``area_ratio``: factor of the area from which a lesion is grown, or
    faded. ``uptake_ratio``: the same for its uptake (mean counts over the body's median).
    ``doubt_probability``: a mark at a place that no scan has marked before is doubtful, not new,
    where the model's map of an earlier scan reached this probability there.
    ``least_area_mm2``: a smaller change of the area is none. ``new_lesions``, ``flare_weeks`` and
    ``confirm_weeks`` are those of PCWG3.

    ``area_ratio`` and ``uptake_ratio`` come from simulated patients who were scanned twice while
    nothing changed (`benchmarks/followup.py`; docs/reference-index.md has the figures): they lie
    just beyond what 95 % of the marks showed. ``reach_mm``, ``least_area_mm2`` and
    ``doubt_probability`` are our own choice: the gaps were 1 mm, but simulated patients keep their
    posture.
    """

    reach_mm: float = 10.0
    area_ratio: float = 2.0
    uptake_ratio: float = 1.7
    least_area_mm2: float = 50.0
    doubt_probability: float = 0.5
    new_lesions: int = 2
    flare_weeks: float = 12.0
    confirm_weeks: float = 6.0


@dataclass(frozen=True)
class Size:
    """What is compared of a lesion: area in mm2, and uptake against the body's median."""

    area_mm2: float
    uptake: float


def status_of(before: Size, now: Size, rule: ChangeRule) -> Status:
    """Tell how a lesion that is seen twice has changed.

    Returns
    -------
    {"unchanged", "grown", "faded", "mixed"}
        ``grown`` where area or uptake went up and the other did not go down, ``faded`` the other
        way round, ``mixed`` where one went up and the other down.
    """
    steps = [_step(before.uptake, now.uptake, rule.uptake_ratio)]
    if abs(now.area_mm2 - before.area_mm2) >= rule.least_area_mm2:
        steps.append(_step(before.area_mm2, now.area_mm2, rule.area_ratio))
    up, down = max(steps) > 0, min(steps) < 0
    if up and down:
        return "mixed"
    return "grown" if up else "faded" if down else "unchanged"


def _step(before: float, now: float, factor: float) -> int:
    if now >= factor * before:
        return 1
    return -1 if now * factor <= before else 0


@dataclass(frozen=True)
class IndexChange:
    """The bone scan index between two visits, in percent points.

    ``change`` is None where one of them has no index, which ``reason`` then says. ``band`` is the
    larger of the two repeatability bands; ``beyond`` tells whether the change exceeds it.
    """

    earlier: float | None
    later: float | None
    change: float | None
    band: float | None
    beyond: bool
    reason: str = ""


def index_change(earlier: Reading, later: Reading) -> IndexChange:
    """Compare the bone scan index of two readings; needs both to have one of one kind."""
    values, bands = [], []
    for reading in (earlier, later):
        values.append(None if reading.index is None else reading.index.whole)
        if reading.index is not None:
            bands.append(reading.index.band)
    if values[0] is None or values[1] is None:
        lacking = [r for r, v in zip((earlier, later), values, strict=True) if v is None]
        reason = "; ".join(_why(reading) for reading in lacking)
        return IndexChange(values[0], values[1], None, None, False, reason)
    kinds = [index_kind(reading) for reading in (earlier, later)]
    if kinds[0] != kinds[1]:
        reason = f"{earlier.study} has one with {kinds[0]}, {later.study} with {kinds[1]}"
        return IndexChange(values[0], values[1], None, None, False, reason)
    change, band = values[1] - values[0], max(bands)
    return IndexChange(values[0], values[1], change, band, abs(change) > band)


def index_kind(reading: Reading) -> str:
    """Name what an index is made with; indices made otherwise are not compared."""
    index = reading.index
    return "" if index is None else f"fusion {index.fusion} and weights {index.weights}"


def _why(reading: Reading) -> str:
    if reading.index is None:
        return f"{reading.study} has no bone scan index: its model names no bones"
    refused = " ".join(reading.index.refused) or "none was given"
    return f"{reading.study} has no bone scan index: {refused.rstrip('.')}"


@dataclass(frozen=True)
class Progression:
    """What the count of new lesions says by PCWG3: a verdict, the visit it is dated to, and why.

    ``visit`` counts from 0; None where nothing is dated. ``caveats`` are sentences.
    """

    verdict: Verdict
    visit: int | None
    reason: str
    caveats: tuple[str, ...] = ()


FLARE = (
    "Healing bone can take up more tracer for about 12 weeks after treatment starts (flare): new "
    "or brighter lesions on the first scan after it need a confirming scan."
)
BASELINE = (
    "The first scan given is taken as the baseline; the start of treatment, symptoms and other "
    "imaging are not known here."
)
NO_DATES = "Study dates are missing, so the first follow-up is taken to lie in the flare window."


def progression(
    new: Sequence[frozenset[int]],
    seen: Sequence[frozenset[int]],
    days: Sequence[date | None],
    rule: ChangeRule,
) -> Progression:
    """Apply the rule of new lesions to a patient's scans.

    Parameters
    ----------
    new : sequence of frozenset
        For each visit the lesions (of the patient, not of a view) that no earlier visit showed;
        empty for the first.
    seen : sequence of frozenset
        For each visit all lesions that it shows.
    days : sequence of date or None
    rule : ChangeRule

    Returns
    -------
    Progression
    """
    caveats = [BASELINE]
    if len(new) < 2:
        return Progression("single", None, "There is one scan; nothing is compared.", ())
    if None in days:
        caveats.append(NO_DATES)
    pending: Progression | None = None
    reference = 0  # number of the visit whose lesions count as known
    if _weeks(days, 0, 1) is None or (_weeks(days, 0, 1) or 0) <= rule.flare_weeks:
        caveats.append(FLARE)
        reference = 1
        if len(new[1]) >= rule.new_lesions:
            after = _confirming(days, 1, rule)
            if after is None:
                pending = Progression("unconfirmed", 1, _unconfirmed(len(new[1]), 2, rule, True))
            elif sum(len(new[k]) for k in range(2, after + 1)) >= rule.new_lesions:
                more = sum(len(new[k]) for k in range(2, after + 1))
                reason = (
                    f"{len(new[1])} new lesions at scan 2 and {more} additional ones by scan "
                    f"{after + 1}: at least {rule.new_lesions} and {rule.new_lesions} (PCWG3)."
                )
                return Progression("progression", 1, reason, tuple(caveats))
    for visit in range(reference + 1, len(new)):
        fresh = frozenset().union(*new[reference + 1 : visit + 1])
        if len(fresh & seen[visit]) < rule.new_lesions:
            continue
        after = _confirming(days, visit, rule)
        if after is None:
            found = Progression(
                "unconfirmed", visit, _unconfirmed(len(fresh), visit + 1, rule, False)
            )
            pending = pending or found
            continue
        kept = fresh & seen[visit] & seen[after]
        if len(kept) >= rule.new_lesions:
            reason = (
                f"{len(fresh)} new lesions since scan {reference + 1} at scan {visit + 1}, "
                f"{len(kept)} of them still there at scan {after + 1}: at least "
                f"{rule.new_lesions} that persist (PCWG3)."
            )
            return Progression("progression", visit, reason, tuple(caveats))
    if pending is not None:
        return Progression(pending.verdict, pending.visit, pending.reason, tuple(caveats))
    counts = ", ".join(str(len(lesions)) for lesions in new[1:])
    reason = f"New lesions by scan, from the second on: {counts}. The rule of PCWG3 is not met."
    return Progression("no progression", None, reason, tuple(caveats))


def _unconfirmed(number: int, scan: int, rule: ChangeRule, flare: bool) -> str:
    wanted = f"{rule.new_lesions} additional new lesions" if flare else "that they persist"
    return (
        f"{number} new lesions at scan {scan}, {rule.new_lesions} or more: PCWG3 asks for a "
        f"confirming scan {rule.confirm_weeks:g} weeks later or more that shows {wanted}."
    )


def _weeks(days: Sequence[date | None], first: int, second: int) -> float | None:
    one, two = days[first], days[second]
    return None if one is None or two is None else (two - one).days / 7


def _confirming(days: Sequence[date | None], visit: int, rule: ChangeRule) -> int | None:
    """Return the next visit late enough to confirm; without dates the next one."""
    for later in range(visit + 1, len(days)):
        weeks = _weeks(days, visit, later)
        if weeks is None or weeks >= rule.confirm_weeks:
            return later
    return None
