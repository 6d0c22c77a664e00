"""The reference skeleton's benchmark: its table of bones, its counting, one patient through it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.scan import REGIONS

ROOT = Path(__file__).resolve().parents[1]
ANATOMY = ROOT.parent / "shared" / "anatomy"

needs_phantom = pytest.mark.skipif(
    not ANATOMY.exists(), reason="no ../shared/anatomy beside the repository"
)


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    before = list(sys.path)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("reference_skeleton")
    sys.path[:] = before


def lesion(benchmark: ModuleType, **changes: object) -> object:
    known = {
        "patient": "a", "region": "ribs", "size_mm": 15.0, "contrast": 1.5, "counts": 500.0,
        "found": True,
    }  # fmt: skip
    return benchmark.Lesion(**{**known, **changes})


def test_cortex_gets_the_bone_of_the_next_spongiosa(benchmark: ModuleType) -> None:
    table = benchmark.phantom_table(
        "0 1 Air_outside_body\n13 14 Mineral_bone\n14 15 Humeri+upper_half+spongiosa\n"
        "15 16 Humeri_and_femora+upper_halves+medullary_cavity\n22 23 Mineral_bone\n"
        "23 24 Hand_bones+spongiosa\n61 63 Brain\n128 129 Teeth\n"
    )
    assert table == {
        0: "air", 13: "humeri", 14: "humeri", 15: "marrow cavity", 22: "hands", 23: "hands",
        61: "brain", 62: "brain", 128: "soft tissue",
    }  # fmt: skip


def test_a_mark_is_named_by_most_of_its_bone(benchmark: ModuleType) -> None:
    ribs, skull = (1 + REGIONS.index(name) for name in ("ribs", "skull"))
    assert benchmark.place_of(np.array([0, 0, 0, ribs, ribs, skull], np.uint8)) == "ribs and chest"
    assert benchmark.place_of(np.array([13, 13, ribs], np.uint8)) == "other bones"
    assert benchmark.place_of(np.zeros(4, np.uint8)) == "no bone"


def test_the_table_counts_lesions_and_patients(benchmark: ModuleType) -> None:
    ill = benchmark.Outcome(
        "a", True, (lesion(benchmark), lesion(benchmark, found=False, size_mm=25.0)), ("pelvis",),
        0.9, False, {"ribs": [0.8]},
    )  # fmt: skip
    well = benchmark.Outcome("b", False, (), (), 0.1, True, {"ribs": [0.6]})
    text = benchmark.table({"one": [ill, well]})
    assert "| all | 2 | 0.50 (0.50 to 0.50) |" in text
    assert "| size 20 to 30 mm | 1 | 0.00" in text
    assert "| excess 1 to 2 times what lies about it | 2 |" in text
    assert "| skull | 0 | not defined |" in text
    assert "| false marks a patient | 0.50" in text
    assert "| false marks on a lesion-free patient | 0.00" in text
    assert "| patient AUC | 1.00" in text
    assert "| mean Dice of the twelve regions | 0.70" in text
    assert "| flagged far-from-training | 1 of 2 |" in text
    assert "| false marks by place | pelvis 1 |" in text


def test_a_folder_without_a_phantom_is_refused(benchmark: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="needs one"):
        benchmark.load_phantom(tmp_path)


@needs_phantom
def test_a_patient_in_the_reference_skeleton_is_read(benchmark: ModuleType) -> None:
    anatomy = benchmark.load_phantom(ANATOMY)
    middle = anatomy.landmarks["L3"][2]
    assert anatomy.landmarks["liver"][2] < middle  # on the patient's right, at low x
    sides = {(part.region, part.side) for part in anatomy.parts}
    assert {("femora", "L"), ("femora", "R"), ("skull", "M"), ("sternum", "M")} <= sides
    patient = benchmark.patient_of(5150, 0, anatomy)
    engine = Engine(Package.load(SHIPPED_MODEL), threads=1)
    scan, reading = benchmark.read_simulated(patient, engine)
    outcome = benchmark.judge(patient, scan, reading)
    assert not outcome.far
    assert np.mean([value for own in outcome.dice.values() for value in own]) > 0.7
    assert len(outcome.lesions) == sum(any(item.visible) for item in patient.truth.lesions)
