"""One DICOM file: which pictures of the patient it holds, and its facts about the acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from bonescan.errors import BadInput, NotABoneScan
from bonescan.ingest import energy, headers, views
from bonescan.ingest.pixels import (
    check_matrix,
    check_size,
    decode,
    frame_count,
    tells_frame_count,
)
from bonescan.ingest.sources import Picture, SourceFile
from bonescan.ingest.tiles import bodies_in
from bonescan.scan import Acquisition, Flag, Identity

#: Image Type, value 3, of studies that are no planar scan.
_OTHER_TYPES = {
    "TOMO": "a tomographic (SPECT) acquisition",
    "GATED TOMO": "a tomographic (SPECT) acquisition",
    "RECON TOMO": "a tomographic (SPECT) reconstruction",
    "RECON GATED TOMO": "a tomographic (SPECT) reconstruction",
    "DYNAMIC": "a dynamic study",
    "GATED": "a gated study",
}

#: Modalities whose single pictures may show a planar bone scan; the others are refused.
_MODALITIES = {"NM", "OT", "SC", "XC", "ST", ""}


class NoPicture(BadInput):
    """A DICOM object that by its kind shows nothing: a report, a segmentation, a directory."""


def describe(path: Path, origin: Path) -> SourceFile:
    """Read a DICOM file's header, and the pixels of one that may show several bodies in a frame.

    A file of which every frame is named as computed from views has no pictures.

    Raises
    ------
    BadInput
        If the file is damaged or has no pixel data (`NoPicture` where none is expected).
    NotABoneScan
        If the header tells that it is another kind of image.
    """
    dataset = headers.read_dataset(path, origin, pixels=False)
    _check_kind(dataset, origin)
    rows = int(headers.number(dataset, "Rows") or 0)
    columns = int(headers.number(dataset, "Columns") or 0)
    uncounted: tuple[Flag, ...] = ()
    if not tells_frame_count(dataset):
        check_matrix(origin, rows, columns)
        dataset = headers.read_dataset(path, origin)
        dataset.NumberOfFrames = frame_count(dataset)
        uncounted = _no_frame_count(dataset)
    frames = frame_count(dataset)
    check_matrix(origin, rows, columns, frames)
    check_size(dataset, path, origin)
    pictures, flags = _pictures(dataset, path, origin, frames, rows, columns)
    instance = headers.number(dataset, "InstanceNumber")
    return SourceFile(
        path=path,
        origin=origin,
        kind="dicom",
        rows=rows,
        columns=columns,
        pictures=pictures,
        study_uid=headers.uid(dataset, "StudyInstanceUID"),
        series_uid=headers.uid(dataset, "SeriesInstanceUID"),
        sop_instance_uid=headers.uid(dataset, "SOPInstanceUID"),
        sop_class_uid=headers.uid(dataset, "SOPClassUID"),
        patient_id=headers.text(dataset, "PatientID"),
        acquired=(_acquired(dataset), int(instance or 0)),
        flags=uncounted + flags,
    )


def _no_frame_count(dataset: Dataset) -> tuple[Flag, ...]:
    """Say that the pixels told how many frames there are; a single one needs no saying."""
    if dataset.NumberOfFrames < 2:
        return ()
    message = (
        "Number of Frames and Detector Vector are missing; the pixels fill "
        f"{dataset.NumberOfFrames} frames, which are read"
    )
    return (Flag("no-frame-count", message),)


def _check_kind(dataset: Dataset, origin: Path) -> None:
    """Refuse what its header says is something else than a planar bone scan."""
    modality = headers.text(dataset, "Modality").upper()
    if "Rows" not in dataset:
        if "DirectoryRecordSequence" in dataset or modality in {"SR", "DOC", "PR", "KO", "PLAN"}:
            raise NoPicture(
                f"{origin}: holds no picture (modality {modality or 'none'}); give the scan itself"
            )
        raise BadInput(f"{origin}: Rows is missing, so there is no picture; export the study again")
    if modality in {"SEG", "PR"}:
        raise NoPicture(
            f"{origin}: is a segmentation or presentation state, not a scan; give the scan itself"
        )
    if modality not in _MODALITIES:
        raise NotABoneScan(
            f"{origin}: Modality is {modality}, not NM; give the planar whole-body bone scan"
        )
    kinds = [kind.upper() for kind in headers.texts(dataset, "ImageType")]
    kind = kinds[2] if len(kinds) > 2 else ""
    if kind in _OTHER_TYPES:
        raise NotABoneScan(
            f"{origin}: Image Type is {kind}, {_OTHER_TYPES[kind]}; "
            "give the planar whole-body bone scan"
        )


def _pictures(
    dataset: Dataset, path: Path, origin: Path, frames: int, rows: int, columns: int
) -> tuple[tuple[Picture, ...], tuple[Flag, ...]]:
    windows = [energy.window_of(dataset, frame) for frame in range(1, frames + 1)]
    kept, flags = _photopeak_frames(windows)
    named = [frame for frame in kept if not _is_derived(dataset, frame, frames)]
    if len(named) < len(kept):
        left_out = ", ".join(str(frame) for frame in kept if frame not in named)
        flags += (derived_flag(f"Frame {left_out}"),)
    pictures = tuple(_picture(dataset, frame, frames, windows[frame - 1]) for frame in named)
    if len(pictures) == 1:
        picture = pictures[0]
        grey = decode(headers.read_dataset(path, origin), origin).grey[picture.frame - 1]
        crops = bodies_in(grey)
        if len(crops) > 1:
            cut = tuple(Picture(picture.frame, crop, window=picture.window) for crop in crops)
            return cut, (*flags, composite_flag(len(crops), rows, columns))
        clue = picture.clue or views.clue_of_file(dataset, origin)
        pictures = (
            Picture(
                picture.frame, None, clue, picture.detector, picture.angle_view, picture.window
            ),
        )
    return pictures, flags


def _picture(dataset: Dataset, frame: int, frames: int, window: energy.EnergyWindow) -> Picture:
    detector = views.detector_item(dataset, frame)
    return Picture(
        frame=frame,
        clue=views.clue_of_frame(dataset, frame, frames),
        detector=views.detector_of(dataset, frame),
        angle_view=views.start_angle_view(headers.number(detector, "StartAngle")),
        window=window,
    )


def _photopeak_frames(
    windows: Sequence[energy.EnergyWindow],
) -> tuple[list[int], tuple[Flag, ...]]:
    """Return the frames (from 1) of the energy window that holds 140.5 keV."""
    frames = list(range(1, len(windows) + 1))
    by_number = {window.number: window for window in windows}
    if len(by_number) < 2:
        return frames, ()
    holding = [number for number, window in by_number.items() if window.holds_photopeak]
    told = bool(holding)
    chosen = min(holding) if told else min(by_number)
    kept = [frame for frame in frames if windows[frame - 1].number == chosen]
    others = ", ".join(str(window) for number, window in by_number.items() if number != chosen)
    if told:
        message = (
            f"{len(by_number)} energy windows: {by_number[chosen]} holds the 140.5 keV photopeak "
            f"and is read, {others} is not"
        )
        return kept, (Flag("several-energy-windows", message, "info"),)
    message = (
        f"{len(by_number)} energy windows and none described as holding 140.5 keV: "
        f"{by_number[chosen]} is read, {others} is not; check that it is the photopeak"
    )
    return kept, (Flag("several-energy-windows", message),)


def _is_derived(dataset: Dataset, frame: int, frames: int) -> bool:
    """Tell from text whether a frame is computed from views, such as the geometric mean."""
    code = views.detector_item(dataset, frame)
    meanings = [
        headers.text(item, "CodeMeaning") for item in headers.items(code, "ViewCodeSequence")
    ]
    names = headers.private_texts(dataset, 0x0011, 0x12, views.GE)
    found = meanings + ([names[frame - 1]] if len(names) == frames else [])
    if frames == 1:
        found += [
            headers.text(dataset, keyword)
            for keyword in ("SeriesDescription", "ImageComments", "ImageID")
        ]
        found += headers.texts(dataset, "ImageType")[2:]
    return any(views.is_derived(part) for part in found)


def derived_flag(what: str) -> Flag:
    """Say which frames or files were left out because they are computed from the views."""
    message = f"{what} is computed from the views (geometric mean) and is not read"
    return Flag("derived-frame", message, "info")


def composite_flag(count: int, rows: int, columns: int) -> Flag:
    """Say that one frame showed several bodies and was cut."""
    return Flag(
        "composite-frame",
        f"One {rows} x {columns} frame shows {count} bodies and was cut between them",
        "info",
    )


def _acquired(dataset: Dataset) -> str:
    whole = headers.text(dataset, "AcquisitionDateTime")
    if whole:
        return whole
    for kind in ("Acquisition", "Content", "Series"):
        time = headers.text(dataset, f"{kind}Time")
        if time:
            return headers.text(dataset, f"{kind}Date") + time
    return ""


def acquisition_of(dataset: Dataset, frame: int) -> Acquisition:
    """Return how the scan was taken, as far as the header tells."""
    detector = views.detector_item(dataset, frame)
    milliseconds = headers.positive(dataset, "ActualFrameDuration")
    counts = headers.positive(dataset, "CountsAccumulated")
    name = headers.text(detector, "CollimatorGridName") or headers.text(detector, "CollimatorType")
    return Acquisition(
        tracer=energy.tracer_of(dataset),
        velocity_mm_s=headers.positive(dataset, "ScanVelocity"),
        duration_s=milliseconds / 1000 if milliseconds else None,
        counts_accumulated=int(counts) if counts else None,
        manufacturer=headers.text(dataset, "Manufacturer") or None,
        camera=headers.text(dataset, "ManufacturerModelName") or None,
        collimator=name or headers.text(dataset, "CollimatorGridName") or None,
        study_date=headers.text(dataset, "StudyDate")
        or headers.text(dataset, "AcquisitionDate")
        or headers.text(dataset, "SeriesDate")
        or None,
    )


def identity_of(dataset: Dataset) -> Identity:
    """Return patient and study as the header names them."""
    return Identity(
        patient_id=headers.text(dataset, "PatientID"),
        patient_name=headers.text(dataset, "PatientName"),
        sex=headers.text(dataset, "PatientSex"),
        birth_date=headers.text(dataset, "PatientBirthDate"),
        accession_number=headers.text(dataset, "AccessionNumber"),
        study_uid=headers.uid(dataset, "StudyInstanceUID"),
        series_uid=headers.uid(dataset, "SeriesInstanceUID"),
        study_id=headers.text(dataset, "StudyID"),
    )
