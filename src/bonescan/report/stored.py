"""What `write_outputs` wrote, read again: a result folder back to its scan and its reading.

The pixels come from ``anterior_counts.png`` and ``posterior_counts.png``, their probabilities from
``anterior_probability.png`` and ``posterior_probability.png``, in steps of 1/255. A folder of an
earlier version has none: the probability of a pixel's lesion then stands in its place.
"""

from __future__ import annotations

import dataclasses
import json
import types
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bonescan.errors import BadInput
from bonescan.report.outputs import RESULT, counts_name, mask_name, probability_name
from bonescan.report.record import SCHEMA, SCHEMA_VERSION
from bonescan.scan import (
    VIEW_NAMES,
    Acquisition,
    BoneScanIndex,
    Crop,
    Flag,
    Identity,
    Lesion,
    Provenance,
    Reading,
    RegionMeasure,
    Scan,
    View,
    ViewName,
    ViewReading,
)

T = TypeVar("T")


def is_result(path: Path) -> bool:
    """Tell whether a path is a result folder of `bonescan read`."""
    return (path / RESULT).is_file()


def load_results(folder: Path) -> tuple[Scan, Reading]:
    """Read a result folder.

    Parameters
    ----------
    folder : Path
        With ``result.json``, the label masks and the counts.

    Returns
    -------
    Scan, Reading
        As they were written, but for the steps of the probabilities and the full paths of the
        sources.

    Raises
    ------
    BadInput
        If something is missing, damaged, of another schema, or does not fit together.
    """
    record = _record(folder / RESULT)
    try:
        lesions = tuple(_built(Lesion, item) for item in record["lesions"])
        views = {
            name: _view(folder, name, record["views"][name])
            for name in VIEW_NAMES
            if name in record["views"]
        }
        scan = Scan(
            study=str(record["study"]),
            anterior=views.get("anterior"),
            posterior=views.get("posterior"),
            acquisition=_built(Acquisition, record["acquisition"]),
            identity=_built(Identity, record["patient"]),
            flags=tuple(_built(Flag, item) for item in record["flags"]),
            sources=tuple(Path(name) for name in record["sources"]),
        )
        index = record.get("index")
        reading = Reading(
            study=scan.study,
            views=tuple(
                _view_reading(folder, view, record["views"][view.name], lesions)
                for view in scan.views
            ),
            lesions=lesions,
            patient_score=float(record["patient_score"]),
            flags=scan.flags,
            provenance=_built(Provenance, record["provenance"]),
            regions=tuple(_built(RegionMeasure, item) for item in record.get("regions") or ()),
            index=None if index is None else _built(BoneScanIndex, index),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"{folder / RESULT}: {error} does not fit the schema; read the scan again"
        ) from error
    return scan, reading


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read ({error.strerror}); name a result folder"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not valid JSON; read the scan again") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise BadInput(f"{path}: schema is not {SCHEMA}; name a folder of bonescan read")
    version = str(record.get("schema_version", ""))
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise BadInput(
            f"{path}: schema_version {version} is not {SCHEMA_VERSION}; read the scan again"
        )
    return record


def _view(folder: Path, name: ViewName, record: dict[str, Any]) -> View:
    crop = _built(Crop, record["crop"])
    path = folder / counts_name(name)
    counts = _picture(path).astype(np.float32) / float(record.get("counts_gain") or 1)
    _check(path, counts.shape, (crop.height, crop.width))
    spacing = record["pixel_spacing_mm"]
    return View(
        name=name,
        counts=counts.astype(np.float32),
        pixel_spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        source=Path(record["source"]),
        crop=crop,
        sop_instance_uid=record["sop_instance_uid"],
        sop_class_uid=record["sop_class_uid"],
        frame=int(record["frame"]),
        recognised_by=str(record["recognised_by"]),
    )


def _view_reading(
    folder: Path, view: View, record: dict[str, Any], lesions: tuple[Lesion, ...]
) -> ViewReading:
    path = folder / mask_name(view.name)
    frame, crop = _picture(path), view.crop
    _check(path, frame.shape, (crop.frame_height, crop.frame_width))
    mask = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    own = {lesion.number: lesion.probability for lesion in lesions if lesion.view == view.name}
    if set(np.unique(mask).tolist()) - {0} != set(own):
        raise BadInput(f"{path}: its numbers are not those of {RESULT}; read the scan again")
    return ViewReading(
        view.name,
        _probability(folder / probability_name(view.name), mask, own),
        mask.astype(np.uint8),
        _part(record["read_rows"], crop.height),
        read_columns=_part(record.get("read_columns"), crop.width),
        marked_by="reader" if record.get("marked_by") == "reader" else "model",
    )


def _part(ends: list[int] | None, length: int) -> tuple[int, int] | None:
    """Return the rows or columns [first, end) that were read; None where all of them were."""
    return None if ends is None or ends == [0, length] else (ends[0], ends[1])


def _probability(
    path: Path, mask: NDArray[np.uint8], lesions: dict[int, float]
) -> NDArray[np.float32]:
    if path.exists():
        steps = _picture(path)
        _check(path, steps.shape, (mask.shape[0], mask.shape[1]))
        return np.asarray(steps / np.float32(255), np.float32)
    table = np.zeros(256, np.float32)
    for number, probability in lesions.items():
        table[number] = probability
    return np.asarray(table[mask], np.float32)


def _picture(path: Path) -> NDArray[Any]:
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: is missing; read the scan again") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"{path}: is damaged; read the scan again") from error


def _check(path: Path, found: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if found != wanted:
        size = " x ".join(str(number) for number in found)
        raise BadInput(
            f"{path}: is {size} pixels, not {wanted[0]} x {wanted[1]}; read the scan again"
        )


def _built(kind: type[T], record: dict[str, Any]) -> T:
    """Build a dataclass from what `asdict` and JSON made of it; keys it does not know are left."""
    hints = get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind) if field.name in record]  # type: ignore[arg-type]
    return kind(**{name: _value(hints[name], record[name]) for name in known})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _built(hint, value)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        if len(parts) == 2 and parts[1] is ...:
            return tuple(_value(parts[0], item) for item in value)
        return tuple(_value(part, item) for part, item in zip(parts, value, strict=True))
    return value
