"""Read attributes of a DICOM header that may be missing, empty, of a wrong type or broken.

Every function answers with a plain value or with None / an empty tuple, and never raises because
of what a header holds. Scanners, archives and anonymisers leave all of these behind.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.valuerep import VR

from bonescan.errors import BadInput

#: First bytes of a little-endian data set without preamble: group 0002 or 0008.
_BARE_DATASET_STARTS = (b"\x02\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00")


@contextmanager
def quietly() -> Iterator[None]:
    """Silence pydicom's warnings about values that break the standard: we check what we use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def looks_like_dicom(path: Path) -> bool:
    """Tell from the first bytes whether a file is DICOM, whatever its name."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:] == b"DICM" or start.startswith(_BARE_DATASET_STARTS)


def read_dataset(path: Path, origin: Path | None = None, *, pixels: bool = True) -> Dataset:
    """Read a DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    origin : Path, optional
        The name under which the user knows it (a zip's member), for error messages.
    pixels : bool
        Read the pixel data, too.

    Raises
    ------
    BadInput
        If the file cannot be opened, is no DICOM file, or breaks off in its header.
    """
    shown = origin or path
    try:
        bare = not _has_preamble(path)
        with quietly():
            dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=bare)
            dataset.get("SOPClassUID")
    except OSError as error:
        reason = error.strerror or "read error"
        raise BadInput(f"{shown}: cannot be read ({reason}); check the file") from error
    except InvalidDicomError as error:
        raise BadInput(f"{shown}: not a DICOM file; export the study as DICOM") from error
    except Exception as error:
        raise BadInput(
            f"{shown}: the DICOM header is damaged or cut off; export the study again"
        ) from error
    if dataset:
        return dataset
    # pydicom gives up a whole data set where encapsulated pixel data breaks off.
    if pixels and read_dataset(path, origin, pixels=False):
        raise BadInput(f"{shown}: Pixel Data is cut off; transfer the file again")
    raise BadInput(f"{shown}: holds no DICOM attributes; export the study again")


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:] == b"DICM":
        return True
    if not start.startswith(_BARE_DATASET_STARTS):
        raise InvalidDicomError
    return False


def values(dataset: Dataset, key: str | int | tuple[int, int]) -> tuple[Any, ...]:
    """Return an element's values, however many there are; empty where there is none."""
    try:
        with quietly():
            element = dataset[key]
            value = element.value
    except Exception:  # missing, or a value that pydicom cannot convert
        return ()
    if value is None or value == "":
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return (value,)
    return tuple(value)


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return a sequence's items; empty where the sequence is missing or is none."""
    return tuple(item for item in values(dataset, keyword) if isinstance(item, Dataset))


def texts(dataset: Dataset, key: str | int | tuple[int, int]) -> tuple[str, ...]:
    r"""Return an element's values as stripped text, split at backslashes; a sequence has none.

    An element of unknown type (UN), as private ones become on their way through archives, is
    decoded as Latin-1.
    """
    found: list[str] = []
    for value in values(dataset, key):
        if isinstance(value, Dataset):
            continue
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        found += [part.strip(" \x00\t\r\n") for part in text.split("\\")]
    return tuple(found) if any(found) else ()


def text(dataset: Dataset, key: str | int | tuple[int, int]) -> str:
    """Return an element's first value as text, empty where there is none."""
    found = texts(dataset, key)
    return found[0] if found else ""


def numbers(dataset: Dataset, key: str | int | tuple[int, int]) -> tuple[float, ...]:
    """Return an element's values as finite numbers; empty if any of them is none."""
    found: list[float] = []
    for value in values(dataset, key):
        try:
            found.append(float(value))
        except (TypeError, ValueError, OverflowError):
            return ()
    return tuple(found) if all(math.isfinite(number) for number in found) else ()


def number(dataset: Dataset, key: str | int | tuple[int, int]) -> float | None:
    """Return an element's first value as a finite number, or None."""
    found = numbers(dataset, key)
    return found[0] if found else None


def positive(dataset: Dataset, key: str | int | tuple[int, int]) -> float | None:
    """Return an element's first value where it is above zero; vendors write 0 for unknown."""
    found = number(dataset, key)
    return found if found is not None and found > 0 else None


def uid(dataset: Dataset, keyword: str) -> str:
    """Return a UID, empty where it is missing or is not made of digits and dots."""
    found = text(dataset, keyword)
    return found if re.fullmatch(r"[0-9.]{1,64}", found) else ""


def private_texts(dataset: Dataset, group: int, offset: int, creator: str) -> tuple[str, ...]:
    """Return a private element's texts, in whatever block its creator has reserved.

    Lines of a text count as values, as an element of short text (ST) can have one value only.

    Parameters
    ----------
    group, offset : int
        The element is (group, xx``offset``).
    creator : str
        Start of the private creator's name, in upper case.
    """
    for block in range(0x10, 0x100):
        name = text(dataset, (group, block)) if (group, block) in dataset else ""
        if name.upper().startswith(creator):
            tag = (group, block << 8 | offset)
            found = _written_text(dataset, tag) or texts(dataset, tag)
            return tuple(line for part in found for line in part.splitlines() if line.strip())
    return ()


def _written_text(dataset: Dataset, tag: tuple[int, int]) -> tuple[str, ...]:
    """Return what an element without a VR of its own says, if all of its bytes are writing.

    A dictionary of private elements may take it for a number: the view that Siemens writes into
    (0019,xx61) is a signed short there.
    """
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or element.VR not in (None, VR.UN):
        return ()
    content = (element.value or b"").rstrip(b" \0")
    written = re.fullmatch(rb"[\t\r\n -~]*[A-Za-z]{3}[\t\r\n -~]*", content)
    return tuple(part.strip() for part in content.decode().split("\\")) if written else ()
