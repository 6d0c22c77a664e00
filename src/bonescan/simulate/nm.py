"""Write simulated counts as whole-body Nuclear Medicine Images, quirks of the vendor included.

Follows PS3.3 A.5 (NM Image IOD): frames in the order of the Energy Window and the Detector Vector,
Detector Information Sequence with the views where the vendor states them. Every object says in
its patient's name, series description and image comments that it is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    NuclearMedicineImageStorage,
    generate_uid,
)
from scipy.ndimage import gaussian_filter

from bonescan.scan import VIEW_NAMES
from bonescan.simulate.jpeg import jpeg_lossless
from bonescan.simulate.vendors import Acquisition, Header, Vendor

NOTICE = "SIMULATED - not a patient. Research use only."

_VIEW_CODES = {
    "anterior": ("399321004", "SCT", "Anterior projection"),
    "posterior": ("399001007", "SCT", "Posterior projection"),
}
_LEGACY_CODES = {
    "anterior": ("G-5215", "SRT", "anterior projection"),
    "posterior": ("G-5216", "SRT", "posterior projection"),
}


#: Blur and counts of a lower energy window against the photopeak's; plausible, not measured.
_SCATTER_SIGMA_PIXELS, _SCATTER_SHARE = 7.0, 0.5


@dataclass(frozen=True)
class StudyIdentity:
    """Who and when, as the header tells. ``entropy`` makes the UIDs, so that they repeat.

    ``study_date`` and the birth date are invented; ``age_years`` is that of the study date, and
    the birth date half a year more than it before the study date where none is given.
    """

    patient_id: str
    patient_name: str
    sex: str
    age_years: int
    height_m: float
    weight_kg: float
    study_date: date
    study_id: str
    activity_mbq: float
    entropy: tuple[str, ...] = field(default=())
    birth_date: date | None = None


def nm_dataset(
    counts: NDArray[np.uint16], identity: StudyIdentity, acquisition: Acquisition
) -> Dataset:
    """Build a WHOLE BODY NM object that holds both views.

    Parameters
    ----------
    counts : (2, H, W) uint16
        Anterior, then posterior as seen from behind. Stored in the vendor's own order.
    identity : StudyIdentity
    acquisition : Acquisition

    Returns
    -------
    Dataset
        With file meta information, ready for ``save_as(path, enforce_file_format=True)``.
    """
    order = (1, 0) if acquisition.vendor.header.posterior_first else (0, 1)
    return _dataset(counts, order, identity, acquisition)


def nm_files(
    counts: NDArray[np.uint16], identity: StudyIdentity, acquisition: Acquisition
) -> dict[str, Dataset]:
    """Build the files of a scan as its site stores them; keys end their names.

    ``{"": two frames}``, or ``{"_anterior": one frame, "_posterior": one frame}`` of one series.
    """
    if acquisition.vendor.header.layout != "files":
        return {"": nm_dataset(counts, identity, acquisition)}
    return {
        f"_{name}": _dataset(counts, (view,), identity, acquisition, number=view + 1)
        for view, name in enumerate(VIEW_NAMES)
    }


def _dataset(
    counts: NDArray[np.uint16],
    order: tuple[int, ...],
    identity: StudyIdentity,
    acquisition: Acquisition,
    number: int = 1,
) -> Dataset:
    """Build one object that holds the views of ``order``, the ``number``-th of its series."""
    vendor, header = acquisition.vendor, acquisition.vendor.header
    pictures = _pictures(counts[list(order)], [VIEW_NAMES[k] for k in order], identity, header)
    ds = _identity_modules(identity, vendor.manufacturer, vendor.model, vendor.software)
    if number > 1:
        uid = generate_uid(entropy_srcs=[*identity.entropy, "sop", str(number)])
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid
        ds.InstanceNumber = number
    if not header.tells_date:
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = ""
    _image_modules(ds, pictures.frames, acquisition)
    _nm_modules(ds, identity, acquisition, pictures)
    _views_beside_detectors(ds, vendor, pictures.names)
    return ds


@dataclass(frozen=True)
class _Pictures:
    """What an object holds.

    ``names`` tells what each picture of an energy window shows: a view, the ``geometric mean``,
    or ``both`` views; ``frames`` (F, H, W) holds them for each window, the photopeak last;
    ``counts`` are those of the views.
    """

    names: list[str]
    frames: NDArray[np.uint16]
    counts: int


def _pictures(
    views: NDArray[np.uint16], names: list[str], who: StudyIdentity, header: Header
) -> _Pictures:
    """Lay views (V, H, W) out as their site does."""
    windows = [views]
    if header.scatter_kev is not None:
        windows.insert(0, _scatter(views, who))
    counts = sum(int(frames.sum()) for frames in windows)
    if header.geometric_mean and len(names) > 1:
        windows = [np.stack([*frames, _geometric_mean(*frames)]) for frames in windows]
        names = [*names, "geometric mean"]
    if header.layout == "one frame":
        windows, names = [np.hstack([*frames])[None] for frames in windows], ["both"]
    return _Pictures(names, np.concatenate(windows), counts)


def _geometric_mean(first: NDArray[np.uint16], second: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Root of the product of a view and the opposite one turned over, rounded."""
    product = first.astype(np.float64) * second[:, ::-1]
    mean: NDArray[np.uint16] = np.rint(np.sqrt(product)).astype(np.uint16)
    return mean


def _scatter(counts: NDArray[np.uint16], who: StudyIdentity) -> NDArray[np.uint16]:
    """Views as a window below the photopeak shows them: broad, half as many counts, own noise."""
    rng = np.random.default_rng(list("".join((*who.entropy, "scatter")).encode()))
    broad = gaussian_filter(counts.astype(np.float64), (0, *[_SCATTER_SIGMA_PIXELS] * 2))
    scattered: NDArray[np.uint16] = rng.poisson(_SCATTER_SHARE * broad).astype(np.uint16)
    return scattered


def _identity_modules(who: StudyIdentity, manufacturer: str, model: str, software: str) -> Dataset:
    uid = [generate_uid(entropy_srcs=[*who.entropy, kind]) for kind in ("study", "series", "sop")]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = uid[2]
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = NuclearMedicineImageStorage
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = uid
    day = who.study_date.strftime("%Y%m%d")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber = who.study_id
    ds.StudyID = who.study_id[:16]
    ds.ReferringPhysicianName = ""
    ds.Modality = "NM"
    ds.BodyPartExamined = "WHOLEBODY"
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = manufacturer, model, software
    ds.InstitutionName = "SIMULATED"
    ds.StudyDescription = "Bone scan whole body (simulated)"
    ds.SeriesDescription = "WHOLE BODY simulated"
    ds.PatientName, ds.PatientID, ds.PatientSex = who.patient_name, who.patient_id, who.sex
    ds.PatientBirthDate = _birth_date(who).strftime("%Y%m%d")
    ds.PatientAge = f"{who.age_years:03d}Y"
    ds.PatientSize, ds.PatientWeight = f"{who.height_m:.2f}", f"{who.weight_kg:.1f}"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 1, 1, 1
    ds.ImageComments = NOTICE
    return ds


def _birth_date(who: StudyIdentity) -> date:
    if who.birth_date is not None:
        return who.birth_date
    return who.study_date - timedelta(days=round(365.25 * (who.age_years + 0.5)))


def _image_modules(ds: Dataset, frames: NDArray[np.uint16], acquisition: Acquisition) -> None:
    header = acquisition.vendor.header
    if header.grey == "MONOCHROME1, inverted":
        frames = frames.max() - frames
    ds.ImageType = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, header.grey.split(",")[0]
    ds.NumberOfFrames, ds.Rows, ds.Columns = (int(n) for n in frames.shape)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    spacing = f"{acquisition.camera.pixel_mm:.6g}"
    ds.PixelSpacing = [spacing, spacing] if header.tells_spacing else None
    largest = int(frames.max())
    ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(frames.min()), largest
    ds.WindowCenter, ds.WindowWidth = f"{max(largest, 2) / 2:.1f}", str(max(largest, 2))
    ds.PixelData = frames.astype("<u2").tobytes()
    if header.jpeg_lossless:
        ds.PixelData = encapsulate([jpeg_lossless(frame) for frame in frames])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def _nm_modules(
    ds: Dataset, who: StudyIdentity, acquisition: Acquisition, pictures: _Pictures
) -> None:
    vendor, header, camera = acquisition.vendor, acquisition.vendor.header, acquisition.camera
    windows = [w for w in (header.scatter_kev, vendor.window_kev) if w is not None]
    detectors = len(pictures.names)
    ds.FrameIncrementPointer = [0x00540010, 0x00540020]
    ds.EnergyWindowVector = [w + 1 for w in range(len(windows)) for _ in range(detectors)]
    ds.DetectorVector = list(range(1, detectors + 1)) * len(windows)
    ds.NumberOfEnergyWindows, ds.NumberOfDetectors = len(windows), detectors
    ds.CountsAccumulated = pictures.counts
    length = camera.rows * camera.pixel_mm
    ds.ActualFrameDuration = round(1000 * length / acquisition.velocity_mm_s)
    ds.WholeBodyTechnique = _technique(acquisition)
    ds.ScanVelocity = f"{acquisition.velocity_mm_s:.3f}"
    ds.ScanLength = round(length)
    ds.PatientOrientationCodeSequence = Sequence([_code("102538003", "SCT", "recumbent")])
    ds.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = Sequence(
        [_code("40199007", "SCT", "supine")]
    )
    ds.PatientGantryRelationshipCodeSequence = Sequence([_code("102540008", "SCT", "headfirst")])
    ds.EnergyWindowInformationSequence = Sequence([_energy_window(w) for w in windows])
    ds.RadiopharmaceuticalInformationSequence = Sequence([_tracer(who.activity_mbq)])
    told = pictures.names if header.tells_detectors else []
    ds.DetectorInformationSequence = Sequence(
        [_detector(name, acquisition, header.view_hint) for name in told]
    )


def _technique(acquisition: Acquisition) -> str:
    """Return the Whole Body Technique: two passes where a seam runs down the picture."""
    usual = acquisition.vendor.technique
    seams = sum(join.axis == 1 for join in acquisition.joins)
    return "2PS" if usual == "1PS" and seams == 1 else usual


def _energy_window(limits: tuple[float, float]) -> Dataset:
    window, item = Dataset(), Dataset()
    window.EnergyWindowLowerLimit = f"{limits[0]:.2f}"
    window.EnergyWindowUpperLimit = f"{limits[1]:.2f}"
    item.EnergyWindowName = "Tc99m_EM" if limits[1] > 140.5 else "Tc99m_SC"
    item.EnergyWindowRangeSequence = Sequence([window])
    return item


def _tracer(activity_mbq: float) -> Dataset:
    item = Dataset()
    item.Radiopharmaceutical = "Tc-99m MDP (simulated)"
    item.RadionuclideTotalDose = f"{activity_mbq:.0f}"
    item.RadionuclideCodeSequence = Sequence([_code("72454001", "SCT", "^99m^Technetium")])
    item.RadiopharmaceuticalCodeSequence = Sequence(
        [_code("96390006", "SCT", "Technetium Tc^99m^ medronate")]
    )
    return item


def _detector(view: str, acquisition: Acquisition, hint: str) -> Dataset:
    item = Dataset()
    item.CollimatorGridName = acquisition.camera.collimator.name
    item.CollimatorType = "PARA"
    item.FieldOfViewShape = "RECTANGLE"
    item.FieldOfViewDimensions = [540, 400]
    item.StartAngle = "180" if view == "anterior" else "0"
    item.ZoomFactor = ["1", "1"]
    item.ImagePositionPatient = None
    item.ImageOrientationPatient = None
    if view not in _VIEW_CODES:
        return item
    if hint in ("code", "code without meaning"):
        code = _code(*_VIEW_CODES[view])
        if hint == "code without meaning":
            code.CodeMeaning = ""
        item.ViewCodeSequence = Sequence([code])
    elif hint == "legacy code":
        item.ViewCodeSequence = Sequence([_code(*_LEGACY_CODES[view])])
    return item


def _views_beside_detectors(ds: Dataset, vendor: Vendor, names: SequenceOf[str]) -> None:
    """Tell what the pictures show where the make does so outside Detector Information."""
    hint, siemens = vendor.header.view_hint, "SIEMENS MED NM"
    if hint == "view position" and len(names) == 1:
        ds.ViewPosition = names[0].upper()
        return
    shown = {"anterior": "ANT", "posterior": "POS", "geometric mean": "GEOMEAN"}
    if not all(name in shown for name in names):
        return
    short = [shown[name] for name in names]
    if hint == "private view":
        block = ds.private_block(0x0019, siemens, create=True)
        block.add_new(0x61, "LO", short)
    elif hint == "private text" and vendor.manufacturer.startswith("GE"):
        block = ds.private_block(0x0011, "GEMS_GENIE_1", create=True)
        block.add_new(0x12, "LO", [f"WB_{name}_E" for name in short])
        block.add_new(0x30, "LO", [f"WHOLE BODY {name}_E" for name in short])
    elif hint == "private text":
        block = ds.private_block(0x0009, siemens, create=True)
        block.add_new(0x80, "ST", "\r\n".join(f"WHOLEBODY {name}" for name in short))


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
