"""Studies whose sources are DICOM files, with a mark in each corner of each view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    NuclearMedicineImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from bonescan.quantify.lesions import find_lesions
from bonescan.scan import (
    Acquisition,
    BoneScanIndex,
    Crop,
    Identity,
    Provenance,
    Reading,
    RegionIndex,
    Scan,
    View,
    ViewReading,
)

Kind = Literal["two frames", "two files", "two sizes", "capture"]
KINDS: tuple[Kind, ...] = ("two frames", "two files", "two sizes", "capture")
SHAPE = (96, 40)
#: Rows and columns of the marks; each has a size of its own, so that none passes for another.
CORNERS = {
    "top left": (slice(6, 9), slice(4, 8)),
    "top right": (slice(6, 10), slice(31, 36)),
    "bottom left": (slice(84, 90), slice(4, 9)),
    "bottom right": (slice(84, 91), slice(30, 36)),
}


@dataclass(frozen=True)
class DicomStudy:
    """A scan, its reading, and its source files."""

    scan: Scan
    reading: Reading
    files: tuple[Path, ...]


def source(frames: int, shape: tuple[int, int], sop_class: str, number: int) -> Dataset:
    """Make a source object with all that its class requires (PS3.3, A.5 and A.8)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["source", str(frames), sop_class, str(number)])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["series", sop_class])
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID, ds.PatientSex = "Müller^Jörg", "P-4711", "M"
    ds.PatientBirthDate, ds.StudyDate, ds.StudyTime = "19450102", "20260105", "101500"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = "A-99", "S1", "Doe^Jane"
    ds.StudyDescription, ds.InstitutionName = "Bone scan", "Hospital of Nowhere"
    ds.Modality = "NM" if sop_class == NuclearMedicineImageStorage else "OT"
    ds.InstanceNumber = number
    ds.NumberOfFrames, ds.Rows, ds.Columns = frames, *shape
    if sop_class == SecondaryCaptureImageStorage:
        del ds.NumberOfFrames
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = np.ones((frames, *shape), np.uint16).tobytes()
    ds.DetectorInformationSequence = Sequence()
    return ds


def make_study(kind: Kind, folder: Path) -> DicomStudy:
    """Write the source files of a study and mark the corners of its views."""
    nm, height, width = str(NuclearMedicineImageStorage), *SHAPE
    if kind == "two frames":
        sources = [source(2, SHAPE, nm, 1)]
    elif kind == "capture":
        sources = [source(1, (height, 2 * width), str(SecondaryCaptureImageStorage), 1)]
    else:
        second = (height + 8, width) if kind == "two sizes" else SHAPE
        sources = [source(1, SHAPE, nm, 1), source(1, second, nm, 2)]
    files = []
    for index, dataset in enumerate(sources):
        files.append(folder / f"Mueller_{index}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    views = []
    for index, name in enumerate(("anterior", "posterior")):
        dataset, file = sources[-1 if index else 0], files[-1 if index else 0]
        crop = Crop.whole((dataset.Rows, dataset.Columns))
        if kind == "capture":
            crop = Crop(0, index * width, height, width, height, 2 * width)
        counts = np.full((crop.height, crop.width), 3, np.float32)
        counts[3:-3, 3:-3] = 5
        views.append(
            View(
                name="posterior" if name == "posterior" else "anterior",
                counts=counts,
                pixel_spacing_mm=None if kind == "capture" else (2.4, 2.4),
                source=file,
                crop=crop,
                sop_instance_uid=dataset.SOPInstanceUID,
                sop_class_uid=dataset.SOPClassUID,
                frame=2 if index and kind == "two frames" else 1,
                recognised_by="view code",
            )
        )
    first = sources[0]
    identity = Identity(
        patient_id="P-4711",
        patient_name="Müller^Jörg",
        sex="M",
        birth_date="19450102",
        accession_number="A-99",
        study_uid=first.StudyInstanceUID,
        series_uid=first.SeriesInstanceUID,
        study_id="S1",
    )
    scan = Scan(
        "Mueller",
        views[0],
        views[1],
        Acquisition(study_date="20260105"),
        identity,
        (),
        tuple(files),
    )
    return DicomStudy(scan, mark_corners(scan), tuple(files))


def mark_corners(scan: Scan) -> Reading:
    """Return a reading with a mark in each corner, a bone region and an index."""
    views, lesions = [], []
    for view in scan.views:
        probability = np.zeros(view.counts.shape, np.float32)
        for rows, columns in CORNERS.values():
            probability[rows, columns] = 0.9
        probability[86, 6] = 0  # a hole
        found = find_lesions(view, probability)
        regions = np.zeros(view.counts.shape, np.uint8)
        regions[2:12, 2:20] = 1
        regions[60:92, 2:38] = 12
        views.append(ViewReading(view.name, probability, found.mask, None, regions))
        sides = {True: "R", False: "L"} if view.name == "anterior" else {True: "L", False: "R"}
        lesions += [
            replace(
                lesion,
                side=sides[lesion.centroid[1] < 20],
                region="skull" if lesion.centroid[0] < 48 else "femora",
            )
            for lesion in found.lesions
        ]
    index = BoneScanIndex(
        whole=2.5,
        visible=2.75,
        fusion="mean",
        weights="made up",
        regions=(RegionIndex("skull", 16.6, 0.1, 0.05, 0.075, 1.245),),
        band=0.3,
    )
    made = Provenance("0.2.0", "drawn", "1", "ab" * 32, {}, "2026-01-06T08:00:00+00:00")
    return Reading(scan.study, tuple(views), tuple(lesions), 0.9, (), made, (), index)


@pytest.fixture
def nm_study(tmp_path: Path) -> DicomStudy:
    """One NM file of two frames."""
    return make_study("two frames", tmp_path)


@pytest.fixture(params=KINDS)
def any_study(request: pytest.FixtureRequest, tmp_path: Path) -> DicomStudy:
    """Each kind of source: two frames, two files, two sizes, a capture of both views."""
    return make_study(request.param, tmp_path)
