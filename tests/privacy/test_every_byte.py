"""Nothing that `--anonymize` writes or says tells who the patient is: every byte is looked at."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import matplotlib.text
import pydicom
import pytest
from PIL import ImageDraw

from bonescan.cli import main
from bonescan.package import Package

Call = Callable[..., tuple[int, str]]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Said = _load("bytes_of").Said


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is written into pictures, whose pixels cannot be searched."""
    said: list[str] = []
    draw, plot = ImageDraw.ImageDraw.text, matplotlib.text.Text.set_text

    def draw_text(self: object, place: object, text: object, *rest: object, **more: object) -> None:
        said.append(str(text))
        draw(self, place, text, *rest, **more)  # type: ignore[arg-type]

    def plot_text(self: matplotlib.text.Text, text: object) -> None:
        said.append(str(text))
        plot(self, text)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", draw_text)
    monkeypatch.setattr(matplotlib.text.Text, "set_text", plot_text)
    return said


@pytest.fixture
def call(
    bright_package: Package, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    def run(*words: str | Path) -> tuple[int, str]:
        model = ["--model", str(bright_package.folder)]
        monkeypatch.setattr(sys, "argv", ["bonescan", *map(str, words), *model])
        with pytest.raises(SystemExit) as end:
            main()
        said = capfd.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return run


def test_no_byte_tells_the_patient(call: Call, named, drawn: list[str], tmp_path: Path) -> None:
    """And the ordinary reading tells all of it, so that the search is known to find."""
    code, said = call("read", tmp_path / "in", "--out", tmp_path / "out", "--anonymize")
    assert code == 0
    (study,) = (tmp_path / "out").iterdir()
    assert {"source.dcm", "seg.dcm", "sr.dcm", "capture.dcm", "report.dcm", "report.pdf"} <= {
        path.name for path in study.iterdir()
    }
    written = Said(tmp_path / "out")
    for secret in named.secrets:
        assert written.by(secret) == set(), secret
        assert secret.lower() not in (said + "\n".join(drawn)).lower(), secret

    drawn.clear()
    code, said = call("read", tmp_path / "in", "--out", tmp_path / "plain")
    written = Said(tmp_path / "plain")
    assert code == 0
    assert "Quastenbuerger_Otto" in said
    assert any("Quastenbuerger_Otto" in text for text in drawn)
    for secret in ("Quastenbürger", "PID-77120-X", "19470803", "ACC-0815-77", named.uids[-1]):
        assert {"result.json", "sr.dcm"} <= written.by(secret), secret
    assert "report.html" in written.by("Quastenbürger")
    if shutil.which("pdftotext"):
        assert {"report.pdf", "report.dcm"} <= written.by("Quastenbürger")

    marks = tmp_path / "Quastenbuerger_Otto_seg.dcm"
    shutil.copy(tmp_path / "plain/Quastenbuerger_Otto/seg.dcm", marks)
    out = tmp_path / "marked"
    code, said = call("read", named.path, "--out", out, "--anonymize", "--marks", marks)
    assert code == 0, said
    assert "Marks of a reader from marks_1.dcm" in said, said
    digest = hashlib.sha256(marks.read_bytes()).hexdigest()
    written = Said(out)
    for secret in (*named.secrets, digest, digest[:12]):
        assert written.by(secret) == set(), secret
        assert secret.lower() not in said.lower(), secret


def test_names_of_marks_are_covered(call: Call, named, tmp_path: Path) -> None:
    call("read", named.path, "--out", tmp_path / "plain")
    (plain,) = (tmp_path / "plain").iterdir()
    marks = (plain / "anterior_lesions.png").rename(plain / "Quastenbuerger_Otto_ANT.png")
    words = ("read", named.path, "--anonymize", "--out", tmp_path / "out", "--marks")
    code, said = call(*words, marks)
    assert code == 0
    (study,) = (tmp_path / "out").iterdir()
    (source,) = json.loads((study / "result.json").read_text())["provenance"]["marks"]
    assert source["name"] == "marks_1.png"
    assert "Marks of a reader from marks_1.png" in (study / "report.html").read_text()
    marks.write_bytes(b"")
    code, failed = call(*words, Path(f"anterior:{marks}"))
    assert code == 1
    assert "input 2: is empty" in failed
    written = Said(tmp_path / "out")
    for secret in named.secrets:
        assert written.by(secret) == set(), secret
        assert secret.lower() not in (said + failed).lower(), secret


def test_objects_refer_to_the_copy_of_the_source(call: Call, named, tmp_path: Path) -> None:
    call("read", named.path, "--out", tmp_path / "out", "--anonymize")
    (study,) = (tmp_path / "out").iterdir()
    objects = {path.name: pydicom.dcmread(path) for path in study.glob("*.dcm")}
    source, original = objects.pop("source.dcm"), pydicom.dcmread(named.path)
    assert source.PixelData == original.PixelData
    for name, found in objects.items():
        assert found.StudyInstanceUID == source.StudyInstanceUID, name
        assert found.PatientID == source.PatientID == study.name.split("_")[0], name
        assert found.PatientIdentityRemoved == "YES", name
        assert source.SOPInstanceUID in {
            element.value for element in found.iterall() if element.VR == "UI"
        }, name
        assert {"burned": found.get("BurnedInAnnotation")} != {"burned": "YES"}, name


def test_a_reading_of_the_copy_is_the_same(call: Call, named, tmp_path: Path) -> None:
    call("read", named.path, "--out", tmp_path / "one", "--anonymize")
    (first,) = (tmp_path / "one").iterdir()
    call("read", first / "source.dcm", "--out", tmp_path / "two")
    records = [
        json.loads((folder / "result.json").read_text())
        for folder in (first, tmp_path / "two/source")
    ]
    assert records[0]["lesions"] == records[1]["lesions"] != []
    assert records[0]["views"]["anterior"]["pixel_spacing_mm"] is not None


def test_a_key_gives_the_same_names_again_and_another_others(
    call: Call, named, tmp_path: Path
) -> None:
    for number, key in enumerate(("a.key", "a.key", "b.key")):
        out = tmp_path / f"out{number}"
        assert (
            call("read", named.path, "--out", out, "--anonymize", "--key", tmp_path / key)[0] == 0
        )
    names = [next((tmp_path / f"out{number}").iterdir()).name for number in range(3)]
    assert names[0] == names[1] != names[2]
    uids = [pydicom.dcmread(next((tmp_path / f"out{n}").rglob("sr.dcm"))) for n in range(2)]
    assert uids[0].SOPInstanceUID == uids[1].SOPInstanceUID


def test_failures_name_the_input_by_its_place(call: Call, named, tmp_path: Path) -> None:
    bad = named.path.with_name("Quastenbuerger_Otto_2.dcm")
    bad.write_text("no scan")
    dataset = pydicom.dcmread(named.path)
    dataset.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical = ""
    del dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalCodeSequence
    dataset.SeriesDescription = "Thyroid I-131 Quastenbürger"
    dataset.SOPInstanceUID = dataset.StudyInstanceUID = "1.2.3.77"
    dataset.save_as(named.path.with_name("Quastenbuerger_Otto_3.dcm"))
    code, said = call("read", tmp_path / "in", "--out", tmp_path / "out", "--anonymize")
    assert code == 1
    assert "input 1, file 2: not a DICOM file" in said
    for secret in named.secrets:
        assert secret.lower() not in said.lower(), secret


def test_letters_in_the_picture_are_refused(call: Call, named, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(named.path)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(named.path)
    code, said = call("read", named.path, "--out", tmp_path / "out", "--anonymize")
    assert code == 1
    assert "input 1: letters are burned into the picture" in said
    assert not list((tmp_path / "out").glob("*"))
    assert call("read", named.path, "--out", tmp_path / "out")[0] == 0


def test_a_comparison_tells_nothing_but_the_days_between(
    call: Call, named, drawn: list[str], tmp_path: Path
) -> None:
    later = named.path.with_name("Quastenbuerger_Otto_later.dcm")
    dataset = pydicom.dcmread(named.path)
    dataset.StudyDate = "20210911"
    for kind in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, kind, f"1.2.3.55.{len(kind)}")
    dataset.save_as(later)
    read = call("read", named.path, "--out", tmp_path / "plain")
    assert read[0] == 0
    (first,) = (tmp_path / "plain").iterdir()
    drawn.clear()
    out = tmp_path / "out"
    code, said = call("compare", first, later, "--out", out, "--anonymize")
    assert code == 0, said
    assert "[info] dates-shifted" in said
    written = Said(out)
    for secret in (*named.secrets, "20210911", "2021-09-11", "1.2.3.55"):
        assert written.by(secret) == set(), secret
        assert secret.lower() not in (said + "\n".join(drawn)).lower(), secret
    record = json.loads((out / "compare.json").read_text())
    days = [visit["study_date"] for visit in record["visits"]]
    assert days == ["2000-01-01", "2000-06-27"]  # 178 days
    assert {flag["code"] for flag in record["flags"]} >= {"dates-shifted"}

    dataset.PatientID = "PID-99"
    dataset.save_as(later)
    code, said = call("compare", first, later, "--out", tmp_path / "two", "--anonymize")
    assert code == 2
    assert "Patient ID" in said
    for secret in (*named.secrets, "PID-99"):
        assert secret.lower() not in said.lower(), secret


def test_pictures_are_anonymised_with_a_warning(
    call: Call, save_pair: Callable[[Path, str], list[Path]], drawn: list[str], tmp_path: Path
) -> None:
    save_pair(tmp_path / "in", "Quastenbuerger")
    out = tmp_path / "out"
    code, said = call("read", tmp_path / "in", "--out", out, "--anonymize", "--workers", "2")
    assert code == 0
    assert "[warning] anonymised" in said
    assert Said(out).by("Quastenbuerger") == set()
    assert "Quastenbuerger" not in said + "\n".join(drawn)
    (study,) = out.iterdir()
    assert '"anonymised"' in (study / "result.json").read_text()


def test_an_anonymised_folder_is_compared_as_it_is(call: Call, named, tmp_path: Path) -> None:
    call("read", named.path, "--out", tmp_path / "one", "--anonymize", "--key", tmp_path / "k")
    (first,) = (tmp_path / "one").iterdir()
    out = tmp_path / "out"
    assert call("compare", first, first, "--out", out, "--anonymize")[0] == 0
    assert json.loads((out / "compare.json").read_text())["patient"]["patient_id"] in first.name
