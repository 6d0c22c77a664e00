"""Does follow-up find what is new, and only that? And how much does nothing change? Simulated.

    python benchmarks/followup.py --patients 8 --stable 8 --seed 6200 --out OUT
    python benchmarks/followup.py ... --page docs/reference-index.md

Courses of the simulator's preset ``followup`` (2 to 5 scans of a patient) go from DICOM through a
package (the shipped one) and `bonescan.quantify.followup`. A metastasis is **new** at the scan at
which it appears; it can be found where a careful reader would see it in a view
(docs/simulator.md). It is found where a finding that is called new there has a mark on its mask.
What else is called new is a **false new lesion**, by what lies under its marks:

- *known*: a metastasis that an earlier scan has shown, to a careful reader, already (missed then,
  or not matched);
- *surfaced*: a metastasis that was there before but could not be seen then;
- *other*: no metastasis.

A finding that is marked first where the model's map of an earlier scan was high is **doubtful**: it
is not called new, so it is neither found nor false. How many of them lie on a new metastasis is
told.

``--stable`` patients of course ``stable``, the first of the seed with eight metastases or more, are
scanned twice to tell by how much area, uptake and place of a mark differ when the metastasis is the
same. Where its true contrast differs by more than 5 % between the scans, it is left out. 95 % of
what did not change stays within a factor of exp(1.96 s), s the standard deviation of the logarithm
of the ratio: that is where `bonescan.quantify.change.ChangeRule` has its factors from.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bonescan.measures.statistics import Interval, bootstrap
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.quantify.change import ChangeRule, Size, Status, status_of
from bonescan.quantify.followup import FollowUp, Visit, compare_visits
from bonescan.quantify.registration import pixel_mm
from bonescan.quantify.tracks import Track, size_of
from bonescan.scan import VIEW_NAMES, View
from bonescan.simulate.followup import simulate_course
from bonescan.simulate.patient import SimulatedPatient, draw_case
from through_dicom import on_view, put_into_page, read_simulated

#: Patients with fewer metastases tell little of what did not change.
LEAST_LESIONS = 8
#: A metastasis whose true contrast differs by less is the same.
SAME = 0.05
#: What the table calls the course of a patient who never has metastases.
NO_COURSE = "none"


@dataclass(frozen=True)
class Course:
    """What follow-up made of one patient's scans, counted over the scans after the first."""

    patient: int
    course: str
    scans: int
    new: int
    found: int
    known: int
    surfaced: int
    other: int
    doubtful: int
    doubtful_new: int


@dataclass(frozen=True)
class Repeat:
    """One mark of the same metastasis at two scans: its measures, and the gap of its edges."""

    patient: int
    view: str
    lesion: int
    area_before_mm2: float
    area_now_mm2: float
    uptake_before: float
    uptake_now: float
    gap_mm: float

    @property
    def log_area(self) -> float:
        return float(np.log(self.area_now_mm2 / self.area_before_mm2))

    @property
    def log_uptake(self) -> float:
        return float(np.log(self.uptake_now / self.uptake_before))

    def status(self, rule: ChangeRule) -> Status:
        """What the rule calls this mark, which has not changed."""
        before = Size(self.area_before_mm2, self.uptake_before)
        return status_of(before, Size(self.area_now_mm2, self.uptake_now), rule)


def follow(
    seed: int, number: int, engine: Engine, **asked: Any
) -> tuple[list[SimulatedPatient], FollowUp]:
    patients = list(simulate_course(seed, number, **asked))
    visits = [Visit(*read_simulated(patient, engine)) for patient in patients]
    return patients, compare_visits(visits)


# --- new lesions --------------------------------------------------------------------------------


def judge(number: int, patients: Sequence[SimulatedPatient], followup: FollowUp) -> Course:
    """Count what is new in truth, what of it was called new, and what else was."""
    counts = dict.fromkeys([field.name for field in fields(Course)][3:], 0)
    for visit in range(1, len(patients)):
        truly = _appeared(patients, visit)
        called, doubtful = (
            [
                _under(finding.tracks, visit, patients[visit], followup)
                for finding in followup.findings
                if finding.statuses[visit] == status
            ]
            for status in ("new", "doubtful")
        )
        counts["new"] += len(truly)
        counts["found"] += len(truly & set().union(*called))
        counts["doubtful"] += len(doubtful)
        counts["doubtful_new"] += sum(bool(lesions & truly) for lesions in doubtful)
        for lesions in called:
            if not lesions & truly:
                counts[_kind(lesions, patients[:visit])] += 1
    return Course(number, patients[0].course, len(patients), **counts)


def _appeared(patients: Sequence[SimulatedPatient], visit: int) -> set[int]:
    """Return the metastases that are there for the first time and can be seen."""
    before = {focus.lesion for p in patients[:visit] for focus in p.truth.lesions}
    return {
        focus.lesion
        for focus in patients[visit].truth.lesions
        if focus.lesion not in before and any(focus.visible)
    }


def _kind(lesions: set[int], earlier: Sequence[SimulatedPatient]) -> str:
    """Tell what a false new lesion lies on."""
    if not lesions:
        return "other"
    seen = {f.lesion for p in earlier for f in p.truth.lesions if any(f.visible)}
    return "known" if lesions & seen else "surfaced"


def _under(
    tracks: Sequence[Track], visit: int, patient: SimulatedPatient, followup: FollowUp
) -> set[int]:
    """Return the metastases under the marks of tracks at a visit."""
    found = set()
    names = {focus.number: focus.lesion for focus in patient.truth.lesions}
    for track in tracks:
        for mark in _marks(track, visit, followup):
            view = _view(followup, visit, track.view)
            under = on_view(patient.truth.metastasis, view)[mark]
            found |= {names[number] for number in np.unique(under).tolist() if number in names}
    return found


def _marks(track: Track, visit: int, followup: FollowUp) -> Iterator[NDArray[np.bool_]]:
    reading = followup.visits[visit].reading
    mask = next(view.mask for view in reading.views if view.view == track.view)
    for lesion in track.seen[visit]:
        yield mask == lesion.number


def _view(followup: FollowUp, visit: int, name: str) -> View:
    return next(view for view in followup.visits[visit].scan.views if view.name == name)


# --- what did not change ------------------------------------------------------------------------


def repeats(
    number: int, patients: Sequence[SimulatedPatient], followup: FollowUp
) -> Iterator[Repeat]:
    """Compare the marks that lie on one metastasis alone, the same at both scans."""
    same = _unchanged(patients)
    for view in VIEW_NAMES:
        pairs = [_by_lesion(visit, view, patients[visit], followup) for visit in (0, 1)]
        for lesion in sorted(set(pairs[0]) & set(pairs[1]) & same):
            marks = [pairs[visit][lesion] for visit in (0, 1)]
            if any(mark is None for mark in marks):
                continue
            places, sizes = [], []
            for visit, mark in enumerate(marks):
                picture = _view(followup, visit, view)
                reading = followup.visits[visit].reading
                mask = next(item.mask for item in reading.views if item.view == view)
                found = next(i for i in reading.lesions if (i.view, i.number) == (view, mark))
                points = (np.argwhere(mask == mark) + 0.5) * np.array(pixel_mm(picture))
                places.append(followup.registrations[visit][view].to_earlier(points))
                sizes.append(size_of([found], picture))
            yield Repeat(
                number,
                view,
                lesion,
                sizes[0].area_mm2,
                sizes[1].area_mm2,
                sizes[0].uptake,
                sizes[1].uptake,
                float(cKDTree(places[0]).query(places[1])[0].min()),
            )


def with_many_lesions(seed: int, patients: int) -> list[int]:
    """Return the first patients of a seed that have many metastases."""
    found = []
    for number in count():
        if len(found) == patients:
            break
        if draw_case(seed, number, "followup").spread.lesions >= LEAST_LESIONS:
            found.append(number)
    return found


def _unchanged(patients: Sequence[SimulatedPatient]) -> set[int]:
    one, two = ({f.lesion: f.contrast for f in p.truth.lesions} for p in patients[:2])
    return {name for name in set(one) & set(two) if abs(two[name] / one[name] - 1) < SAME}


def _by_lesion(
    visit: int, view: str, patient: SimulatedPatient, followup: FollowUp
) -> dict[int, int | None]:
    """Return the mark of each metastasis; None where it is not one mark on one metastasis."""
    reading = followup.visits[visit].reading
    mask = next(item.mask for item in reading.views if item.view == view)
    truth = on_view(patient.truth.metastasis, _view(followup, visit, view))
    names = {focus.number: focus.lesion for focus in patient.truth.lesions}
    pairs = np.unique(
        np.stack([mask[(mask > 0) & (truth > 0)], truth[(mask > 0) & (truth > 0)]]), axis=1
    )
    found: dict[int, int | None] = {}
    for mark, number in pairs.T.tolist():
        alone = (pairs[0] == mark).sum() == 1 and (pairs[1] == number).sum() == 1
        if number in names:
            found[names[number]] = mark if alone else None
    return found


# --- figures ------------------------------------------------------------------------------------


def shown(interval: Interval | None, percent: bool = False) -> str:
    if interval is None:
        return "–"
    values = (interval.value, interval.low, interval.high)
    if percent:
        return "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * value for value in values))
    return "{:.2f} ({:.2f} to {:.2f})".format(*values)


def sensitivity(courses: Sequence[Course]) -> float | None:
    new = sum(course.new for course in courses)
    return sum(course.found for course in courses) / new if new else None


def per_scan(courses: Sequence[Course], *kinds: str) -> float | None:
    scans = sum(course.scans - 1 for course in courses)
    return sum(getattr(c, kind) for c in courses for kind in kinds) / scans if scans else None


def new_table(courses: Sequence[Course]) -> list[str]:
    lines = [
        "| course | patients | follow-up scans | new metastases that can be seen | of them found | "
        "false new lesions a scan | known | surfaced | other | doubtful (on new ones) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in ("all", "progression", "response", "flare", "stable", NO_COURSE):
        own = [course for course in courses if name in ("all", course.course or NO_COURSE)]
        if not own:
            continue
        lines.append(
            f"| {name} | {len(own)} | {sum(c.scans - 1 for c in own)} | {sum(c.new for c in own)} "
            f"| {shown(bootstrap(own, sensitivity), percent=True)} "
            f"| {shown(bootstrap(own, lambda c: per_scan(c, 'known', 'surfaced', 'other')))} "
            f"| {sum(c.known for c in own)} | {sum(c.surfaced for c in own)} "
            f"| {sum(c.other for c in own)} "
            f"| {sum(c.doubtful for c in own)} ({sum(c.doubtful_new for c in own)}) |"
        )
    return lines


def repeat_table(found: Sequence[Repeat], rule: ChangeRule) -> list[str]:
    if len(found) < 3:
        return [f"Too few marks ({len(found)}) lie on unchanged metastases to tell more."]
    patients = [
        [repeat for repeat in found if repeat.patient == number]
        for number in sorted({repeat.patient for repeat in found})
    ]

    def factor(name: str, groups: Sequence[Sequence[Repeat]]) -> float | None:
        values = [getattr(repeat, name) for group in groups for repeat in group]
        return float(np.exp(1.96 * np.std(values, ddof=1))) if len(values) > 2 else None

    def gap(groups: Sequence[Sequence[Repeat]]) -> float | None:
        return float(np.percentile([r.gap_mm for group in groups for r in group], 95))

    def called(groups: Sequence[Sequence[Repeat]]) -> float | None:
        own = [repeat for group in groups for repeat in group]
        return float(np.mean([repeat.status(rule) != "unchanged" for repeat in own]))

    small = [abs(r.area_now_mm2 - r.area_before_mm2) for r in found]
    return [
        f"{len(found)} marks of unchanged metastases in {len(patients)} patients; the rule calls "
        f"{shown(bootstrap(patients, called), percent=True)} of them grown, faded or mixed.",
        "",
        "| between two scans, nothing changed | 95 % lie within | `ChangeRule` |",
        "|---|---|---|",
        f"| area, factor | {shown(bootstrap(patients, lambda g: factor('log_area', g)))} "
        f"| {rule.area_ratio:g} |",
        f"| uptake, factor | {shown(bootstrap(patients, lambda g: factor('log_uptake', g)))} "
        f"| {rule.uptake_ratio:g} |",
        f"| gap between the edges, mm | {shown(bootstrap(patients, gap))} | {rule.reach_mm:g} |",
        f"| area, mm² (median difference) | {np.median(small):.0f} | {rule.least_area_mm2:g} |",
    ]


def write_rows(path: Path, rows: Sequence[Course] | Sequence[Repeat], kind: type) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--stable", type=int, default=8)
    parser.add_argument("--seed", type=int, default=6200)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    package = Package.load(options.model)
    engine, card = Engine(package), package.card
    courses, found = [], []
    for number in range(options.patients):
        courses.append(judge(number, *follow(options.seed, number, engine)))
        print(courses[-1], flush=True)
    for number in with_many_lesions(options.seed + 1, options.stable):
        stable = follow(options.seed + 1, number, engine, course="stable", visits=2)
        found += list(repeats(number, *stable))
        print(f"stable patient {number}: {len(found)} marks so far", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    write_rows(options.out / "followup.csv", courses, Course)
    write_rows(options.out / "repeats.csv", found, Repeat)
    head = (
        f"Simulated patients, `python benchmarks/followup.py --patients {options.patients} "
        f"--stable {options.stable} --seed {options.seed}`, model {card.name} {card.version}, "
        f"SHA-256 `{card.sha256[:16]}…`. Intervals: 95 %, bootstrap over patients."
    )
    lines = [head, "", *new_table(courses), "", *repeat_table(found, ChangeRule())]
    (options.out / "followup.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if options.page is not None:
        put_into_page(options.page, "followup", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
