"""PNG, JPEG and TIFF files: which pictures of the patient they hold, and their grey values.

Their values are not counts: a screen, an export or a camera's display has scaled them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence, UnidentifiedImageError

from bonescan.errors import BadInput
from bonescan.ingest import views
from bonescan.ingest.dicom import composite_flag
from bonescan.ingest.pixels import Frames, check_matrix, colour_to_grey, turned_to_dark_air
from bonescan.ingest.sources import Picture, SourceFile
from bonescan.ingest.tiles import bodies_in
from bonescan.ingest.views import Clue
from bonescan.scan import Flag

#: Names that pictures have; the content decides.
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def looks_like_picture(path: Path) -> bool:
    """Tell from the first bytes whether a file is PNG, JPEG, TIFF or BMP."""
    with path.open("rb") as file:
        start = file.read(8)
    return start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM"))


def describe(path: Path, origin: Path) -> SourceFile:
    """Read a picture file's size and name, and from its pixels how many bodies it shows.

    Raises
    ------
    BadInput
        If it cannot be opened as a picture.
    """
    with _opened(path, origin) as image:
        columns, rows = image.size
        count = int(getattr(image, "n_frames", 1))
    check_matrix(origin, rows, columns, count)
    pictures: tuple[Picture, ...] = tuple(Picture(frame) for frame in range(1, count + 1))
    flags: tuple[Flag, ...] = ()
    if count == 1:
        crops = bodies_in(decode(path, origin).grey[0])
        if len(crops) > 1:
            pictures = tuple(Picture(1, crop) for crop in crops)
            flags = (composite_flag(len(crops), rows, columns),)
    if len(pictures) == 1:
        pictures = (Picture(1, clue=_clue(origin)),)
    return SourceFile(path, origin, "picture", rows, columns, pictures, flags=flags)


def _clue(origin: Path) -> Clue | None:
    return views.clue_of_file(None, origin)


def decode(path: Path, origin: Path) -> Frames:
    """Decode a picture file to grey values, high is hot.

    Raises
    ------
    BadInput
        If the picture is damaged or cut off.
    """
    flags: list[Flag] = []
    frames: list[NDArray[np.float32]] = []
    with _opened(path, origin) as image:
        check_matrix(origin, image.size[1], image.size[0], int(getattr(image, "n_frames", 1)))
        for page in ImageSequence.Iterator(image):
            grey, found = _page_to_grey(page)
            frames.append(grey)
            flags += [flag for flag in found if flag not in flags]
    if any(frame.shape != frames[0].shape for frame in frames):
        raise BadInput(f"{origin}: its pages differ in size; save each view as a file of its own")
    stack = np.stack(frames)
    if not np.isfinite(stack).all():
        raise BadInput(f"{origin}: holds NaN or infinity; export the picture again")
    lowest = float(stack.min())
    if lowest < 0:
        stack = np.maximum(stack, 0)
        flags.append(Flag("negative-counts", f"Negative values (lowest {lowest:g}) count as 0"))
    return turned_to_dark_air(Frames(stack, False, tuple(flags)))


def _page_to_grey(page: Image.Image) -> tuple[NDArray[np.float32], list[Flag]]:
    if page.mode in {"L", "I", "F"} or page.mode.startswith("I;16"):
        return np.asarray(page).astype(np.float32), []
    if page.mode == "1":
        return np.asarray(page.convert("L")).astype(np.float32), []
    if page.mode in {"LA", "La"}:
        return np.asarray(page)[..., 0].astype(np.float32), []
    return colour_to_grey(np.asarray(page.convert("RGB")))


@contextmanager
def _opened(path: Path, origin: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever Pillow says about it becomes one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                yield image
    except BadInput:
        raise
    except UnidentifiedImageError as error:
        raise BadInput(f"{origin}: not a PNG, JPEG or TIFF picture; export it again") from error
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"{origin}: the picture is larger than any planar scan; export the original study"
        ) from error
    except MemoryError as error:
        raise BadInput(f"{origin}: the picture does not fit into memory") from error
    except Exception as error:
        raise BadInput(f"{origin}: the picture is damaged or cut off; export it again") from error
