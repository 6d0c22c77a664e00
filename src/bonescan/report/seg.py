"""seg.dcm: lesions, and regions on request, of both views as a DICOM Segmentation.

highdicom 0.28 writes no segmentation of a multi-frame image without Frame of Reference, which is
what planar nuclear medicine is; pydicom does (PS3.3, A.51). highdicom reads the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence as Items
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from bonescan.report import codes, texts
from bonescan.report.origin import (
    ORIENTATION,
    Origin,
    frame_reference,
    new_object,
    reference,
    to_bytes,
)
from bonescan.scan import REGIONS, Lesion, MarkedBy, Reading, Scan, View, ViewReading

#: Recommended display values (CIELab, 0-65535, PS3.3 C.10.7.1.1): red lesions, blue-grey bones.
_LESION_LAB = (35000, 48000, 42000)
_REGION_LAB = (42000, 31000, 28000)
#: Series numbers far above what a camera gives.
SERIES_NUMBER = 9501


@dataclass(frozen=True)
class Segment:
    """One segment and its frames.

    Attributes
    ----------
    label : str
        For instance ``ANT 3`` or ``skull``.
    category, kind : Code
        Segmented property category and type.
    site : codes.Site or None
        Where it lies; None for a region, which is its own place.
    frames : tuple of (View, (H, W) bool)
        In the geometry of each view's source *frame*.
    lesion : Lesion or None
        None for a region.
    marked_by : {"model", "reader"}
    """

    label: str
    category: Code
    kind: Code
    site: codes.Site | None
    frames: tuple[tuple[View, NDArray[np.bool_]], ...]
    lesion: Lesion | None = None
    marked_by: MarkedBy = "model"


def write_seg(
    scan: Scan, reading: Reading, origin: Origin, *, regions: bool = False
) -> dict[str, bytes]:
    """Return the segmentation objects of a reading.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study and what was read off it.
    origin : Origin
        The source instances.
    regions : bool
        Add a segment for each skeletal region that the reading names.

    Returns
    -------
    dict from file name to bytes
        ``seg.dcm``; views whose source frames differ in size cannot share an object, so that the
        second view's is then ``seg-posterior.dcm``. Empty where there is nothing to segment: a
        Segmentation holds at least one segment (PS3.3, C.8.20.2).
    """
    files = {}
    for name, views in _by_frame_size(scan).items():
        segments = list(_lesions(views, reading))
        if regions:
            segments += _regions(views, reading)
        if segments:
            files[name] = to_bytes(_segmentation(segments, views, origin, name))
    return files


def _by_frame_size(scan: Scan) -> dict[str, list[View]]:
    sizes: dict[tuple[int, int], list[View]] = {}
    for view in scan.views:
        sizes.setdefault((view.crop.frame_height, view.crop.frame_width), []).append(view)
    groups = list(sizes.values())
    return {
        "seg.dcm" if not index else f"seg-{views[0].name}.dcm": views
        for index, views in enumerate(groups)
    }


def _read_of(reading: Reading, view: View) -> ViewReading:
    return next(item for item in reading.views if item.view == view.name)


def _lesions(views: Sequence[View], reading: Reading) -> Iterator[Segment]:
    for view in views:
        read = _read_of(reading, view)
        labels = view.crop.paste(read.mask)
        for lesion in reading.lesions:
            if lesion.view == view.name:
                yield Segment(
                    label=texts.mark_name(lesion),
                    category=codes.ABNORMAL,
                    kind=codes.METASTASIS,
                    site=codes.site_of(lesion.region, lesion.side),
                    frames=((view, labels == lesion.number),),
                    lesion=lesion,
                    marked_by=read.marked_by,
                )


def _regions(views: Sequence[View], reading: Reading) -> Iterator[Segment]:
    maps = {view.name: _read_of(reading, view).regions for view in views}
    for value, region in enumerate(REGIONS, start=1):
        frames = tuple(
            (view, view.crop.paste(found) == value)
            for view in views
            if (found := maps[view.name]) is not None and (found == value).any()
        )
        if frames:
            label = region.replace("_", " ")
            yield Segment(label, codes.ANATOMY, codes.REGION_CODES[region], None, frames)


def _segmentation(
    segments: Sequence[Segment], views: Sequence[View], origin: Origin, name: str
) -> FileDataset:
    # With regions it is another object than without: an archive must not take one for the other.
    kind = name if all(segment.lesion for segment in segments) else f"{name} with regions"
    seg = new_object(origin, kind, SegmentationStorage)
    seg.Modality, seg.SeriesNumber = "SEG", SERIES_NUMBER
    seg.SeriesDescription = "bonescan marks (research use only)"
    seg.ContentLabel, seg.ContentCreatorName = "BONESCAN", ""
    seg.ContentDescription = _description(segments)
    _image_modules(seg, segments, views)
    seg.SegmentationType, seg.SegmentsOverlap = "BINARY", "UNDEFINED"
    seg.SegmentSequence = Items(
        [_segment_item(segment, number, origin) for number, segment in enumerate(segments, start=1)]
    )
    seg.ReferencedSeriesSequence = Items(_referenced_series(views, origin))
    _dimensions(seg, origin, kind)
    # No pixel measures: they ask for a slice thickness, which a planar picture has not.
    seg.SharedFunctionalGroupsSequence = Items([Dataset()])
    places = {view.name: place for place, view in enumerate(views, start=1)}
    seg.PerFrameFunctionalGroupsSequence = Items(
        [
            _frame_item(view, number, places[view.name], origin)
            for number, segment in enumerate(segments, start=1)
            for view, _ in segment.frames
        ]
    )
    masks = np.stack([mask for segment in segments for _, mask in segment.frames])
    seg.PixelData = pack_bits(masks.astype(np.uint8), pad=True)
    seg["PixelData"].VR = "OB"
    return seg


def _description(segments: Sequence[Segment]) -> str:
    by = {segment.marked_by for segment in segments if segment.lesion is not None}
    if not by:
        return "Skeletal regions named by software, no mark"
    shown = {"model": "software", "reader": "a reader"}
    return f"Suspected metastases marked by {' and '.join(shown[who] for who in sorted(by))}"


def _image_modules(seg: Dataset, segments: Sequence[Segment], views: Sequence[View]) -> None:
    seg.ImageType = ["DERIVED", "PRIMARY"]
    seg.PatientOrientation = list(ORIENTATION[views[0].name]) if len(views) == 1 else None
    seg.BurnedInAnnotation, seg.LossyImageCompression = "NO", "00"
    seg.NumberOfFrames = sum(len(segment.frames) for segment in segments)
    seg.Rows, seg.Columns = views[0].crop.frame_height, views[0].crop.frame_width
    seg.SamplesPerPixel, seg.PhotometricInterpretation = 1, "MONOCHROME2"
    seg.BitsAllocated, seg.BitsStored, seg.HighBit, seg.PixelRepresentation = 1, 1, 0, 0


def _segment_item(segment: Segment, number: int, origin: Origin) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, segment.label
    by_reader = segment.marked_by == "reader"
    item.SegmentAlgorithmType = "SEMIAUTOMATIC" if by_reader else "AUTOMATIC"
    item.SegmentAlgorithmName = "bonescan, marks of a reader" if by_reader else "bonescan"
    item.SegmentedPropertyCategoryCodeSequence = Items([codes.code_item(segment.category)])
    item.SegmentedPropertyTypeCodeSequence = Items([codes.code_item(segment.kind)])
    item.TrackingID = segment.label
    item.TrackingUID = origin.uid("track", segment.label)
    item.RecommendedDisplayCIELabValue = list(_LESION_LAB if segment.lesion else _REGION_LAB)
    if segment.lesion is not None:
        item.SegmentDescription = (
            f"{texts.place(segment.lesion)}, "
            f"probability {texts.probability(segment.lesion.probability)}"
        )[:1024]
    if segment.site is not None:
        bone = codes.code_item(segment.site.bone)
        if segment.site.side is not None:
            bone.AnatomicRegionModifierSequence = Items([codes.code_item(segment.site.side)])
        item.AnatomicRegionSequence = Items([bone])
    return item


def _referenced_series(views: Sequence[View], origin: Origin) -> list[Dataset]:
    series: dict[str, dict[str, Dataset]] = {}
    for view in views:
        header = origin.headers[view.name]
        series.setdefault(header.SeriesInstanceUID, {})[header.SOPInstanceUID] = reference(header)
    found = []
    for uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedInstanceSequence = Items(list(instances.values()))
        found.append(item)
    return found


def _dimensions(seg: Dataset, origin: Origin, name: str) -> None:
    """Frames are ordered by segment, then by view (its position in a stack of the views)."""
    organization = Dataset()
    organization.DimensionOrganizationUID = origin.uid(name, "dimensions")
    seg.DimensionOrganizationSequence = Items([organization])
    pointers: list[tuple[Any, Any, str]] = [
        (0x0062000B, 0x0062000A, "Segment Number"),
        (0x00209057, 0x00209111, "View"),
    ]
    seg.DimensionIndexSequence = Items()
    for attribute, group, label in pointers:
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer, item.FunctionalGroupPointer = attribute, group
        item.DimensionDescriptionLabel = label
        seg.DimensionIndexSequence.append(item)


def _frame_item(view: View, segment: int, place: int, origin: Origin) -> Dataset:
    source = frame_reference(origin.headers[view.name], view)
    source.PurposeOfReferenceCodeSequence = Items([codes.code_item(codes.SOURCE_IMAGE)])
    source.SpatialLocationsPreserved = "YES"
    derivation = Dataset()
    derivation.DerivationDescription = f"Marked on the {view.name} view"
    derivation.DerivationCodeSequence = Items([codes.code_item(codes.SEGMENTATION)])
    derivation.SourceImageSequence = Items([source])
    content, identification, item = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber = "1", place
    content.DimensionIndexValues = [segment, place]
    identification.ReferencedSegmentNumber = segment
    item.FrameContentSequence = Items([content])
    item.DerivationImageSequence = Items([derivation])
    item.SegmentIdentificationSequence = Items([identification])
    return item
