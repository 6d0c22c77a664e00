"""Settle views that no code or text tells: by the other view, by pixels, by order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.errors import BadInput
from bonescan.ingest import headers, pictures, pixels
from bonescan.ingest.appearance import Appearance, appearance_of, telling_apart
from bonescan.ingest.dicom import derived_flag
from bonescan.ingest.sources import Failure, NamedPicture, Picture, SourceFile
from bonescan.scan import Flag, ViewName

_OPPOSITE: dict[ViewName, ViewName] = {"anterior": "posterior", "posterior": "anterior"}

#: What decided where the view was not written anywhere: flagged in every output.
BY_PIXELS, BY_ANGLE, BY_ORDER, BY_OTHER = (
    "pixels",
    "detector start angle",
    "detector order",
    "the other view",
)
GUESSED = {BY_PIXELS, BY_ANGLE, BY_ORDER, BY_OTHER}

Place = tuple[SourceFile, Picture]
#: Flags for the files at these paths.
Notes = defaultdict[Path, list[Flag]]


def decoded(source: SourceFile) -> NDArray[np.float32]:
    """Return a source's frames, (N, H, W) float32."""
    if source.kind == "picture":
        return pictures.decode(source.path, source.origin).grey
    dataset = headers.read_dataset(source.path, source.origin)
    return pixels.decode(dataset, source.origin).grey


def cut(frames: NDArray[np.float32], picture: Picture) -> NDArray[np.float32]:
    """Return a picture's part of its source's frames, (H, W)."""
    frame: NDArray[np.float32] = frames[picture.frame - 1]
    crop = picture.crop
    if crop is None:
        return frame
    part: NDArray[np.float32] = frame[
        crop.top : crop.top + crop.height, crop.left : crop.left + crop.width
    ]
    return part


def name_pictures(
    sources: Sequence[SourceFile], *, together: bool = False
) -> tuple[list[NamedPicture], list[Failure]]:
    """Give every picture a view.

    A picture that codes or text name keeps that view. Of two pictures in one file or series, the
    other one is then the other view. What is left is settled by the pixels, then by detector start
    angles that differ, and last in detector order, anterior first.

    Parameters
    ----------
    sources : sequence of SourceFile
    together : bool
        All files are of one study, whatever their identifiers.

    Returns
    -------
    named : list of NamedPicture
    failures : list of Failure
        Files whose pixels were needed and cannot be decoded.
    """
    named: list[NamedPicture] = []
    failures: list[Failure] = []
    notes: Notes = defaultdict(list)
    unsettled: defaultdict[tuple[object, ...], list[SourceFile]] = defaultdict(list)
    for source in sources:
        if all(picture.clue for picture in source.pictures):
            named += [_by_clue(source, picture) for picture in source.pictures]
        elif len(source.pictures) > 1:
            unsettled[(source.path,)].append(source)
        else:
            unsettled[_series_of(source, together)].append(source)
    told: defaultdict[tuple[object, ...], list[NamedPicture]] = defaultdict(list)
    for view in named:
        if len(view.source.pictures) == 1:
            told[_series_of(view.source, together)].append(view)
    for key, group in unsettled.items():
        try:
            named += _settle(group, told[key], notes)
        except BadInput as error:
            failures += [Failure(source.origin, str(error)) for source in group[:1]]
            for source in group[1:]:
                more, broken = name_pictures([source])
                named += more
                failures += broken
    return [_noting(view, notes) for view in named], failures


def _noting(view: NamedPicture, notes: Notes) -> NamedPicture:
    source = view.source
    return replace(view, source=replace(source, flags=(*source.flags, *notes[source.path])))


def _series_of(source: SourceFile, together: bool) -> tuple[object, ...]:
    """Return what the files of one series have in common; a file without a series is alone."""
    if together:
        return ()
    return (source.study_uid, source.series_uid) if source.series_uid else (source.path,)


def _by_clue(source: SourceFile, picture: Picture) -> NamedPicture:
    assert picture.clue is not None
    return NamedPicture(source, picture, picture.clue.view, picture.clue.by)


def _settle(
    group: Sequence[SourceFile], beside: Sequence[NamedPicture], notes: Notes
) -> list[NamedPicture]:
    """Name the pictures of one file, or of the files of one series, that no text names.

    ``beside`` are the pictures of the same series that have a file of their own and are named.
    """
    places = [(source, picture) for source in group for picture in source.pictures]
    if len(places) + len(beside) > 2:
        places = _without_means(places, beside, notes)
    told = [_by_clue(source, picture) for source, picture in places if picture.clue]
    open_places = [(source, picture) for source, picture in places if not picture.clue]
    if not open_places:
        return told
    if len(open_places) == 1 and len(told) == 1:
        source, picture = open_places[0]
        return [*told, NamedPicture(source, picture, _OPPOSITE[told[0].view], BY_OTHER)]
    looks = [appearance_of(grey) for grey in _greys(open_places)]
    found = (
        _by_pixels(open_places, looks)
        or _by_angles(open_places)
        or _in_order(open_places, looks, beside[-1].view if beside else None)
    )
    return told + found


def _greys(places: Sequence[Place]) -> list[NDArray[np.float32]]:
    frames: dict[Path, NDArray[np.float32]] = {}
    for source, _ in places:
        if source.path not in frames:
            frames[source.path] = decoded(source)
    return [cut(frames[source.path], picture) for source, picture in places]


def _without_means(
    places: Sequence[Place], beside: Sequence[NamedPicture], notes: Notes
) -> list[Place]:
    """Leave out unnamed pictures that are the geometric mean of two others, and note it.

    The note goes to what is left of the same file, else to all that the picture was beside.
    """
    greys = _greys([*places, *((view.source, view.picture) for view in beside)])
    means = [
        place
        for index, place in enumerate(places)
        if not place[1].clue and _is_mean_of_others(index, greys)
    ]
    left = [place for place in places if place not in means]
    paths = {source.path for source, _ in left} | {view.source.path for view in beside}
    for source, picture in means:
        own = source.path in paths
        what = f"Frame {picture.frame}" if own else source.origin.name
        for path in {source.path} if own else paths:
            notes[path].append(derived_flag(what))
    return left


def _is_mean_of_others(index: int, greys: Sequence[NDArray[np.float32]]) -> bool:
    others = [grey for position, grey in enumerate(greys) if position != index]
    return any(
        is_geometric_mean(greys[index], first, second) for first, second in combinations(others, 2)
    )


def is_geometric_mean(
    frame: NDArray[np.float32], first: NDArray[np.float32], second: NDArray[np.float32]
) -> bool:
    """Tell whether a frame is the geometric mean of two views, one of them mirrored or not.

    Parameters
    ----------
    frame, first, second : (H, W) float32
        Counts per pixel; frames of different shapes are no mean of each other.
    """
    if not frame.shape == first.shape == second.shape or not frame.any():
        return False
    for turned in (second[:, ::-1], second):
        mean = np.sqrt(first * turned)
        if np.ptp(mean) > 0 and np.corrcoef(frame.ravel(), mean.ravel())[0, 1] > 0.99:
            return True
    return False


def _by_pixels(places: Sequence[Place], looks: Sequence[Appearance]) -> list[NamedPicture]:
    """Name all pictures by their pixels, or none of them."""
    if len(places) == 2:
        first = telling_apart(looks[0], looks[1])
        views = [first, _OPPOSITE[first]] if first else []
    else:
        views = [look.view for look in looks if look.view]
    if len(views) != len(places):
        return []
    return [
        NamedPicture(source, picture, view, BY_PIXELS)
        for (source, picture), view in zip(places, views, strict=True)
    ]


def _by_angles(places: Sequence[Place]) -> list[NamedPicture]:
    """Name pictures by detector start angles, believed only where both views occur."""
    views = [picture.angle_view for _, picture in places]
    if set(views) != {"anterior", "posterior"}:
        return []
    return [
        NamedPicture(source, picture, view, BY_ANGLE)
        for (source, picture), view in zip(places, views, strict=True)
        if view
    ]


def _in_order(
    places: Sequence[Place], looks: Sequence[Appearance], other: ViewName | None
) -> list[NamedPicture]:
    """Name pictures by detector number, else alternating, anterior first."""
    numbers = [picture.detector for _, picture in places]
    usable = sorted({number for number in numbers if number}) == [1, 2] and None not in numbers
    named = []
    for index, ((source, picture), look) in enumerate(zip(places, looks, strict=True)):
        odd = (numbers[index] == 1) if usable else index % 2 == 0
        if len(places) == 1 and other:
            view, by = _OPPOSITE[other], BY_OTHER
        elif look.view and len(places) != 2:
            view, by = look.view, BY_PIXELS
        else:
            first: ViewName = "anterior" if odd else "posterior"
            view, by = first, BY_ORDER
        named.append(NamedPicture(source, picture, view, by))
    return named
