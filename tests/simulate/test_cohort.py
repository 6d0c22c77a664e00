"""Cohorts on disk: the same for any number of patients and workers, restartable, readable."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bonescan.errors import BadInput
from bonescan.ingest.labelme import read_labelme
from bonescan.simulate import simulate_patient, write_cohort
from bonescan.simulate.followup import simulate_course


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "cohort"
    write_cohort(folder, 2, 4)
    return folder


def contents(folder: Path, study: str) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob(f"{study}*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_files_of_a_cohort(cohort: Path) -> None:
    with (cohort / "cohort.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["study"] for row in rows] == ["sim0001", "sim0002"]
    for row in rows:
        assert (cohort / row["files"]).is_file()
        assert all((cohort / label).is_file() for label in row["labels"].split(";"))
        truth = json.loads((cohort / "truth" / f"{row['study']}.json").read_text())
        assert (row["metastasis"] == "yes") == bool(truth["lesions"])
        assert "SIMULATED" in truth["notice"]


def test_patients_do_not_depend_on_their_number_or_on_the_workers(
    cohort: Path, tmp_path: Path
) -> None:
    write_cohort(tmp_path / "other", 3, 4, workers=2)
    for study in ("sim0001", "sim0002"):
        assert contents(tmp_path / "other", study) == contents(cohort, study)


def test_an_interrupted_cohort_is_finished_and_what_is_there_is_kept(
    cohort: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(cohort, folder)
    (folder / "cohort.csv").unlink()
    kept = folder / "dicom" / "sim0001.dcm"
    kept.write_bytes(b"kept")
    (folder / "truth" / ".done0002").unlink()
    steps: list[tuple[int, int]] = []
    write_cohort(folder, 2, 4, progress=lambda done, total: steps.append((done, total)))
    assert kept.read_bytes() == b"kept"
    assert contents(folder, "sim0002") == contents(cohort, "sim0002")
    assert (folder / "cohort.csv").read_text() == (cohort / "cohort.csv").read_text()
    assert steps == [(0, 2), (1, 2), (2, 2)]


def test_a_folder_of_something_else_is_refused(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(BadInput, match="not empty"):
        write_cohort(tmp_path, 1, 4)
    with pytest.raises(BadInput, match="holds seed 4"):
        write_cohort(cohort, 1, 5)
    with pytest.raises(BadInput, match="as DICOM"):
        write_cohort(cohort, 1, 4, pictures=True)
    with pytest.raises(BadInput, match="preset"):
        write_cohort(tmp_path / "new", 1, 4, preset="other")  # type: ignore[arg-type]


def test_marks_read_back_as_the_truth(cohort: Path) -> None:
    patient = simulate_patient(4, 0)
    marked = 0
    for view, name in enumerate(("anterior", "posterior")):
        label = cohort / "labels" / f"sim0001_{name}.json"
        read = read_labelme(label, (1024, 256)).metastasis
        drawn = patient.truth.masks[view]
        assert (read & drawn).sum() >= 0.95 * drawn.sum()
        assert (read & ~drawn).sum() <= 0.05 * max(drawn.sum(), 1)
        marked += int(drawn.sum())
    assert (marked > 0) == patient.metastasis


def test_the_header_tells_views_counts_and_that_it_is_simulated(cohort: Path) -> None:
    ds = pydicom.dcmread(cohort / "dicom" / "sim0002.dcm")
    patient = simulate_patient(4, 1)
    assert str(ds.PatientName) == "SIMULATED^0002"
    assert "SIMULATED" in ds.ImageComments
    assert ds.ImageType[2] == "WHOLE BODY"
    frames = ds.pixel_array
    order = slice(None, None, -1 if patient.acquisition.vendor.header.posterior_first else 1)
    np.testing.assert_array_equal(frames[order], patient.counts)
    assert float(ds.PixelSpacing[0]) == pytest.approx(patient.acquisition.camera.pixel_mm)


def test_a_course_keeps_its_lesions_and_adds_new_ones() -> None:
    visits = list(simulate_course(6, 0, course="progression", visits=2))
    first, second = ({x.lesion: x for x in visit.truth.lesions} for visit in visits)
    assert len(visits) == 2
    assert visits[0].identity.study_date < visits[1].identity.study_date
    assert visits[0].identity.patient_id == visits[1].identity.patient_id
    assert set(first) < set(second)
    for number, lesion in first.items():
        assert second[number].position_mm == lesion.position_mm
        assert second[number].size_mm >= lesion.size_mm


def test_response_cools_lesions_and_adds_none() -> None:
    visits = list(simulate_course(6, 1, course="response", visits=2))
    first, second = ({x.lesion: x for x in visit.truth.lesions} for visit in visits)
    assert set(second) == set(first)
    changes = [np.log((second[n].contrast - 1) / (first[n].contrast - 1)) for n in first]
    assert np.mean(changes) < -0.1
