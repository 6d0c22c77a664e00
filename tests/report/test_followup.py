"""A follow-up on screen, on paper and as a plot: one text, all marks, no empty panel."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.quantify.change import IndexChange
from bonescan.quantify.followup import Finding, FollowUp, Visit, compare_visits
from bonescan.report import texts
from bonescan.report.followup import write_followup
from bonescan.report.followup_pdf import render_followup_pdf
from bonescan.report.followup_sheet import compose_followup, shown_status
from bonescan.report.followup_texts import index_sentence
from bonescan.report.followup_timeline import draw_timeline
from bonescan.scan import BoneScanIndex, Scan

Follow = Callable[..., FollowUp]
#: Rows and columns of hot spots that the front shows, and the days.
SPOTS = ((250, 110), (303, 153), (380, 120))
DAYS = ("20200101", "20200601", "20201201")


@pytest.fixture
def follow(plain_scan: Scan, bright_package: Package) -> Follow:
    """Compare scans of the plain body; each is given by the spots that its front shows."""
    engine = Engine(bright_package)

    def make(*shown: tuple[int, ...], spacing: bool = True, index: bool = False) -> FollowUp:
        visits = []
        for day, spots in zip(DAYS, shown, strict=False):
            front, back = plain_scan.views
            counts = np.minimum(front.counts, 8)
            for spot in spots:
                row, column = SPOTS[spot]
                counts[row : row + 7, column : column + 7] = 120
            mm = front.pixel_spacing_mm if spacing else None
            scan = replace(
                plain_scan,
                study=f"study{day}",
                anterior=replace(front, counts=counts, pixel_spacing_mm=mm),
                posterior=replace(back, counts=np.minimum(back.counts, 8), pixel_spacing_mm=mm),
                acquisition=replace(plain_scan.acquisition, study_date=day),
            )
            reading = read_scan(scan, engine)
            if index:
                given = BoneScanIndex(float(len(spots)), None, "mean", "made up", (), 0.3)
                reading = replace(reading, index=given)
            visits.append(Visit(scan, reading))
        return compare_visits(visits)

    return make


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *rest: object, **more: object) -> None:
        drawn.append(self)
        save(self, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    return drawn


def test_panels_are_those_that_have_something_to_show(
    follow: Follow, figures: list[Figure]
) -> None:
    draw_timeline(follow((0,), (0, 1), index=True))
    draw_timeline(follow((0,), (0, 1)))
    draw_timeline(follow((0,), (0, 1), spacing=False))
    titles = [[axis.get_title("left") for axis in figure.axes] for figure in figures]
    assert [len(own) for own in titles] == [3, 2, 2]
    assert titles[1][0] == "Area of all marks, both views (cm²)"
    assert titles[2][0] == "Area of all marks, both views (pixels)"


def test_a_scan_that_lacks_a_view_has_no_area_and_says_so(
    follow: Follow, figures: list[Figure]
) -> None:
    """Its marks are fewer because it shows less, not because they have healed."""
    visits = list(follow((0,), (0, 1), (0, 1)).visits)
    front = replace(visits[1].scan, posterior=None)
    one = replace(visits[1].reading, views=visits[1].reading.views[:1])
    visits[1] = Visit(front, one)
    draw_timeline(compare_visits(visits))
    area, findings = figures[0].axes
    assert [len(line.get_xdata()) for line in area.lines] == [2]
    assert [text.get_text() for text in findings.texts] == ["1", "2 (1 new)\none view", "2"]


def test_indices_of_two_kinds_are_not_joined(follow: Follow, figures: list[Figure]) -> None:
    same = follow((0,), (0, 1), index=True)
    first, last = same.visits
    assert last.reading.index is not None
    other = replace(last.reading, index=replace(last.reading.index, weights="of our own"))
    draw_timeline(same)
    draw_timeline(compare_visits([first, Visit(last.scan, other)]))
    assert [figure.axes[0].lines[0].get_linestyle() for figure in figures] == ["-", "None"]


def test_findings_are_counted_in_whole_numbers_and_nothing_is_an_empty_axis(
    follow: Follow, figures: list[Figure]
) -> None:
    draw_timeline(follow((), ()))
    area, findings = figures[0].axes
    figures[0].canvas.draw()
    ticks = [float(tick) for tick in findings.get_yticks()]
    assert ticks == [round(tick) for tick in ticks]
    assert area.get_ylim()[1] >= 1


def test_page_and_paper_say_what_the_sheet_says(follow: Follow, tmp_path: Path) -> None:
    followup = follow((0, 2), (0, 1), (0, 1))
    write_followup(followup, tmp_path)
    sheet = compose_followup(followup)
    page = html.unescape((tmp_path / "compare.html").read_text())
    told = [sheet.summary, sheet.reason, *sheet.caveats, *sheet.notes, *sheet.labels]
    told += [value for _, value in sheet.facts] + [flag.message for _, flag in sheet.flags]
    told += [words for _, words in sheet.legend] + [row.place for row in sheet.rows]
    for text in told:
        assert text in page, text
    assert page.count(texts.SCALE_BAR) == 6
    words = {cell.word for row in sheet.rows for cell in row.cells}
    assert {"new", "gone", "first seen"} <= words
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    done = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "compare.pdf"), "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    paper = re.sub(r"\s+", " ", done.stdout)
    for text in (*words, *sheet.labels, sheet.verdict, sheet.reason, "page 1 of 2", "page 2 of 2"):
        assert text in paper, text


def test_a_lesion_that_is_gone_is_a_dashed_circle_where_it_was(follow: Follow) -> None:
    sheet = compose_followup(follow((0, 2), (0,)))
    before, after = sheet.strips[0]
    (gone,) = [mark for mark in after.marks if mark.gone]
    (was,) = [mark for mark in before.marks if mark.number == gone.number]
    down = gone.place[0] + after.panel.top - was.place[0] - before.panel.top
    right = gone.place[1] + after.panel.left - was.place[1] - before.panel.left
    assert max(abs(down), abs(right)) < 3


def test_one_view_does_not_say_against_the_other(follow: Follow) -> None:
    """What the front shows first and the back showed before is not new; nor gone the other way."""
    followup = follow((0,), (0,))
    (track,) = followup.tracks
    front = replace(track, statuses=("absent", "new"))
    back = replace(track, view="posterior", statuses=("baseline", "gone"))
    finding = Finding(1, (front, back), ("baseline", "unchanged"))
    assert [shown_status(finding, front, visit) for visit in (0, 1)] == ["absent", "unchanged"]
    assert [shown_status(finding, back, visit) for visit in (0, 1)] == ["baseline", "absent"]


def test_the_change_of_the_index_is_that_of_the_figures_shown() -> None:
    said = index_sentence(IndexChange(0.4154, 2.0001, 1.5847, 0.3, True))
    assert "0.42 % to 2.00 % (+1.58 points), beyond the repeatability of ± 0.30" in said


def test_the_same_comparison_gives_the_same_paper(follow: Follow) -> None:
    followup = follow((0,), (0, 1))
    sheet, timeline = compose_followup(followup), draw_timeline(followup)
    one, two = (render_followup_pdf(sheet, timeline) for _ in range(2))
    assert one == two
    assert len(re.findall(rb"/Type\s*/Page\b", one)) == 1
