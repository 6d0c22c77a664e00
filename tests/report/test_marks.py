"""seg.dcm goes back in: the same marks from every kind of source, edited or not; others refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from bonescan.errors import BadInput
from bonescan.ingest.marks import read_marks
from bonescan.quantify.marks import number_marks
from bonescan.report.objects import write_objects
from bonescan.scan import Marks, MarkSource, Reading


def saved(study, folder: Path, reading: Reading | None = None) -> list[Path]:
    """Write the study's segmentations with regions and return their paths."""
    picture = Image.new("RGB", (8, 8))
    objects = write_objects(study.scan, reading or study.reading, picture, regions=True)
    paths = [folder / name for name in objects if name.startswith("seg")]
    for path in paths:
        path.write_bytes(objects[path.name])
    return paths


def edited(path: Path, change) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def same(marks: Marks, reading: Reading) -> None:
    assert set(marks.labels) == {view.view for view in reading.views}
    for view in reading.views:
        np.testing.assert_array_equal(number_marks(marks.labels[view.view]), view.mask)


def test_our_segmentation_gives_the_same_marks(any_study, tmp_path: Path) -> None:
    marks = read_marks(saved(any_study, tmp_path), any_study.scan)
    same(marks, any_study.reading)
    assert all("segments of anatomy not taken" in flag.message for flag in marks.flags)
    assert {source.kind for source in marks.sources} == {"segmentation"}


def test_a_frame_that_was_wiped_is_a_lesion_less(nm_study, tmp_path: Path) -> None:
    (path,) = saved(nm_study, tmp_path)

    def wipe(dataset: Dataset) -> None:
        masks = dataset.pixel_array.copy()
        masks[0] = 0
        dataset.PixelData = pack_bits(masks, pad=True)

    marks = read_marks([edited(path, wipe)], nm_study.scan)
    mask = nm_study.reading.views[0].mask
    np.testing.assert_array_equal(marks.labels["anterior"] > 0, mask > 1)
    np.testing.assert_array_equal(marks.labels["posterior"] > 0, nm_study.reading.views[1].mask > 0)


def test_a_segmentation_of_one_frame_and_of_fractions(nm_study, tmp_path: Path) -> None:
    """As another program may write it: one segment, 8 bits, references in the shared groups."""
    (path,) = saved(nm_study, tmp_path)
    half = np.zeros((96, 40), np.uint8)
    half[10:15, 10:15] = 200
    half[15:20, 10:15] = 90

    def fractional(dataset: Dataset) -> None:
        dataset.SegmentSequence = dataset.SegmentSequence[:1]
        group = dataset.PerFrameFunctionalGroupsSequence[5]  # the posterior view's second lesion
        shared = dataset.SharedFunctionalGroupsSequence[0]
        shared.DerivationImageSequence = group.DerivationImageSequence
        shared.SegmentIdentificationSequence = group.SegmentIdentificationSequence
        shared.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
        dataset.PerFrameFunctionalGroupsSequence = Sequence([Dataset()])
        dataset.SegmentationType, dataset.MaximumFractionalValue = "FRACTIONAL", 255
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        dataset.NumberOfFrames, dataset.PixelData = 1, half.tobytes()

    marks = read_marks([edited(path, fractional)], nm_study.scan)
    np.testing.assert_array_equal(marks.labels["posterior"] > 0, half > 127)
    assert not marks.labels["anterior"].any()


def test_overlapping_segments_are_said(nm_study, tmp_path: Path) -> None:
    (path,) = saved(nm_study, tmp_path)

    def overlap(dataset: Dataset) -> None:
        masks = dataset.pixel_array.copy()
        masks[1] |= masks[0]
        dataset.PixelData = pack_bits(masks, pad=True)

    marks = read_marks([edited(path, overlap)], nm_study.scan)
    same(marks, nm_study.reading)
    assert any("overlap in 12 pixels" in flag.message for flag in marks.flags)


def set_study(dataset: Dataset) -> None:
    dataset.StudyInstanceUID = generate_uid()


def refer_elsewhere(dataset: Dataset) -> None:
    for item in dataset.PerFrameFunctionalGroupsSequence:
        image = item.DerivationImageSequence[0].SourceImageSequence[0]
        image.ReferencedSOPInstanceUID = "1.2.3"
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[
        0
    ].ReferencedSOPInstanceUID = "1.2.3"


def refer_to_a_third_frame(dataset: Dataset) -> None:
    image = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    image.SourceImageSequence[0].ReferencedFrameNumber = 3


def drop_references(dataset: Dataset) -> None:
    for item in dataset.PerFrameFunctionalGroupsSequence:
        del item.DerivationImageSequence


def drop_frame_numbers(dataset: Dataset) -> None:
    for item in dataset.PerFrameFunctionalGroupsSequence:
        del item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber


def drop_groups(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence


def cut_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:40]


def change_size(dataset: Dataset) -> None:
    dataset.Rows = 48


def become_an_image(dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_study, "Study Instance UID is .*, the scan's is .*; name the Segmentation of this"),
        (refer_elsewhere, "refers to no image of this study"),
        (refer_to_a_third_frame, "none of this study's views"),
        (drop_references, "does not name its source image"),
        (drop_frame_numbers, "Referenced Frame Number is missing"),
        (drop_groups, "Per-Frame Functional Groups Sequence has 0 items"),
        (cut_pixels, "Pixel Data cannot be decoded"),
        (change_size, "Rows x Columns is 48 x 40, but the scan's frames are 96 x 40"),
        (become_an_image, "is no DICOM Segmentation"),
    ],
)
def test_what_does_not_belong_to_the_scan_is_one_line(
    nm_study, tmp_path: Path, change, says: str
) -> None:
    (path,) = saved(nm_study, tmp_path)
    with pytest.raises(BadInput, match=says) as caught:
        read_marks([edited(path, change)], nm_study.scan)
    assert "\n" not in str(caught.value)
    assert "seg.dcm: " in str(caught.value)


def test_a_readers_segments_say_so_and_have_uids_of_their_own(nm_study, tmp_path: Path) -> None:
    (path,) = saved(nm_study, tmp_path)
    model = pydicom.dcmread(path)
    by_reader = replace(
        nm_study.reading,
        views=tuple(replace(view, marked_by="reader") for view in nm_study.reading.views),
        provenance=replace(
            nm_study.reading.provenance,
            marks=(MarkSource("seg.dcm", "ab" * 32, "segmentation", ("anterior", "posterior")),),
        ),
    )
    (path,) = saved(nm_study, tmp_path, by_reader)
    reader = pydicom.dcmread(path)
    assert {item.SegmentAlgorithmType for item in model.SegmentSequence} == {"AUTOMATIC"}
    kinds = {item.SegmentLabel: item.SegmentAlgorithmType for item in reader.SegmentSequence}
    assert kinds["ANT 1"] == kinds["POST 4"] == "SEMIAUTOMATIC"
    assert kinds["skull"] == "AUTOMATIC"
    assert reader.ContentDescription == "Suspected metastases marked by a reader"
    assert reader.SOPInstanceUID != model.SOPInstanceUID
