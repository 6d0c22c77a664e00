"""A DICOM Segmentation of a scan's source frames, as masks of its views (PS3.3, A.51).

It may be one of ours that a reader has edited, or another program's. A planar scan has no Frame of
Reference, so that each frame must name the source frame it lies on; nothing else can place it where
there are several. Neither the order of the frames nor their positions are used: programs leave out
empty frames, and lay the two views one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.ingest import headers
from bonescan.ingest.cutting import Labels, cut_into_views
from bonescan.scan import Flag, Scan, View, ViewName

#: Segmentation Storage, and Label Map Segmentation Storage.
_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
#: "Anatomical Structure": bones and organs are no lesions. CID 7150 of the standard, the code that
#: dcmqi, 3D Slicer and MONAI Label write, and the legacy forms of both.
_ANATOMY = ("91723000", "123037004", "T-D0005", "T-D000A")


@dataclass(frozen=True)
class _SourceFrame:
    """The source frame that a frame of the Segmentation lies on; ``number`` is None if untold."""

    instance: str
    number: int | None


@dataclass(frozen=True)
class _Segments:
    """The numbers of the segments that mark lesions, and how many name anatomy, or what is benign.

    A number that the object does not describe marks nothing.
    """

    lesions: frozenset[int]
    anatomy: int
    benign: int

    @property
    def flags(self) -> list[str]:
        """What is not taken, in words."""
        kinds = ((self.anatomy, "of anatomy"), (self.benign, "named benign"))
        return [
            f"{count} {'segment' if count == 1 else 'segments'} {kind} not taken as marks"
            for count, kind in kinds
            if count
        ]


def read_segmentation(
    path: Path, scan: Scan, names: LabelNames | None = None
) -> tuple[dict[ViewName, Labels], list[Flag]]:
    """Read a Segmentation as marks.

    Parameters
    ----------
    path : Path
        Binary, fractional (half of the highest value or more counts) or a label map.
    scan : Scan
        What it segments.
    names : LabelNames, optional
        Its ``benign`` names, which are those of segments that mark no metastasis.

    Returns
    -------
    labels : dict from view name to (H, W) int32
        For each view whose source instance the object refers to: 0 none, else the number of the
        segment, the lowest where segments overlap. Segments of the category Anatomical Structure
        and those with a benign name are left out.
    flags : list of Flag
        What was not taken.

    Raises
    ------
    BadInput
        If it is damaged, no Segmentation, of another study or other instances, of frames of another
        size, or if a frame does not name its source and there are several, or if it segments
        anatomy alone.
    """
    if not any(view.sop_instance_uid for view in scan.views):
        raise BadInput(
            f"{path}: a Segmentation needs a DICOM scan to refer to, this study has pictures; "
            "name PNG masks or Labelme files"
        )
    dataset = headers.read_dataset(path)
    _check_study(path, dataset, scan)
    views = _views_of(path, dataset, scan)
    segments = _segments(dataset, names or LabelNames())
    if segments.anatomy and not (segments.lesions or segments.benign):
        raise BadInput(
            f"{path}: all segments are of the category Anatomical Structure, which is no mark; "
            "give lesions another category, or say that there is none by empty PNG masks"
        )
    drawn = {
        (view.sop_instance_uid, view.frame): np.zeros(view.crop.frame_shape, np.int32)
        for view in views
    }
    overlapping = 0
    for number, source, mask in _frames(path, dataset):
        if number not in segments.lesions:
            continue
        first = _seen_on(path, source, views)[0]
        frame = drawn[first.sop_instance_uid, first.frame]
        overlapping += int((mask & (frame != 0) & (frame != number)).sum())
        frame[mask & ((frame == 0) | (frame > number))] = number
    labels: dict[ViewName, Labels] = {}
    flags: list[Flag] = []
    for source_frame, numbers in drawn.items():
        shown = [v for v in views if (v.sop_instance_uid, v.frame) == source_frame]
        found, doubts = cut_into_views(path.name, numbers, shown)
        labels |= found
        flags += doubts
    flags += [Flag("marks-left-out", f"{path.name}: {said}", "info") for said in segments.flags]
    if overlapping:
        message = f"{path.name}: segments overlap in {overlapping} pixels, which go to the first"
        flags.append(Flag("marks-left-out", message, "info"))
    return labels, flags


def _check_study(path: Path, dataset: Dataset, scan: Scan) -> None:
    kind = headers.uid(dataset, "SOPClassUID")
    if kind not in _CLASSES:
        name = dataset.get("Modality", "") or "unknown"
        raise BadInput(f"{path}: is no DICOM Segmentation (modality {name}); name seg.dcm")
    study = headers.uid(dataset, "StudyInstanceUID")
    if study != scan.identity.study_uid:
        raise BadInput(
            f"{path}: Study Instance UID is {study or 'missing'}, the scan's is "
            f"{scan.identity.study_uid}; name the Segmentation of this study"
        )


def _views_of(path: Path, dataset: Dataset, scan: Scan) -> tuple[View, ...]:
    """Return the views whose source instance the object refers to, and refuse other sizes."""
    named = {
        headers.uid(item, "ReferencedSOPInstanceUID")
        for series in headers.items(dataset, "ReferencedSeriesSequence")
        for item in headers.items(series, "ReferencedInstanceSequence")
    }
    for group in _groups(dataset):
        named |= {source.instance for source in _sources(dataset, group)}
    views = tuple(view for view in scan.views if view.sop_instance_uid in named)
    if not views:
        raise BadInput(
            f"{path}: refers to no image of this study; name a Segmentation of the scan itself"
        )
    size = (int(dataset.get("Rows", 0) or 0), int(dataset.get("Columns", 0) or 0))
    fitting = tuple(view for view in views if view.crop.frame_shape == size)
    if not fitting:
        height, width = views[0].crop.frame_shape
        raise BadInput(
            f"{path}: Rows x Columns is {size[0]} x {size[1]}, but the scan's frames are "
            f"{height} x {width}; save the segmentation in the scan's size"
        )
    return fitting


def _segments(dataset: Dataset, names: LabelNames) -> _Segments:
    lesions, anatomy, benign = set(), 0, 0
    benign_names = {name.casefold() for name in names.benign}
    for item in headers.items(dataset, "SegmentSequence"):
        number = headers.number(item, "SegmentNumber")
        category = headers.items(item, "SegmentedPropertyCategoryCodeSequence")
        if category and headers.text(category[0], "CodeValue") in _ANATOMY:
            anatomy += 1
        elif headers.text(item, "SegmentLabel").strip().casefold() in benign_names:
            benign += 1
        elif number is not None and number > 0:
            lesions.add(int(number))
    return _Segments(frozenset(lesions), anatomy, benign)


def _groups(dataset: Dataset) -> tuple[Dataset, ...]:
    return headers.items(dataset, "PerFrameFunctionalGroupsSequence")


def _macro(dataset: Dataset, group: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a functional group of one frame, or of the one that all share."""
    found = headers.items(group, keyword)
    if found:
        return found
    shared = headers.items(dataset, "SharedFunctionalGroupsSequence")
    return headers.items(shared[0], keyword) if shared else ()


def _sources(dataset: Dataset, group: Dataset) -> list[_SourceFrame]:
    found = []
    for derivation in _macro(dataset, group, "DerivationImageSequence"):
        for item in headers.items(derivation, "SourceImageSequence"):
            instance = headers.uid(item, "ReferencedSOPInstanceUID")
            frames = headers.numbers(item, "ReferencedFrameNumber") or (None,)
            found += [_SourceFrame(instance, None if n is None else int(n)) for n in frames]
    return found


def _frames(
    path: Path, dataset: Dataset
) -> Iterator[tuple[int, list[_SourceFrame], NDArray[np.bool_]]]:
    """Yield segment number, source frames and mask (H, W) of each frame and segment."""
    groups = _groups(dataset)
    stack = _pixels(path, dataset)
    if len(groups) != len(stack):
        raise BadInput(
            f"{path}: has {len(stack)} frames, but Per-Frame Functional Groups Sequence has "
            f"{len(groups)} items; save the segmentation again"
        )
    for picture, group in zip(stack, groups, strict=True):
        sources = _sources(dataset, group)
        if headers.uid(dataset, "SOPClassUID") == _CLASSES[1]:
            for number in np.unique(picture[picture != 0]):
                yield int(number), sources, picture == number
            continue
        items = _macro(dataset, group, "SegmentIdentificationSequence")
        number = headers.number(items[0], "ReferencedSegmentNumber") if items else None
        if number is None:
            raise BadInput(
                f"{path}: Referenced Segment Number is missing; save the segmentation again"
            )
        yield int(number), sources, _is_marked(dataset, picture)


def _pixels(path: Path, dataset: Dataset) -> NDArray[Any]:
    try:
        with headers.quietly():
            pixels = dataset.pixel_array
    except Exception as error:  # whatever a decoder may raise on damaged data
        raise BadInput(f"{path}: Pixel Data cannot be decoded; save it uncompressed") from error
    return pixels.reshape(-1, *pixels.shape[-2:])


def _is_marked(dataset: Dataset, picture: NDArray[Any]) -> NDArray[np.bool_]:
    if headers.text(dataset, "SegmentationType") != "FRACTIONAL":
        return np.asarray(picture > 0)
    highest = headers.positive(dataset, "MaximumFractionalValue") or 255.0
    return np.asarray(picture >= highest / 2) & (picture > 0)


def _seen_on(path: Path, sources: list[_SourceFrame], views: tuple[View, ...]) -> list[View]:
    """Return the views that a frame lies on: one, or both of a joint frame."""
    if not sources and len({(view.sop_instance_uid, view.frame) for view in views}) == 1:
        return list(views)  # there is no other source frame that it could lie on
    if not sources:
        raise BadInput(
            f"{path}: a frame does not name its source image; save the segmentation with "
            "references to the source frames"
        )
    found = []
    for source in sources:
        here = [view for view in views if view.sop_instance_uid == source.instance]
        if source.number is None and len({view.frame for view in here}) > 1:
            raise BadInput(
                f"{path}: Referenced Frame Number is missing where the source holds both views; "
                "save the segmentation with it"
            )
        found += [view for view in here if source.number in (None, view.frame)]
    if not found:
        raise BadInput(
            f"{path}: a frame marks an image that is none of this study's views; "
            "mark the frames that bonescan inspect lists"
        )
    if len({(view.sop_instance_uid, view.frame) for view in found}) > 1:
        raise BadInput(f"{path}: one frame marks two views; segment each view by itself")
    return found
