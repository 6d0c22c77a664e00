"""A cohort in which every header habit occurs, from `write_cohort` to prepared canvases."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import ResampledCanvas
from bonescan.prepare import PreparedData, prepare_cohort
from bonescan.simulate import SimulatedPatient, cohort, simulate_patient, write_cohort
from bonescan.simulate.vendors import HABITS, VENDORS

KEYS = ("ge-discovery", *(habit.key for habit in HABITS))


def with_habit(patient: SimulatedPatient, index: int) -> SimulatedPatient:
    """Another patient by name and by one count beside the body, with the next habit."""
    counts = patient.counts.copy()
    counts[:, 0, index] += 1
    number = f"{index + 1:04d}"
    identity = replace(
        patient.identity,
        patient_id=f"SIM-{number}",
        patient_name=f"SIMULATED^{number}",
        entropy=("habits", number),
    )
    return replace(
        patient,
        study=f"sim{number}",
        counts=counts,
        identity=identity,
        acquisition=replace(patient.acquisition, vendor=VENDORS[KEYS[index]]),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    patient = simulate_patient(4, 0, lesions=4)
    assert patient.truth.masks.any()
    folder = tmp_path_factory.mktemp("habits") / "cohort"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            cohort, "simulate_patient", lambda seed, index, preset: with_habit(patient, index)
        )
        assert write_cohort(folder, len(KEYS), 4) == []
    return folder


def test_the_cohort_names_every_file_and_habit(folder: Path) -> None:
    with (folder / "cohort.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row, key in zip(rows, KEYS, strict=True):
        files = row["files"].split(";")
        assert len(files) == (2 if VENDORS[key].header.layout == "files" else 1)
        assert all((folder / file).is_file() for file in files)
        assert json.loads((folder / "truth" / f"{row['study']}.json").read_text())["vendor"] == key


def test_every_habit_gives_the_canvas_and_the_labels_of_the_usual_header(
    folder: Path, tmp_path: Path
) -> None:
    assert prepare_cohort(folder, tmp_path / "data", ResampledCanvas()) == []
    first, *others = PreparedData.load(tmp_path / "data").cases
    assert len(others) == len(HABITS)
    assert first.metastasis.any()
    assert "truth_metastasis" in first.record.layers
    for key, case in zip(KEYS[1:], others, strict=True):
        if not VENDORS[key].header.tells_spacing:  # scaled by its width
            assert case.record.canvas_spacing_mm is None
            assert case.metastasis.any()
            continue
        differ = np.abs(case.grey - first.grey) > 0.05
        assert differ.sum() <= 36, key  # the counts beside the body, two in each view
        assert case.record.canvas_spacing_mm == first.record.canvas_spacing_mm
        np.testing.assert_array_equal(case.metastasis, first.metastasis, key)
        for layer in first.record.layers:
            np.testing.assert_array_equal(case.layer(layer), first.layer(layer), key)
