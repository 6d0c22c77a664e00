"""Decode the pixel data of a DICOM object to grey frames of counts, with what had to be done.

Native and RLE data are decoded by pydicom, JPEG Lossless, JPEG-LS and JPEG 2000 by gdcm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import parse_basic_offsets, parse_fragments
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from scipy import ndimage

from bonescan.errors import BadInput, NotABoneScan
from bonescan.ingest import headers
from bonescan.scan import Flag

#: Largest rows or columns, frames, and pixels in all that a planar study plausibly has.
MAX_SIDE, MAX_FRAMES, MAX_PIXELS = 8192, 64, 64_000_000

#: Channels that differ by no more than this share of full scale show grey (JPEG noise aside).
_GREY_TOLERANCE = 0.04

#: Weights of red, green and blue in brightness, ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)

_NATIVE_SYNTAXES = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"}

#: Attributes without which stored pixels are bytes only.
_FORMAT = ("Bits Allocated", "Photometric Interpretation")

#: Transfer syntaxes that lose something, unless the header says that these pixels lost nothing.
_LOSSY_SYNTAXES = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000}

_DECODERS: dict[str, str] = {
    RLELossless: "pydicom",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
}

NM_STORAGE = "1.2.840.10008.5.1.4.1.1.20"


@dataclass(frozen=True)
class Frames:
    """Decoded frames of one file.

    Attributes
    ----------
    grey : (N, H, W) float32
        Counts per pixel, or grey values where ``true_counts`` is false; 0 or more, high is hot.
    true_counts : bool
        The values are counts, not what a screen showed.
    flags : tuple of Flag
        What was changed to get there.
    """

    grey: NDArray[np.float32]
    true_counts: bool
    flags: tuple[Flag, ...] = ()


def check_matrix(shown: Path, rows: int, columns: int, frames: int = 1) -> None:
    """Refuse a picture size that no whole-body scan has, before memory is taken for it."""
    if min(rows, columns, frames) < 1:
        raise BadInput(
            f"{shown}: matrix of {rows} x {columns}, {frames} frames, is empty; "
            "export the study again"
        )
    if max(rows, columns) > MAX_SIDE or rows * columns * min(frames, MAX_FRAMES) > MAX_PIXELS:
        raise BadInput(
            f"{shown}: matrix of {rows} x {columns} is larger than any planar scan "
            f"(limit {MAX_SIDE} a side); export the original study"
        )
    if frames > MAX_FRAMES:
        raise NotABoneScan(
            f"{shown}: {frames} frames are a dynamic or tomographic study, not a planar "
            "whole-body bone scan; give the whole-body study"
        )


def frame_count(dataset: Dataset) -> int:
    """Return the number of frames.

    Where Number of Frames is missing or empty: as many as the Detector Vector has entries, else as
    many as the pixel data holds, where that has been read.
    """
    told = headers.number(dataset, "NumberOfFrames")
    if told is not None:
        return int(told)
    return len(headers.numbers(dataset, "DetectorVector")) or max(1, _frames_held(dataset))


def tells_frame_count(dataset: Dataset) -> bool:
    """Tell whether a header says how many frames there are, so that the pixels need not."""
    return headers.number(dataset, "NumberOfFrames") is not None or bool(
        headers.numbers(dataset, "DetectorVector")
    )


def _frames_held(dataset: Dataset) -> int:
    """Return how many frames the pixel data holds; 0 where that does not come out even."""
    held = headers.values(dataset, "PixelData")
    if not held:
        return 0
    if not _is_native(dataset):
        try:
            encoded = BytesIO(held[0])
            return len(parse_basic_offsets(encoded)) or parse_fragments(encoded)[0]
        except Exception:  # damaged; said when it is decoded
            return 0
    sizes = [headers.positive(dataset, key) or 0 for key in ("Rows", "Columns", "BitsAllocated")]
    frame = int(np.prod(sizes) * (headers.positive(dataset, "SamplesPerPixel") or 1)) // 8
    # One byte may be there to make the length even.
    return len(held[0]) // frame if frame and len(held[0]) % frame <= 1 else 0


def _is_native(dataset: Dataset) -> bool:
    syntax = headers.text(dataset.get("file_meta") or Dataset(), "TransferSyntaxUID")
    return syntax in _NATIVE_SYNTAXES or not syntax


def check_size(dataset: Dataset, path: Path, shown: Path) -> None:
    """Refuse a file that is too short for the native pixel data which its header announces."""
    if not _is_native(dataset):
        return
    sizes = [headers.positive(dataset, key) for key in ("Rows", "Columns", "BitsAllocated")]
    if None in sizes:
        return
    samples = headers.positive(dataset, "SamplesPerPixel") or 1
    expected = int(np.prod([size or 0 for size in sizes])) * frame_count(dataset) * samples / 8
    if path.stat().st_size < expected:
        raise BadInput(
            f"{shown}: Pixel Data is cut off (the file has {path.stat().st_size} bytes, its pixels "
            f"alone need {expected:.0f}); transfer the file again"
        )


def decode(dataset: Dataset, shown: Path) -> Frames:
    """Decode a DICOM object's pixels.

    The rescale slope and intercept are applied; colour is reduced to brightness; a picture whose
    air is bright (inverse grey, whatever Photometric Interpretation says) is turned over.

    Raises
    ------
    BadInput
        If pixel data is missing, cut off, cannot be decoded, or holds NaN or infinity.
    """
    stored = _stored_values(dataset, shown)
    flags: list[Flag] = []
    samples = int(headers.number(dataset, "SamplesPerPixel") or 1)
    grey, colour_flags = _to_grey(stored, dataset, samples)
    flags += colour_flags
    grey, value_flags = _to_values(grey, dataset, shown)
    flags += value_flags
    if _is_lossy(dataset):
        message = "The pixels were compressed with loss; their values are no longer exact counts"
        flags.append(Flag("lossy-compression", message))
    if headers.text(dataset, "BurnedInAnnotation").upper() == "YES":
        message = "The header says that text is burned into the picture; it may be taken for uptake"
        flags.append(Flag("burned-in-text", message))
    screen = samples > 1 or _is_screen_capture(dataset)
    frames = Frames(grey, not screen, tuple(flags))
    declared = headers.text(dataset, "PhotometricInterpretation").upper() == "MONOCHROME1"
    return turned_to_dark_air(frames, declared=declared)


def _stored_values(dataset: Dataset, shown: Path) -> NDArray[Any]:
    rows = int(headers.number(dataset, "Rows") or 0)
    columns = int(headers.number(dataset, "Columns") or 0)
    frames = frame_count(dataset)
    if not any(key in dataset for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise BadInput(f"{shown}: Pixel Data is missing; export the study again with pixels")
    check_matrix(shown, rows, columns, frames)
    _check_format(dataset, shown)
    try:
        with headers.quietly():
            dataset.NumberOfFrames = frames
            dataset.pixel_array_options(decoding_plugin=_decoder(dataset))
            array = dataset.pixel_array
    except Exception as error:
        syntax = headers.text(dataset.get("file_meta") or Dataset(), "TransferSyntaxUID")
        raise BadInput(
            f"{shown}: Pixel Data cannot be decoded (transfer syntax {syntax or 'unknown'}): "
            f"damaged or cut off; export the study again"
        ) from error
    samples = array.shape[-1] if array.ndim > 2 and _has_channels(dataset, array) else 1
    shape = (frames, rows, columns) + ((samples,) if samples > 1 else ())
    if array.size != np.prod(shape):
        raise BadInput(
            f"{shown}: Pixel Data holds {array.shape}, the header says {shape}; "
            "export the study again"
        )
    return np.asarray(array).reshape(shape)


def _check_format(dataset: Dataset, shown: Path) -> None:
    """Name what is missing of the attributes without which pixels cannot be told from bytes."""
    missing = [name for name in _FORMAT if not headers.texts(dataset, name.replace(" ", ""))]
    if missing:
        shown_names = " and ".join(missing)
        raise BadInput(
            f"{shown}: {shown_names} {'is' if len(missing) == 1 else 'are'} missing, so that its "
            "pixels cannot be read; export the study again"
        )


def _decoder(dataset: Dataset) -> str:
    """Choose gdcm wherever it can decode: it refuses damaged JPEG data, which others fill in.

    Damaged JPEG-LS ends the process in gdcm, and damaged RLE raises what is no `Exception` in
    pylibjpeg; their decoders here fail as they should.
    """
    syntax = headers.text(dataset.get("file_meta") or Dataset(), "TransferSyntaxUID")
    if syntax in _DECODERS:
        return _DECODERS[syntax]
    try:
        return "gdcm" if "gdcm" in get_decoder(UID(syntax)).available_plugins else ""
    except NotImplementedError:  # a syntax that needs or has no decoder
        return ""


def _is_lossy(dataset: Dataset) -> bool:
    """Tell whether the pixels lost something; the syntax speaks where the header is silent."""
    said = headers.text(dataset, "LossyImageCompression")
    syntax = headers.text(dataset.get("file_meta") or Dataset(), "TransferSyntaxUID")
    return said == "01" or (said != "00" and syntax in _LOSSY_SYNTAXES)


def _has_channels(dataset: Dataset, array: NDArray[Any]) -> bool:
    return int(headers.number(dataset, "SamplesPerPixel") or 1) > 1 and array.shape[-1] in (3, 4)


def _to_grey(
    stored: NDArray[Any], dataset: Dataset, samples: int
) -> tuple[NDArray[Any], list[Flag]]:
    """Reduce colour to one channel; leave the stored counts of a palette NM object alone."""
    photometric = headers.text(dataset, "PhotometricInterpretation").upper()
    sop_class = headers.uid(dataset, "SOPClassUID")
    if samples > 1:
        if photometric.startswith("YBR_FULL"):
            stored = convert_color_space(stored, photometric, "RGB", per_frame=True)
        return colour_to_grey(stored)
    if photometric == "PALETTE COLOR" and sop_class != NM_STORAGE:
        try:
            return colour_to_grey(apply_color_lut(stored, dataset))
        except Exception:  # no or broken palette: the indices are all there is
            return stored, []
    return stored, []


def colour_to_grey(colour: NDArray[Any]) -> tuple[NDArray[np.float32], list[Flag]]:
    """Reduce (..., 3) colour to brightness, and say so unless it was grey all along."""
    rgb = colour[..., :3].astype(np.float32)
    scale = float(np.iinfo(colour.dtype).max) if colour.dtype.kind in "iu" else float(rgb.max())
    spread = rgb.max(axis=-1) - rgb.min(axis=-1)
    if float(np.mean(spread > _GREY_TOLERANCE * scale)) < 1e-3:
        return rgb[..., 1], []
    grey = rgb @ np.asarray(_LUMA, np.float32)
    share = float(np.mean(spread > _GREY_TOLERANCE * scale))
    message = (
        f"{share:.1%} of the picture is coloured; its brightness is taken as uptake, "
        "so intensities are not comparable"
    )
    return grey, [Flag("colour-picture", message)]


def _to_values(
    stored: NDArray[Any], dataset: Dataset, shown: Path
) -> tuple[NDArray[np.float32], list[Flag]]:
    """Apply padding and rescale; make the values finite and not negative."""
    grey = stored.astype(np.float32)
    flags: list[Flag] = []
    if not np.isfinite(grey).all():
        raise BadInput(f"{shown}: Pixel Data holds NaN or infinity; export the study again")
    padding = headers.number(dataset, "PixelPaddingValue")
    if padding is not None and padding < 0:
        grey[grey == padding] = 0
    slope = headers.number(dataset, "RescaleSlope")
    intercept = headers.number(dataset, "RescaleIntercept")
    if slope == 0:
        flags.append(Flag("rescale-ignored", "Rescale Slope is 0; the stored values are used"))
    elif (slope or 1, intercept or 0) != (1, 0):
        grey = grey * np.float32(slope or 1) + np.float32(intercept or 0)
        flags.append(
            Flag(
                "rescaled",
                f"Values are the stored ones times {slope or 1:g} plus {intercept or 0:g}, "
                "as the header asks",
                "info",
            )
        )
    if grey.min() < 0:
        signed = stored.dtype == np.int16 and not flags
        grey, negative_flags = _without_negatives(grey, signed_16_bit=signed)
        flags += negative_flags
    return grey, flags


def _without_negatives(
    grey: NDArray[np.float32], *, signed_16_bit: bool
) -> tuple[NDArray[np.float32], list[Flag]]:
    """Restore counts that overflowed a signed 16-bit pixel, and set other negatives to 0.

    A spot overflowed where the pixels around it are more than half of what the format holds.
    """
    restored = np.zeros(grey.shape, bool)
    may_overflow = signed_16_bit and grey.max() > 16384
    for index, frame in enumerate(grey if may_overflow else ()):
        spots, count = ndimage.label(frame < 0, np.ones((3, 3)))
        for number, place in enumerate(ndimage.find_objects(spots, count), start=1):
            near = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in place)
            spot = spots[near] == number
            rim = ndimage.binary_dilation(spot, np.ones((3, 3))) & ~spot
            if rim.any() and np.median(frame[near][rim]) > 16384:
                restored[index][near] |= spot
    flags = []
    if restored.any():
        message = (
            f"{int(restored.sum())} pixels overflowed a signed 16-bit value and were restored; "
            "check the hottest spot"
        )
        flags.append(Flag("wrapped-counts", message))
        grey = np.where(restored, grey + 65536, grey)
    negative = int((grey < 0).sum())
    if negative:
        message = (
            f"{negative} pixels are negative (lowest {grey.min():g}) and count as 0; counts "
            "cannot be negative"
        )
        flags.append(Flag("negative-counts", message))
    return np.maximum(grey, 0), flags


#: Air from this share of a frame's range on is bright: the picture is inverse.
BRIGHT_AIR = 0.6
#: Frames whose greatest values differ by no more were turned over together: a frame without an
#: empty pixel has lost its least counts off the common value.
SAME_AIR = 3.0


def turned_to_dark_air(frames: Frames, *, declared: bool = False) -> Frames:
    """Turn inverse grey (bright air, dark bones) over, judged by the pixels of the rim.

    ``declared`` says that the source calls itself inverse, so that turning over restores counts.

    Frames whose greatest values, their air, differ were turned one by one, and are turned back so.

    MONOCHROME1 alone does not tell: cameras set it on true counts so that viewers show them as
    inverse grey, and screen captures show inverse grey as MONOCHROME2.
    """
    tops = frames.grey.max(axis=(1, 2), keepdims=True)
    bottoms = frames.grey.min(axis=(1, 2), keepdims=True)
    shares = (frames.grey - bottoms) / np.maximum(tops - bottoms, 1e-6)
    rim = np.ones(frames.grey.shape[1:], bool)
    rim[2:-2, 2:-2] = False
    air = float(np.median(shares[:, rim]))
    if air < BRIGHT_AIR:
        return frames
    if np.ptp(tops) <= SAME_AIR:
        tops = tops.max()
    flag = Flag(
        "inverted",
        f"Air is bright ({air:.0%} of the brightest), so grey values were turned over",
        "info",
    )
    return replace(
        frames,
        grey=tops - frames.grey,
        true_counts=frames.true_counts and declared,
        flags=(*frames.flags, flag),
    )


def _is_screen_capture(dataset: Dataset) -> bool:
    """Tell a picture of a screen from counts stored as Secondary Capture (as NM1 samples are)."""
    if headers.uid(dataset, "SOPClassUID") == NM_STORAGE:
        return False
    modality = headers.text(dataset, "Modality").upper()
    kinds = [kind.upper() for kind in headers.texts(dataset, "ImageType")]
    bits = headers.number(dataset, "BitsAllocated") or 8
    return bits <= 8 or (modality != "NM" and "WHOLE BODY" not in kinds)
