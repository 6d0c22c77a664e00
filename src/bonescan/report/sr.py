"""sr.dcm: what was measured, as a Comprehensive SR of TID 1500 "Measurement Report"."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom import UID
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes as known

from bonescan.ingest import headers
from bonescan.report import codes, texts
from bonescan.report.origin import MANUFACTURER, MODEL_NAME, Origin, carry_identity, sign, to_bytes
from bonescan.scan import BoneScanIndex, Lesion, Provenance, Reading, Scan, View

SERIES_NUMBER = 9502


def write_sr(scan: Scan, reading: Reading, origin: Origin) -> bytes:
    """Return a reading as a structured report.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study and what was read off it.
    origin : Origin
        The source instances.

    Returns
    -------
    bytes
        Content of a DICOM file (Comprehensive SR Storage): a planar ROI on its source frame for
        each lesion (TID 1410), one group for the whole study with the number of lesions, the
        patient's score and the bone scan index (TID 1501), and the doubts as comments. A planar ROI
        is one polyline, so that holes in a lesion stand in ``seg.dcm`` alone.
    """
    groups = [_study_group(scan, reading, origin)]
    views = {view.name: view for view in scan.views}
    groups += [
        _lesion_group(lesion, views[lesion.view], reading, origin, scan)
        for lesion in reading.lesions
    ]
    with headers.quietly():
        content = MeasurementReport(
            observation_context=ObservationContext(observer_device_context=_observer(origin)),
            procedure_reported=codes.BONE_SCAN,
            imaging_measurements=groups,
            title=known.DCM.ImagingMeasurementReport,
        )
        report = ComprehensiveSR(
            evidence=list(origin.instances),
            content=content,
            series_instance_uid=origin.uid("sr", "series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=origin.uid("sr", "instance"),
            instance_number=1,
            manufacturer=MANUFACTURER,
            is_complete=True,
            is_final=False,
            is_verified=False,
        )
    report.SeriesDescription = "bonescan measurements (research use only)"
    report.CodingSchemeIdentificationSequence = Items([codes.scheme_item()])
    carry_identity(report, origin)
    sign(report, origin)
    return to_bytes(report)


def _observer(origin: Origin) -> ObserverContext:
    return ObserverContext(
        observer_type=known.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=UID(origin.uid("observer")),
            name="bonescan",
            manufacturer_name=MANUFACTURER,
            model_name=MODEL_NAME,
        ),
    )


def _algorithm(made: Provenance) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=f"bonescan, model {made.model_name}",
        version=f"{made.bonescan_version}, model {made.model_version}",
        parameters=[
            f"model sha256 {made.model_sha256}",
            *(f"marks of a reader, sha256 {source.sha256}" for source in made.marks),
        ],
    )


def _study_group(
    scan: Scan, reading: Reading, origin: Origin
) -> MeasurementsAndQualitativeEvaluations:
    measured = [
        Measurement(codes.LESION_COUNT, reading.patient_lesions, codes.NO_UNIT),
        Measurement(codes.PATIENT_SCORE, _number(reading.patient_score), codes.NO_UNIT),
    ]
    if reading.index is not None:
        measured += _index(reading.index)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(origin, "study"),
        finding_type=codes.METASTASIS,
        algorithm_id=_algorithm(reading.provenance),
        finding_sites=[FindingSite(codes.SKELETON)],
        measurements=measured,
        source_images=[
            SourceImageForMeasurementGroup(*_frame(origin.headers[view.name], view))
            for view in scan.views
        ],
    )
    for said in _comments(reading):
        group[0].ContentSequence.append(
            TextContentItem(codes.COMMENT, said, RelationshipTypeValues.CONTAINS)
        )
    return group


def _comments(reading: Reading) -> Iterator[str]:
    yield f"{texts.RESEARCH_USE} {texts.DRAFT}"
    yield texts.summary(reading)
    if reading.index is not None:
        index = reading.index
        yield f"Bone scan index: views fused by the rule {index.fusion}, weights {index.weights}."
        yield from index.refused
    for flag in reading.flags:
        yield f"[{flag.severity}] {flag.code}: {flag.message}"


def _index(index: BoneScanIndex) -> Iterator[Measurement]:
    """Give the index, its band and each region's part; nothing where it was refused."""
    wholes = ((codes.INDEX_WHOLE, index.whole), (codes.INDEX_VISIBLE, index.visible))
    for name, value in wholes:
        if value is not None:
            yield Measurement(name, _number(value), codes.PERCENT)
    if index.whole is None:
        return
    yield Measurement(codes.INDEX_BAND, _number(index.band), codes.PERCENT)
    for part in index.regions:
        site = FindingSite(codes.site_of(part.region, "").bone)
        value = _number(part.index)
        yield Measurement(codes.INDEX_REGION, value, codes.PERCENT, finding_sites=[site])


def _lesion_group(
    lesion: Lesion, view: View, reading: Reading, origin: Origin, scan: Scan
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    place = codes.site_of(lesion.region, lesion.side)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(origin, texts.mark_name(lesion)),
        referenced_region=ImageRegion(
            graphic_type="POLYLINE",
            graphic_data=outer_line(lesion, view),
            source_image=SourceImageForRegion(*_frame(origin.headers[view.name], view)),
        ),
        finding_type=codes.METASTASIS,
        finding_category=codes.ABNORMAL,
        finding_sites=[FindingSite(place.bone, laterality=place.side)],
        algorithm_id=_algorithm(reading.provenance),
        measurements=list(_measures(lesion, true_counts=scan.acquisition.true_counts)),
        qualitative_evaluations=[
            QualitativeEvaluation(known.DCM.ImageView, codes.VIEWS[lesion.view])
        ],
    )


def outer_line(lesion: Lesion, view: View) -> NDArray[np.float64]:
    """Return a lesion's outer border in its source frame.

    Parameters
    ----------
    lesion : Lesion
        With its outline in view pixels.
    view : View
        Its view, whose crop tells where it lies in the source frame.

    Returns
    -------
    (n, 2) float64
        Closed line of (column, row); (0, 0) is the top-left corner of the frame's top-left pixel
        (PS3.3, C.18.6.1.2). Of several lines the one with the largest bounding box: others are
        holes.
    """
    lines = [np.array(line) for line in lesion.outline]
    outer = max(lines, key=lambda line: float(np.prod(np.ptp(line, axis=0))))
    corner = np.array([view.crop.top, view.crop.left])
    line: NDArray[np.float64] = (outer + corner)[:, ::-1].copy()
    return line


def _measures(lesion: Lesion, *, true_counts: bool) -> Iterator[Measurement]:
    if lesion.area_mm2 is not None:
        yield Measurement(codes.AREA, _number(lesion.area_mm2), codes.SQUARE_MM)
    else:
        yield Measurement(codes.AREA, lesion.area_pixels, codes.PIXELS)
    value = codes.COUNTS if true_counts else codes.GREY_VALUE
    unit = codes.NUMBER if true_counts else codes.NO_UNIT
    yield Measurement(value, _number(lesion.max_counts), unit, derivation=codes.MAXIMUM)
    yield Measurement(value, _number(lesion.mean_counts), unit, derivation=codes.MEAN)
    yield Measurement(codes.PROBABILITY, _number(lesion.probability), codes.NO_UNIT)
    ratios = (
        (codes.UPTAKE_BODY, lesion.uptake_ratio),
        (codes.UPTAKE_REGION, lesion.region_ratio),
        (codes.UPTAKE_MIRROR, lesion.mirror_ratio),
        (codes.REGION_SHARE, lesion.region_share),
    )
    for name, ratio in ratios:
        if ratio is not None:
            yield Measurement(name, _number(ratio), codes.RATIO)


def _tracking(origin: Origin, name: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=UID(origin.uid("track", name)), identifier=name)


def _frame(header: Dataset, view: View) -> tuple[str, str, list[int] | None]:
    """Return class, instance and frames (None for a single-frame source) of a reference."""
    frames = [view.frame] if header.NumberOfFrames > 1 else None
    return header.SOPClassUID, header.SOPInstanceUID, frames


def _number(value: float) -> float:
    """Round to what 16 characters of a decimal string hold."""
    return float(f"{value:.8g}")
