"""Readings of a simulated patient, with bones and index from truth."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth

from bonescan.config import LesionRule
from bonescan.quantify.lesions import find_lesions
from bonescan.report import texts, write_pdf
from bonescan.report.fonts import PLAIN
from bonescan.report.html import render_report
from bonescan.report.pdf import Paper
from bonescan.report.pdf_blocks import CELL_GAP, table_block
from bonescan.report.sheet import Table, compose
from bonescan.scan import (
    REGIONS,
    VIEW_NAMES,
    Acquisition,
    BoneScanIndex,
    Crop,
    Flag,
    Identity,
    Lesion,
    Provenance,
    Reading,
    RegionIndex,
    Scan,
    View,
    ViewReading,
)
from bonescan.simulate.patient import SimulatedPatient, simulate_patient

Case = tuple[Scan, Reading]
#: Made up, so that every column of the table shows something; no table of real weights.
WEIGHTS = dict(zip(REGIONS, (17, 1, 3, 2, 2, 4, 1, 1, 3, 7, 8, 18), strict=True))


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate_patient(5, 3, cancer="prostate", lesions=6)


@pytest.fixture(scope="module")
def case(patient: SimulatedPatient) -> Case:
    """Scan and reading of a simulated patient: marks and regions are the simulator's truth."""
    return read_truth(patient)


def read_truth(patient: SimulatedPatient) -> Case:
    spacing = patient.acquisition.camera.pixel_mm
    views, readings, lesions = [], [], []
    for number, name in enumerate(VIEW_NAMES):
        counts = patient.counts[number].astype(np.float32)
        view = View(name, counts, (spacing, spacing), Path("sim.dcm"), Crop.whole(counts.shape),
                    frame=number + 1, recognised_by="view code")  # fmt: skip
        truth = 0.97 * (patient.truth.metastasis[number] > 0).astype(np.float32)
        found = find_lesions(view, truth, LesionRule())
        regions = patient.truth.regions[number]
        views.append(view)
        readings.append(ViewReading(name, truth, found.mask, regions=regions))
        lesions += [_with_bone(lesion, regions) for lesion in found.lesions]
    identity = Identity("SIM-1", "SIMULATED^Patient", "M", "19510203", "A12345")
    how = Acquisition(
        "Tc-99m medronate", 2.5, 800.0, None, "SIMULATOR", "Camera", "LEHR", "20240611"
    )
    scan = Scan("sim0004", views[0], views[1], how, identity)
    reading = Reading(
        study="sim0004",
        views=tuple(readings),
        lesions=tuple(lesions),
        patient_score=0.97,
        flags=(Flag("low-counts", "anterior 0.61 M counts are few; small lesions drown in noise"),),
        provenance=Provenance(
            "0.1.0",
            "tests",
            "1",
            "ab" * 32,
            made_at="2026-01-02T03:04:05+00:00",
            training="nothing: the simulator's truth",
            intended_use="Tests.",
            limits=("Tests only.",),
        ),
        index=_index(tuple(lesions)),
    )
    return scan, reading


def _with_bone(lesion: Lesion, regions: np.ndarray) -> Lesion:
    row, column = (int(value) for value in lesion.centroid)
    value = int(regions[row, column])
    if not 1 <= value <= len(REGIONS):
        return replace(lesion, region="other bone")
    share = lesion.area_pixels / int((regions == value).sum())
    return replace(lesion, region=REGIONS[value - 1], region_share=min(share, 1.0),
                   region_ratio=3.4, mirror_ratio=2.1, match=1)  # fmt: skip


def _index(lesions: tuple[Lesion, ...]) -> BoneScanIndex:
    rows = []
    for region in REGIONS:
        shares = {
            view: sum(x.region_share or 0 for x in lesions if x.view == view and x.region == region)
            for view in VIEW_NAMES
        }
        involved = sum(shares.values()) / 2
        weight = float(WEIGHTS[region])
        rows.append(RegionIndex(region, weight, shares["anterior"], shares["posterior"], involved,
                                weight * involved))  # fmt: skip
    whole = sum(row.index for row in rows)
    return BoneScanIndex(
        whole, 1.4 * whole, "mean", "made-up weights of the tests 1", tuple(rows), 0.3
    )


@pytest.fixture(scope="module")
def many(case: Case) -> Callable[[int], Case]:
    """Return the case with so many marks, copies of its own moved about."""

    def make(number: int) -> Case:
        scan, reading = case
        marks: list[Lesion] = []
        for index in range(number):
            view = VIEW_NAMES[index % 2]
            own = sum(mark.view == view for mark in marks)
            first = next(lesion for lesion in reading.lesions if lesion.view == view)
            marks.append(_moved(first, own + 1, 200 + 9 * own, 90 + 17 * (own % 5)))
        marks.sort(key=lambda mark: (VIEW_NAMES.index(mark.view), mark.number))
        return scan, replace(reading, lesions=tuple(marks))

    return make


def _moved(lesion: Lesion, number: int, row: int, column: int) -> Lesion:
    down, right = row - lesion.box[0], column - lesion.box[1]
    top, left, bottom, end = lesion.box
    return replace(
        lesion,
        number=number,
        box=(top + down, left + right, bottom + down, end + right),
        centroid=(lesion.centroid[0] + down, lesion.centroid[1] + right),
        outline=tuple(tuple((r + down, c + right) for r, c in line) for line in lesion.outline),
    )


def words(case: Case, tmp_path: Path, paper: Paper = "a4") -> list[str]:
    """Return the text of each page, white space made one."""
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext (poppler) is not installed")
    path = tmp_path / "report.pdf"
    path.write_bytes(write_pdf(*case, paper=paper))
    done = subprocess.run(
        [program, "-layout", str(path), "-"], capture_output=True, text=True, check=True
    )
    return [re.sub(r"\s+", " ", page) for page in done.stdout.split("\f")[:-1]]


def without_marks(case: Case, index: BoneScanIndex | None = None) -> Case:
    scan, reading = case
    return scan, replace(reading, lesions=(), index=index)


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_one_page_says_it_all(case: Case, tmp_path: Path, paper: Paper) -> None:
    pages = words(case, tmp_path, paper)
    assert len(pages) == 1
    page = pages[0]
    for lesion in case[1].lesions:
        assert f"{texts.mark_name(lesion)} {texts.level(lesion)}" in page
    for said in ("SIMULATED Patient", "1951-02-03", "2024-06-11", "Bone scan index", "made-up"):
        assert said in page
    assert all(texts.region_name(region) in page for region in REGIONS)
    assert page.index("[low-counts]") < page.index("suspected metasta")
    assert page.count(texts.RESEARCH_USE) == 2
    assert "abab" in page
    assert "Tests only." in page


def test_same_reading_same_bytes_and_the_date_of_the_reading(case: Case) -> None:
    first = write_pdf(*case)
    assert first == write_pdf(*case)
    assert b"D:20260102030405Z" in first


@pytest.mark.parametrize(("number", "pages"), [(12, 1), (60, 2)])
def test_many_marks_go_on_over_clean_pages(
    many: Callable[[int], Case], tmp_path: Path, number: int, pages: int
) -> None:
    found = words(many(number), tmp_path)
    assert len(found) == pages
    assert all(page.count(texts.RESEARCH_USE) == 2 for page in found)
    assert all(f"page {index} of {pages}" in page for index, page in enumerate(found, 1))
    text = " ".join(found)
    assert all(
        "SIMULATED Patient · SIM-1 · born 1951-02-03 · sim0004" in page for page in found[1:]
    )
    assert f"in {number} marks" in text
    assert f"POST {number // 2} thoracic spine" in text


def test_no_mark_and_a_refused_index(case: Case, tmp_path: Path) -> None:
    refused = BoneScanIndex(None, None, "mean", "w", (), 0.3, ("the skeleton is cut",))
    (page,) = words(without_marks(case, refused), tmp_path)
    assert "No metastasis was marked in the anterior and posterior views." in page
    assert "No bone scan index is given. The skeleton is cut." in page


def test_one_view_without_spacing_and_without_bones(case: Case, tmp_path: Path) -> None:
    scan, reading = case
    assert scan.anterior is not None
    alone = replace(scan, anterior=replace(scan.anterior, pixel_spacing_mm=None), posterior=None)
    lesions = tuple(
        replace(lesion, area_mm2=None, region="chest level", region_ratio=None)
        for lesion in reading.lesions
        if lesion.view == "anterior"
    )
    views = tuple(replace(view, regions=None) for view in reading.views[:1])
    (page,) = words((alone, replace(reading, lesions=lesions, views=views, index=None)), tmp_path)
    assert texts.NO_SPACING in page
    assert f"{lesions[0].area_pixels} pixels" in page
    assert "cm²" not in page
    assert "No bone scan index is given: the model names no bones." in page
    assert "There is no posterior view." in page


@pytest.mark.parametrize(
    "name",
    [
        "<b>Bold</b> & <script>x</script>",
        "Παπαδόπουλος Иванов",
        "王小明 金正 さくら",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "a\x00\x1b\ud800b",
    ],
)
def test_names_of_all_kinds(case: Case, tmp_path: Path, name: str) -> None:
    scan, reading = case
    named = replace(scan, identity=replace(scan.identity, patient_name=name))
    (page,) = words((named, reading), tmp_path)
    for word in texts.person_name(name).split():
        assert re.sub(r"[\x00-\x1f\ud800]", "?", word) in page
    assert "<script" not in render_report(compose(named, reading), named, reading)


def test_page_and_paper_say_the_same(case: Case) -> None:
    """Every text of the sheet stands in the HTML page, which loads nothing."""
    scan, reading = case
    sheet = compose(scan, reading)
    page = render_report(sheet, scan, reading)
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)).replace("&#39;", "'")
    said = [sheet.summary, sheet.index_note, *sheet.notes, *sheet.model, sheet.provenance]
    assert sheet.index is not None
    assert sheet.lesions is not None
    said += [cell for table in (sheet.index, sheet.lesions) for row in table.rows for cell in row]
    assert [text for text in said if text not in plain] == []
    assert all(
        ref.startswith(("data:", "#")) for ref in re.findall(r'(?:src|href)="([^"]*)"', page)
    )


def test_every_word_of_the_page_is_in_texts() -> None:
    """The template holds no word of its own, so that a translation is one file."""
    source = Path(texts.__file__).parent / "templates/report.html.j2"
    body = source.read_text().partition("<body>")[2]
    assert re.findall(r"[A-Za-z]{2,}", re.sub(r"\{[%{].*?[%}]\}|<[^>]+>", "", body)) == []


def test_a_number_stays_beside_its_unit_and_a_view_beside_its_number() -> None:
    headings = ("Mark", "Region", "Area", "Share", "Match")
    rows = (("ANT 12", "neck and shoulder", "13.1 cm²", "17 %", "POST 15"),)
    table = Table(headings, rows, (False, False, True, True, False), marks=True)
    grid = table_block(table, 165, "Marks")
    lines = []
    for cell, width in zip(grid._cellvalues[2], grid._colWidths, strict=True):
        cell.wrap(width - CELL_GAP, 100)
        lines.append(len(cell.blPara.lines))
    assert lines == [1, 2, 1, 1, 1]


def test_columns_that_are_too_narrow_break_between_words() -> None:
    headings = ("No.", "View", "Place", *("2020-01-01",) * 6)
    rows = (("12", "POST", "thoracic spine, midline", *("unchanged 12.3 cm², × 10.4",) * 6),)
    table = Table(headings, rows, (False,) * 9)
    grid = table_block(table, 500, "Findings")
    for width, heading, cell in zip(grid._colWidths, headings, rows[0], strict=True):
        words = [*heading.split(), *cell.split()]
        assert width > CELL_GAP + max(stringWidth(word, PLAIN, 7.4) for word in words)
    assert sum(grid._colWidths) == pytest.approx(500)
