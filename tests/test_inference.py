"""The benchmark of ways to run a network: the mirror image, and the figures that it tells."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bonescan.measures.pixels import PixelCounts
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "inference.py"


@pytest.fixture(scope="module")
def inference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("inference", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference"] = module
    spec.loader.exec_module(module)
    return module


def test_each_view_is_mirrored_in_its_place(inference: ModuleType) -> None:
    canvas = np.arange(8, dtype=np.float32).reshape(1, 1, 8)
    assert inference.mirrored(canvas).ravel().tolist() == [3, 2, 1, 0, 7, 6, 5, 4]
    assert np.array_equal(inference.mirrored(inference.mirrored(canvas)), canvas)


def test_the_mean_with_the_mirror_image_is_the_same_from_both_sides(
    inference: ModuleType,
) -> None:
    package = Package.load(SHIPPED_MODEL)
    canvas = np.random.default_rng(0).gamma(2, 5, (1, 64, 64)).astype(np.float32)
    engine = inference.Mirrored(package, threads=1)
    own = engine.probabilities(canvas)
    other = engine.probabilities(inference.mirrored(canvas))
    assert np.abs(inference.mirrored(other) - own).max() < 1e-5
    plain = Engine(package, threads=1).probabilities(canvas)
    assert np.abs(plain - own).max() > 1e-4


def test_sensitivity_is_told_within_the_false_marks_allowed(inference: ModuleType) -> None:
    none: frozenset[tuple[int, int]] = frozenset()
    items = [
        inference.Outcome(
            (0.9, 0.8, 0.7, 0.2),
            (frozenset({(0, 0)}), none, frozenset({(1, 0)}), none),
            3,
            2,
            1,
            PixelCounts(tp=6, fp=2, fn=2),
        )
    ]
    assert inference.at_false_marks(items, 0.5) == pytest.approx(1 / 3)
    assert inference.at_false_marks(items, 1.0) == pytest.approx(2 / 3)
    told = {name: value(items) for name, value in inference.figures().items()}
    assert told["lesion sensitivity"] == pytest.approx(2 / 3)
    assert told["false marks a patient"] == 1
    assert told["pixel F1"] == pytest.approx(0.75)
    first = inference.cells(inference.sensitivity, items, items, 20)
    assert first == "0.667"
    assert inference.cells(inference.sensitivity, list(items), items, 20).startswith("0.667 (+0.0")
