"""Files of a scan: what each vendor's header tells, and what `bonescan.ingest` makes of it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import read_cohort
from bonescan.ingest.loading import load_files
from bonescan.scan import Scan
from bonescan.simulate import SimulatedPatient, simulate_patient, write_cohort
from bonescan.simulate.export import COMMON_SUM, published_picture
from bonescan.simulate.nm import nm_dataset, nm_files
from bonescan.simulate.vendors import PRESET_VENDORS, VENDORS


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate_patient(4, 0)


def written(patient: SimulatedPatient, key: str, folder: Path) -> list[Path]:
    acquisition = replace(patient.acquisition, vendor=VENDORS[key])
    files = []
    for end, dataset in nm_files(patient.counts, patient.identity, acquisition).items():
        files.append(folder / f"scan{end}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def assert_holds(scan: Scan, patient: SimulatedPatient) -> None:
    assert scan.anterior is not None
    assert scan.posterior is not None
    np.testing.assert_array_equal(scan.anterior.counts, patient.counts[0])
    np.testing.assert_array_equal(scan.posterior.counts, patient.counts[1])


@pytest.mark.parametrize("key", VENDORS)
def test_every_vendors_files_read_back_as_the_views_that_they_hold(
    key: str, patient: SimulatedPatient, tmp_path: Path
) -> None:
    scan = load_files(written(patient, key, tmp_path))
    assert_holds(scan, patient)
    assert scan.anterior is not None
    assert (scan.anterior.pixel_spacing_mm is None) == (key == "ge-millennium-no-spacing")


def test_a_file_a_view_is_one_study_of_two_objects(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    files = written(patient, "siemens-ecam-split", tmp_path)
    assert [file.name for file in files] == ["scan_anterior.dcm", "scan_posterior.dcm"]
    first, second = (pydicom.dcmread(file) for file in files)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    assert first.NumberOfFrames == second.NumberOfFrames == 1


def test_a_date_that_is_not_told_is_empty(patient: SimulatedPatient, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(patient, "ge-infinia-undated", tmp_path)[0])
    assert ds.StudyDate == ""
    scan = load_files([tmp_path / "scan.dcm"])
    assert scan.acquisition.study_date is None


def test_a_second_energy_window_is_told_and_its_counts_disagree_with_nothing(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    scan = load_files(written(patient, "siemens-symbia-two-windows", tmp_path))
    codes = [flag.code for flag in scan.flags]
    assert "several-energy-windows" in codes
    assert "counts-disagree" not in codes


def test_posterior_first_is_told_by_the_view_codes(patient: SimulatedPatient) -> None:
    acquisition = replace(patient.acquisition, vendor=VENDORS["philips-brightview"])
    ds = nm_dataset(patient.counts, patient.identity, acquisition)
    codes = [item.ViewCodeSequence[0].CodeValue for item in ds.DetectorInformationSequence]
    assert codes == ["G-5216", "G-5215"]
    np.testing.assert_array_equal(ds.pixel_array[0], patient.counts[1])


def test_chances_of_vendors_sum_to_one() -> None:
    for shares in PRESET_VENDORS.values():
        assert sum(chance for _, chance in shares) == pytest.approx(1.0)


@pytest.mark.acceptance
@pytest.mark.parametrize("key", VENDORS)
def test_dciodvfy_finds_no_error(key: str, patient: SimulatedPatient, tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (apt dicom3tools) is not installed")
    for file in written(patient, key, tmp_path):
        checked = subprocess.run(
            ["dciodvfy", str(file)], capture_output=True, text=True, check=False
        )
        report = checked.stdout + checked.stderr
        assert "NMImage" in report
        assert "Error" not in report


def test_a_cohort_of_pictures_reads_back_with_its_marks(tmp_path: Path) -> None:
    write_cohort(tmp_path / "cohort", 1, 4, pictures=True)
    assert not (tmp_path / "cohort" / "dicom").exists()
    cases = read_cohort(tmp_path / "cohort").cases
    assert [file.name for file in cases[0].files] == ["sim0001_ANT.png", "sim0001_POST.png"]
    patient = simulate_patient(4, 0)
    scan = load_case(cases[0])
    for view, counts in zip((scan.anterior, scan.posterior), patient.counts, strict=True):
        assert view is not None
        shown = published_picture(counts, least=patient.acquisition.export_least)
        np.testing.assert_array_equal(view.counts, shown)
    masks = read_masks(cases[0], scan).metastasis
    marked = sum(int(mask.sum()) for mask in masks.values())
    assert marked == pytest.approx(int(patient.truth.masks.sum()), rel=0.05)


def test_published_pictures_have_a_common_sum_and_wrap_where_they_are_very_hot() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(60.0, (1024, 256)).astype(np.uint16)
    counts[:, 60:] = 0
    picture = published_picture(counts)
    assert picture.sum() == pytest.approx(COMMON_SUM, rel=0.005)
    counts[500:520, 100:120] = 2000
    gain = COMMON_SUM / counts.sum()
    assert gain * 2000 > 256
    assert published_picture(counts)[510, 110] == round(gain * 2000) % 256


def test_an_export_may_lose_single_counts_and_nothing_else() -> None:
    counts = np.random.default_rng(1).poisson(1.5, (1024, 256)).astype(np.uint16)
    picture, least = published_picture(counts), published_picture(counts, least=2)
    assert (picture[counts == 1] > 0).all()
    assert (least[counts == 1] == 0).all()
    assert ((least > 0) == (counts > 1)).all()
    assert least.sum() == pytest.approx(COMMON_SUM, rel=0.1)
