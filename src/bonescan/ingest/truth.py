"""What is known of a simulated case: pictures of what lies where, and the foci that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from bonescan.config import Frozen
from bonescan.errors import BadInput
from bonescan.scan import VIEW_NAMES


class Focus(BaseModel):
    """A metastasis or another finding; pairs are (anterior, posterior).

    ``number`` is its value in the pictures, ``contrast`` its uptake over that of its bone,
    ``visible`` whether a reader would draw it in a view, ``pixel`` (row, column) of its centre.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    category: str
    region: str
    contrast: float
    visible: tuple[bool, bool]
    pixel: tuple[tuple[float, float], tuple[float, float]]


class Foci(Frozen):
    """All metastases of a case, and all else that is hot or cold for a reason."""

    lesions: tuple[Focus, ...] = ()
    findings: tuple[Focus, ...] = ()


@dataclass(frozen=True)
class CaseTruth:
    """What is known of a case.

    Attributes
    ----------
    pictures : mapping of str to (2, H, W) uint8
        Anterior and posterior, in the geometry of the views; `bonescan.simulate.truth.Truth` says
        what ``metastasis``, ``benign``, ``kinds`` and ``regions`` hold.
    foci : Foci
        What the numbers in ``metastasis`` and ``benign`` are.
    """

    pictures: Mapping[str, NDArray[np.uint8]]
    foci: Foci


def read_truth(path: Path) -> CaseTruth:
    """Read the truth of a case: ``<study>.npz``, and ``<study>.json`` beside it where there is one.

    Raises
    ------
    BadInput
        If a file is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in sorted(arrays.files)}
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        raise BadInput(f"{path}: damaged; simulate the cohort again") from error
    pictures = {
        name: array
        for name, array in found.items()
        if array.dtype == np.uint8 and array.ndim == 3 and len(array) == len(VIEW_NAMES)
    }
    return CaseTruth(pictures, _foci(path.with_suffix(".json")))


def _foci(path: Path) -> Foci:
    if not path.is_file():
        return Foci()
    try:
        tree: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Foci(lesions=tree["lesions"], findings=tree["findings"])
    except (OSError, ValueError, TypeError, KeyError, ValidationError) as error:
        raise BadInput(f"{path}: damaged; simulate the cohort again") from error
