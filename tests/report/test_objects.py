"""DICOM objects: bit for bit back, left stays left, references, identity, stable UIDs."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import RLELossless
from skimage.draw import polygon2mask

from bonescan.ingest import headers
from bonescan.report import codes
from bonescan.report.objects import write_objects
from bonescan.report.origin import identity_flag, note_missing_objects
from bonescan.report.outputs import write_outputs
from bonescan.scan import Reading, Scan

PDF = b"%PDF-1.4 odd\n%%EOF"


def written(scan: Scan, reading: Reading, *, regions: bool = False) -> dict[str, pydicom.Dataset]:
    picture = Image.new("RGB", (31, 17), (200, 100, 50))
    files = write_objects(scan, reading, picture, PDF, regions=regions)
    return {name: pydicom.dcmread(BytesIO(content)) for name, content in files.items()}


def frames_of(seg: pydicom.Dataset) -> dict[tuple[str, str, int], np.ndarray]:
    """Return the masks by segment label, source instance and source frame, as highdicom reads."""
    found = {}
    read = hd.seg.Segmentation.from_dataset(seg)
    stack = read.pixel_array.reshape(-1, read.Rows, read.Columns)
    for mask, item in zip(stack, read.PerFrameFunctionalGroupsSequence, strict=True):
        number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        image = item.DerivationImageSequence[0].SourceImageSequence[0]
        key = (
            read.get_segment_description(number).segment_label,
            image.ReferencedSOPInstanceUID,
            int(image.get("ReferencedFrameNumber", 1)),
        )
        found[key] = mask
    return found


def test_every_mark_comes_back_bit_for_bit(any_study) -> None:
    scan, reading = any_study.scan, any_study.reading
    objects = written(scan, reading)
    back = {}
    for name in ("seg.dcm", "seg-posterior.dcm"):
        if name in objects:
            back |= frames_of(objects[name])
    assert len(back) == len(reading.lesions) == 8
    short = {"anterior": "ANT", "posterior": "POST"}
    for view, read in zip(scan.views, reading.views, strict=True):
        for lesion in reading.lesions:
            if lesion.view == view.name:
                key = (f"{short[view.name]} {lesion.number}", view.sop_instance_uid, view.frame)
                expected = view.crop.paste(read.mask) == lesion.number
                assert np.array_equal(back[key], expected)


def test_highdicom_finds_the_frames_of_a_view(nm_study) -> None:
    seg = hd.seg.Segmentation.from_dataset(written(nm_study.scan, nm_study.reading)["seg.dcm"])
    view = nm_study.scan.posterior
    pixels = seg.get_pixels_by_source_frame(
        view.sop_instance_uid,
        [1, 2],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
        ignore_spatial_locations=True,
    )
    anterior, posterior = (read.mask for read in nm_study.reading.views)
    assert np.array_equal(pixels[0], anterior)
    assert np.array_equal(pixels[1], np.where(posterior, posterior + 4, 0))


def test_regions_are_segments_with_a_frame_for_each_view(nm_study) -> None:
    seg = written(nm_study.scan, nm_study.reading, regions=True)["seg.dcm"]
    back = frames_of(seg)
    uid = nm_study.scan.anterior.sop_instance_uid
    for frame, read in enumerate(nm_study.reading.views, start=1):
        assert np.array_equal(back["skull", uid, frame], read.regions == 1)
        assert np.array_equal(back["femora", uid, frame], read.regions == 12)
    assert len(back) == 8 + 4


def test_sides_survive_in_every_corner(any_study) -> None:
    """The picture's left is the patient's right from the front and the left from behind."""
    scan, reading = any_study.scan, any_study.reading
    report = hd.sr.ComprehensiveSR.from_dataset(written(scan, reading)["sr.dcm"])
    groups = report.content.get_planar_roi_measurement_groups()
    assert len(groups) == 8
    seen = set()
    for group, lesion in zip(groups, reading.lesions, strict=True):
        view = next(view for view in scan.views if view.name == lesion.view)
        region = group.roi
        image = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedSOPInstanceUID == view.sop_instance_uid
        assert int(image.get("ReferencedFrameNumber", 1)) == view.frame
        assert "ReferencedSegmentNumber" not in image
        site = group.finding_sites[0]
        on_left = region.value[:, 0].mean() - view.crop.left < 20
        right = on_left == (view.name == "anterior")
        assert site.laterality == (codes.RIGHT if right else codes.LEFT)
        low = region.value[:, 1].mean() > 48
        assert site.value == codes.REGION_CODES["femora" if low else "skull"]
        seen.add((view.name, on_left, low))
    assert len(seen) == 8


def test_the_line_of_a_planar_roi_is_the_mark_without_its_holes(any_study) -> None:
    scan, reading = any_study.scan, any_study.reading
    report = hd.sr.ComprehensiveSR.from_dataset(written(scan, reading)["sr.dcm"])
    for group, lesion in zip(
        report.content.get_planar_roi_measurement_groups(), reading.lesions, strict=True
    ):
        view = next(view for view in scan.views if view.name == lesion.view)
        read = next(item for item in reading.views if item.view == view.name)
        mask = view.crop.paste(read.mask) == lesion.number
        drawn = polygon2mask(mask.shape, group.roi.value[:, ::-1] - 0.5)
        hole = 1 if lesion.area_pixels == 29 else 0
        assert drawn.sum() == mask.sum() + hole
        assert not (mask & ~drawn).any()


@pytest.mark.parametrize(
    ("offset", "date", "time"),
    [("+0900", "20260106", "170000"), ("-1030", "20260105", "213000")],
)
def test_times_are_in_the_zone_that_the_objects_state(
    nm_study, offset: str, date: str, time: str
) -> None:
    """The reading is of 8 o'clock UTC; the machine's own zone does not matter."""
    source = pydicom.dcmread(nm_study.files[0])
    source.TimezoneOffsetFromUTC = offset
    source.save_as(nm_study.files[0])
    for name, dataset in written(nm_study.scan, nm_study.reading).items():
        assert dataset.TimezoneOffsetFromUTC == offset, name
        assert (dataset.ContentDate, dataset.ContentTime) == (date, time), name


def test_a_lesion_that_both_views_show_is_counted_once(nm_study) -> None:
    pairs = {"anterior": 3, "posterior": 2}
    lesions = tuple(
        replace(lesion, match=pairs["posterior" if lesion.view == "anterior" else "anterior"])
        if lesion.number == pairs[lesion.view]
        else lesion
        for lesion in nm_study.reading.lesions
    )
    reading = replace(nm_study.reading, lesions=lesions)
    report = hd.sr.ComprehensiveSR.from_dataset(written(nm_study.scan, reading)["sr.dcm"])
    measured = report.content.get_image_measurement_groups()[0].get_measurements()
    assert next(item.value for item in measured if item.name == codes.LESION_COUNT) == 7
    assert len(report.content.get_planar_roi_measurement_groups()) == 8


JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def test_a_japanese_name_comes_through(nm_study) -> None:
    source = pydicom.dcmread(nm_study.files[0])
    source.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    source.PatientName = JAPANESE
    source.save_as(nm_study.files[0])
    assert b"\x1b$B;3ED" in nm_study.files[0].read_bytes()  # PS3.5, H.3.1, example 1
    for name, dataset in written(nm_study.scan, nm_study.reading).items():
        assert dataset.PatientName == JAPANESE, name
        assert dataset.SpecificCharacterSet == "ISO_IR 192", name


def test_measurements(nm_study) -> None:
    scan, reading = nm_study.scan, nm_study.reading
    report = hd.sr.ComprehensiveSR.from_dataset(written(scan, reading)["sr.dcm"])
    whole = report.content.get_image_measurement_groups()[0]
    measured = {item.name: item.value for item in whole.get_measurements()}
    assert measured[codes.LESION_COUNT] == 8
    assert measured[codes.INDEX_WHOLE] == 2.5
    assert measured[codes.INDEX_VISIBLE] == 2.75
    assert measured[codes.INDEX_REGION] == 1.245
    lesion = reading.lesions[0]
    first = report.content.get_planar_roi_measurement_groups()[0]
    values = {(item.name, item.derivation): item.value for item in first.get_measurements()}
    assert values[codes.AREA, None] == pytest.approx(lesion.area_mm2)
    assert values[codes.COUNTS, codes.MAXIMUM] == lesion.max_counts
    assert values[codes.PROBABILITY, None] == pytest.approx(0.9)


def test_without_spacing_areas_are_pixels_and_without_an_index_there_is_no_number(
    nm_study,
) -> None:
    lesions = tuple(replace(lesion, area_mm2=None) for lesion in nm_study.reading.lesions)
    refused = replace(
        nm_study.reading.index, whole=None, visible=None, refused=("Too few counts.",)
    )
    reading = replace(nm_study.reading, lesions=lesions, index=refused)
    dataset = written(nm_study.scan, reading)["sr.dcm"]
    report = hd.sr.ComprehensiveSR.from_dataset(dataset)
    area = report.content.get_planar_roi_measurement_groups()[0].get_measurements()[0]
    assert (area.name, area.unit, area.value) == (codes.AREA, codes.PIXELS, lesions[0].area_pixels)
    assert "Too few counts." in str(dataset)
    assert "BSI-" not in str(dataset)


def test_no_lesion_no_segmentation_but_a_report_that_counts_none(nm_study) -> None:
    views = tuple(replace(view, mask=np.zeros_like(view.mask)) for view in nm_study.reading.views)
    objects = written(nm_study.scan, replace(nm_study.reading, lesions=(), views=views))
    assert set(objects) == {"sr.dcm", "capture.dcm", "report.dcm"}
    report = hd.sr.ComprehensiveSR.from_dataset(objects["sr.dcm"])
    assert report.content.get_planar_roi_measurement_groups() == []
    count = report.content.get_image_measurement_groups()[0].get_measurements()[0]
    assert (count.name, count.value) == (codes.LESION_COUNT, 0)


def test_regions_make_another_object_and_may_stand_alone(nm_study) -> None:
    plain = written(nm_study.scan, nm_study.reading)
    boned = written(nm_study.scan, nm_study.reading, regions=True)
    assert plain["seg.dcm"].SOPInstanceUID != boned["seg.dcm"].SOPInstanceUID
    assert plain["sr.dcm"].SOPInstanceUID == boned["sr.dcm"].SOPInstanceUID
    views = tuple(replace(view, mask=np.zeros_like(view.mask)) for view in nm_study.reading.views)
    none = replace(nm_study.reading, lesions=(), views=views)
    alone = written(nm_study.scan, none, regions=True)["seg.dcm"]
    assert [item.SegmentLabel for item in alone.SegmentSequence] == ["skull", "femora"]
    assert alone.ContentDescription == "Skeletal regions named by software, no mark"


def test_patient_and_study_are_carried_over_in_series_of_their_own(any_study) -> None:
    objects = written(any_study.scan, any_study.reading)
    for dataset in objects.values():
        assert str(dataset.PatientName) == "Müller^Jörg"
        assert (dataset.PatientID, dataset.PatientSex) == ("P-4711", "M")
        assert (dataset.StudyDate, dataset.AccessionNumber) == ("20260105", "A-99")
        assert dataset.StudyInstanceUID == any_study.scan.identity.study_uid
        assert dataset.Manufacturer == "bonescan"
    series = {dataset.SeriesInstanceUID for dataset in objects.values()}
    assert len(series) == len(objects)
    assert any_study.scan.identity.series_uid not in series


def test_capture_and_document_hold_what_they_were_given(nm_study) -> None:
    objects = written(nm_study.scan, nm_study.reading)
    assert np.array_equal(
        objects["capture.dcm"].pixel_array,
        np.broadcast_to(np.array([200, 100, 50], np.uint8), (17, 31, 3)),
    )
    assert objects["capture.dcm"].file_meta.TransferSyntaxUID == RLELossless
    sources = objects["capture.dcm"].SourceImageSequence
    assert [item.ReferencedFrameNumber for item in sources] == [1, 2]
    document = objects["report.dcm"]
    assert document.EncapsulatedDocument[: document.EncapsulatedDocumentLength] == PDF
    assert len(document.EncapsulatedDocument) == len(PDF) + len(PDF) % 2


def test_the_same_reading_has_the_same_uids_and_another_has_others(nm_study) -> None:
    def uids(reading: Reading) -> list[str]:
        return [ds.SOPInstanceUID for ds in written(nm_study.scan, reading).values()]

    first = uids(nm_study.reading)
    later = replace(nm_study.reading.provenance, made_at="2027-01-01T00:00:00+00:00")
    assert uids(replace(nm_study.reading, provenance=later)) == first
    other = replace(nm_study.reading.provenance, model_sha256="cd" * 32)
    assert not set(uids(replace(nm_study.reading, provenance=other))) & set(first)
    fewer = nm_study.reading.lesions[:-1]
    assert not set(uids(replace(nm_study.reading, lesions=fewer))) & set(first)


def test_values_that_break_the_standard_are_left_out(nm_study) -> None:
    dataset = pydicom.dcmread(nm_study.files[0])
    del dataset.PatientSex, dataset.StudyTime, dataset.ReferringPhysicianName
    with headers.quietly():
        dataset.PatientBirthDate = "unknown"
        dataset.save_as(nm_study.files[0])
    for written_object in written(nm_study.scan, nm_study.reading).values():
        assert not written_object.PatientBirthDate
        assert not written_object.PatientSex
        assert not written_object.StudyTime


def test_pictures_have_no_objects_and_that_is_said(plain_scan: Scan, nm_study) -> None:
    flag = identity_flag(plain_scan)
    assert flag is not None
    assert flag.code == "no-dicom-objects"
    assert "Pictures have no" in flag.message
    noted = note_missing_objects(plain_scan, nm_study.reading)
    assert noted.flags[-1] == flag
    assert note_missing_objects(nm_study.scan, nm_study.reading) is nm_study.reading
    assert written(plain_scan, nm_study.reading) == {}


def test_outputs_hold_the_objects_and_drop_those_of_an_earlier_reading(
    nm_study, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    paths = write_outputs(nm_study.scan, nm_study.reading, folder)
    assert {"seg.dcm", "sr.dcm", "capture.dcm"} <= {path.name for path in paths}
    views = tuple(replace(view, mask=np.zeros_like(view.mask)) for view in nm_study.reading.views)
    write_outputs(nm_study.scan, replace(nm_study.reading, lesions=(), views=views), folder)
    assert not (folder / "seg.dcm").exists()
    assert (folder / "sr.dcm").exists()
