"""What the DICOM objects of a reading refer to: source instances, patient, study; their UIDs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from io import BytesIO

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from bonescan import __version__
from bonescan.ingest import headers
from bonescan.scan import Flag, Reading, Scan, View, ViewName

MANUFACTURER = "bonescan"
MODEL_NAME = "bonescan (research use only)"

#: Patient Orientation of a view: what its rows, then its columns run towards (left, right, feet).
ORIENTATION: dict[ViewName, tuple[str, str]] = {"anterior": ("L", "F"), "posterior": ("R", "F")}

#: Attributes of patient and study that every object takes over from the source.
_CARRIED = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "TimezoneOffsetFromUTC",
)
#: ... of them, those that an object must have, if only empty (type 2).
_REQUIRED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
#: Values that break the standard in a way that makes readers stumble are left out.
_PATTERN = {
    "PatientBirthDate": r"\d{8}",
    "StudyDate": r"\d{8}",
    "StudyTime": r"\d{2,6}(\.\d{1,6})?",
    "PatientSex": r"[MFO]",
    "PatientAge": r"\d{3}[DWMY]",
    "PatientSize": r"\d+(\.\d+)?",
    "PatientWeight": r"\d+(\.\d+)?",
    "PatientIdentityRemoved": r"YES|NO",
    "TimezoneOffsetFromUTC": r"[+-](0\d|1[0-4])[0-5]\d",
}


@dataclass(frozen=True)
class Origin:
    """Where a reading's DICOM objects belong.

    Attributes
    ----------
    headers : mapping from view name to Dataset
        For each view the identity of its source instance (class, instance, series, study, patient,
        rows, columns, number of frames), with values that keep to the standard and no pixels.
    digest : str
        Of the sources, the model and what was found: equal readings have equal digests.
    made_at : datetime
        When the reading was made, in the time zone that the objects state: the source's, or the
        machine's where the source states none.
    """

    headers: Mapping[ViewName, Dataset]
    digest: str
    made_at: datetime

    @property
    def header(self) -> Dataset:
        """The header that patient and study are taken from: of the first view."""
        return next(iter(self.headers.values()))

    @property
    def instances(self) -> tuple[Dataset, ...]:
        """The source instances, each once."""
        return tuple({header.SOPInstanceUID: header for header in self.headers.values()}.values())

    def uid(self, *parts: str) -> UID:
        """Return the UID of one of this reading's objects; the same for the same reading."""
        return generate_uid(entropy_srcs=["bonescan", self.digest, *parts])


def identity_flag(scan: Scan) -> Flag | None:
    """Say why no DICOM objects can be written for a scan; None where they can.

    Pictures, and DICOM files without the UIDs of class, instance, series or study, have no identity
    that an object could refer to.
    """
    if all(view.sop_instance_uid and view.sop_class_uid for view in scan.views) and all(
        (scan.identity.study_uid, scan.identity.series_uid)
    ):
        return None
    pictures = not any(view.sop_instance_uid for view in scan.views)
    lacking = "Pictures have" if pictures else "The source has"
    message = f"{lacking} no complete DICOM identity, so no DICOM objects are written"
    return Flag("no-dicom-objects", message, "info")


def note_missing_objects(scan: Scan, reading: Reading) -> Reading:
    """Return a reading that says, where it is so, that no DICOM objects will be written for it."""
    flag = identity_flag(scan)
    return reading if flag is None else replace(reading, flags=(*reading.flags, flag))


def trace_origin(scan: Scan, reading: Reading) -> Origin | None:
    """Read the identity of a scan's source files.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study, whose files must still be there, and what was read off it.

    Returns
    -------
    Origin or None
        None where `identity_flag` says why.

    Raises
    ------
    BadInput
        If a source file can no longer be read.
    """
    if identity_flag(scan) is not None:
        return None
    found = {
        view.name: clean_header(headers.read_dataset(view.source, pixels=False))
        for view in scan.views
    }
    header = next(iter(found.values()))
    made_at = _local_time(reading.provenance.made_at, headers.text(header, "TimezoneOffsetFromUTC"))
    return Origin(found, _digest(scan, reading), made_at)


def clean_header(source: Dataset) -> Dataset:
    """Return what derived objects take over from a source, in UTF-8, without broken values."""
    header = Dataset()
    with headers.quietly():
        header.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _CARRIED:
            value = headers.text(source, keyword)
            if not re.fullmatch(_PATTERN.get(keyword, r"(?s).*"), value):
                value = ""
            if value or keyword in _REQUIRED:
                setattr(header, keyword, value)
        header.SOPClassUID = headers.uid(source, "SOPClassUID")
        header.SOPInstanceUID = headers.uid(source, "SOPInstanceUID")
        header.SeriesInstanceUID = headers.uid(source, "SeriesInstanceUID")
        header.Modality = headers.text(source, "Modality") or "OT"
        header.Rows = int(headers.number(source, "Rows") or 0)
        header.Columns = int(headers.number(source, "Columns") or 0)
        header.NumberOfFrames = int(headers.number(source, "NumberOfFrames") or 1)
    return header


def new_object(origin: Origin, kind: str, sop_class: UID) -> FileDataset:
    """Begin an object: file meta information, patient, study, its own series, equipment."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = origin.uid(kind, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    carry_identity(found, origin)
    found.SOPClassUID = sop_class
    found.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    found.SeriesInstanceUID = origin.uid(kind, "series")
    found.InstanceNumber = 1
    sign(found, origin)
    return found


def carry_identity(dataset: Dataset, origin: Origin) -> None:
    """Give an object the patient and the study of its sources."""
    with headers.quietly():
        for element in origin.header:
            if element.keyword in (*_CARRIED, "SpecificCharacterSet"):
                dataset.add(element)


def is_anonymised(origin: Origin) -> bool:
    """Whether the sources say that the patient's identity was removed from them."""
    return headers.text(origin.header, "PatientIdentityRemoved") == "YES"


def sign(dataset: Dataset, origin: Origin) -> None:
    """Say which program made an object and when (the reading's own time, not the writing's)."""
    date, time = origin.made_at.strftime("%Y%m%d"), origin.made_at.strftime("%H%M%S")
    for kind in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{kind}Date", date)
        setattr(dataset, f"{kind}Time", time)
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL_NAME
    dataset.SoftwareVersions = __version__
    dataset.DeviceSerialNumber = __version__


def to_bytes(dataset: Dataset) -> bytes:
    """Return an object as the content of a DICOM file."""
    buffer = BytesIO()
    with headers.quietly():
        dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def reference(header: Dataset) -> Dataset:
    """Return the reference to a source instance as a whole."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item


def frame_reference(header: Dataset, view: View) -> Dataset:
    """Return the reference to the source frame that shows a view (image SOP instance reference)."""
    item = reference(header)
    if header.NumberOfFrames > 1:
        item.ReferencedFrameNumber = view.frame
    return item


def _digest(scan: Scan, reading: Reading) -> str:
    made = reading.provenance
    parts = [made.bonescan_version, made.model_name, made.model_version, made.model_sha256]
    parts += [repr(sorted(made.settings.items())), repr(reading.lesions), repr(reading.index)]
    parts += [f"{view.sop_instance_uid} {view.frame} {view.crop}" for view in scan.views]
    parts += [f"{source.sha256} {source.views}" for source in made.marks]
    content = hashlib.sha256("\n".join(parts).encode())
    for view in reading.views:
        content.update(view.mask.tobytes())
        if view.regions is not None:
            content.update(view.regions.tobytes())
    return content.hexdigest()


def _local_time(made_at: str, offset: str) -> datetime:
    """Return a time in the zone of an offset such as ``+0900``; empty for the machine's own."""
    made = datetime.fromisoformat(made_at) if made_at else datetime.now()
    if not offset:
        return made.astimezone()
    away = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return made.astimezone(timezone(-away if offset.startswith("-") else away))
