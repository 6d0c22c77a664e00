"""Runs of an experiment: what is done where, and what a folder that is not right says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import Settings
from bonescan.errors import BadInput, BadSettings
from bonescan.experiment import Experiment
from bonescan.prepare import PreparedData
from bonescan.train import run_experiment
from bonescan.train.folder import RunFolder, locked
from bonescan.train.folds import read_folds
from bonescan.train.predictions import Predictions
from bonescan.train.runs import train_fold
from bonescan.train.watch import Silent
from bonescan.train.work import work_of

SettingsOf = Callable[..., Settings]


@pytest.fixture
def experiment(settings_of: SettingsOf) -> Experiment:
    return Experiment(
        title="tiny",
        runs={
            "dice": settings_of(training={"epochs": 2}),
            "focal": settings_of(
                training={"epochs": 2},
                loss={"kind": "focal_tversky"},
                data={"positives": ["D1"], "train_negatives": ["D2"]},
            ),
        },
        source=Path("tiny.toml"),
    )


def train(settings: Settings, data: PreparedData, path: Path) -> RunFolder:
    train_fold(settings, data, RunFolder(path), 0, accelerator="cpu")
    return RunFolder(path)


def test_an_experiment_fills_one_folder_a_run_and_fold(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folders = run_experiment(
        experiment, tiny_data.folder, tmp_path, fold=1, watcher=Silent(), accelerator="cpu"
    )
    digest = experiment.runs["dice"].digest
    assert folders[0].path == tmp_path / "tiny" / f"dice-{digest}" / "fold1"
    assert len(folders) == 2
    assert all(folder.is_done for folder in folders)
    one, two = (read_folds(folder.folds) for folder in folders)
    assert [fold.test for fold in one] == [fold.test for fold in two]
    names = {path.name for path in folders[0].path.iterdir()}
    assert names == {
        "settings.json",
        "folds.json",
        "environment.json",
        "metrics.jsonl",
        "last.pt",
        "best.pt",
        "predictions.npz",
        "DONE",
        "lock",
    }


def test_predictions_hold_every_case_that_did_not_train(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folder = train(experiment.runs["focal"], tiny_data, tmp_path / "run")
    found = Predictions.load(folder.predictions)
    fold = read_folds(folder.folds)[0]
    assert set(found.of_part("test").patients) == set(fold.test)
    assert set(found.of_part("validation").patients) == set(fold.validation)
    assert found.of_part("healthy").sets == ("D4",)
    for study, truth, marked, p in zip(
        found.studies, found.metastasis, found.marked, found.probability, strict=True
    ):
        assert np.array_equal(truth, tiny_data.case(study).metastasis)
        assert (p[marked] >= 85).all()  # the most probable of three classes
        assert marked[p > 128].all()
    summary = folder.read_summary()
    assert summary["train_negatives"] == 2
    assert summary["train_positives"] == len(fold.train)


def test_a_finished_fold_is_not_trained_again(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folder = train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    before = {
        path: path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name != "lock"
    }
    train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_work_is_cut_into_equal_parts(experiment: Experiment) -> None:
    def asked(**options: object) -> list[tuple[str, int]]:
        return [(item.run, item.fold) for item in work_of(experiment, **options)]

    everything = asked()
    assert everything == [(name, k) for name in ("dice", "focal") for k in range(3)]
    shards = [asked(shard=f"{i}/4") for i in (1, 2, 3, 4)]
    assert sorted(item for shard in shards for item in shard) == everything
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert asked(run="focal", fold=2) == [("focal", 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run": "dise"}, r"--run dise: tiny\.toml has dice, focal"),
        ({"fold": 3}, "--fold 3: run dice has folds 0 to 2"),
        ({"shard": "0/4"}, "--shard 0/4: write it as I/N"),
        ({"shard": "5/4"}, "--shard 5/4: write it as I/N"),
        ({"shard": "half"}, "--shard half: write it as I/N"),
    ],
)
def test_work_that_does_not_exist_is_refused(
    experiment: Experiment, options: dict[str, object], message: str
) -> None:
    chosen: dict = {"run": None, "fold": None, "shard": None, **options}
    with pytest.raises(BadSettings, match=message):
        work_of(experiment, **chosen)


def test_data_on_another_canvas_is_refused(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    canvas = experiment.runs["dice"].canvas.model_copy(update={"reduce": 8})
    settings = experiment.runs["dice"].model_copy(update={"canvas": canvas})
    with pytest.raises(BadInput, match="prepared with another canvas"):
        train(settings, tiny_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_few_patients_are_refused(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(training={"folds": 8})
    with pytest.raises(
        BadInput, match=f"^{tiny_data.folder}: 7 patients with metastasis for 8 folds; "
    ):
        train(settings, tiny_data, tmp_path / "run")


def test_two_processes_on_one_folder(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    hold = (
        "import sys, pathlib; from bonescan.train.folder import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BadInput, match="another process is training here"):
            train(experiment.runs["dice"], tiny_data, path)
        other.kill()
    assert train(experiment.runs["dice"], tiny_data, path).is_done


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        assert (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    "missing",
    ["settings.json", "folds.json", "metrics.jsonl", "last.pt", "best.pt", "predictions.npz"],
)
def test_a_finished_folder_that_lost_a_file_says_which(
    missing: str, experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folder = train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    (folder.path / missing).unlink()
    with pytest.raises(BadInput, match=rf"{missing}: is missing, .* delete .*run"):
        train(experiment.runs["dice"], tiny_data, tmp_path / "run")


@pytest.mark.parametrize("missing", ["last.pt", "settings.json", "folds.json", "environment.json"])
def test_an_unfinished_folder_that_lost_a_file_says_which(
    missing: str, experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folder = train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    folder.done.unlink()
    (folder.path / missing).unlink()
    with pytest.raises(BadInput, match=rf"{missing}: is missing, .* delete .*run"):
        train(experiment.runs["dice"], tiny_data, tmp_path / "run")


@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_made_with_other_data_or_settings_is_refused(
    finished: bool,
    experiment: Experiment,
    tiny_data: PreparedData,
    data_of: Callable[..., PreparedData],
    settings_of: SettingsOf,
    tmp_path: Path,
) -> None:
    folder = train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    if not finished:
        folder.done.unlink()
    other = data_of(tmp_path / "other", {"D1": 7, "D2": 2, "D4": 1}, seed=1)
    with pytest.raises(BadInput, match="begun with other settings, other data"):
        train(experiment.runs["dice"], other, tmp_path / "run")
    with pytest.raises(BadInput, match="begun with other settings, other data"):
        train(settings_of(training={"epochs": 3}), tiny_data, tmp_path / "run")


def test_a_folder_cleared_of_everything_starts_afresh(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folder = train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    before = folder.metrics.read_bytes()
    shutil.rmtree(folder.path)
    assert (
        train(experiment.runs["dice"], tiny_data, tmp_path / "run").metrics.read_bytes() == before
    )


def test_environment_says_what_made_the_numbers(
    experiment: Experiment, tiny_data: PreparedData, tmp_path: Path
) -> None:
    folder = train(experiment.runs["dice"], tiny_data, tmp_path / "run")
    (start,) = json.loads(folder.environment.read_text())
    assert start["device"] == "cpu"
    assert start["data"] == tiny_data.digest
    assert {"bonescan", "torch", "numpy", "python", "threads", "started"} <= set(start)


def test_damaged_predictions_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(BadInput, match=r"predictions\.npz: cannot be read"):
        Predictions.load(path)


def test_negatives_that_the_cohort_lacks_are_named(
    settings_of: SettingsOf, data_of: Callable[..., PreparedData], tmp_path: Path
) -> None:
    data = data_of(tmp_path / "data", {"D1": 4})
    settings = settings_of(data={"positives": ["D1"], "train_negatives": ["D2"]})
    with pytest.raises(BadInput, match=r"data: has no patient of set D2, which data\.train_neg"):
        train(settings, data, tmp_path / "run")
    with pytest.raises(ValueError, match="'D1', 'D2', 'D3' or 'D4'"):
        settings_of(data={"positives": ["D9"]})


@pytest.mark.parametrize(
    ("sets", "settings", "message"),
    [
        ({"D2": 4}, {"mask": {"kind": "none"}}, "fold 0: no training picture shows a metastasis"),
        ({"D2": 4}, {}, "no training picture shows a metastasis, so that nothing can be learned"),
        ({"D1": 4}, {"mask": {"kind": "patient"}}, "shows a patient without metastasis"),
        ({"D2": 4}, {"mask": {"kind": "patient"}}, "shows a patient with metastasis"),
    ],
)
def test_a_class_that_no_training_picture_shows_is_named(
    settings_of: SettingsOf,
    data_of: Callable[..., PreparedData],
    tmp_path: Path,
    sets: dict[str, int],
    settings: dict,
    message: str,
) -> None:
    data = data_of(tmp_path / "data", sets)
    own = settings_of(data={"positives": ["D1", "D2"]})
    tree = own.model_dump(mode="json")
    for key, value in settings.items():
        tree[key] = value
    if settings.get("mask", {}).get("kind") == "patient":
        tree["model"] = {"kind": "patient_classifier"}
    with pytest.raises(BadInput, match=message) as caught:
        train(Settings.model_validate(tree), data, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_network_is_one_clear_line(
    settings_of: SettingsOf, tiny_data: PreparedData, tmp_path: Path
) -> None:
    other = train(
        settings_of(model={"kind": "unet", "channels": [8, 16]}), tiny_data, tmp_path / "other"
    )
    own = train(settings_of(), tiny_data, tmp_path / "own")
    for name in ("DONE", "predictions.npz"):
        (own.path / name).unlink()
    shutil.copy(other.best, own.best)
    with pytest.raises(BadInput, match=r"best\.pt: is the checkpoint of another network than"):
        train(settings_of(), tiny_data, own.path)
    shutil.copy(other.last, own.last)
    with pytest.raises(BadInput, match=r"last\.pt: does not fit these settings; delete its fold"):
        train(settings_of(), tiny_data, own.path)


def test_a_lost_best_checkpoint_is_told_before_more_is_trained(
    settings_of: SettingsOf, tiny_data: PreparedData, tmp_path: Path
) -> None:
    own = train(settings_of(), tiny_data, tmp_path / "own")
    for name in ("DONE", "predictions.npz", "best.pt"):
        (own.path / name).unlink()
    with pytest.raises(BadInput, match=r"best\.pt: is missing, so the run folder is not whole"):
        train(settings_of(), tiny_data, own.path)


@pytest.mark.parametrize("content", ["[]", "{}"])
def test_an_environment_that_says_nothing_is_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "environment.json").write_text(content)
    with pytest.raises(BadInput, match=r"environment\.json: names no start of the run"):
        RunFolder(tmp_path).read_starts()
