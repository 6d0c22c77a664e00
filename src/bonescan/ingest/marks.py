"""Marks that a reader has drawn or corrected: a Segmentation, Labelme files, or PNG masks."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.ingest.cutting import Labels, cut_into_views
from bonescan.ingest.labelme import annotated_shape, read_labelme
from bonescan.ingest.segmentation import read_segmentation
from bonescan.ingest.views import view_in
from bonescan.scan import VIEW_NAMES, Flag, Marks, MarkSource, Scan, View, ViewName

#: Text in a PNG mask that names the scan it was made on (`counts_digest`).
COUNTS_KEY = "Counts-SHA256"
_PNG = b"\x89PNG\r\n\x1a\n"
_WANTED = "name a DICOM Segmentation, a Labelme file or a PNG mask"


@dataclass(frozen=True)
class _Told:
    """What one file marks in each view that it tells of, and what of it was not taken."""

    source: MarkSource
    labels: dict[ViewName, Labels]
    flags: list[Flag]


def read_marks(files: Sequence[Path], scan: Scan, names: LabelNames | None = None) -> Marks:
    """Read the marks of a reader.

    Parameters
    ----------
    files : sequence of Path
        A Segmentation that refers to the scan's instances; or, for each view, a Labelme file or a
        PNG mask (0 none, any other number a lesion). The content tells which it is. A Labelme file
        or a PNG tells its view by its name, or by ``anterior:`` or ``posterior:`` before it, and
        has the size of the source frame or of the view; one that tells no view is taken for both
        where one frame holds both.
    scan : Scan
        What they were drawn on.
    names : LabelNames, optional
        What the names in Labelme files mean, and which segments of a Segmentation are benign.

    Returns
    -------
    Marks
        Views that no file tells of are not in it.

    Raises
    ------
    BadInput
        If a file cannot be read, is empty or of another kind, belongs to another study or to a
        picture of another size, or does not tell its view; or if two files tell of one view.
    """
    told = [_read(path, scan, names or LabelNames()) for path in files]
    first: dict[ViewName, MarkSource] = {}
    for item in told:
        for name in item.labels:
            if name in first:
                raise BadInput(
                    f"{item.source.name}: marks the {name} view, as {first[name].name} does; "
                    "name one file for a view"
                )
            first[name] = item.source
    return Marks(
        labels={name: labels for item in told for name, labels in item.labels.items()},
        sources=tuple(item.source for item in told),
        flags=tuple(dict.fromkeys(flag for item in told for flag in item.flags)),
    )


def counts_digest(counts: NDArray[np.float32]) -> str:
    """Return the SHA-256 of a view's rounded counts (H, W), which tells one scan from another."""
    whole = np.ascontiguousarray(np.rint(counts), "<i8")
    return hashlib.sha256(repr(whole.shape).encode() + whole.tobytes()).hexdigest()


def split_view(path: Path) -> tuple[Path, ViewName | None]:
    """Return a file of marks, and the view that is written before it or in its name."""
    prefix, colon, rest = str(path).partition(":")
    for name in VIEW_NAMES:
        if colon and prefix.strip().casefold() == name:
            return Path(rest.strip()), name
    return path, view_in(path.stem)


def _read(named: Path, scan: Scan, names: LabelNames) -> _Told:
    path, view = split_view(named)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "read error"
        raise BadInput(f"{path}: cannot be read ({reason}); {_WANTED}") from error
    if not content.strip(b"\0 \t\r\n"):
        raise BadInput(f"{path}: is empty; {_WANTED}")
    if content.startswith(_PNG):
        kind, (labels, flags) = "mask", _mask(path, content, view, scan)
    elif content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        kind, (labels, flags) = "labelme", _labelme(path, view, scan, names)
    else:
        kind, (labels, flags) = "segmentation", read_segmentation(path, scan, names)
    views = tuple(name for name in VIEW_NAMES if name in labels)
    source = MarkSource(path.name, hashlib.sha256(content).hexdigest(), kind, views)
    return _Told(source, labels, flags)


def _views_of(
    path: Path, view: ViewName | None, shape: tuple[int, ...] | None, scan: Scan
) -> tuple[View, ...]:
    """Return the views that a picture was drawn on: one, or both of a joint frame."""
    if view is not None:
        named = tuple(item for item in scan.views if item.name == view)
        if not named:
            raise BadInput(f"{path}: the study has no {view} view; name the marks of its views")
        return named
    joint = all(not item.crop.is_whole and item.crop.frame_shape == shape for item in scan.views)
    if len(scan.views) > 1 and not joint:
        raise BadInput(
            f"{path}: does not tell its view; write anterior: or posterior: before the file's name"
        )
    return scan.views


# --- Labelme ------------------------------------------------------------------------------------


def _labelme(
    path: Path, view: ViewName | None, scan: Scan, names: LabelNames
) -> tuple[dict[ViewName, Labels], list[Flag]]:
    shape = annotated_shape(path)
    views = _views_of(path, view, shape, scan)
    first = views[0]
    on_frame = shape == first.crop.frame_shape
    size = first.crop.frame_shape if on_frame else (first.counts.shape[0], first.counts.shape[1])
    drawn = read_labelme(path, size, names=names)
    labels, flags = cut_into_views(path.name, drawn.metastasis.astype(np.int32), views)
    if drawn.benign.any():
        message = f"{path.name}: shapes named benign are not taken as marks"
        flags.append(Flag("marks-left-out", message, "info"))
    return labels, [*drawn.flags, *flags]


# --- PNG ----------------------------------------------------------------------------------------


def _mask(
    path: Path, content: bytes, view: ViewName | None, scan: Scan
) -> tuple[dict[ViewName, Labels], list[Flag]]:
    drawn, made_on = _picture(path, content)
    views = _views_of(path, view, drawn.shape, scan)
    found = cut_into_views(str(path), drawn, views)
    if made_on and made_on not in {counts_digest(item.counts) for item in views}:
        shown = " or ".join(item.name for item in views)
        raise BadInput(
            f"{path}: was made on another scan than this {shown} view; name the mask of this one"
        )
    return found


def _picture(path: Path, content: bytes) -> tuple[Labels, str]:
    """Return a PNG's values (H, W) and the digest of the counts that it says it was made on."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image).astype(np.int32)
            made_on = str(image.info.get(COUNTS_KEY, ""))
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
    ) as error:
        raise BadInput(f"{path}: the picture is damaged; save the mask again") from error
    return (pixels if pixels.ndim == 2 else _grey(path, pixels)), made_on


def _grey(path: Path, pixels: Labels) -> Labels:
    """Return the one value of each pixel of a picture in colours that are all grey."""
    with_alpha = pixels.shape[2] in (2, 4)
    colours = pixels[..., :-1] if with_alpha else pixels
    if (colours != colours[..., :1]).any():
        raise BadInput(f"{path}: has colours; save the mask as 8-bit grey, 0 where nothing is")
    seen = pixels[..., -1] > 0 if with_alpha else True
    return np.where(seen, colours[..., 0], 0).astype(np.int32)
