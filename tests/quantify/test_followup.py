"""Follow-up with known answers: lesions drawn where they are, changes and verdicts by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bonescan.errors import BadInput
from bonescan.quantify.change import ChangeRule, Size, index_change, progression, status_of
from bonescan.quantify.followup import FollowUp, Visit, compare_visits
from bonescan.scan import (
    Acquisition,
    BoneScanIndex,
    Crop,
    Identity,
    Lesion,
    Provenance,
    Reading,
    Scan,
    View,
    ViewName,
    ViewReading,
)

SPACING = 2.4
#: Row, column, half side in pixels, uptake.
Square = tuple[int, int, int, float]


def body(shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Return a head, a trunk with a spine, and two legs, (1024, 256)."""
    rows, columns = np.mgrid[0:1024, 0:256].astype(np.float32)
    rows, columns = rows - shift[0], columns - shift[1]
    counts = np.zeros((1024, 256), np.float32)
    for row, column, height, width in (
        (110, 127.5, 55, 30), (330, 127.5, 190, 62), (710, 100, 260, 20), (710, 155, 260, 20),
    ):  # fmt: skip
        counts[((rows - row) / height) ** 2 + ((columns - column) / width) ** 2 < 1] = 4
    counts[(np.abs(columns - 127.5) < 6) & (rows > 150) & (rows < 500)] = 10
    return counts


def visit(
    day: str,
    anterior: Sequence[Square] | None,
    posterior: Sequence[Square] | None = None,
    *,
    shift: tuple[int, int] = (0, 0),
    matches: Sequence[tuple[int, int]] = (),
    patient: str = "P1",
    index: float | None = None,
    read_rows: tuple[int, int] | None = None,
) -> Visit:
    """Draw a visit; ``matches`` pairs anterior with posterior numbers."""
    views, readings, lesions = [], [], []
    drawn: dict[ViewName, Sequence[Square] | None] = {
        "anterior": anterior,
        "posterior": posterior,
    }
    for name, squares in drawn.items():
        if squares is None:
            continue
        counts, mask = body(shift), np.zeros((1024, 256), np.uint8)
        for number, (row, column, half, uptake) in enumerate(squares, start=1):
            top, left = row + shift[0] - half, column + shift[1] - half
            box = (top, left, top + 2 * half + 1, left + 2 * half + 1)
            mask[box[0] : box[2], box[1] : box[3]] = number
            pixels = (2 * half + 1) ** 2
            pairs = [pair[::-1] if name == "posterior" else pair for pair in matches]
            lesions.append(
                Lesion(
                    view=name, number=number, side="L", region="chest level", box=box,
                    centroid=(row + shift[0] + 0.5, column + shift[1] + 0.5), area_pixels=pixels,
                    area_mm2=pixels * SPACING**2, max_counts=1.0, mean_counts=1.0,
                    uptake_ratio=uptake, probability=0.9, match=dict(pairs).get(number),
                )
            )  # fmt: skip
        views.append(
            View(name, counts, (SPACING, SPACING), Path("s.dcm"), Crop.whole(counts.shape))
        )
        readings.append(ViewReading(name, (mask > 0).astype(np.float32), mask, read_rows))
    scan = Scan(
        study=f"study{day}",
        anterior=next((view for view in views if view.name == "anterior"), None),
        posterior=next((view for view in views if view.name == "posterior"), None),
        acquisition=Acquisition(study_date=day),
        identity=Identity(patient_id=patient),
    )
    bsi = None if index is None else BoneScanIndex(index, index, "mean", "w", (), 0.3)
    reading = Reading(
        scan.study, tuple(readings), tuple(lesions), 0.9, (), Provenance("0", "m", "1", ""),
        index=bsi,
    )  # fmt: skip
    return Visit(scan, reading)


def statuses(found: FollowUp) -> list[tuple[str, ...]]:
    return [track.statuses for track in found.tracks]


A, B, C, D = (250, 100, 3, 3.0), (300, 150, 3, 3.0), (380, 110, 3, 3.0), (420, 140, 3, 3.0)


def test_new_gone_and_unchanged_under_a_shift() -> None:
    found = compare_visits([visit("20200101", [A, B]), visit("20200401", [B, C], shift=(40, -12))])
    assert statuses(found) == [("baseline", "gone"), ("baseline", "unchanged"), ("absent", "new")]
    assert found.steps[0].counts == {"new": 1, "unchanged": 1, "gone": 1}
    gone = found.tracks[0].places[1]
    assert gone is not None
    np.testing.assert_allclose(gone, (290.5, 88.5), atol=2.0)


def test_grown_faded_and_mixed() -> None:
    before = [(250, 100, 3, 3.0), (300, 150, 5, 6.0), (380, 110, 3, 4.0), (420, 140, 3, 2.0)]
    after = [(250, 100, 5, 3.0), (300, 150, 3, 5.5), (380, 110, 5, 2.0), (420, 140, 3, 3.5)]
    found = compare_visits([visit("20200101", before), visit("20200401", after)])
    assert [own[1] for own in statuses(found)] == ["grown", "faded", "mixed", "grown"]


def with_probability(visit: Visit, square: Square, value: float) -> Visit:
    """Return a visit whose anterior map is high where nothing is marked."""
    front, *rest = visit.reading.views
    row, column, half, _ = square
    probability = front.probability.copy()
    probability[row - half : row + half + 1, column - half : column + half + 1] = value
    views = (replace(front, probability=probability), *rest)
    return replace(visit, reading=replace(visit.reading, views=views))


@pytest.mark.parametrize(
    ("before", "status"), [(0.0, "new"), (0.49, "new"), (0.5, "doubtful"), (0.95, "doubtful")]
)
def test_what_an_earlier_map_showed_is_doubtful_not_new(before: float, status: str) -> None:
    first = with_probability(visit("20200101", [A]), B, before)
    later = visit("20200401", [A, B], shift=(40, -12))
    found = compare_visits([first, later])
    assert statuses(found) == [("baseline", "unchanged"), ("absent", status)]
    assert found.steps[0].counts == {status: 1, "unchanged": 1}
    # A map that was high elsewhere is no reason.
    elsewhere = with_probability(visit("20200101", [A]), C, 0.95)
    assert statuses(compare_visits([elsewhere, later]))[1] == ("absent", "new")


def test_doubtful_lesions_are_no_progression_and_are_followed_on() -> None:
    """Two of them at the second scan, still there at the third: PCWG3 counts new ones alone."""
    first = visit("20200101", [A])
    for square in (B, C):
        first = with_probability(first, square, 0.9)
    rest = [visit("20200701", [A, B, C]), visit("20200901", [A, B, C])]
    found = compare_visits([first, *rest])
    assert statuses(found)[1:] == [("absent", "doubtful", "unchanged")] * 2
    assert found.progression.verdict == "no progression"


def test_doubtful_in_one_view_and_new_in_the_other_is_doubtful() -> None:
    first = with_probability(visit("20200101", [], []), A, 0.9)
    later = visit("20200401", [A], [A], matches=[(1, 1)])
    found = compare_visits([first, later])
    assert [track.statuses[1] for track in found.tracks] == ["doubtful", "new"]
    assert [finding.statuses[1] for finding in found.findings] == ["doubtful"]


def test_a_lesion_beside_a_known_one_is_new() -> None:
    near = (A[0], A[1] + 12, 3, 3.0)  # edges 14 mm apart
    found = compare_visits([visit("20200101", [A]), visit("20200401", [A, near])])
    assert statuses(found) == [("baseline", "unchanged"), ("absent", "new")]


def test_two_that_merge_and_one_that_falls_apart() -> None:
    left, right = (250, 100, 3, 3.0), (250, 108, 3, 3.0)
    both = (250, 104, 7, 3.0)
    merged = compare_visits([visit("20200101", [left, right]), visit("20200401", [both])])
    assert sorted(own[1] for own in statuses(merged)) == ["grown", "merged"]
    parted = compare_visits([visit("20200101", [both]), visit("20200401", [left, right])])
    assert len(parted.tracks) == 1
    assert len(parted.tracks[0].seen[1]) == 2


def test_one_that_comes_back_is_not_new() -> None:
    found = compare_visits(
        [visit("20200101", [A]), visit("20200401", [B]), visit("20200701", [A, B])]
    )
    assert statuses(found) == [("baseline", "gone", "unchanged"), ("absent", "new", "unchanged")]


def test_a_lesion_of_both_views_is_one_finding() -> None:
    one = visit("20200101", [A], [A], matches=[(1, 1)])
    two = visit("20200401", [A, B, C], [A, B], matches=[(1, 1), (2, 2)])
    found = compare_visits([one, two])
    assert len(found.tracks) == 5
    assert [finding.statuses[1] for finding in found.findings].count("new") == 2
    assert found.progression.verdict == "unconfirmed"


def test_new_in_one_view_only_is_no_new_lesion() -> None:
    """The anterior view showed it before; the posterior one shows it now, too."""
    one = visit("20200101", [A], [])
    two = visit("20200401", [A], [A], matches=[(1, 1)])
    found = compare_visits([one, two])
    assert [finding.statuses for finding in found.findings] == [("baseline", "unchanged")]


def test_what_the_earlier_scan_did_not_read_is_not_new() -> None:
    one = visit("20200101", [A], read_rows=(0, 350))
    two = visit("20200401", [A, C])
    assert statuses(compare_visits([one, two])) == [
        ("baseline", "unchanged"),
        ("not seen", "baseline"),
    ]


def test_a_missing_view_is_said() -> None:
    found = compare_visits([visit("20200101", [A], [A]), visit("20200401", [A])])
    assert found.tracks[1].statuses == ("baseline", "not seen")
    assert [flag.code for flag in found.flags] == ["view-not-compared"]


def test_a_lesion_of_the_view_that_is_missing_is_not_absent() -> None:
    """The first scan shows it from the front alone, the third one from both sides."""
    found = compare_visits(
        [
            visit("20200101", [A], [B]),
            visit("20200701", None, [B]),
            visit("20210101", [A], [A, B], matches=[(1, 1)]),
        ]
    )
    statuses = {finding.statuses for finding in found.findings}
    assert statuses == {("baseline", "not seen", "unchanged"), ("baseline",) + 2 * ("unchanged",)}
    assert found.steps[0].counts == {"unchanged": 1, "not seen": 1}


def test_two_patients_are_refused_unless_told() -> None:
    visits = [visit("20200101", [A]), visit("20200401", [A], patient="P2")]
    with pytest.raises(BadInput, match=r"Patient ID P2 differs .*--different-patients"):
        compare_visits(visits)
    found = compare_visits(visits, different_patients=True)
    assert [flag.code for flag in found.flags] == ["different-patients"]


def test_another_birth_date_is_a_doubt_where_the_patient_id_agrees() -> None:
    def born(own: Visit, day: str, patient: str) -> Visit:
        identity = replace(own.scan.identity, birth_date=day, patient_id=patient)
        return replace(own, scan=replace(own.scan, identity=identity))

    one, two = visit("20200101", [A]), visit("20200401", [A])
    found = compare_visits([born(one, "19500101", "P"), born(two, "19500102", "P")])
    assert [(flag.code, flag.severity) for flag in found.flags] == [
        ("different-patients", "warning")
    ]
    with pytest.raises(BadInput, match="Patient's Birth Date 19500102 differs"):
        compare_visits([born(one, "19500101", ""), born(two, "19500102", "P")])


def test_an_unnamed_patient_is_a_doubt() -> None:
    found = compare_visits([visit("20200101", [A]), visit("20200401", [A], patient="")])
    assert [flag.code for flag in found.flags] == ["patient-unknown"]


def test_what_is_gone_already_is_not_gone_once_more() -> None:
    found = compare_visits(
        [visit("20200101", [A, B]), visit("20200401", [B]), visit("20200801", [B])]
    )
    assert statuses(found)[0] == ("baseline", "gone", "gone")
    assert [step.counts for step in found.steps] == [
        {"unchanged": 1, "gone": 1},
        {"unchanged": 1, "absent": 1},
    ]


def test_dates_that_are_there_are_in_order_though_one_is_missing() -> None:
    visits = [visit("20200601", [A]), visit("", [A]), visit("20200101", [A])]
    with pytest.raises(BadInput, match="is before 2020-06-01 of study20200601"):
        compare_visits(visits)


def test_columns_that_were_not_read_show_nothing() -> None:
    """A lesion is not gone where the later scan was not looked at."""
    later = visit("20200401", [A])
    views = tuple(replace(view, read_columns=(0, 140)) for view in later.reading.views)
    cut = replace(later, reading=replace(later.reading, views=views))
    found = compare_visits([visit("20200101", [A, B]), cut])
    assert statuses(found) == [("baseline", "unchanged"), ("baseline", "not seen")]


def test_the_order_is_that_of_the_dates() -> None:
    with pytest.raises(BadInput, match="2020-01-01 is before 2020-04-01"):
        compare_visits([visit("20200401", [A]), visit("20200101", [A])])
    found = compare_visits([visit("", [A]), visit("20200101", [A])])
    assert "date-missing" in [flag.code for flag in found.flags]


def test_two_scans_of_one_day_are_a_doubt() -> None:
    found = compare_visits([visit("2020-01-01", []), visit("2020-01-01", [])])
    assert "same-date" in [flag.code for flag in found.flags]


def test_a_view_that_does_not_lie_over_the_earlier_one_is_a_doubt() -> None:
    earlier, later = visit("2020-01-01", []), visit("2021-01-01", [])
    assert later.scan.anterior is not None
    upside_down = replace(later.scan.anterior, counts=later.scan.anterior.counts[::-1].copy())
    turned = replace(later, scan=replace(later.scan, anterior=upside_down))
    codes = [flag.code for flag in compare_visits([earlier, turned]).flags]
    assert "registration-poor" in codes
    assert "registration-poor" not in [f.code for f in compare_visits([earlier, later]).flags]


def test_one_scan_is_no_comparison() -> None:
    with pytest.raises(BadInput, match="one scan"):
        compare_visits([visit("20200101", [A])])


def test_the_index_changes_beyond_its_band() -> None:
    low, near, high = (visit("20200101", [A], index=x).reading for x in (1.0, 1.25, 1.5))
    assert not index_change(low, near).beyond
    change = index_change(low, high)
    assert (change.change, change.band, change.beyond) == (0.5, 0.3, True)


def test_no_index_is_said() -> None:
    one, two = visit("20200101", [A], index=1.0), visit("20200401", [A])
    change = compare_visits([one, two]).overall
    assert change.change is None
    assert "study20200401 has no bone scan index" in change.reason
    refused = replace(
        one.reading, index=BoneScanIndex(None, None, "mean", "w", (), 0.3, ("Few counts.",))
    )
    assert "Few counts" in index_change(refused, one.reading).reason


RULE = ChangeRule()


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [
        (Size(100, 2), Size(199, 2), "unchanged"),
        (Size(100, 2), Size(200, 2), "grown"),
        (Size(40, 2), Size(80, 2), "unchanged"),  # less than the least change of area
        (Size(200, 2), Size(100, 2), "faded"),
        (Size(100, 3), Size(100, 2), "unchanged"),
        (Size(100, 3.4), Size(100, 2), "faded"),
        (Size(100, 2), Size(100, 3.4), "grown"),
        (Size(100, 3), Size(200, 1), "mixed"),
    ],
)
def test_the_rule_of_change(before: Size, now: Size, status: str) -> None:
    assert status_of(before, now, RULE) == status


def days(*weeks: float) -> list[date | None]:
    start = date(2020, 1, 1).toordinal()
    return [date.fromordinal(start + round(7 * week)) for week in weeks]


def sets(*members: str) -> list[frozenset[int]]:
    return [frozenset(int(one) for one in own) for own in members]


@pytest.mark.parametrize(
    ("new", "seen", "weeks", "verdict", "dated"),
    [
        # Within the flare window: two, then two more.
        (("", "12", "34"), ("", "12", "1234"), (0, 8, 16), "progression", 1),
        (("", "12", "3"), ("", "12", "123"), (0, 8, 16), "no progression", None),
        (("", "12"), ("", "12"), (0, 8), "unconfirmed", 1),
        # ... and the confirming scan comes too early.
        (("", "12", "34"), ("", "12", "1234"), (0, 8, 12), "unconfirmed", 1),
        # After the window: two that persist.
        (("", "12", ""), ("", "12", "12"), (0, 20, 28), "progression", 1),
        (("", "12", ""), ("", "12", "1"), (0, 20, 28), "no progression", None),
        (("", "", "12", ""), ("", "", "12", "12"), (0, 8, 20, 28), "progression", 2),
        (("", "1", "2"), ("", "1", "12"), (0, 8, 20), "no progression", None),
    ],
)
def test_pcwg3(
    new: tuple[str, ...],
    seen: tuple[str, ...],
    weeks: tuple[float, ...],
    verdict: str,
    dated: int | None,
) -> None:
    found = progression(sets(*new), sets(*seen), days(*weeks), RULE)
    assert (found.verdict, found.visit) == (verdict, dated)
    assert "flare" in " ".join(found.caveats) or weeks[1] > RULE.flare_weeks


def test_without_dates_the_flare_window_is_assumed() -> None:
    found = progression(sets("", "12"), sets("", "12"), [None, None], RULE)
    assert found.verdict == "unconfirmed"
    assert any("dates are missing" in caveat for caveat in found.caveats)
