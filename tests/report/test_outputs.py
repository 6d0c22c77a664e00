"""What one study's folder holds, and that it is whole or as it was before."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.config import PaperCanvas, Suppress
from bonescan.errors import BonescanError
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.report import write_outputs
from bonescan.report.record import SCHEMA_VERSION
from bonescan.report.texts import RESEARCH_USE
from bonescan.scan import Crop, Flag, Reading, Scan

NAMES = {
    "anterior_lesions.png",
    "posterior_lesions.png",
    "anterior_counts.png",
    "posterior_counts.png",
    "anterior_probability.png",
    "posterior_probability.png",
    "overlay.png",
    "lesions.csv",
    "report.html",
    "report.pdf",
    "result.json",
}


@pytest.fixture(scope="module")
def reading(bright_package: Package, plain_scan: Scan) -> Reading:
    return read_scan(plain_scan, Engine(bright_package, threads=1))


def _alone(scan: Scan, reading: Reading) -> tuple[Scan, Reading]:
    """Return the anterior view's part of a study."""
    return replace(scan, posterior=None), replace(
        reading, views=reading.views[:1], lesions=reading.lesions[:1]
    )


def _without_lesions(reading: Reading) -> Reading:
    views = tuple(replace(view, mask=np.zeros_like(view.mask)) for view in reading.views)
    return replace(reading, lesions=(), views=views)


def test_all_outputs_are_there(plain_scan: Scan, reading: Reading, tmp_path: Path) -> None:
    written = write_outputs(plain_scan, reading, tmp_path / "plain")
    assert {path.name for path in written} == NAMES
    assert {path.name for path in (tmp_path / "plain").iterdir()} == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


def test_result_record(plain_scan: Scan, reading: Reading, tmp_path: Path) -> None:
    write_outputs(plain_scan, reading, tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["schema_version"] == SCHEMA_VERSION
    assert record["notice"] == RESEARCH_USE
    assert set(record["outputs"]) == NAMES
    assert [lesion["number"] for lesion in record["lesions"]] == [1, 1]
    view = record["views"]["posterior"]
    assert view["lesion_area_mm2"] == pytest.approx(49 * 5.76)
    assert view["mask"] == "posterior_lesions.png"
    assert record["provenance"]["model_sha256"] == reading.provenance.model_sha256
    assert record["flags"] == [
        {"code": flag.code, "message": flag.message, "severity": flag.severity}
        for flag in reading.flags
    ]


def test_masks_lie_in_the_source_frame(plain_scan: Scan, reading: Reading, tmp_path: Path) -> None:
    """Both views beside each other in one frame: each mask has the whole frame's geometry."""
    anterior, posterior = plain_scan.anterior, plain_scan.posterior
    assert anterior is not None
    assert posterior is not None
    side_by_side = replace(
        plain_scan,
        anterior=replace(anterior, crop=Crop(0, 0, 1024, 256, 1024, 512)),
        posterior=replace(posterior, crop=Crop(0, 256, 1024, 256, 1024, 512)),
    )
    write_outputs(side_by_side, reading, tmp_path)
    for name, left in (("anterior", 150), ("posterior", 256 + 99)):
        mask = np.asarray(Image.open(tmp_path / f"{name}_lesions.png"))
        assert mask.dtype == np.uint8
        assert mask.shape == (1024, 512)
        expected = np.zeros((1024, 512), np.uint8)
        expected[300:307, left : left + 7] = 1
        assert np.array_equal(mask, expected)


def test_table(plain_scan: Scan, reading: Reading, tmp_path: Path) -> None:
    write_outputs(plain_scan, reading, tmp_path)
    with (tmp_path / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["view"], row["number"], row["side"]) for row in rows] == [
        ("anterior", "1", "L"),
        ("posterior", "1", "L"),
    ]
    assert float(rows[0]["area_mm2"]) == pytest.approx(282.24)
    assert rows[0]["notice"] == RESEARCH_USE


def test_no_lesion_is_said_and_rules_nothing_out(
    plain_scan: Scan, reading: Reading, tmp_path: Path
) -> None:
    write_outputs(plain_scan, _without_lesions(reading), tmp_path)
    assert len((tmp_path / "lesions.csv").read_text().splitlines()) == 1
    page = (tmp_path / "report.html").read_text()
    assert "No metastasis was marked in the anterior and posterior views." in page
    assert "rules nothing out" in page
    assert not np.asarray(Image.open(tmp_path / "anterior_lesions.png")).any()


def test_a_missing_view_has_no_mask_and_an_earlier_one_goes(
    plain_scan: Scan, reading: Reading, tmp_path: Path
) -> None:
    write_outputs(plain_scan, reading, tmp_path)
    (tmp_path / "notes.txt").write_text("the reader's own")
    write_outputs(*_alone(plain_scan, reading), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    gone = {f"posterior_{what}.png" for what in ("lesions", "counts", "probability")}
    assert names == NAMES - gone | {"notes.txt"}
    record = json.loads((tmp_path / "result.json").read_text())
    assert "posterior" not in record["views"]
    assert "There is no posterior view." in (tmp_path / "report.html").read_text()


def test_page_has_flags_first_and_nothing_outside_the_file(
    plain_scan: Scan, reading: Reading, tmp_path: Path
) -> None:
    flag = Flag("view-guessed", "the first frame is taken as <anterior>", "error")
    write_outputs(plain_scan, replace(reading, flags=(flag, *reading.flags)), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.index("The first frame is taken as &lt;anterior&gt;.") < page.index("<table")
    assert page.count(RESEARCH_USE) >= 2
    references = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(ref.startswith(("data:", "#")) for ref in references)
    assert not re.search(r"https?://|@import|<script", page)


def test_values_from_a_file_cannot_become_markup(
    plain_scan: Scan, reading: Reading, tmp_path: Path
) -> None:
    identity = replace(plain_scan.identity, patient_name="<script>alert(1)</script>")
    write_outputs(replace(plain_scan, identity=identity), reading, tmp_path)
    assert "<script" not in (tmp_path / "report.html").read_text()


def test_a_full_disk_leaves_nothing(
    plain_scan: Scan, reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "report.html":
            raise OSError(28, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BonescanError, match="No space left on device") as caught:
        write_outputs(plain_scan, reading, tmp_path / "plain")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(
    plain_scan: Scan, reading: Reading, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BonescanError, match="cannot be written"):
        write_outputs(plain_scan, reading, tmp_path / "file" / "plain")


def test_a_new_folder_has_the_usual_permissions(
    plain_scan: Scan, reading: Reading, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        write_outputs(plain_scan, reading, tmp_path / "plain")
    finally:
        os.umask(before)
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o750


def test_the_record_is_documented() -> None:
    """Every key of result.json stands in the reference page."""
    page = (Path(__file__).parents[2] / "docs" / "reference-result.md").read_text()
    source = (Path(__file__).parents[2] / "src/bonescan/report/record.py").read_text()
    keys = set(re.findall(r'^\s+"(\w+)":', source, re.MULTILINE))
    assert len(keys) > 20
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_what_the_model_did_not_see_is_in_every_output(
    bright_package: Package,
    plain_scan: Scan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By way of the package's own canvas, so that reading does what training did."""
    hidden = {"anterior": np.zeros((1024, 256), np.uint8)}
    hidden["anterior"][296:311, 140:170] = 2
    said = Flag("counts-suppressed", "Taken out for the test.")

    def blank(scan: Scan, _: Suppress) -> tuple[Scan, dict[str, np.ndarray], tuple[Flag, ...]]:
        view = scan.views[0]
        counts = np.where(hidden["anterior"] > 0, 4, view.counts).astype(np.float32)
        return replace(scan, anterior=replace(view, counts=counts)), hidden, (said,)

    monkeypatch.setattr("bonescan.preprocess.filters.suppressed", blank)
    card = bright_package.card.model_copy(update={"canvas": PaperCanvas(suppress=Suppress())})
    reading = read_scan(plain_scan, Engine(replace(bright_package, card=card), threads=1))
    assert [lesion.view for lesion in reading.lesions] == ["posterior"]
    folder = tmp_path / "plain"
    written = write_outputs(plain_scan, reading, folder)
    assert {path.name for path in written} == {*NAMES, "anterior_suppressed.png"}
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "anterior_suppressed.png")), hidden["anterior"]
    )
    result = json.loads((folder / "result.json").read_text())
    assert result["views"]["anterior"]["suppressed"] == "anterior_suppressed.png"
    assert result["views"]["anterior"]["suppressed_pixels"] == 450
    assert result["views"]["posterior"]["suppressed"] is None
    assert {"counts-suppressed"} < {flag["code"] for flag in result["flags"]}
    # The hot spot's own counts stay in what is kept of the source.
    stored = np.asarray(Image.open(folder / "anterior_counts.png"))
    assert stored[303, 153] == plain_scan.views[0].counts[303, 153]
    page = (folder / "report.html").read_text()
    assert page.count("taken out, not read") == 1
    assert 'class="limit" fill="none" points=' in page

    without = read_scan(plain_scan, Engine(bright_package, threads=1))
    write_outputs(plain_scan, without, folder)
    assert not (folder / "anterior_suppressed.png").exists()
