"""Files of a scan: what each vendor's header tells, and what `bonescan.ingest` makes of it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ImplicitVRLittleEndian, JPEGLosslessSV1

from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import read_cohort
from bonescan.ingest.loading import load_files
from bonescan.scan import Scan
from bonescan.simulate import SimulatedPatient, simulate_patient, write_cohort
from bonescan.simulate.export import COMMON_SUM, published_picture
from bonescan.simulate.jpeg import jpeg_lossless
from bonescan.simulate.nm import nm_dataset, nm_files
from bonescan.simulate.passes import Join
from bonescan.simulate.vendors import (
    HABITS,
    PRESET_VENDORS,
    VENDORS,
    Grey,
    Header,
    Layout,
    Vendor,
    ViewHint,
)


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate_patient(4, 0)


def written(patient: SimulatedPatient, key: str, folder: Path) -> list[Path]:
    return written_as(patient, VENDORS[key], folder)


def written_as(patient: SimulatedPatient, vendor: Vendor, folder: Path) -> list[Path]:
    acquisition = replace(patient.acquisition, vendor=vendor)
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


#: What tells the views of each make and habit, and the flags beyond those of the scan itself.
READ_AS = {
    "ge-discovery": ("view code", set()),
    "ge-discovery-geometric-mean": ("view code", {"derived-frame"}),
    "ge-discovery-no-detectors": ("pixels", {"view-guessed"}),
    "ge-discovery-jpeg": ("view code", set()),
    "ge-infinia": ("vendor text", set()),
    "ge-infinia-geometric-mean": ("vendor text", {"derived-frame"}),
    "ge-infinia-no-detectors": ("vendor text", set()),
    "ge-infinia-one-frame": ("pixels", {"view-guessed", "composite-frame"}),
    "ge-infinia-undated": ("vendor text", set()),
    "ge-millennium": ("pixels", {"view-guessed"}),
    "ge-millennium-posterior-left": ("pixels", {"view-guessed", "composite-frame"}),
    "ge-millennium-no-spacing": ("pixels", {"view-guessed", "no-spacing"}),
    "siemens-symbia": ("view code", set()),
    "siemens-symbia-inverted": ("view code", {"inverted"}),
    "siemens-symbia-jpeg": ("view code", set()),
    "siemens-symbia-two-windows": ("view code", {"several-energy-windows"}),
    "siemens-ecam": ("vendor text", set()),
    "siemens-ecam-private-view": ("vendor text", set()),
    "siemens-ecam-split": ("vendor text", set()),
    "philips-brightview": ("view code", set()),
    "philips-brightview-black-on-white": ("view code", set()),
    "philips-brightview-view-position": ("view position", set()),
    "mediso-anyscan": ("view code", set()),
    "toshiba-eca": ("pixels", {"view-guessed"}),
}


@pytest.mark.parametrize("key", VENDORS)
def test_every_vendors_files_read_back_as_the_views_that_they_hold(
    key: str, patient: SimulatedPatient, tmp_path: Path
) -> None:
    files = [file.rename(tmp_path / f"{n}.dcm") for n, file in
             enumerate(written(patient, key, tmp_path))]  # fmt: skip
    scan = load_files(files)  # of names that tell no view
    assert_holds(scan, patient)
    told, flags = READ_AS[key]
    assert {view.recognised_by for view in scan.views} == {told}
    assert {flag.code for flag in scan.flags} - {"low-counts", "fast-scan"} == flags
    assert scan.acquisition.true_counts
    spacing = patient.acquisition.camera.pixel_mm
    for view in scan.views:
        expected = None if "no-spacing" in flags else pytest.approx((spacing, spacing))
        assert view.pixel_spacing_mm == expected
        position = view.crop.left // 256
        assert position == ("composite-frame" in flags and (view.name == "posterior")
                            != VENDORS[key].header.posterior_first)  # fmt: skip


HEADERS = st.builds(
    Header,
    view_hint=st.sampled_from(get_args(ViewHint)),
    posterior_first=st.booleans(),
    layout=st.sampled_from(get_args(Layout)),
    scatter_kev=st.sampled_from([None, (108.5, 129.5)]),
    geometric_mean=st.booleans(),
    grey=st.sampled_from(get_args(Grey)),
    jpeg_lossless=st.booleans(),
    tells_detectors=st.booleans(),
    tells_spacing=st.booleans(),
    tells_date=st.booleans(),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(
    make="siemens-ecam",
    header=Header("none", layout="one frame", grey="MONOCHROME1, inverted", tells_spacing=False),
)
@example(
    make="ge-infinia",
    header=Header(
        "none", layout="one frame", scatter_kev=(108.5, 129.5), geometric_mean=True,
        posterior_first=True, grey="MONOCHROME1, inverted", jpeg_lossless=True,
        tells_detectors=False, tells_spacing=False, tells_date=False,
    ),
)  # fmt: skip
@given(make=st.sampled_from(["ge-infinia", "siemens-ecam"]), header=HEADERS)
def test_habits_read_back_in_any_combination(
    make: str, header: Header, patient: SimulatedPatient, tmp_path: Path
) -> None:
    vendor = replace(VENDORS[make], header=header)
    files = [file.replace(tmp_path / f"{n}.dcm") for n, file in
             enumerate(written_as(patient, vendor, tmp_path))]  # fmt: skip
    scan = load_files(files)
    assert_holds(scan, patient)
    codes = {flag.code for flag in scan.flags}
    assert ("no-spacing" in codes) != header.tells_spacing
    assert ("inverted" in codes) == (header.grey == "MONOCHROME1, inverted")
    assert ("composite-frame" in codes) == (header.layout == "one frame")
    assert "counts-disagree" not in codes


def test_jpeg_lossless_of_another_encoder_reads_back_and_ours_in_its_decoder(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    if shutil.which("dcmcjpeg") is None:
        pytest.skip("dcmcjpeg (apt dcmtk) is not installed")
    for key in ("siemens-symbia", "siemens-symbia-inverted", "ge-infinia-one-frame"):
        (file,) = written(patient, key, tmp_path)
        theirs = tmp_path / f"{key}.dcm"
        subprocess.run(["dcmcjpeg", str(file), str(theirs)], check=True)
        assert pydicom.dcmread(theirs).file_meta.TransferSyntaxUID == JPEGLosslessSV1
        assert_holds(load_files([theirs]), patient)
    (file,) = written(patient, "siemens-symbia-jpeg", tmp_path)
    assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    subprocess.run(["dcmdjpeg", str(file), str(tmp_path / "plain.dcm")], check=True)
    stored = np.frombuffer(pydicom.dcmread(tmp_path / "plain.dcm").PixelData, "<u2")
    np.testing.assert_array_equal(stored.reshape(patient.counts.shape), patient.counts)


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 6)), np.full((5, 3), 65535), np.arange(35 * 17).reshape(35, 17) * 97]
)
def test_jpeg_lossless_loses_nothing(frame: NDArray[Any]) -> None:
    ds = Dataset()
    ds.Rows, ds.Columns = frame.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    ds.PixelData = encapsulate([jpeg_lossless(frame.astype(np.uint16))])
    ds["PixelData"].is_undefined_length = True
    np.testing.assert_array_equal(ds.pixel_array, frame.astype(np.uint16))


@pytest.mark.parametrize("key", ["siemens-ecam", "siemens-ecam-private-view", "ge-infinia"])
def test_private_text_survives_an_archive_that_drops_types(
    key: str, patient: SimulatedPatient, tmp_path: Path
) -> None:
    """Implicit VR: a reader takes a private type from its dictionary, where it may be a number."""
    (file,) = written(patient, key, tmp_path)
    ds = pydicom.dcmread(file)
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.save_as(file, implicit_vr=True, little_endian=True)
    scan = load_files([file])
    assert_holds(scan, patient)
    assert {view.recognised_by for view in scan.views} == {"vendor text"}


def test_inverted_counts_are_shown_as_they_are_meant(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(written(patient, "siemens-symbia-inverted", tmp_path)[0])
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    hottest = np.unravel_index(patient.counts.argmax(), patient.counts.shape)
    assert ds.pixel_array[hottest] == ds.pixel_array.min() == ds.SmallestImagePixelValue == 0
    assert np.median(ds.pixel_array) == ds.LargestImagePixelValue == patient.counts.max()


def test_a_geometric_mean_stands_beside_the_views(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(written(patient, "ge-discovery-geometric-mean", tmp_path)[0])
    front, back, mean = ds.pixel_array.astype(float)
    np.testing.assert_allclose(mean, np.sqrt(front * back[:, ::-1]), atol=0.5)
    assert ds.DetectorVector == [1, 2, 3]
    assert ds.CountsAccumulated == patient.counts.sum()


def test_views_of_half_the_matrix_in_a_frame_of_512_rows(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    """Two tiles of 512 x 512 in 512 rows of 1024: read, though no cohort holds it."""
    halves = patient.counts.reshape(2, 512, 2, 128, 2).sum(axis=(2, 4), dtype=np.uint16)
    tiles = np.pad(halves, ((0, 0), (0, 0), (192, 192)))
    camera = replace(
        patient.acquisition.camera, pixel_mm=2 * patient.acquisition.camera.pixel_mm, rows=512
    )
    acquisition = replace(
        patient.acquisition, camera=camera, vendor=VENDORS["ge-millennium-posterior-left"]
    )
    ds = nm_dataset(tiles, patient.identity, acquisition)
    assert (ds.NumberOfFrames, ds.Rows, ds.Columns) == (1, 512, 1024)
    ds.save_as(tmp_path / "scan.dcm", enforce_file_format=True)
    scan = load_files([tmp_path / "scan.dcm"])
    assert scan.anterior is not None
    assert scan.posterior is not None
    np.testing.assert_array_equal(scan.anterior.counts, tiles[0])
    np.testing.assert_array_equal(scan.posterior.counts, tiles[1])
    assert {"composite-frame", "view-guessed"} <= {flag.code for flag in scan.flags}


@pytest.mark.parametrize(("seams", "technique"), [(0, "1PS"), (1, "2PS"), (2, "1PS")])
def test_a_seam_down_the_picture_means_two_passes(
    seams: int, technique: str, patient: SimulatedPatient
) -> None:
    joins = (Join(0, 300.0, 1.0, 0.9, 1.0), *[Join(1, 100.0, 1.0, 0.9, 1.0)] * seams)
    scanned = replace(patient.acquisition, joins=joins, vendor=VENDORS["ge-discovery"])
    assert nm_dataset(patient.counts, patient.identity, scanned).WholeBodyTechnique == technique
    scanned = replace(scanned, vendor=VENDORS["ge-millennium"])
    assert nm_dataset(patient.counts, patient.identity, scanned).WholeBodyTechnique == "MSP"


def test_a_habit_changes_no_picture() -> None:
    """The camera is the make's, so that the same draw gives the same counts."""
    for habit in HABITS:
        make, with_habit = VENDORS[habit.make], VENDORS[habit.key]
        assert with_habit.header != make.header
        assert replace(with_habit, key=make.key, header=make.header) == make


def test_habits_divide_what_their_make_has() -> None:
    shares = dict(PRESET_VENDORS["screening"])
    for make, share in PRESET_VENDORS["followup"]:
        habits = [habit.key for habit in HABITS if habit.make == make]
        assert shares[make] + sum(shares[key] for key in habits) == pytest.approx(share)
        assert shares[make] > 0
    keys = list(shares)
    makes = [VENDORS[key].model for key in keys]
    assert makes == sorted(makes, key=makes.index)  # each make's lie together, in its own place


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
        errors = [line for line in report.splitlines() if "Error" in line]
        # An NM Image may not be MONOCHROME1 (PS3.3 C.8.4.8); cameras write it all the same.
        inverse = VENDORS[key].header.grey != "MONOCHROME2"
        assert len(errors) == inverse
        assert all("<MONOCHROME1>" in line for line in errors)


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
