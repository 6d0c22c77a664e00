"""A scan and its reading without identity, so that all that is written from them has none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bonescan.errors import BadInput
from bonescan.ingest import headers
from bonescan.privacy.messages import REMOVED, Cover, cover_flags, cover_scan
from bonescan.privacy.profile import deidentify
from bonescan.privacy.pseudonyms import Pseudonyms
from bonescan.scan import Flag, Identity, MarkSource, Provenance, Reading, Scan, Severity, View

FLAG = "anonymised"
#: Attributes of the source that the scan does not keep and free text must not hold either.
_NAMING = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName",
    "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "AccessionNumber", "StudyID",
    "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy", "OperatorsName", "PhysiciansOfRecord", "RequestingPhysician",
    "StationName", "DeviceSerialNumber", "StudyDate", "SeriesDate", "AcquisitionDate",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
)  # fmt: skip


def is_anonymised(reading: Reading) -> bool:
    """Whether a reading comes from a result folder that was written without identity."""
    return any(flag.code == FLAG for flag in reading.flags)


@contextmanager
def anonymised(
    scan: Scan, reading: Reading, pseudonyms: Pseudonyms, aside: str = "bonescan-"
) -> Iterator[tuple[Scan, Reading]]:
    """Take the identity out of a scan whose source files are there, and out of its reading.

    Parameters
    ----------
    scan, reading : Scan, Reading
        As read.
    pseudonyms : Pseudonyms
    aside : str
        What the name of the copies' folder, among the temporary files, begins with.

    Yields
    ------
    Scan, Reading
        Under pseudonyms. The sources of the views are copies by `bonescan.privacy.profile`, named
        ``source.dcm`` or ``source_anterior.dcm`` and ``source_posterior.dcm``, which last until the
        block ends: whatever reads them finds no identity.

    Raises
    ------
    BadInput
        If letters are burned into the picture, or a source cannot be treated.
    """
    _refuse_letters(scan, reading)
    cover = source_cover(scan, pseudonyms)
    with tempfile.TemporaryDirectory(prefix=aside) as folder:
        copies = _copies(scan, pseudonyms, cover, Path(folder))
        hidden = hide_scan(scan, pseudonyms, cover)
        views = {
            view.name: replace(view, source=copies[original.source])
            for view, original in zip(hidden.views, scan.views, strict=True)
            if original.source in copies
        }
        names = tuple(Path(path.name) for path in dict.fromkeys(copies.values()))
        hidden = replace(hidden, **views, sources=names or hidden.sources)  # type: ignore[arg-type]
        yield hidden, hide_reading(reading, scan, hidden)


def _refuse_letters(scan: Scan, reading: Reading) -> None:
    """Refuse what header or pixels show to carry letters: no one has looked what they say."""
    letters = [flag for flag in (*scan.flags, *reading.flags) if flag.code == "burned-in-text"]
    if letters:
        raise BadInput(
            f"{scan.sources[0]}: letters are burned into the picture, which may name the patient; "
            "blacken them in the source, or read without --anonymize"
        )


def source_cover(scan: Scan, pseudonyms: Pseudonyms) -> Cover:
    """Cover all that identifies a scan's patient: what the scan knows, and its sources' headers."""
    patient, study = pseudonyms.patient(scan), pseudonyms.study(scan)
    names: dict[str, str] = {}
    for path in _dicom_sources(scan):
        header = headers.read_dataset(path, pixels=False)
        for keyword in _NAMING:
            for told in headers.texts(header, keyword):
                names |= dict.fromkeys((told, *told.replace("=", "^").split("^")), REMOVED)
    known = Cover({name.strip(): cover for name, cover in names.items() if name.strip()})
    return known | cover_scan(scan, patient, study)


def _dicom_sources(scan: Scan) -> list[Path]:
    return [
        path
        for path in dict.fromkeys(view.source for view in scan.views)
        if path.is_file() and headers.looks_like_dicom(path)
    ]


def _copies(scan: Scan, pseudonyms: Pseudonyms, cover: Cover, folder: Path) -> dict[Path, Path]:
    """Write a copy without identity of each DICOM source; return the copies by their originals."""
    paths = _dicom_sources(scan)
    patient = pseudonyms.patient(scan)
    found = {}
    for path in paths:
        view = next(view for view in scan.views if view.source == path)
        name = "source.dcm" if len(paths) == 1 else f"source_{view.name}.dcm"
        try:
            copy = deidentify(headers.read_dataset(path), pseudonyms, patient, cover)
            with headers.quietly():
                copy.save_as(folder / name, enforce_file_format=bool(view.sop_instance_uid))
        except BadInput as error:
            raise BadInput(f"{scan.sources[0]}: {error}") from error
        found[path] = folder / name
    return found


def hide_scan(scan: Scan, pseudonyms: Pseudonyms, cover: Cover) -> Scan:
    """Return a scan under pseudonyms, without dates; its pixels and its geometry stay.

    Parameters
    ----------
    scan : Scan
    pseudonyms : Pseudonyms
    cover : Cover
        For what the header says of the acquisition.
    """
    patient, study = pseudonyms.patient(scan), pseudonyms.study(scan)
    who, how = scan.identity, scan.acquisition
    views = {view.name: _hide_view(view, study, pseudonyms) for view in scan.views}
    acquisition = replace(
        how,
        study_date=None,
        tracer=_hidden(how.tracer, cover),
        manufacturer=_hidden(how.manufacturer, cover),
        camera=_hidden(how.camera, cover),
        collimator=_hidden(how.collimator, cover),
    )
    hidden = replace(
        scan,
        study=study,
        anterior=views.get("anterior"),
        posterior=views.get("posterior"),
        acquisition=acquisition,
        identity=Identity(
            patient_id=patient,
            patient_name=patient,
            study_uid=str(pseudonyms.uid(who.study_uid)),
            series_uid=str(pseudonyms.uid(who.series_uid)),
        ),
        sources=tuple(view.source for view in views.values()),
    )
    return cover_flags(hidden, cover_scan(scan, patient, study))


def _hidden(text: str | None, cover: Cover) -> str | None:
    return None if text is None else cover.hide(text)


def _hide_view(view: View, study: str, pseudonyms: Pseudonyms) -> View:
    uid = view.sop_instance_uid
    return replace(
        view,
        source=Path(f"{study}_{view.name}{view.source.suffix}"),
        sop_instance_uid=None if uid is None else str(pseudonyms.uid(uid)),
    )


def hide_reading(reading: Reading, scan: Scan, hidden: Scan) -> Reading:
    """Return a reading that fits a scan without identity, with a flag that says what was done."""
    cover = cover_scan(scan, hidden.identity.patient_id, hidden.study)
    marks = _hide_marks(reading.provenance.marks)
    for told, own in zip(reading.provenance.marks, marks, strict=True):
        stems = {Path(told.name).stem: Path(own.name).stem}
        cover |= Cover(
            {
                told.name: own.name,
                told.sha256: own.sha256,
                told.short_digest: own.short_digest,
                **stems,
            }
        )
    flags = tuple(replace(flag, message=cover.hide(flag.message)) for flag in reading.flags)
    message = (
        "Identity and dates were removed by the DICOM basic profile; letters in the pixels were "
        "not looked for"
    )
    if not hidden.acquisition.true_counts:
        message += ", and pictures often have them: look before you pass this on"
    severity: Severity = "info" if hidden.acquisition.true_counts else "warning"
    return replace(
        reading,
        study=hidden.study,
        flags=(*flags, Flag("anonymised", message, severity)),
        provenance=replace(_without_day(reading.provenance), marks=marks),
    )


def _hide_marks(marks: tuple[MarkSource, ...]) -> tuple[MarkSource, ...]:
    """Number a reader's files: names often hold the patient's, a digest tells who has the file."""
    return tuple(
        replace(source, name=f"marks_{number}{Path(source.name).suffix}", sha256=REMOVED)
        for number, source in enumerate(marks, start=1)
    )


def _without_day(made: Provenance) -> Provenance:
    """Keep of the time of reading its year: many scans are read on the day they are taken."""
    year = made.made_at[:4]
    return replace(made, made_at=f"{year}-01-01T00:00:00" if year.isdigit() else "")
