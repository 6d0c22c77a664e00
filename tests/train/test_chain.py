"""The paper's chain on tiny data: baseline, mining, three classes; pre-training, transfer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bonescan.errors import BadInput, FoldsFailed
from bonescan.experiment import Experiment, load_experiment
from bonescan.prepare import PreparedData
from bonescan.train import run_experiment
from bonescan.train.chosen import chosen_network
from bonescan.train.folder import RunFolder, locked
from bonescan.train.folds import read_folds
from bonescan.train.needs import mine
from bonescan.train.predictions import Predictions
from bonescan.train.runs import folds_of, train_fold
from bonescan.train.watch import Lines, Silent
from bonescan.train.work import waves, work_of

FILE = """
title = "Tiny chain"
[base]
canvas = { kind = "paper", reduce = 16 }
data = { positives = ["D1"], train_negatives = ["D2"] }
model = { kind = "double_unet", width = 0.1, batch_norm_momentum = 0.1, metastasis_prior = 0.1 }
optimiser = { learning_rate = 1e-2 }
training = { epochs = 2, folds = 3, batch = 4, checkpoint = "last" }

[run.binary]
mask = { kind = "none" }
[run.mined]
mask = { kind = "mined" }
needs = { baseline = "binary" }
[run.pretraining]
data = { positives = ["D3"], train_negatives = ["D4"] }
mask = { kind = "otsu", smooth_pixels = 1.0 }
[run.transferred]
mask = { kind = "otsu", smooth_pixels = 1.0 }
init = { kind = "transfer" }
needs = { pretraining = "pretraining" }
"""
SETS = {"D1": 6, "D2": 2, "D3": 4, "D4": 2}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    path = tmp_path_factory.mktemp("chain") / "chain.toml"
    path.write_text(FILE)
    return load_experiment(path)


@pytest.fixture(scope="module")
def data(
    data_of: Callable[..., PreparedData], tmp_path_factory: pytest.TempPathFactory
) -> PreparedData:
    return data_of(tmp_path_factory.mktemp("data"), SETS)


@pytest.fixture(scope="module")
def runs(
    experiment: Experiment, data: PreparedData, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Run folders after the two runs that have needs were asked for, and nothing else."""
    folder = tmp_path_factory.mktemp("runs")
    for run in ("mined", "transferred"):
        run_experiment(
            experiment, data.folder, folder, run=run, watcher=Silent(), accelerator="cpu"
        )
    return folder


def folder_of(runs: Path, experiment: Experiment, run: str, fold: int) -> RunFolder:
    return RunFolder.of(runs, experiment, run, fold)


def test_what_is_needed_is_trained_first_for_every_fold(experiment: Experiment, runs: Path) -> None:
    for run in experiment.runs:
        for fold in range(3):
            assert folder_of(runs, experiment, run, fold).is_done, (run, fold)
    for first, then in (("binary", "mined"), ("pretraining", "transferred")):
        for fold in range(3):
            before, after = (folder_of(runs, experiment, run, fold) for run in (first, then))
            assert before.done.stat().st_mtime_ns < after.settings.stat().st_mtime_ns


def test_mined_class_is_what_the_folds_own_baseline_marks(
    experiment: Experiment, data: PreparedData, runs: Path, cpu: object
) -> None:
    of_one_case = []
    for fold in folds_of(experiment.runs["mined"], data):
        baseline = folder_of(runs, experiment, "binary", fold.number)
        cases = [
            case
            for case in data.cases
            if case.patient in (*fold.train, *fold.validation, *fold.train_negatives)
        ]
        mining = mine(baseline, cases, fold, data, cpu)
        network, _ = chosen_network(baseline, baseline.read_settings())
        for case in cases:
            x = torch.from_numpy(case.grey / 255)[None, None]
            with torch.inference_mode():
                expected = torch.sigmoid(network(x)[-1])[0, 0].numpy()
            found = mining.of(case.study, fold.number)
            assert abs(found - expected).max() < 1e-6
            if case.study == "D2-0":
                of_one_case.append(found)
    assert len(of_one_case) == 3  # a negative is mined in every fold, each time by another network
    assert not np.allclose(of_one_case[0], of_one_case[1], atol=1e-5)
    assert not np.allclose(of_one_case[1], of_one_case[2], atol=1e-5)


def test_a_baseline_of_another_fold_is_refused(
    experiment: Experiment, data: PreparedData, runs: Path, tmp_path: Path
) -> None:
    other = folder_of(runs, experiment, "binary", 1)
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(BadInput, match="is fold 1 where fold 0 is needed"):
        train_fold(
            experiment.runs["mined"],
            data,
            folder,
            0,
            needs={"baseline": other},
            accelerator="cpu",
        )
    assert not folder.settings.exists()


def test_a_baseline_that_says_it_is_of_this_fold_but_saw_its_test_patients_is_refused(
    experiment: Experiment, data: PreparedData, runs: Path, tmp_path: Path
) -> None:
    other = RunFolder(tmp_path / "renamed")
    shutil.copytree(folder_of(runs, experiment, "binary", 1).path, other.path)
    summary = {**other.read_summary(), "fold": 0}
    other.done.write_text(json.dumps(summary))
    turned = [{**vars(fold), "number": (fold.number - 1) % 3} for fold in read_folds(other.folds)]
    other.folds.write_text(json.dumps(sorted(turned, key=lambda fold: fold["number"])))
    with pytest.raises(BadInput, match=r"has learned from patient .*, who is held out here"):
        train_fold(
            experiment.runs["mined"],
            data,
            RunFolder(tmp_path / "run"),
            0,
            needs={"baseline": other},
            accelerator="cpu",
        )


def test_transfer_starts_from_the_same_folds_weights(
    experiment: Experiment, data: PreparedData, runs: Path, tmp_path: Path
) -> None:
    """One step at a learning rate of next to nothing leaves the weights where they came from."""
    settings = experiment.runs["transferred"]
    still = settings.model_copy(
        update={
            "optimiser": settings.optimiser.model_copy(update={"learning_rate": 1e-12}),
            "training": settings.training.model_copy(update={"epochs": 1}),
        }
    )
    source = folder_of(runs, experiment, "pretraining", 2)
    folder = RunFolder(tmp_path / "run")
    train_fold(still, data, folder, 2, needs={"pretraining": source}, accelerator="cpu")
    before, after = (
        dict(chosen_network(one, one.read_settings())[0].named_parameters())
        for one in (source, folder)
    )
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0)
    other = chosen_network(folder_of(runs, experiment, "pretraining", 1), settings)[0]
    assert not torch.allclose(
        dict(other.named_parameters())["head2.weight"], after["head2.weight"], atol=1e-4
    )


def test_patients_of_the_pre_training_are_not_called_healthy_and_unseen(
    experiment: Experiment, runs: Path
) -> None:
    for fold in range(3):
        mined, transferred = (
            Predictions.load(folder_of(runs, experiment, run, fold).predictions)
            for run in ("mined", "transferred")
        )
        assert mined.of_part("healthy").sets == ("D4", "D4")
        assert transferred.of_part("healthy").sets == ()


def test_waves_hold_what_the_next_ones_need(experiment: Experiment) -> None:
    first, second = waves(work_of(experiment))
    assert {item.run for item in first} == {"binary", "pretraining"}
    assert {item.run for item in second} == {"mined", "transferred"}
    assert len(first) == len(second) == 6


def test_what_needs_a_failed_fold_run_is_left_out_and_said(
    experiment: Experiment, data: PreparedData, tmp_path: Path
) -> None:
    baseline = folder_of(tmp_path, experiment, "binary", 0)
    told = Lines()
    with locked(baseline.path), pytest.raises(FoldsFailed) as failed:
        run_experiment(
            experiment,
            data.folder,
            tmp_path,
            run="mined",
            fold=0,
            watcher=told,
            accelerator="cpu",
        )
    assert len(failed.value.reasons) == 1
    assert "another process is training here" in failed.value.reasons[0]
    assert told.said[-1] == "chain, mined, fold 0: left out, because what it needs has failed"


def test_a_patient_in_the_pre_training_and_in_the_test_part_is_refused(
    experiment: Experiment,
    data_of: Callable[..., PreparedData],
    tmp_path: Path,
) -> None:
    """Fold by fold, D3's training part and D1's held-out part share a patient in some fold."""
    shared = data_of(tmp_path / "data", SETS, same={"D3-0": "D1-0"})
    with pytest.raises(BadInput, match="has learned from patient patient-D1-0, who is held out"):
        run_experiment(
            experiment,
            shared.folder,
            tmp_path / "runs",
            run="transferred",
            watcher=Silent(),
            accelerator="cpu",
        )


def test_a_needed_run_that_is_not_finished_is_refused(
    experiment: Experiment, data: PreparedData, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="holds no finished fold"):
        train_fold(
            experiment.runs["mined"],
            data,
            RunFolder(tmp_path / "run"),
            0,
            needs={"baseline": RunFolder(tmp_path / "none")},
            accelerator="cpu",
        )
    with pytest.raises(BadInput, match="the baseline of the same fold is needed"):
        train_fold(
            experiment.runs["mined"], data, RunFolder(tmp_path / "run"), 0, accelerator="cpu"
        )


def test_a_run_does_not_go_on_over_a_baseline_that_was_trained_anew(
    experiment: Experiment, data: PreparedData, runs: Path, tmp_path: Path
) -> None:
    copies = tmp_path / "runs"
    shutil.copytree(runs, copies)
    folder, baseline = (folder_of(copies, experiment, run, 0) for run in ("mined", "binary"))
    folder.done.unlink()
    metrics = baseline.metrics.read_text()
    baseline.metrics.write_text(metrics + metrics)
    with pytest.raises(BadInput, match="begun with other settings, other data or another needed"):
        train_fold(
            experiment.runs["mined"],
            data,
            folder,
            0,
            needs={"baseline": baseline},
            accelerator="cpu",
        )
