"""A cohort small enough to train on in a second: hot squares in a warm body, 32 x 32 pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lightning_fabric import Fabric

from bonescan.config import PaperCanvas, Settings
from bonescan.prepare import PreparedData
from bonescan.prepare.data import (
    CaseRecord,
    PlacementRecord,
    arrays_digest,
    write_case,
    write_index,
)

SIZE = 32
CANVAS = PaperCanvas(reduce=16)


def make_data(
    folder: Path, sets: dict[str, int], *, seed: int = 0, same: dict[str, str] | None = None
) -> PreparedData:
    """Write a prepared cohort of ``sets`` (D1 to D4: number of patients).

    ``same`` names studies whose patient is that of another study.
    """
    rng = np.random.default_rng(seed)
    records = []
    for name, number in sets.items():
        for index in range(number):
            grey = np.zeros((SIZE, SIZE), np.float32)
            metastasis = np.zeros((SIZE, SIZE), bool)
            for left in (0, SIZE // 2):
                grey[2:-2, left + 3 : left + 13] = 10
                if name in ("D1", "D3"):
                    row, column = rng.integers(4, 24), left + rng.integers(4, 9)
                    metastasis[row : row + 4, column : column + 4] = True
            grey[metastasis] = 90
            grey = rng.poisson(grey).astype(np.float32)
            study = f"{name}-{index}"
            record = _record(study, name, grey, metastasis)
            patient = f"patient-{(same or {}).get(study, study)}"
            record = record.model_copy(update={"patient": patient})
            write_case(folder, record, grey, metastasis, {})
            records.append(record)
    write_index(folder, CANVAS, records, [])
    return PreparedData.load(folder)


def _record(study: str, name: str, grey: np.ndarray, metastasis: np.ndarray) -> CaseRecord:
    view = {
        "source_shape": (512, 256),
        "scaled_shape": (512, 256),
        "source_top": 0,
        "source_left": 0,
        "rows": 512,
        "columns": 256,
        "canvas_top": 0,
    }
    return CaseRecord(
        study=study,
        patient=f"patient-{study}",
        set=name,
        cancer="breast",
        site="made in a test",
        made_from="",
        arrays_sha256=arrays_digest(grey, metastasis, {}),
        shape=grey.shape,
        reduce=16,
        canvas_spacing_mm=None,
        metastasis_pixels=int(metastasis.sum()),
        views_sha256={},
        placements=(
            PlacementRecord(view="anterior", canvas_left=0, gain=1.0, **view),
            PlacementRecord(view="posterior", canvas_left=256, gain=2.0, **view),
        ),
    )


def tiny_settings(**changes: object) -> Settings:
    """Return settings for that cohort; a changed branch is merged into the defaults."""
    tree: dict = {
        "canvas": {"kind": "paper", "reduce": 16},
        "mask": {"kind": "otsu", "smooth_pixels": 1.0},
        "model": {"kind": "unet", "channels": [4, 8]},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 4, "folds": 3, "batch": 3},
    }
    for key, value in changes.items():
        tree[key] = {**tree.get(key, {}), **value}
    return Settings.model_validate(tree)


@pytest.fixture(scope="session")
def settings_of() -> Callable[..., Settings]:
    """Function that gives settings for the tiny cohort; see `tiny_settings`."""
    return tiny_settings


@pytest.fixture(scope="session")
def data_of() -> Callable[..., PreparedData]:
    """Function that writes a tiny cohort; see `make_data`."""
    return make_data


@pytest.fixture(scope="session")
def cpu() -> Fabric:
    """A Fabric on the CPU."""
    return Fabric(accelerator="cpu", devices=1)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Seven patients with metastasis and three without."""
    return make_data(tmp_path_factory.mktemp("data"), {"D1": 7, "D2": 2, "D4": 1})
