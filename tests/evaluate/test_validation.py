"""A package against an annotated cohort of simulated patients, from files to files."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.errors import BadInput
from bonescan.evaluate import validation_report
from bonescan.evaluate.validation import validate_package
from bonescan.evaluate.validation_figures import Validation
from bonescan.package import Package
from bonescan.simulate import write_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated patients, one of them without metastases (seed 5), and one broken file."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, 3, 5, preset="screening")
    shutil.copy(folder / "dicom" / "sim0001.dcm", folder / "cut.dcm")
    with (folder / "cut.dcm").open("r+b") as file:
        file.truncate(20_000)
    with (folder / "cohort.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["other", "cut", "breast", "no", "cut.dcm", "", ""])
    return folder


@pytest.fixture(scope="module")
def found(
    bright_package: Package, cohort: Path, tmp_path_factory: pytest.TempPathFactory
) -> Validation:
    out = tmp_path_factory.mktemp("validation")
    steps: list[tuple[int, int]] = []
    validation = validate_package(
        bright_package, cohort, out, progress=lambda done, total: steps.append((done, total))
    )
    assert steps[-1] == (4, 4)
    record = json.loads((out / "metrics.json").read_text())
    assert record["studies"] == 3
    assert record["figures"][0]["lesion_sensitivity"]["value"] == pytest.approx(
        validation.model.lesion_sensitivity.value  # type: ignore[union-attr]
    )
    assert (out / "summary.md").read_text() == str(validation)
    for name in ("froc.png", "roc.png", "reliability.png", "errors.png", "pictures/sim0002.png"):
        assert np.asarray(Image.open(out / name)).std() > 1
    with (out / "studies.csv").open(newline="") as file:
        rows = {row["study"]: row for row in csv.DictReader(file)}
    assert rows["sim0002"]["lesions"] == "0"
    assert int(rows["sim0003"]["hits"]) <= int(rows["sim0003"]["lesions"])
    with (out / "false_marks.csv").open(newline="") as file:
        *beneath, everything = csv.DictReader(file)
    assert int(everything["false marks"]) == sum(int(row["false marks"]) for row in beneath)
    assert int(everything["false marks"]) == sum(int(row["false_marks"]) for row in rows.values())
    with (out / "missed.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert first["by"] == "all"
    assert int(first["lesions"]) == sum(int(row["lesions"]) for row in rows.values())
    assert int(first["lesions"]) - int(first["missed"]) == sum(
        int(row["hits"]) for row in rows.values()
    )
    return validation


def test_lesions_are_those_of_the_labels(found: Validation, cohort: Path) -> None:
    with (cohort / "cohort.csv").open(newline="") as file:
        ill = {row["study"]: row["metastasis"] == "yes" for row in csv.DictReader(file)}
    for outcome in found.outcomes:
        assert outcome.metastasis == ill[outcome.study]
        assert (outcome.model.lesions[0] > 0) == ill[outcome.study]
    assert found.lesions == sum(int(outcome.model.lesions[0]) for outcome in found.outcomes)


def test_a_study_that_cannot_be_read_is_named_and_the_others_done(found: Validation) -> None:
    assert [outcome.study for outcome in found.outcomes] == ["sim0001", "sim0002", "sim0003"]
    (problem,) = found.problems
    assert problem.startswith("cut: ")
    assert problem in str(found)


def test_hits_and_false_marks_add_up(found: Validation) -> None:
    for sweep in (found.model_sweep, found.floor_sweep):
        assert (sweep.hits <= sweep.lesions[:, None]).all()
        assert (sweep.false_marks <= sweep.marks).all()
        truth = sweep.pixels[:, :, 0] + sweep.pixels[:, :, 2]
        assert (truth == truth[:, :1]).all()


def test_the_floor_runs_in_the_same_comparison(found: Validation) -> None:
    assert found.floor.threshold == 0.5
    assert found.floor.marked_from == "6 times the body"
    matched, model = found.floor_matched.false_marks, found.model.false_marks
    assert matched is not None
    assert model is not None
    assert matched.value <= model.value
    assert (found.floor_sweep.lesions == found.model_sweep.lesions).all()


def test_the_summary_says_what_a_reader_must_know(found: Validation) -> None:
    text = str(found)
    assert "Research use only" in text
    assert "chosen on these patients" in text
    assert "3 studies of 3 patients, 2 with metastases" in text


def test_a_cohort_that_cannot_be_read_at_all(
    bright_package: Package, cohort: Path, tmp_path: Path
) -> None:
    shutil.copy(cohort / "cut.dcm", tmp_path / "cut.dcm")
    table = "patient,study,cancer,metastasis,files\nother,cut,breast,no,cut.dcm\n"
    (tmp_path / "cohort.csv").write_text(table)
    with pytest.raises(BadInput, match="no study can be validated"):
        validate_package(bright_package, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_picture_under_two_patients_counts_once_and_is_named(
    bright_package: Package, tmp_path: Path
) -> None:
    write_cohort(tmp_path / "c", 2, 5, preset="screening")
    shutil.copy(tmp_path / "c/dicom/sim0001.dcm", tmp_path / "c/copy.dcm")
    with (tmp_path / "c/cohort.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["other", "copy", "breast", "no", "copy.dcm", "", ""])
    validation = validate_package(bright_package, tmp_path / "c", tmp_path / "v", pictures=False)
    assert len(validation.outcomes) == 2
    (problem,) = validation.problems
    assert problem.startswith("copy: patient other has the same picture as patient SIM-5-0001")


def test_a_full_disk_leaves_no_half_of_a_validation(
    found: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "reliability.png":
            raise BadInput(f"{path}: No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr(validation_report, "write_whole", full)
    with pytest.raises(BadInput, match="No space"):
        validation_report.write_validation(found, tmp_path)
    assert list(tmp_path.iterdir()) == []
