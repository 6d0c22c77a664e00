"""The realism benchmark: it reads a picture's chain off the picture, and its area is the area."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def body() -> np.ndarray:
    """Noise-free counts of something that is brightest in its middle, in air."""
    rows, columns = np.mgrid[:1024, :256]
    return np.exp(-(((rows - 500) / 300) ** 2) - ((columns - 128) / 50) ** 2).astype(np.float32)


@pytest.mark.parametrize(("gain", "least"), [(1.55, 2), (2.2, 1), (3.64, 1), (2.8, 2)])
def test_a_chain_is_read_off_the_picture_that_it_made(
    gain: float, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains = load("realism_chain", monkeypatch)
    made = chains.Chain(gain, 1.0e6, least, {0: [1] * 64})
    picture = made.picture(body(), np.random.default_rng(0))
    found = chains.measure_chain(picture)
    assert found.gain == pytest.approx(gain, rel=0.01)
    assert found.least == least
    assert found.total == pytest.approx(1.0e6, rel=0.03)  # JPEG adds a little to air


def test_no_patch_is_cut_from_air_or_a_border(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = load("realism_patches", monkeypatch)
    picture = np.rint(60 * body()).astype(np.uint8)
    patient = patches.Patient(0, True, 0, [picture, picture])
    places, cut = patches.every_part(patient, 5, np.random.default_rng(0))
    assert {place.view for place in places} == {0, 1}
    half = patches.SIDE // 2
    for patch in cut:
        assert patch.shape == (patches.SIDE, patches.SIDE)
        assert patch[half, half] >= patches.LEAST_GREY - 1


def test_the_area_counts_pairs_of_one_fold_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    patches = load("realism_patches", monkeypatch)
    load("realism_chain", monkeypatch)
    cnn = load("realism_cnn", monkeypatch)
    picture = np.rint(60 * body()).astype(np.uint8)
    patients = [
        patches.Patient(k, made, fold, [picture, picture])
        for k, (made, fold) in enumerate([(False, 0), (False, 1), (True, 0), (True, 1)])
    ]
    places = [patches.Place(k, 0, 0) for k in (0, 0, 1, 2, 2, 3)]
    # Fold 0: real 1, 3 against made 2, 4 wins three of four; fold 1: real 9 against made 9 ties.
    scores = cnn.Scores(places, np.array([1.0, 3.0, 9.0, 2.0, 4.0, 9.0]), [picture] * 6)
    pairs, won = cnn.wins(scores, patients, np.ones(6, bool))
    assert pairs.sum() == 5
    assert cnn.area(pairs, won) == pytest.approx(3.5 / 5)
    low, high = cnn.interval(pairs, won, patients, seed=0)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.75)
