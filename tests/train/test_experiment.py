"""All fold runs of an experiment: one after the other, or on Ray, with the same results."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import Settings
from bonescan.errors import FoldsFailed
from bonescan.experiment import Experiment
from bonescan.prepare import PreparedData
from bonescan.train import run_experiment
from bonescan.train.folder import locked
from bonescan.train.predictions import Predictions
from bonescan.train.watch import Lines
from bonescan.train.work import work_of


@pytest.fixture
def experiment(settings_of: Callable[..., Settings]) -> Experiment:
    """One run on three folds."""
    settings = settings_of(training={"epochs": 2, "folds": 3})
    return Experiment(title="Three folds", runs={"dice": settings}, source=Path("t.toml"))


def train(experiment: Experiment, data: PreparedData, runs: Path, **options: object) -> list[str]:
    watcher = Lines()
    run_experiment(experiment, data.folder, runs, watcher=watcher, accelerator="cpu", **options)
    return watcher.said


def test_a_fold_that_fails_is_named_and_the_others_are_done(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    first, _, last = (item.folder(tmp_path) for item in work_of(experiment))
    with locked(first.path), pytest.raises(FoldsFailed) as failed:
        train(experiment, tiny_data, tmp_path)
    assert len(failed.value.reasons) == 1
    assert "fold0: another process is training here" in failed.value.reasons[0]
    assert last.is_done
    assert train(experiment, tiny_data, tmp_path)[-1].endswith("fold2: done already")
    assert first.is_done


#: Trains by the command line's own function in a process of its own, as Ray does not leave at once.
ON_RAY = """
import pickle, sys
import torch
from pathlib import Path
from bonescan.errors import FoldsFailed
from bonescan.train import run_experiment
from bonescan.train.folder import locked
from bonescan.train.watch import Lines
from bonescan.train.work import work_of

class Told(Lines):
    def side_by_side(self, *figures):
        self.figures = figures

experiment, data = pickle.load(open("asked", "rb"))
torch.set_num_threads(1)

def train(engine, runs):
    watcher = Told()
    try:
        run_experiment(
            experiment, data, Path(runs), engine=engine, watcher=watcher, accelerator="cpu"
        )
    except FoldsFailed as error:
        print("failed", *error.reasons)
    return watcher

train("local", "here")
with locked(work_of(experiment)[0].folder(Path("there")).path):
    print(train("ray", "there").figures)
print(train("ray", "there").said[-1])
"""


@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")
def test_on_ray_the_same_numbers_come_out(
    experiment: Experiment,
    tiny_data: PreparedData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("asked").write_bytes(pickle.dumps((experiment, tiny_data.folder)))
    result = subprocess.run(
        [sys.executable, "-c", ON_RAY], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    failed, figures, last = result.stdout.splitlines()
    assert failed.startswith("failed there/t/dice-")
    assert "fold0: another process is training here" in failed
    assert figures == "(2, 3, 4, 6)"
    assert last.endswith("done already")
    for item in work_of(experiment):
        here, there = item.folder(Path("here")), item.folder(Path("there"))
        assert there.is_done
        assert there.metrics.read_bytes() == here.metrics.read_bytes()
        one, other = (Predictions.load(folder.predictions) for folder in (here, there))
        for field in dataclasses.fields(Predictions):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
