"""Prepared data on disk: ``data.json`` and one ``cases/<study>.npz`` a case.

A case file holds ``grey`` (H, W) float32, ``metastasis`` packed to bits, optional uint8 layers
(``layer_<name>``) and its own record as JSON, so that it is whole or absent and an interrupted
preparation goes on from the files that are there.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bonescan import RESEARCH_USE, __version__
from bonescan.config import CanvasSettings, Frozen
from bonescan.errors import BadInput
from bonescan.files import write_whole
from bonescan.ingest.truth import Foci
from bonescan.scan import Canvas, Flag, Placement, ViewName

#: Raised when the meaning of the files changes; readers refuse another one.
SCHEMA = 1
SetName = Literal["D1", "D2", "D3", "D4"]


class FlagRecord(Frozen):
    """A `Flag` as JSON."""

    code: str
    message: str
    severity: Literal["info", "warning", "error"]


class PlacementRecord(Frozen):
    """A `Placement` as JSON."""

    view: ViewName
    source_shape: tuple[int, int]
    scaled_shape: tuple[int, int]
    source_top: int
    source_left: int
    rows: int
    columns: int
    canvas_top: int
    canvas_left: int
    gain: float


class CaseRecord(Frozen):
    """What is known of a case beside its arrays.

    ``made_from`` is a SHA-256 over the settings, the version and the contents of the input files,
    ``arrays_sha256`` one over the arrays, ``views_sha256`` one over each view's decoded pixels.
    ``canvas_spacing_mm`` is a canvas pixel's size (rows, columns) in mm, None without a spacing.
    ``foci`` is what the numbers in the layers ``truth_metastasis`` and ``truth_benign`` are, with
    places in the views; None where the case is not simulated.
    """

    study: str
    patient: str
    set: SetName
    cancer: str
    site: str
    made_from: str
    arrays_sha256: str
    views_sha256: dict[ViewName, str]
    shape: tuple[int, int]
    reduce: int
    canvas_spacing_mm: tuple[float, float] | None
    metastasis_pixels: int
    layers: tuple[str, ...] = ()
    foci: Foci | None = None
    placements: tuple[PlacementRecord, ...] = ()
    flags: tuple[FlagRecord, ...] = ()


class DataIndex(Frozen):
    """``data.json``."""

    schema_version: int
    made_with: str
    notice: str
    canvas: CanvasSettings
    cases: tuple[CaseRecord, ...]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparedCase:
    """One case; its arrays are read from disk when asked for, and not kept."""

    path: Path
    record: CaseRecord

    @property
    def study(self) -> str:
        """Name of the study."""
        return self.record.study

    @property
    def patient(self) -> str:
        """The patient; cases of one patient never part in a split."""
        return self.record.patient

    @property
    def set(self) -> SetName:
        """D1 to D4, see `bonescan.ingest.cohort`."""
        return self.record.set

    @property
    def site(self) -> str:
        """Where it was taken, as cohort.csv tells; may be empty."""
        return self.record.site

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Doubts about scan, canvas and labels."""
        return tuple(Flag(**flag.model_dump()) for flag in self.record.flags)

    @property
    def gains(self) -> dict[ViewName, float]:
        """Brightness gain of each view that the canvas holds: grey values a count."""
        return {placement.view: placement.gain for placement in self.record.placements}

    @property
    def grey(self) -> NDArray[np.float32]:
        """The canvas, (H, W) float32 in [0, 255]."""
        return np.asarray(_load(self.path, "grey"), np.float32)

    @property
    def metastasis(self) -> NDArray[np.bool_]:
        """The annotation on the canvas, (H, W) bool."""
        height, width = self.record.shape
        bits = np.unpackbits(_load(self.path, "metastasis"), count=height * width)
        return bits.reshape(height, width).astype(np.bool_)

    def layer(self, name: str) -> NDArray[np.uint8]:
        """Return a further label picture on the canvas, (H, W) uint8; ``record.layers`` names them.

        Raises
        ------
        KeyError
            If the case has no such layer.
        """
        if name not in self.record.layers:
            raise KeyError(f"{self.study} has no layer {name}")
        return np.asarray(_load(self.path, f"layer_{name}"), np.uint8)

    @property
    def canvas(self) -> Canvas:
        """The canvas with its placements, so that pictures on it map back to the views."""
        placements = tuple(Placement(**place.model_dump()) for place in self.record.placements)
        return Canvas(self.grey, placements, self.record.reduce, self.flags)


@dataclass(frozen=True)
class PreparedData:
    """A prepared cohort."""

    folder: Path
    canvas: CanvasSettings
    cases: tuple[PreparedCase, ...]

    @classmethod
    def load(cls, folder: Path) -> PreparedData:
        """Open a folder made by `bonescan prepare`; arrays stay on disk until they are asked for.

        Raises
        ------
        BadInput
            If ``data.json`` is missing, damaged or of another schema, or a case file is missing.
        """
        path = folder / "data.json"
        try:
            index = DataIndex.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadInput(f"{path}: not found; make it with `bonescan prepare`") from error
        except ValidationError as error:
            raise BadInput(f"{path}: {_first(error)}; run `bonescan prepare` again") from error
        if index.schema_version != SCHEMA:
            raise BadInput(
                f"{path}: schema {index.schema_version} where {SCHEMA} is read; "
                "run `bonescan prepare` again"
            )
        cases = tuple(PreparedCase(case_path(folder, item.study), item) for item in index.cases)
        for case in cases:
            if not case.path.is_file():
                raise BadInput(f"{case.path}: missing; run `bonescan prepare` again")
        return cls(folder, index.canvas, cases)

    @classmethod
    def on(cls, folder: Path, canvas: CanvasSettings) -> PreparedData:
        """Open a cohort on one of the canvases that it was prepared on.

        Where an experiment has runs on several, each has a folder of its own inside of ``folder``.

        Raises
        ------
        BadInput
            As `load`, or if none of these folders is on that canvas. A cohort on a single canvas
            is opened whatever that is.
        """
        inside = sorted(path.parent for path in folder.glob("*/data.json"))
        if not inside:
            return cls.load(folder)
        here = [folder] if (folder / "data.json").exists() else []
        for path in (*here, *inside):
            data = cls.load(path)
            if data.canvas == canvas:
                return data
        raise BadInput(
            f"{folder}: holds no data on the canvas that the settings ask for; prepare it again "
            "with --experiment"
        )

    def case(self, study: str) -> PreparedCase:
        """Return the case of a study; KeyError where there is none."""
        for item in self.cases:
            if item.study == study:
                return item
        raise KeyError(f"{self.folder} has no study {study}")

    @property
    def digest(self) -> str:
        """SHA-256 over canvas settings, sets, patients and arrays of all cases."""
        parts = [self.canvas.model_dump_json()]
        parts += [
            f"{case.study}\0{case.patient}\0{case.set}\0{case.record.arrays_sha256}"
            for case in sorted(self.cases, key=lambda case: case.study)
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def case_path(folder: Path, study: str) -> Path:
    """Return where a study's case file lies."""
    return folder / "cases" / f"{study}.npz"


def placement_records(canvas: Canvas) -> tuple[PlacementRecord, ...]:
    """Return a canvas' placements for a `CaseRecord`."""
    return tuple(PlacementRecord(**asdict(placement)) for placement in canvas.placements)


def flag_records(flags: tuple[Flag, ...]) -> tuple[FlagRecord, ...]:
    """Return flags for a `CaseRecord`."""
    return tuple(FlagRecord(**asdict(flag)) for flag in flags)


def arrays_digest(
    grey: NDArray[np.float32],
    metastasis: NDArray[np.bool_],
    layers: Mapping[str, NDArray[np.uint8]],
) -> str:
    """SHA-256 over the arrays of a case."""
    digest = hashlib.sha256(np.ascontiguousarray(grey, np.float32).tobytes())
    digest.update(np.packbits(metastasis).tobytes())
    for name in sorted(layers):
        digest.update(name.encode() + np.ascontiguousarray(layers[name], np.uint8).tobytes())
    return digest.hexdigest()


def write_case(
    folder: Path,
    record: CaseRecord,
    grey: NDArray[np.float32],
    metastasis: NDArray[np.bool_],
    layers: Mapping[str, NDArray[np.uint8]],
) -> None:
    """Write one case file, whole or not at all."""
    arrays: dict[str, Any] = {
        "grey": np.asarray(grey, np.float32),
        "metastasis": np.packbits(metastasis),
        "record": np.array(record.model_dump_json()),
    }
    arrays |= {f"layer_{name}": np.asarray(layer, np.uint8) for name, layer in layers.items()}
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_whole(case_path(folder, record.study), packed.getvalue())


def read_record(path: Path) -> CaseRecord | None:
    """Return the record inside a case file; None where there is no readable one."""
    try:
        return CaseRecord.model_validate_json(str(_load(path, "record")))
    except (BadInput, ValidationError):
        return None


def write_index(
    folder: Path, canvas: CanvasSettings, records: list[CaseRecord], failures: list[str]
) -> None:
    """Write ``data.json``."""
    index = DataIndex(
        schema_version=SCHEMA,
        made_with=f"bonescan {__version__}",
        notice=RESEARCH_USE,
        canvas=canvas,
        cases=tuple(records),
        failures=tuple(failures),
    )
    text = json.dumps(index.model_dump(mode="json"), indent=1)
    write_whole(folder / "data.json", f"{text}\n".encode())


def _load(path: Path, name: str) -> NDArray[Any]:
    """Return one array of a case file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path}: damaged or missing; run `bonescan prepare` again") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where or 'content'} is not valid ({first['msg']})"
