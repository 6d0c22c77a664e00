"""Options of read, from call to files, with the shipped model on a simulated patient.

A physician's corrections, weights of one's own, regions in the segmentation.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from bonescan.cli import main
from bonescan.ingest.labelme import write_labelme
from bonescan.scan import REGIONS
from bonescan.simulate import write_cohort

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One simulated patient (seed 11) with lesions in both views, read by the shipped model."""
    folder = tmp_path_factory.mktemp("corrections")
    write_cohort(folder, 1, 11)
    return folder


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in this process, in the patient's folder."""
    monkeypatch.chdir(folder)

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bonescan", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def read(call: Call, out: str, *words: str | Path) -> dict[str, Any]:
    code, _, failures = call("read", "dicom/sim0001.dcm", "--out", out, *words)
    assert (code, failures) == (0, "")
    return dict(json.loads(Path(out, "sim0001/result.json").read_text()))


@pytest.fixture
def model(call: Call, folder: Path) -> dict[str, Any]:
    """What the model alone says."""
    path = folder / "model/sim0001/result.json"
    return json.loads(path.read_text()) if path.exists() else read(call, "model")


def figures(record: dict[str, Any]) -> dict[str, Any]:
    """Return all that must follow from the marks."""
    return {key: record[key] for key in ("lesions", "regions", "index", "patient_score")}


def test_seg_goes_in_again_and_every_number_is_the_same(call: Call, model: dict[str, Any]) -> None:
    assert model["lesion_count"] >= 4
    again = read(call, "seg", "--marks", "model/sim0001/seg.dcm")
    assert figures(again) == figures(model)
    (source,) = again["provenance"]["marks"]
    assert (source["name"], source["kind"]) == ("seg.dcm", "segmentation")
    assert source["views"] == ["anterior", "posterior"]
    assert model["provenance"]["marks"] == []
    for name, marked_by in (("model", "model"), ("seg", "reader")):
        with Path(name, "sim0001/lesions.csv").open(newline="") as file:
            assert {row["marked_by"] for row in csv.DictReader(file)} == {marked_by}
    page = Path("seg/sim0001/report.html").read_text()
    assert page.count(source["sha256"]) == 1
    assert f"from seg.dcm (SHA-256 {source['sha256'][:12]}...)" in page
    front, back = (model["views"][view]["lesion_count"] for view in ("anterior", "posterior"))
    assert f"({front} anterior, {back} posterior): " in page
    assert "The marks are a reader&#39;s." in page
    said = {
        str(element.value)
        for element in pydicom.dcmread("seg/sim0001/sr.dcm").iterall()
        if element.keyword == "TextValue"
    }
    assert f"marks of a reader, sha256 {source['sha256']}" in said
    # What a reader has corrected can be corrected again.
    twice = read(call, "twice", "--marks", "seg/sim0001/seg.dcm")
    assert figures(twice) == figures(model)


def test_one_lesion_erased_is_one_fewer_and_the_index_falls(
    call: Call, model: dict[str, Any]
) -> None:
    path = Path("model/sim0001/posterior_lesions.png")
    mask = np.array(Image.open(path))
    on_bone = [
        lesion["number"]
        for lesion in model["lesions"]
        if lesion["view"] == "posterior" and lesion["region_share"]
    ]
    mask[mask == on_bone[0]] = 0
    Image.fromarray(mask).save("posterior_corrected.png")
    record = read(
        call,
        "erased",
        "--marks", "model/sim0001/anterior_lesions.png",
        "--marks", "posterior_corrected.png",
    )  # fmt: skip
    assert record["lesion_count"] == model["lesion_count"] - 1
    assert 0 < record["index"]["whole"] < model["index"]["whole"]
    assert [flag["code"] for flag in record["flags"]].count("reader-marks") == 2
    assert not {"marks-one-view", "marks-left-out"} & {flag["code"] for flag in record["flags"]}
    seg = pydicom.dcmread("erased/sim0001/seg.dcm")
    assert len(seg.SegmentSequence) == record["lesion_count"]
    saved = np.array(Image.open("erased/sim0001/posterior_lesions.png"))
    np.testing.assert_array_equal(saved > 0, mask > 0)
    assert saved.max() == model["views"]["posterior"]["lesion_count"] - 1


def test_a_lesion_drawn_in_labelme_in_one_view(call: Call, model: dict[str, Any]) -> None:
    mask = np.array(Image.open("model/sim0001/anterior_lesions.png"))
    empty = np.argwhere(mask == 0)
    row, column = empty[np.abs(empty - np.array([250, 128])).sum(axis=1).argmin()]
    mask[row : row + 6, column : column + 6] = 200
    write_labelme(Path("drawn.json"), mask, "x.png", tolerance=0)
    record = read(call, "drawn", "--marks", "anterior:drawn.json")
    added = record["views"]["anterior"]["lesion_count"]
    assert added == model["views"]["anterior"]["lesion_count"] + 1
    assert record["views"]["anterior"]["marked_by"] == "reader"
    assert record["views"]["posterior"]["marked_by"] == "model"
    assert "marks-one-view" in {flag["code"] for flag in record["flags"]}
    assert "a reader's, but for the posterior view's" in record["summary"]


def test_all_erased_is_no_lesion_and_an_index_of_zero(call: Call, model: dict[str, Any]) -> None:
    for view in ("anterior", "posterior"):
        mask = np.array(Image.open(f"model/sim0001/{view}_lesions.png"))
        Image.fromarray(np.zeros_like(mask)).save(f"none_{view}.png")
    record = read(call, "none", "--marks", "none_anterior.png", "--marks", "none_posterior.png")
    assert (record["lesion_count"], record["index"]["whole"]) == (0, 0)
    assert record["patient_score"] == model["patient_score"]
    assert "No metastasis was marked by the reader" in record["summary"]


def test_wrong_marks_leave_nothing_behind(call: Call, model: dict[str, Any]) -> None:
    Path("empty.png").write_bytes(b"")
    words = ("read", "dicom/sim0001.dcm", "--out", "wrong", "--marks")
    for name in ("empty.png", "model/sim0001/sr.dcm", "absent.png"):
        code, _, failures = call(*words, name)
        assert code == 1
        assert failures.startswith(f"bonescan: {name}: ")
        assert failures.count("\n") == 1
    # The posterior view's mask offered as the anterior's.
    code, _, failures = call(*words, "anterior:model/sim0001/posterior_lesions.png")
    assert code == 1
    assert "was made on another scan than this anterior view" in failures
    assert not Path("wrong").exists()


OWN_WEIGHTS = """\
name = "twice"
version = "7"
source = "made up"
fusion = "max"
[regions]
"""


def test_weights_of_ones_own(call: Call, model: dict[str, Any]) -> None:
    shipped = {item["region"]: item["weight"] for item in model["index"]["regions"]}
    lines = [f"{region} = {2.0 if region != 'ribs' else 40.0}" for region in REGIONS]
    Path("own.toml").write_text(OWN_WEIGHTS + "\n".join(lines))
    index = read(call, "weights", "--weights", "own.toml")["index"]
    assert (index["weights"], index["fusion"]) == ("twice, version 7", "max")
    weights = {item["region"]: item["weight"] for item in index["regions"]}
    assert weights == {region: 40.0 if region == "ribs" else 2.0 for region in shipped}
    expected = sum(
        weights[item["region"]] * max(item["anterior"] or 0, item["posterior"] or 0)
        for item in index["regions"]
    )
    total = sum(item["index"] for item in index["regions"])
    assert total == pytest.approx(expected, abs=1e-4)
    assert total != pytest.approx(sum(item["index"] for item in model["index"]["regions"]))
    assert "weights twice, version 7" in Path("weights/sim0001/report.html").read_text()
    Path("bad.toml").write_text(OWN_WEIGHTS)
    code, _, failures = call("read", "dicom", "--out", "x", "--weights", "bad.toml")
    assert code == 2
    assert "bad.toml: regions.skull is missing" in failures
    assert failures.count("\n") == 1


def test_regions_in_the_segmentation(call: Call, model: dict[str, Any]) -> None:
    """Twelve regions, each with a frame on every view that shows it, of the area measured."""
    record = read(call, "regions", "--seg-regions")
    path = Path("regions/sim0001/seg.dcm")
    seg = pydicom.dcmread(path)
    assert seg.SOPInstanceUID != pydicom.dcmread("model/sim0001/seg.dcm").SOPInstanceUID
    labels = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    frames = {record["views"][view]["frame"]: view for view in ("anterior", "posterior")}
    areas = {}
    for mask, item in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        source = item.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == record["views"]["anterior"]["sop_instance_uid"]
        areas[labels[number], frames[source.ReferencedFrameNumber]] = int(mask.sum())
    names = [region.replace("_", " ") for region in REGIONS]
    assert [label for label in labels.values() if label in names] == names
    assert {key: area for key, area in areas.items() if key[0] in names} == {
        (item["region"].replace("_", " "), item["view"]): item["area_pixels"]
        for item in record["regions"]
    }
    assert len(areas) == record["lesion_count"] + len(record["regions"])
    assert read(call, "back", "--marks", path)["lesions"] == record["lesions"]


@pytest.mark.acceptance
def test_dciodvfy_finds_no_error_in_regions_and_in_a_readers_marks(
    call: Call, model: dict[str, Any]
) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    read(call, "both", "--seg-regions", "--marks", "model/sim0001/seg.dcm")
    for name in ("seg.dcm", "sr.dcm"):
        words = ["dciodvfy", f"both/sim0001/{name}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr


def test_areas_of_regions_stand_in_the_report_and_in_a_table(
    call: Call, model: dict[str, Any]
) -> None:
    with Path("model/sim0001/regions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["view"], row["region"], float(row["area_mm2"])) for row in rows] == [
        (item["view"], item["region"], pytest.approx(item["area_mm2"], abs=1e-3))
        for item in model["regions"]
    ]
    assert "regions.csv" in model["outputs"]
    skull = {
        item["view"]: f"{item['area_mm2'] / 100:.0f}"
        for item in model["regions"]
        if item["region"] == "skull"
    }
    page = Path("model/sim0001/report.html").read_text()
    start = page.index("Region areas (ANT / POST) in cm²: skull ")
    said = page[start : start + 60].replace("*", "")
    assert f"skull {skull['anterior']} / {skull['posterior']}" in said


def test_marks_go_with_one_study(call: Call, model: dict[str, Any], tmp_path: Path) -> None:
    write_cohort(tmp_path, 2, 5)
    code, _, failures = call("read", tmp_path / "dicom", "--out", "x", "--marks", "seg.dcm")
    assert code == 2
    assert failures.endswith("holds 2 studies; --marks goes with one study\n")


@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")
def test_marks_are_read_on_ray_as_they_are_here(call: Call, model: dict[str, Any]) -> None:
    """Paths are those of the caller's folder; a name with its view before it, too."""
    Path("edited").mkdir()
    for view in ("anterior", "posterior"):
        mask = np.array(Image.open(f"model/sim0001/{view}_lesions.png"))
        mask[mask == 1] = 0
        Image.fromarray(mask).save(f"edited/{view[0]}.png")
    marks = ("--marks", "anterior:edited/a.png", "--marks", "posterior:edited/p.png")
    here = read(call, "here", *marks)
    code, failures = read_on_ray("there", *marks)
    assert (code, failures) == (0, "")
    there = json.loads(Path("there/sim0001/result.json").read_text())
    assert figures(there) == figures(here)
    assert there["provenance"]["marks"] == here["provenance"]["marks"]
    code, failures = read_on_ray("no", "--marks", "absent.png")
    assert code == 1
    assert failures.startswith("bonescan: absent.png: cannot be read")
    assert failures.count("\n") == 1
    assert not Path("no").exists()


def read_on_ray(out: str, *words: str) -> tuple[int, str]:
    """Call the command in a process of its own: Ray leaves processes to the end of its caller."""
    command = [sys.executable, "-m", "bonescan", "read", "dicom/sim0001.dcm", "--out", out]
    done = subprocess.run(
        [*command, *words, "--engine", "ray"], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr
