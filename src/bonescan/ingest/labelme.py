"""Labelme annotations to masks and back.

The files of Labelme 4.5.9 (which the paper used) and of the lines 5 and 6 differ in the shapes
that they may hold: polygon, rectangle, circle, point, line and linestrip in all, later also a
mask, kept as a base64 PNG with the box it fills, and an oriented rectangle with its four corners.
Coordinates are (x, y), x to the right, y down, with (0, 0) the corner of the first pixel.

A pixel is marked when its centre lies inside a shape. Labelme's own export also marks every pixel
that the outline touches, which makes its masks about half a pixel larger all round.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.files import write_whole
from bonescan.ingest.polygons import Points, fill_circle, fill_polygon, outline_polygons
from bonescan.scan import Flag

#: The version that files we write name; Labelme 4, 5 and 6 open them.
WRITTEN_VERSION = "4.5.9"
#: Shapes without an area.
LEFT_OUT = ("point", "points", "line", "linestrip")
#: Coordinates beyond the picture by more pixels than this are worth a flag.
BEYOND_PIXELS = 1.0

Meaning = Literal["metastasis", "benign", "ignored"]


@dataclass(frozen=True)
class Annotation:
    """What one Labelme file marks.

    ``metastasis`` and ``benign`` are (H, W) bool.
    """

    metastasis: NDArray[np.bool_]
    benign: NDArray[np.bool_]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class _Shape:
    """One shape of a file, checked: ``points`` (N, 2) float, finite."""

    label: str
    kind: str
    points: Points
    mask: NDArray[np.bool_] | None = None


def read_labelme(
    path: Path, shape: tuple[int, int], *, names: LabelNames | None = None
) -> Annotation:
    """Read a Labelme file as masks.

    Parameters
    ----------
    path : Path
        The JSON file.
    shape : (int, int)
        Rows and columns of the picture that was annotated.
    names : LabelNames, optional
        What the label names mean; the defaults of the settings without it.

    Returns
    -------
    Annotation
        Polygons, rectangles, circles and masks, each cut to the picture. Points, lines and
        linestrips have no area: they are left out with a flag.

    Raises
    ------
    BadInput
        If the file is not a Labelme file, belongs to a picture of another size, holds a label
        that ``names`` does not know, or a shape that makes no sense.
    """
    record = _record(path)
    _check_size(path, record, shape)
    shapes = [_shape(path, number, item) for number, item in enumerate(record["shapes"], start=1)]
    meanings = _meanings(path, shapes, names or LabelNames())
    masks = {meaning: np.zeros(shape, np.bool_) for meaning in ("metastasis", "benign", "ignored")}
    flags: list[Flag] = []
    for number, one in enumerate(shapes, start=1):
        if one.kind in LEFT_OUT:
            continue
        area = _fill(one, shape)
        masks[meanings[one.label]] |= area
        flags += _doubts(path, number, one, area)
    flags += _left_out(path, shapes) + _other_picture(path, record)
    return Annotation(masks["metastasis"], masks["benign"], tuple(flags))


def annotated_shape(path: Path) -> tuple[int, int] | None:
    """Return rows and columns of the picture that a Labelme file was made on, if it tells."""
    return _stated_shape(_record(path))


# --- the file -----------------------------------------------------------------------------------


def _record(path: Path) -> Mapping[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not valid JSON; save it in Labelme again") from error
    if not isinstance(record, dict) or not isinstance(record.get("shapes"), list):
        raise BadInput(f"{path}: shapes is missing, so it is no Labelme file; name another")
    return record


def _stated_shape(record: Mapping[str, Any]) -> tuple[int, int] | None:
    """Rows and columns as stated, or else of the picture inside the file."""
    height, width = record.get("imageHeight"), record.get("imageWidth")
    numbers = [size for size in (height, width) if isinstance(size, int | float)]
    if len(numbers) == 2 and np.isfinite(numbers).all():
        return round(numbers[0]), round(numbers[1])
    data = record.get("imageData")
    if not isinstance(data, str):
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            return image.height, image.width
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError):
        return None


def _check_size(path: Path, record: Mapping[str, Any], shape: tuple[int, int]) -> None:
    stated = _stated_shape(record)
    if stated is None:
        raise BadInput(f"{path}: imageHeight or imageWidth is missing; save it in Labelme again")
    if stated != shape:
        raise BadInput(
            f"{path}: imageHeight x imageWidth is {stated[0]} x {stated[1]}, but the view is "
            f"{shape[0]} x {shape[1]}; name the label file of this view"
        )


def _shape(path: Path, number: int, item: Any) -> _Shape:
    where = f"{path}: shape {number}"
    if not isinstance(item, dict) or not isinstance(item.get("label"), str):
        raise BadInput(f"{where}: label is missing; save the file in Labelme again")
    kind = item.get("shape_type") or "polygon"
    try:
        points = np.array(item["points"], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise BadInput(f"{where}: points are no list of (x, y) numbers; draw the shape again")
    if kind in ("circle", "mask", "rectangle") and len(points) < 2:
        raise BadInput(f"{where}: a {kind} needs 2 points, it has {len(points)}; draw it again")
    if kind not in (*LEFT_OUT, "polygon", "rectangle", "oriented_rectangle", "circle", "mask"):
        raise BadInput(f"{where}: shape_type {kind!r} is not known; draw it as a polygon")
    if kind in ("polygon", "oriented_rectangle") and len(points) < 3:
        raise BadInput(f"{where}: a {kind} needs 3 points, it has {len(points)}; draw it again")
    return _Shape(item["label"], kind, points, _mask(where, item, points, kind))


def _mask(where: str, item: Mapping[str, Any], points: Points, kind: str) -> Any:
    """Return the picture of a mask shape, (h, w) bool; None for the other shapes.

    Its box runs from the first to the last pixel; at the picture's edge Labelme may write a mask
    that is one pixel smaller.
    """
    if kind != "mask":
        return None
    width, height = (np.abs(np.rint(points[1]) - np.rint(points[0])) + 1).tolist()
    try:
        with Image.open(io.BytesIO(base64.b64decode(item.get("mask") or "", validate=True))) as png:
            if not (height - 1 <= png.height <= height and width - 1 <= png.width <= width):
                raise BadInput(
                    f"{where}: mask is {png.height} x {png.width} pixels, its box {height:.0f} x "
                    f"{width:.0f}; draw it again"
                )
            return np.asarray(png.convert("L")) > 0
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"{where}: mask is no base64 PNG; draw it again") from error


# --- meaning and area ---------------------------------------------------------------------------


def _meanings(path: Path, shapes: list[_Shape], names: LabelNames) -> dict[str, Meaning]:
    """Return what each label of a file means; refuse labels that no setting knows."""
    known: dict[str, Meaning] = {}
    for meaning, listed in (
        ("metastasis", names.metastasis),
        ("benign", names.benign),
        ("ignored", names.ignored),
    ):
        known |= {_plain(name): meaning for name in listed}  # type: ignore[misc]
    labels = {shape.label for shape in shapes}
    unknown = sorted(label for label in labels if _plain(label) not in known)
    if unknown:
        shown = ", ".join(repr(label) for label in unknown)
        raise BadInput(
            f"{path}: label {shown} is not known; rename it to metastasis or benign, or add it to "
            "labels.metastasis, labels.benign or labels.ignored in the experiment file"
        )
    return {label: known[_plain(label)] for label in labels}


def _plain(label: str) -> str:
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())


def _fill(one: _Shape, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a shape that lie in the picture, (H, W) bool."""
    if one.kind == "circle":
        radius = float(np.hypot(*(one.points[1] - one.points[0])))
        return fill_circle(one.points[0], radius, shape)
    if one.kind == "mask":
        assert one.mask is not None
        return _paste(one.mask, np.rint(one.points[:2].min(axis=0)).astype(int), shape)
    points = one.points
    if one.kind == "rectangle":
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return fill_polygon(points, shape)


def _paste(
    mask: NDArray[np.bool_], corner: NDArray[np.int_], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    out = np.zeros(shape, np.bool_)
    rows, columns = np.nonzero(mask)
    rows, columns = rows + corner[1], columns + corner[0]
    seen = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    out[rows[seen], columns[seen]] = True
    return out


def _doubts(path: Path, number: int, one: _Shape, area: NDArray[np.bool_]) -> list[Flag]:
    if not area.any():
        message = f"{path.name}: shape {number} ({one.label}) covers no pixel of the picture"
        return [Flag("label-empty", message)]
    height, width = area.shape
    low, high = one.points.min(axis=0), one.points.max(axis=0)
    if (low < -BEYOND_PIXELS).any() or (high > np.array([width, height]) + BEYOND_PIXELS).any():
        message = f"{path.name}: shape {number} ({one.label}) reaches out of the picture and is cut"
        return [Flag("label-clipped", message, "info")]
    return []


def _left_out(path: Path, shapes: list[_Shape]) -> list[Flag]:
    kinds = [shape.kind for shape in shapes if shape.kind in LEFT_OUT]
    if not kinds:
        return []
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    message = f"{path.name}: {counted} left out, because they have no area"
    return [Flag("label-left-out", message)]


def _other_picture(path: Path, record: Mapping[str, Any]) -> list[Flag]:
    """Doubt a file whose picture has another name: Labelme names a file after its picture.

    Raises
    ------
    BadInput
        If that other picture, or its own file, lies beside it.
    """
    named = PureWindowsPath(str(record.get("imagePath") or "")).name  # takes / and \ apart
    stem = PureWindowsPath(named).stem
    if not named or stem == path.stem:
        return []
    if any(path.with_name(name).exists() for name in (named, f"{stem}.json")):
        raise BadInput(
            f"{path}: imagePath is {named}, another picture that lies beside it; name the label "
            "file of this view"
        )
    message = f"{path.name}: was drawn on {named}; check that these are the marks of this view"
    return [Flag("label-other-picture", message)]


# --- write --------------------------------------------------------------------------------------


def write_labelme(
    path: Path,
    mask: NDArray[Any],
    image: str,
    *,
    label: str = "metastasis",
    tolerance: float = 0.25,
) -> None:
    """Write a mask as a Labelme file, so that marks can be corrected by hand.

    Parameters
    ----------
    path : Path
        The JSON file to write.
    mask : (H, W) bool or integer
        Pixels of the marks; the values 1, 2, ... of an integer mask become the ``group_id`` of
        the shapes, so that a lesion of several patches stays one.
    image : str
        File name of the picture, relative to the JSON's folder.
    label : str
        Label of every shape.
    tolerance : float
        How far, in pixels, corners may be left out, see `outline_polygons`. Reading the file back
        gives the mask but for border pixels, with ``tolerance=0`` the very mask.

    Raises
    ------
    BadInput
        If the file cannot be written.
    """
    numbered = mask.dtype != np.bool_
    shapes = [
        {
            "label": label,
            "points": np.round(polygon, 3).tolist(),
            "group_id": int(value) if numbered else None,
            "shape_type": "polygon",
            "flags": {},
        }
        for value in np.unique(mask[mask != 0])
        for polygon in outline_polygons(np.asarray(mask == value), tolerance)
    ]
    record: dict[str, Any] = {
        "version": WRITTEN_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": int(mask.shape[0]),
        "imageWidth": int(mask.shape[1]),
    }
    write_whole(path, f"{json.dumps(record, indent=1)}\n".encode())
