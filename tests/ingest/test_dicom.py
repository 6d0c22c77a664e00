"""DICOM objects of every form, from a file to a `Scan`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGLSLossless, RLELossless

from bonescan.errors import BadInput, NotABoneScan
from bonescan.ingest import find_studies, load_files, load_study

ANTERIOR, POSTERIOR = "399321004", "399001007"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def codes_of(scan):
    return {flag.code for flag in scan.flags}


@pytest.fixture
def pair(nm, front, back):
    """A two-frame object with view codes; keyword arguments change attributes."""

    def make(**attributes):
        return nm([front, back], codes=[ANTERIOR, POSTERIOR], **attributes)

    return make


def test_two_frames(pair, save, front, back, tmp_path):
    scan = load_files([save(pair(), tmp_path / "case7.dcm")])
    assert scan.study == "case7"
    np.testing.assert_array_equal(scan.anterior.counts, front.astype(np.float32))
    np.testing.assert_array_equal(scan.posterior.counts, back.astype(np.float32))
    assert (scan.anterior.frame, scan.posterior.frame) == (1, 2)
    assert scan.anterior.recognised_by == "view code"
    assert scan.anterior.pixel_spacing_mm == (2.0, 2.0)
    assert scan.acquisition.true_counts
    assert scan.flags == ()


def test_posterior_first(nm, save, front, back, tmp_path):
    dataset = nm([back, front], codes=[POSTERIOR, ANTERIOR])
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert (scan.anterior.frame, scan.posterior.frame) == (2, 1)
    np.testing.assert_array_equal(scan.anterior.counts, front)


def test_detector_items_are_by_detector_not_by_frame(nm, save, front, back, tmp_path):
    dataset = nm([front, back], codes=[POSTERIOR, ANTERIOR], DetectorVector=[2, 1])
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert scan.anterior.frame == 1
    assert "view-contradicted" not in codes_of(scan)


def test_as_many_detectors_as_frames_need_no_vector(nm, save, front, back, tmp_path):
    dataset = nm([back, front], codes=[POSTERIOR, ANTERIOR], DetectorVector=None)
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert (scan.posterior.frame, scan.posterior.recognised_by) == (1, "view code")


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_pixels_tell_the_frames_where_the_header_does_not(
    nm, save, front, back, tmp_path, coded, syntax
):
    dataset = nm([back, front], codes=[POSTERIOR, ANTERIOR] if coded else [])
    if syntax:
        dataset.compress(syntax, generate_instance_uid=False)
    for keyword in ("NumberOfFrames", "DetectorVector", "EnergyWindowVector"):
        delattr(dataset, keyword)
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert (scan.posterior.frame, scan.anterior.frame) == (1, 2)
    np.testing.assert_array_equal(scan.anterior.counts, front)
    assert scan.posterior.recognised_by == ("view code" if coded else "pixels")
    flag = next(flag for flag in scan.flags if flag.code == "no-frame-count")
    assert "the pixels fill 2 frames" in flag.message


def test_one_frame_needs_no_number_of_frames(nm, save, front, tmp_path):
    dataset = nm(front, NumberOfFrames=None, DetectorVector=None, SeriesDescription="WB ANT")
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert scan.anterior.frame == 1
    assert "no-frame-count" not in codes_of(scan)


def test_photopeak_frames_are_chosen(nm, save, front, back, energy_windows, tmp_path):
    scatter = np.ones_like(front)
    dataset = nm(
        [scatter, scatter, front, back],
        codes=[ANTERIOR, POSTERIOR],
        EnergyWindowVector=[1, 1, 2, 2],
        DetectorVector=[1, 2, 1, 2],
        EnergyWindowInformationSequence=energy_windows((92, 125), (126, 154)),
    )
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert (scan.anterior.frame, scan.posterior.frame) == (3, 4)
    flag = next(flag for flag in scan.flags if flag.code == "several-energy-windows")
    assert "126-154 keV" in flag.message
    assert flag.severity == "info"


def test_energy_windows_without_ranges_warn(nm, save, front, back, tmp_path):
    dataset = nm([front, back, back, front], EnergyWindowVector=[1, 1, 2, 2])
    dataset.DetectorVector = [1, 2, 1, 2]
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert (scan.anterior.frame, scan.posterior.frame) == (1, 2)
    flag = next(flag for flag in scan.flags if flag.code == "several-energy-windows")
    assert flag.severity == "warning"


def test_repeated_passes_become_two_studies(nm, save, front, back, tmp_path):
    dataset = nm(
        [front, back, front, back],
        codes=[ANTERIOR, POSTERIOR],
        DetectorVector=[1, 2, 1, 2],
    )
    with find_studies([save(dataset, tmp_path / "twice.dcm")]) as found:
        assert [study.name for study in found.studies] == ["twice", "twice-2"]
        scans = [load_study(study) for study in found.studies]
    assert [scan.anterior.frame for scan in scans] == [1, 3]
    assert [scan.posterior.frame for scan in scans] == [2, 4]
    assert "repeated-view" in codes_of(scans[0])


@pytest.mark.parametrize("coded", [True, False])
def test_geometric_mean_frame_is_left_out(nm, save, front, back, tmp_path, coded):
    mean = np.sqrt(front.astype(float) * back[:, ::-1]).round().astype(np.uint16)
    codes = [ANTERIOR, POSTERIOR, None] if coded else []
    with find_studies([save(nm([front, back, mean], codes=codes), tmp_path / "a.dcm")]) as found:
        (study,) = found.studies
        scan = load_study(study)
    assert (scan.anterior.frame, scan.posterior.frame) == (1, 2)
    assert "derived-frame" in codes_of(scan)


def test_one_view(nm, save, back, tmp_path):
    scan = load_files([save(nm(back, codes=[POSTERIOR]), tmp_path / "a.dcm")])
    assert scan.anterior is None
    assert codes_of(scan) == {"view-missing"}


@pytest.mark.parametrize("order", ["front first", "back first"])
@pytest.mark.parametrize("axis", [1, 0])
def test_composite_frame(nm, save, body, tmp_path, order, axis):
    front = body("anterior", shape=(512, 128), counts=600_000)
    back = body("posterior", shape=(512, 128), counts=600_000)
    tiles = [front, back] if order == "front first" else [back, front]
    dataset = nm(np.concatenate(tiles, axis=axis), PixelSpacing=[4.0, 4.0])
    path = save(dataset, tmp_path / "a.dcm")
    scan = load_files([path])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    np.testing.assert_array_equal(scan.posterior.counts, back)
    assert scan.anterior.recognised_by == "pixels"
    assert codes_of(scan) == {"composite-frame", "view-guessed"}
    pasted = scan.posterior.crop.paste(scan.posterior.counts)
    np.testing.assert_array_equal(pasted[pasted > 0], back[back > 0])


def test_views_one_above_the_other_in_a_frame_of_normal_width(nm, save, body, tmp_path):
    tiles = [
        np.pad(body(view, shape=(512, 128), counts=600_000), ((0, 0), (64, 64)))
        for view in ("posterior", "anterior")
    ]
    frame = np.concatenate(tiles)
    assert frame.shape == (1024, 256)
    scan = load_files([save(nm(frame, PixelSpacing=[4.0, 4.0]), tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.posterior.counts, tiles[0])
    np.testing.assert_array_equal(scan.anterior.counts, tiles[1])
    assert "composite-frame" in codes_of(scan)


@pytest.mark.parametrize("margin", [0.06, 0.0])
def test_frames_with_two_bodies_each_are_refused(nm, save, body, tmp_path, margin):
    """Two passes of a camera that puts both views in a frame, one with room between them."""
    tall = np.concatenate(
        [body("anterior", shape=(512, 128), seed=n, margin=margin) for n in (1, 2)]
    )
    path = save(nm([tall, tall], codes=[ANTERIOR, POSTERIOR]), tmp_path / "a.dcm")
    with pytest.raises(BadInput, match="the anterior view shows several outlines, not one body"):
        load_files([path])


@pytest.mark.parametrize("shape", [(512, 512), (512, 128), (1024, 512), (2048, 512)])
def test_any_matrix_with_one_body(nm, save, body, tmp_path, shape):
    side = body("posterior", shape=(shape[0], shape[0] // 4))
    edge = (shape[1] - side.shape[1]) // 2
    dataset = nm(np.pad(side, ((0, 0), (edge, edge))), codes=[POSTERIOR])
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert scan.posterior.counts.shape == shape


def test_inverted_counts_are_restored(pair, save, front, tmp_path):
    dataset = pair(PhotometricInterpretation="MONOCHROME1")
    dataset.PixelData = (65535 - pair_pixels(dataset)).astype(np.uint16).tobytes()
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    assert scan.acquisition.true_counts
    assert codes_of(scan) == {"inverted"}


@pytest.mark.parametrize("times", [1, 6], ids=["as it is", "with a hot spot"])
def test_frames_that_were_inverted_one_by_one_are_restored(
    pair, save, front, back, tmp_path, times
):
    hot = back.copy()
    hot[500:504, 100:104] *= times
    hot[500, 100] = max(int(hot[500, 100]), times * int(front.max()) + 1)
    dataset = pair(PhotometricInterpretation="MONOCHROME1")
    dataset.PixelData = np.stack([view.max() - view for view in (front, hot)]).tobytes()
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    np.testing.assert_array_equal(scan.posterior.counts, hot)


def test_frames_inverted_together_keep_the_counts_of_one_without_air(
    pair, save, front, back, tmp_path
):
    """Its greatest value lies below the common one by its own least counts."""
    dataset = pair(PhotometricInterpretation="MONOCHROME1")
    dataset.PixelData = (900 - np.stack([front, back + 1])).astype(np.uint16).tobytes()
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    np.testing.assert_array_equal(scan.posterior.counts, back + 1)


def test_monochrome1_that_is_only_a_display_hint(pair, save, front, tmp_path):
    path = save(pair(PhotometricInterpretation="MONOCHROME1"), tmp_path / "a.dcm")
    np.testing.assert_array_equal(load_files([path]).anterior.counts, front)


def pair_pixels(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, np.uint16).reshape(2, dataset.Rows, dataset.Columns)


def test_signed_pixels_and_overflow(nm, save, front, back, tmp_path):
    counts = front.astype(np.int64)
    counts[400:404, 100:104] = 33_000
    counts[398:406, 98:106] = np.maximum(counts[398:406, 98:106], 30_000)
    dataset = nm([counts.astype(np.int16), back.astype(np.int16)], codes=[ANTERIOR, POSTERIOR])
    assert dataset.PixelRepresentation == 1
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.anterior.counts, counts)
    assert "wrapped-counts" in codes_of(scan)


def test_other_negative_values_count_as_zero(nm, save, front, tmp_path):
    counts = front.astype(np.int16)
    counts[0, 0] = -3
    scan = load_files([save(nm(counts, codes=[ANTERIOR]), tmp_path / "a.dcm")])
    assert scan.anterior.counts.min() == 0
    assert "negative-counts" in codes_of(scan)


def test_rescale(pair, save, front, tmp_path):
    path = save(pair(RescaleSlope="0.5", RescaleIntercept="1"), tmp_path / "a.dcm")
    scan = load_files([path])
    np.testing.assert_array_equal(scan.anterior.counts, front * 0.5 + 1)
    assert "rescaled" in codes_of(scan)


def test_a_rescale_slope_of_zero_is_ignored(pair, save, front, tmp_path):
    scan = load_files([save(pair(RescaleSlope="0", RescaleIntercept="7"), tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    assert "rescale-ignored" in codes_of(scan)


def test_no_study_date_and_empty_spacing(pair, save, tmp_path):
    scan = load_files([save(pair(StudyDate=None, PixelSpacing=""), tmp_path / "a.dcm")])
    assert scan.acquisition.study_date is None
    assert scan.anterior.pixel_spacing_mm is None
    assert codes_of(scan) == {"no-spacing"}


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ([0.02, 0.02], "Pixel Spacing of 0.02 x 0.02 mm"),
        ([240, 240], "Pixel Spacing of 240 x 240 mm"),
        ([-2.4, 2.4], "Pixel Spacing of -2.4 x 2.4 mm"),
        ([2.4], "Pixel Spacing of 2.4 mm"),
    ],
)
def test_a_spacing_that_no_camera_has_is_said(pair, save, tmp_path, stated, shown):
    scan = load_files([save(pair(PixelSpacing=stated), tmp_path / "a.dcm")])
    flags = {flag.code: flag for flag in scan.flags}
    assert scan.anterior.pixel_spacing_mm is None
    assert set(flags) == {"implausible-spacing", "no-spacing"}
    assert flags["implausible-spacing"].severity == "warning"
    assert flags["implausible-spacing"].message.startswith(shown)
    assert flags["no-spacing"].message.startswith("No usable pixel spacing is stated")


def test_a_spacing_of_zero_says_nothing(pair, save, tmp_path):
    scan = load_files([save(pair(PixelSpacing=[0, 0]), tmp_path / "a.dcm")])
    assert codes_of(scan) == {"no-spacing"}


def test_an_implausible_spacing_gives_way_to_a_plausible_one(pair, save, tmp_path):
    dataset = pair(PixelSpacing=[0.02, 0.02], NominalScannedPixelSpacing=[2.1, 2.1])
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert scan.anterior.pixel_spacing_mm == (2.1, 2.1)
    assert codes_of(scan) == {"implausible-spacing"}


def test_unequal_row_and_column_spacing_is_said(pair, save, tmp_path):
    scan = load_files([save(pair(PixelSpacing=[2.0, 4.0]), tmp_path / "a.dcm")])
    said = [flag.message for flag in scan.flags if flag.code == "implausible-spacing"]
    assert len(said) == 2
    assert "Row and column spacing of the anterior view differ, 2 and 4 mm" in said[0]


def test_spacing_from_other_attributes(pair, save, tmp_path):
    scanned = pair(PixelSpacing=None, NominalScannedPixelSpacing=[2.1, 2.1])
    assert load_files([save(scanned, tmp_path / "a.dcm")]).anterior.pixel_spacing_mm == (2.1, 2.1)
    ge = pair(PixelSpacing=None)
    block = ge.private_block(0x0011, "GEMS_GENIE_1", create=True)
    block.add_new(0x57, "FD", [256 * 2.2, 1024 * 2.2] * 2)
    found = load_files([save(ge, tmp_path / "b.dcm")]).anterior.pixel_spacing_mm
    assert found == pytest.approx((2.2, 2.2))


def test_acquisition_facts(pair, save, front, tmp_path):
    dataset = pair(
        ScanVelocity="4.43",
        ActualFrameDuration="420000",
        CountsAccumulated=str(int(front.sum())),
        Manufacturer="GE MEDICAL SYSTEMS",
        ManufacturerModelName="Discovery NM/CT 670",
        StudyDate="20200102",
        PatientName="Doe^Jane",
    )
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    facts = scan.acquisition
    assert (facts.velocity_mm_s, facts.duration_s, facts.study_date) == (4.43, 420.0, "20200102")
    assert facts.counts_accumulated == front.sum()
    assert scan.identity.patient_name == "Doe^Jane"
    (flag,) = scan.flags
    assert (flag.code, flag.severity) == ("fast-scan", "info")


def test_screen_capture_in_colour(nm, save, front, back, tmp_path):
    grey = 255 - np.minimum(np.hstack([front, back]) * 12, 255).astype(np.uint8)
    colour = np.stack([grey] * 3, axis=-1)
    colour[10:30, 10:60] = (200, 30, 30)
    dataset = nm(np.zeros(grey.shape, np.uint8), Modality="OT", ImageType=None)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SECONDARY_CAPTURE
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.PixelData = colour.tobytes()
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    assert scan.anterior.counts.shape == (1024, 256)
    assert not scan.acquisition.true_counts
    assert {"picture-source", "colour-picture", "inverted", "composite-frame"} <= codes_of(scan)
    assert "burned-in-text" in codes_of(scan)
    assert "low-counts" not in codes_of(scan)


# --- transfer syntaxes, by encoders other than the decoders that read them ------------------------


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_by_pydicom(pair, save, front, back, tmp_path, syntax):
    dataset = pair()
    dataset.compress(syntax, generate_instance_uid=False)
    scan = load_files([save(dataset, tmp_path / "a.dcm")])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    np.testing.assert_array_equal(scan.posterior.counts, back)


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "command",
    [
        ["dcmcrle"],
        ["dcmcjpeg", "--encode-lossless"],
        ["dcmcjpeg", "--encode-lossless-sv1"],
        ["dcmcjpls"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_compressed_by_dcmtk(pair, save, front, back, tmp_path, command, signed):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} (dcmtk) is not installed")
    plain = save(pair(PixelRepresentation=int(signed)), tmp_path / "plain.dcm")
    packed = tmp_path / "packed.dcm"
    subprocess.run([*command, plain, packed], check=True, capture_output=True)
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID.is_compressed
    scan = load_files([packed])
    np.testing.assert_array_equal(scan.anterior.counts, front)
    np.testing.assert_array_equal(scan.posterior.counts, back)


@pytest.mark.acceptance
def test_damaged_jpeg_is_refused_not_filled_in(pair, save, tmp_path):
    if not shutil.which("dcmcjpls"):
        pytest.skip("dcmcjpls (dcmtk) is not installed")
    plain, packed = save(pair(), tmp_path / "plain.dcm"), tmp_path / "packed.dcm"
    subprocess.run(["dcmcjpls", plain, packed], check=True, capture_output=True)
    data = bytearray(packed.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 400] = bytes(400)
    packed.write_bytes(data)
    assert "cannot be decoded" in refused(packed)


def test_lossy_compression_is_flagged(pair, save, tmp_path):
    path = save(pair(LossyImageCompression="01"), tmp_path / "a.dcm")
    assert codes_of(load_files([path])) == {"lossy-compression"}


def test_a_lossy_transfer_syntax_is_flagged_where_the_header_is_silent(pair, save, tmp_path):
    dataset = pair()
    dataset.compress(JPEG2000, j2k_cr=[8], generate_instance_uid=False)
    assert "LossyImageCompression" not in dataset
    assert codes_of(load_files([save(dataset, tmp_path / "a.dcm")])) == {"lossy-compression"}
    dataset.LossyImageCompression = "00"
    assert codes_of(load_files([save(dataset, tmp_path / "b.dcm")])) == set()


# --- what is refused ------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as error:
        load_files([path])
    message = str(error.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.95])
def test_cut_off_file(pair, save, tmp_path, keep):
    path = save(pair(), tmp_path / "a.dcm")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert "cut off" in refused(path) or keep == 0.01


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_cut_off_encapsulated_pixels_are_named(pair, save, tmp_path, syntax):
    dataset = pair()
    dataset.compress(syntax)
    path = save(dataset, tmp_path / "a.dcm")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "Pixel Data is cut off; transfer the file again" in refused(path)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["BitsAllocated"], "Bits Allocated is missing"),
        (["PhotometricInterpretation"], "Photometric Interpretation is missing"),
        (
            ["BitsAllocated", "PhotometricInterpretation"],
            "Bits Allocated and Photometric Interpretation are missing",
        ),
        (["Rows"], "Rows is missing, so there is no picture"),
        (["Columns"], "matrix of 1024 x 0"),
    ],
)
def test_a_missing_pixel_attribute_is_named(pair, save, tmp_path, missing, named):
    dataset = pair(**dict.fromkeys(missing))
    dataset["PixelData"].VR = "OW"
    assert named in refused(save(dataset, tmp_path / "a.dcm"))


def load_or_none(path: Path):
    try:
        return load_files([path])
    except BadInput as error:
        if "\n" in str(error):
            raise
        return None


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_damaged_compressed_pixels_are_read_or_refused_and_end_no_process(
    pair, save, tmp_path, syntax
):
    dataset = pair()
    dataset.compress(syntax, generate_instance_uid=False)
    path = save(dataset, tmp_path / "a.dcm")
    whole = path.read_bytes()
    start = whole.rindex(b"\xfe\xff\x00\xe0") + 8
    refusals = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        damaged = bytearray(whole)
        for place in rng.integers(start, len(whole) - 8, 12):
            damaged[place] = int(rng.integers(256))
        path.write_bytes(damaged)
        if load_or_none(path) is None:
            refusals += 1
    assert refusals > 0


def test_cut_off_compressed_file(pair, save, tmp_path):
    dataset = pair()
    dataset.compress(RLELossless, generate_instance_uid=False)
    path = save(dataset, tmp_path / "a.dcm")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "export the study again" in refused(path) or "transfer" in refused(path)


def test_text_named_dcm(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_text("not a scan\n")
    assert "not a DICOM file" in refused(path)


def test_empty_file(tmp_path):
    path = tmp_path / "a.dcm"
    path.touch()
    assert "empty" in refused(path)


@pytest.mark.parametrize("size", [(0, 0), (20000, 20000), (65535, 1)])
def test_absurd_matrix(pair, save, tmp_path, size):
    path = save(pair(Rows=size[0], Columns=size[1]), tmp_path / "a.dcm")
    assert "matrix" in refused(path)


def test_empty_view(nm, save, front, tmp_path):
    dataset = nm([front, np.zeros_like(front)], codes=[ANTERIOR, POSTERIOR])
    assert "posterior view is empty" in refused(save(dataset, tmp_path / "a.dcm"))


def test_nan(nm, save, front, tmp_path):
    values = front.astype(np.float32)
    values[5, 5] = np.nan
    dataset = nm(values, codes=[ANTERIOR])
    dataset.FloatPixelData = dataset.PixelData
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, keyword)
    assert "NaN" in refused(save(dataset, tmp_path / "a.dcm"))


def test_no_pixel_data(pair, save, tmp_path):
    assert "Pixel Data" in refused(save(pair(PixelData=None), tmp_path / "a.dcm"))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Modality": "CT"}, "Modality is CT"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}, "TOMO"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"]}, "dynamic"),
        ({"StudyDescription": "WB I-123 MIBG 24 h"}, "MIBG"),
        ({"NumberOfFrames": 120}, "120 frames"),
    ],
)
def test_other_studies_are_refused(pair, save, tmp_path, attributes, reason):
    path = save(pair(**attributes), tmp_path / "a.dcm")
    with pytest.raises(BadInput, match=reason):
        load_files([path])
    with find_studies([path]) as found:
        failures = found.failures
        for study in found.studies:
            with pytest.raises(NotABoneScan):
                load_study(study)
    assert failures or found.studies


def test_other_energy_is_refused(pair, save, energy_windows, tmp_path):
    dataset = pair(EnergyWindowInformationSequence=energy_windows((328, 400)))
    with pytest.raises(NotABoneScan, match=r"140\.5 keV"):
        load_study_of(save(dataset, tmp_path / "a.dcm"))


def test_other_tracer_is_refused(pair, save, tmp_path):
    item = Dataset()
    item.Radiopharmaceutical = "Tc99m sestamibi"
    dataset = pair(RadiopharmaceuticalInformationSequence=Sequence([item]))
    with pytest.raises(NotABoneScan, match="sestamibi"):
        load_study_of(save(dataset, tmp_path / "a.dcm"))


def load_study_of(path: Path):
    with find_studies([path]) as found:
        return load_study(found.studies[0])


def test_two_lungs_are_no_body(nm, save, tmp_path):
    y, x = np.mgrid[:256, :256]
    lungs = ((y - 128) / 50) ** 2 + ((abs(x - 128) - 40) / 25) ** 2 < 1
    counts = np.random.default_rng(0).poisson(lungs * 40 + 0.3).astype(np.uint16)
    dataset = nm([counts, counts], ImageType=["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"])
    with pytest.raises(NotABoneScan, match="Image Type is STATIC"):
        load_study_of(save(dataset, tmp_path / "a.dcm"))


def test_static_whole_body_is_read(pair, save, tmp_path):
    path = save(pair(ImageType=["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]), tmp_path / "a.dcm")
    assert load_files([path]).posterior is not None


@pytest.mark.parametrize("counts", [20_000, 150_000, 400_000])
def test_few_counts_are_flagged_not_refused(nm, save, body, tmp_path, counts):
    frames = [body("anterior", counts=counts), body("posterior", counts=counts)]
    scan = load_files([save(nm(frames, codes=[ANTERIOR, POSTERIOR]), tmp_path / "a.dcm")])
    severities = {flag.severity for flag in scan.flags if flag.code == "low-counts"}
    assert severities == {"error" if counts < 200_000 else "warning"}


# --- weird headers --------------------------------------------------------------------------------

WEIRD = st.sampled_from(
    [
        ("DetectorVector", None),
        ("DetectorVector", []),
        ("DetectorVector", [7, 7]),
        ("DetectorVector", 1),
        ("EnergyWindowVector", None),
        ("EnergyWindowVector", [1, 2, 3]),
        ("DetectorInformationSequence", None),
        ("DetectorInformationSequence", Sequence([])),
        ("DetectorInformationSequence", Sequence([Dataset()])),
        ("NumberOfFrames", None),
        ("PixelSpacing", None),
        ("PixelSpacing", [0, 0]),
        ("PixelSpacing", [2.0]),
        ("ImageType", None),
        ("ImageType", "ORIGINAL"),
        ("SOPInstanceUID", None),
        ("StudyInstanceUID", None),
        ("SeriesInstanceUID", ""),
        ("Modality", None),
        ("PatientID", None),
        ("SamplesPerPixel", None),
        ("ScanVelocity", "0"),
        ("ActualFrameDuration", "0"),
        ("ViewPosition", "SOMETHING"),
        ("ImageID", ["", ""]),
        ("SeriesDescription", "\u9aa8 scan"),
    ]
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(WEIRD, max_size=6))
def test_weird_headers_never_crash(pair, save, tmp_path, changes):
    dataset = pair(SpecificCharacterSet="ISO_IR 192")
    for keyword, value in changes:
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    path = tmp_path / "weird.dcm"
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True)
    with find_studies([path]) as found:
        assert found.studies or found.failures
        for study in found.studies:
            try:
                scan = load_study(study)
            except BadInput as error:
                assert "\n" not in str(error)  # noqa: PT017
            else:
                assert scan.views


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=600))
def test_garbage_never_crashes(data):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.dcm"
        path.write_bytes(b"\0" * 128 + b"DICM" + data)
        with find_studies([path]) as found:
            assert found.studies or found.failures
