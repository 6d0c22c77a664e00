"""Segmentations as other programs write them, none of it by our writer, read as marks.

`foreign` follows what dcmqi (3D Slicer) and dcmjs (OHIF) put into an object of a source of several
frames; highdicom writes those of a single frame itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from bonescan.errors import BadInput
from bonescan.ingest.marks import read_marks

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
ABNORMAL = ("49755003", "SCT", "Morphologically Altered Structure")
TISSUE = ("T-D0050", "SRT", "Tissue")
SHAPE = (96, 40)

Mask = NDArray[np.uint8]


def code(value: str, scheme: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def spot(row: int, column: int, height: int = 5, width: int = 4) -> Mask:
    mask = np.zeros(SHAPE, np.uint8)
    mask[row : row + height, column : column + width] = 1
    return mask


def foreign(
    source: Dataset,
    frames: list[tuple[int, int | None, Mask]],
    *,
    labels: tuple[str, ...] = ("Segment_1",),
    category: tuple[str, str, str] = TISSUE,
    derivation: bool = True,
    positions: bool = False,
    kind: str = "BINARY",
) -> FileDataset:
    """Write a Segmentation of a source: (segment, source frame, mask) for each of its frames."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = LABEL_MAP if kind == "LABELMAP" else SEGMENTATION
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    seg = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    seg.SOPClassUID, seg.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    seg.StudyInstanceUID, seg.SeriesInstanceUID = source.StudyInstanceUID, generate_uid()
    seg.FrameOfReferenceUID = generate_uid()  # made up, since the source has none
    seg.Modality, seg.Manufacturer, seg.PatientID = "SEG", "another", source.PatientID
    seg.Rows, seg.Columns, seg.NumberOfFrames = *SHAPE, len(frames)
    seg.SamplesPerPixel, seg.PhotometricInterpretation = 1, "MONOCHROME2"
    seg.PixelRepresentation, seg.SegmentationType = 0, kind
    series, instance = Dataset(), Dataset()
    instance.ReferencedSOPClassUID = source.SOPClassUID
    instance.ReferencedSOPInstanceUID = source.SOPInstanceUID
    series.SeriesInstanceUID = source.SeriesInstanceUID
    series.ReferencedInstanceSequence = Sequence([instance])
    seg.ReferencedSeriesSequence = Sequence([series])
    seg.SegmentSequence = Sequence()
    for number, label in enumerate(labels, start=1):
        item = Dataset()
        item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = number, label, "MANUAL"
        item.SegmentedPropertyCategoryCodeSequence = code(*category)
        item.SegmentedPropertyTypeCodeSequence = code(*category)
        seg.SegmentSequence.append(item)
    seg.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    seg.PerFrameFunctionalGroupsSequence = Sequence()
    for index, (segment, frame, _) in enumerate(frames, start=1):
        seg.PerFrameFunctionalGroupsSequence.append(
            group(source, segment, frame, index, derivation=derivation, positions=positions)
        )
    stack = np.stack([mask for _, _, mask in frames])
    if kind == "BINARY":
        seg.BitsAllocated, seg.BitsStored, seg.HighBit = 1, 1, 0
        seg.PixelData = pack_bits(stack, pad=True)
    else:
        seg.BitsAllocated, seg.BitsStored, seg.HighBit = 8, 8, 7
        seg.PixelData = stack.tobytes()
    seg["PixelData"].VR = "OB"
    if kind == "FRACTIONAL":
        seg.SegmentationFractionalType, seg.MaximumFractionalValue = "PROBABILITY", 255
    return seg


def group(
    source: Dataset,
    segment: int,
    frame: int | None,
    index: int,
    *,
    derivation: bool,
    positions: bool,
) -> Dataset:
    found, content, identification = Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [segment, index]
    identification.ReferencedSegmentNumber = segment
    found.FrameContentSequence = Sequence([content])
    found.SegmentIdentificationSequence = Sequence([identification])
    if positions:
        place = Dataset()
        place.ImagePositionPatient = [0, 0, index]
        found.PlanePositionSequence = Sequence([place])
    if derivation:
        image, taken = Dataset(), Dataset()
        taken.ReferencedSOPClassUID = source.SOPClassUID
        taken.ReferencedSOPInstanceUID = source.SOPInstanceUID
        if frame is not None:
            taken.ReferencedFrameNumber = frame
        taken.PurposeOfReferenceCodeSequence = code("121322", "DCM", "Source image")
        image.DerivationCodeSequence = code("113076", "DCM", "Segmentation")
        image.SourceImageSequence = Sequence([taken])
        found.DerivationImageSequence = Sequence([image])
    return found


@pytest.fixture
def source(nm_study) -> Dataset:
    return pydicom.dcmread(nm_study.files[0])


def read(seg: Dataset, folder: Path, scan: Any) -> tuple[Mask, Mask, list[str]]:
    """Return the marks of both views, and the flags."""
    path = folder / "theirs.dcm"
    seg.save_as(path, enforce_file_format=True)
    marks = read_marks([path], scan)
    assert [source.kind for source in marks.sources] == ["segmentation"]
    flags = [flag.message for flag in marks.flags]
    return marks.labels["anterior"], marks.labels["posterior"], flags


@pytest.mark.parametrize("positions", [False, True], ids=["OHIF", "Slicer"])
def test_several_segments_with_frames_in_any_order(
    nm_study, source: Dataset, tmp_path: Path, positions: bool
) -> None:
    """Frames of the posterior view first, segments mixed, empty frames left out."""
    frames = [
        (3, 2, spot(60, 8)),
        (1, 2, spot(20, 30)),
        (2, 1, spot(40, 3)),
        (1, 1, spot(21, 31)),
    ]
    labels = ("Läsion 1", "rib", "metastasis?")
    seg = foreign(source, frames, labels=labels, category=ABNORMAL, positions=positions)
    front, back, flags = read(seg, tmp_path, nm_study.scan)
    np.testing.assert_array_equal(front, 2 * spot(40, 3) + spot(21, 31))
    np.testing.assert_array_equal(back, 3 * spot(60, 8) + spot(20, 30))
    assert flags == []


def test_one_frame_alone_leaves_the_other_view_empty(
    nm_study, source: Dataset, tmp_path: Path
) -> None:
    front, back, _ = read(foreign(source, [(1, 2, spot(9, 9))]), tmp_path, nm_study.scan)
    assert not front.any()
    np.testing.assert_array_equal(back, spot(9, 9))


def test_bits_that_run_on_from_frame_to_frame(nm_study, source: Dataset, tmp_path: Path) -> None:
    """A frame of 96 x 39 pixels ends within a byte; the next begins there (PS3.5, 8.1.1)."""
    from dataclasses import replace

    from bonescan.scan import Crop

    narrow = (96, 39)
    source.Columns = narrow[1]
    views = {
        view.name: replace(view, counts=view.counts[:, :39], crop=Crop.whole(narrow))
        for view in nm_study.scan.views
    }
    masks = [spot(3, 35, 90, 4)[:, :39], spot(0, 0, 96, 1)[:, :39], spot(95, 38, 1, 1)[:, :39]]
    seg = foreign(
        source, [(1, 1, masks[0]), (2, 2, masks[1]), (3, 2, masks[2])], labels=("", "", "")
    )
    seg.Columns = 39
    front, back, _ = read(seg, tmp_path, replace(nm_study.scan, **views))
    np.testing.assert_array_equal(front, masks[0])
    np.testing.assert_array_equal(back, 2 * masks[1] + 3 * masks[2])


@pytest.mark.parametrize("highest", [255, 100, 1])
@pytest.mark.parametrize("compressed", [False, True])
def test_fractions_count_from_the_half(
    nm_study, source: Dataset, tmp_path: Path, highest: int, compressed: bool
) -> None:
    soft = np.zeros(SHAPE, np.uint8)
    soft[10:20, 10:20] = highest // 4
    soft[12:18, 12:18] = highest
    seg = foreign(source, [(1, 1, soft), (1, 2, soft[::-1].copy())], kind="FRACTIONAL")
    seg.MaximumFractionalValue = highest
    if compressed:
        seg.compress(RLELossless)
    front, back, _ = read(seg, tmp_path, nm_study.scan)
    np.testing.assert_array_equal(front > 0, soft == highest)
    np.testing.assert_array_equal(back > 0, soft[::-1] == highest)


def test_a_label_map_of_both_frames(nm_study, source: Dataset, tmp_path: Path) -> None:
    front_map, back_map = spot(20, 30) + 2 * spot(40, 3), 2 * spot(60, 8)
    frames = [(1, 2, back_map), (1, 1, front_map)]
    seg = foreign(source, frames, labels=("one", "two"), kind="LABELMAP")
    for item in seg.PerFrameFunctionalGroupsSequence:
        del item.SegmentIdentificationSequence
    front, back, _ = read(seg, tmp_path, nm_study.scan)
    np.testing.assert_array_equal(front, front_map)
    np.testing.assert_array_equal(back, back_map)


@pytest.mark.parametrize(
    ("options", "frame", "says"),
    [
        ({"derivation": False}, 1, "a frame does not name its source image"),
        ({"derivation": False, "positions": True}, 1, "a frame does not name its source image"),
        ({}, None, "Referenced Frame Number is missing where the source holds both views"),
        ({"category": ("123037004", "SCT", "Anatomical Structure")}, 1, "is no mark; give lesions"),
    ],
    ids=["nothing", "positions alone", "no frame number", "anatomy alone"],
)
def test_what_could_be_either_view_is_refused(
    nm_study, source: Dataset, tmp_path: Path, options: dict[str, Any], frame: int | None, says: str
) -> None:
    seg = foreign(source, [(1, frame, spot(9, 9)), (1, frame, spot(30, 9))], **options)
    with pytest.raises(BadInput, match=says) as caught:
        read(seg, tmp_path, nm_study.scan)
    assert "\n" not in str(caught.value)


def test_anatomy_of_slicer_is_left_out(nm_study, source: Dataset, tmp_path: Path) -> None:
    frames = [(1, 1, spot(9, 9, 40, 20)), (2, 1, spot(70, 9))]
    seg = foreign(source, frames, labels=("femur", "lesion"), category=ABNORMAL)
    anatomy = code("123037004", "SCT", "Anatomical Structure")
    seg.SegmentSequence[0].SegmentedPropertyCategoryCodeSequence = anatomy
    front, _, flags = read(seg, tmp_path, nm_study.scan)
    np.testing.assert_array_equal(front > 0, spot(70, 9) > 0)
    assert flags == ["theirs.dcm: 1 segment of anatomy not taken as marks"]


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_what_a_reader_calls_benign_is_no_metastasis(
    nm_study, source: Dataset, tmp_path: Path, kind: str
) -> None:
    front_map = spot(9, 9) + 2 * spot(70, 9) if kind == "LABELMAP" else spot(70, 9)
    frames = [(2, 1, front_map), (1, 1, spot(9, 9)), (1, 2, spot(20, 9))]
    if kind == "LABELMAP":
        frames.pop(1)
    seg = foreign(source, frames, labels=("Benign ", "rib, left"), kind=kind)
    front, back, flags = read(seg, tmp_path, nm_study.scan)
    np.testing.assert_array_equal(front > 0, spot(70, 9) > 0)
    assert not back.any()
    assert flags == ["theirs.dcm: 1 segment named benign not taken as marks"]


def test_a_reader_may_find_nothing_but_what_is_benign(
    nm_study, source: Dataset, tmp_path: Path
) -> None:
    seg = foreign(source, [(1, 1, spot(9, 9))], labels=("BENIGN",))
    front, back, _ = read(seg, tmp_path, nm_study.scan)
    assert not front.any()
    assert not back.any()


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("derivation", [True, False])
@pytest.mark.parametrize("any_study", ["capture"], indirect=True)
def test_highdicom_of_a_frame_that_shows_both_views(
    any_study, tmp_path: Path, kind: str, derivation: bool
) -> None:
    """The source frame need not be named where there is but one."""
    image = pydicom.dcmread(any_study.files[0])
    image.PixelSpacing = [2.4, 2.4]
    wanted = np.concatenate([spot(20, 30) + 2 * spot(40, 3), 2 * spot(60, 8)], axis=1)
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"lesion {number}",
            segmented_property_category=Code(*ABNORMAL),
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in (1, 2)
    ]
    pixels = wanted if kind == "LABELMAP" else np.stack([wanted == 1, wanted == 2], axis=-1)
    seg = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=pixels.astype(np.uint8)[None] if kind != "FRACTIONAL" else pixels[None] * 1.0,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=hd.UID(),
        series_number=7,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="another",
        manufacturer_model_name="another",
        software_versions="1",
        device_serial_number="1",
    )
    if not derivation:
        for item in seg.PerFrameFunctionalGroupsSequence:
            item.pop("DerivationImageSequence", None)
            item.FrameContentSequence[0].pop("DimensionIndexValues", None)
    path = tmp_path / "highdicom.dcm"
    seg.save_as(path)
    labels = read_marks([path], any_study.scan).labels
    both = np.concatenate([labels["anterior"], labels["posterior"]], axis=1)
    np.testing.assert_array_equal(both, wanted)
