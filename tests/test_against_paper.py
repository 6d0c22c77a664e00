"""The benchmark that sets the paper's arms against the reader: same patients, honest words."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bonescan.config import DoubleUNetSettings, LesionRule
from bonescan.evaluate.sweep import Sweep
from bonescan.evaluate.validation import validate_package
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL
from bonescan.simulate import write_cohort

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "against_paper.py"


@pytest.fixture(scope="module")
def against() -> ModuleType:
    spec = importlib.util.spec_from_file_location("against_paper", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["against_paper"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    """Two patients with two lesions each at three thresholds; the second has the false marks."""
    return Sweep(
        thresholds=np.array([0.1, 0.5, 0.9]),
        lesions=np.array([2, 2]),
        hits=np.array([[2, 2, 1], [2, 1, 0]]),
        marks=np.array([[2, 2, 1], [6, 2, 1]]),
        false_marks=np.array([[0, 0, 0], [4, 1, 1]]),
        pixels=np.array([[[8, 2, 2], [8, 0, 2], [4, 0, 6]], [[8, 20, 2], [4, 2, 6], [0, 2, 10]]]),
        patient_lesions=np.array([1, 1]),
        patient_hits=np.array([[1, 1, 1], [1, 1, 0]]),
    )


def test_sensitivity_is_that_within_the_false_marks(against: ModuleType, sweep: Sweep) -> None:
    item = against.Reading("a", ("p", "q"), sweep, 1, 1, None)
    every = np.arange(2)
    assert against.at_false_marks(item, 2.0)(every) == 1.0
    assert against.at_false_marks(item, 1.0)(every) == 0.75
    assert against.at_false_marks(item, 0.5)(np.array([1])) == 0.5
    assert against.at_false_marks(item, 0.1)(every) is None


def test_a_difference_is_of_the_same_patients(against: ModuleType, sweep: Sweep) -> None:
    item = against.Reading("a", ("p", "q"), sweep, 1, 1, None)
    first, second = against.pixel_f1(item, 1), against.pixel_f1(item, 2)
    statistic = against.difference(first, second)
    assert statistic(np.array([0])) == pytest.approx(16 / 18 - 8 / 14)
    assert statistic(np.array([1])) == pytest.approx(8 / 16)


def test_what_is_not_trained_out_is_provisional(against: ModuleType) -> None:
    card = Package.load(SHIPPED_MODEL).card
    assert "provisional" in against.what_it_had(card)
    trained = card.training.model_copy(update={"epochs": 500, "epoch": 450})
    arm = card.model_copy(update={"model": DoubleUNetSettings(), "training": trained})
    assert "width 1, " in against.what_it_had(arm)
    assert "provisional" not in against.what_it_had(arm)
    thin = arm.model_copy(update={"model": DoubleUNetSettings(width=0.25)})
    assert "provisional" in against.what_it_had(thin)
    short = trained.model_copy(update={"epoch": 451})
    assert "provisional" in against.what_it_had(arm.model_copy(update={"training": short}))


def test_a_package_is_no_better_than_itself(
    against: ModuleType, bright_package: Package, tmp_path: Path
) -> None:
    write_cohort(tmp_path / "cohort", 2, 5)
    found = validate_package(bright_package, tmp_path / "cohort", tmp_path / "out", pictures=False)
    reading = against.reading_of(found)
    assert (
        reading.sweep.thresholds[reading.own]
        == LesionRule(threshold=bright_package.card.threshold.value).threshold
    )
    best = max(reading.sweep.pixel_counts(i).f1 or 0 for i in range(len(reading.sweep.thresholds)))
    assert reading.sweep.pixel_counts(reading.best).f1 == best
    text = against.table(replace(reading, best=reading.own), [replace(reading, best=reading.own)])
    assert "| the reader's less an arm's, at the arm's best |  | 0.00 (0.00 to 0.00) |" in text
    other = replace(reading, patients=("somebody", "else"))
    with pytest.raises(SystemExit, match="different patients"):
        against.table(reading, [other])
