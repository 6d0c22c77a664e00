"""A search over settings: ranges, resumption, pruning, and that no test patient is ever read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from bonescan.errors import BadInput, BadSettings
from bonescan.experiment import load_experiment
from bonescan.prepare import PreparedCase, PreparedData
from bonescan.train.runs import folds_of
from bonescan.train.search import TrialWatcher, search_settings
from bonescan.train.space import Dimension, as_toml, overrides_of, parse_space
from bonescan.train.watch import Record, Silent

optuna = pytest.importorskip("optuna")

TOML = """
title = "Tiny"
[base]
canvas = { kind = "paper", reduce = 16 }
model = { kind = "unet", channels = [4, 8] }
training = { epochs = 2, folds = 3, batch = 3 }
[run.otsu]
mask = { kind = "otsu", smooth_pixels = 1.0 }
"""
OVER = ["optimiser.learning_rate=log(1e-4,1e-1)", "loss.kind=choice(dice,focal_tversky)"]


def test_ranges_as_they_are_written() -> None:
    assert parse_space([*OVER, "training.batch=int(2, 8)", "augment.mirror=uniform(0,0.5)"]) == (
        Dimension("optimiser.learning_rate", "log", (1e-4, 1e-1)),
        Dimension("loss.kind", "choice", ("dice", "focal_tversky")),
        Dimension("training.batch", "int", (2, 8)),
        Dimension("augment.mirror", "uniform", (0, 0.5)),
    )


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["optimiser.learning_rate"], "is no range; write it as"),
        (["loss.alpha=gauss(0,1)"], "is no range; write it as"),
        (["loss.alpha=uniform(0)"], "uniform takes two numbers"),
        (["loss.alpha=uniform(a,b)"], "uniform takes two numbers"),
        (["loss.alpha=uniform(1,0)"], "is empty; the second number must be above"),
        (["loss.alpha=log(0,1)"], "is empty"),
        (["training.batch=int(2,4.5)"], "int takes two whole numbers"),
        (["training.seed=int(1,5)"], r"training\.seed decides who validates"),
        (["training.split=choice(patients,sites)"], r"training\.split decides who validates"),
        (["data.positives=choice(D1,D3)"], r"data\.positives decides who validates"),
        (["canvas.reduce=int(1,4)"], r"canvas\.reduce decides who validates or what is prepared"),
        (["loss.alpha=uniform(0,1)"] * 2, r"--over loss\.alpha: is there twice"),
    ],
)
def test_ranges_that_are_none_are_one_clear_line(items: list[str], message: str) -> None:
    with pytest.raises(BadSettings, match=message) as caught:
        parse_space(items)
    assert "\n" not in str(caught.value)


def test_best_settings_lie_over_an_experiment(tmp_path: Path) -> None:
    path, best = tmp_path / "tiny.toml", tmp_path / "best.toml"
    path.write_text(TOML)
    values = {"loss.kind": "focal_tversky", "optimiser.learning_rate": 2.5e-05, "training.batch": 5}
    best.write_text(as_toml(values, ["best of two"]))
    by_file = load_experiment(path, settings=best).runs["otsu"]
    assert by_file == load_experiment(path, overrides_of(values)).runs["otsu"]
    assert (by_file.loss.kind, by_file.optimiser.learning_rate) == ("focal_tversky", 2.5e-05)


class Stopping(Silent):
    """Ends the process, as it seems, after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs
        self.said: list[str] = []

    def epoch(self, record: Record, total: int) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def say(self, line: str) -> None:
        self.said.append(line)


def test_a_search_goes_on_and_reads_no_test_patient(
    data_of: Callable[..., PreparedData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(tmp_path / "data", {"D1": 7, "D2": 2})
    path = tmp_path / "tiny.toml"
    path.write_text(TOML)
    read: set[str] = set()
    for name in ("grey", "metastasis"):
        own = getattr(PreparedCase, name).fget

        def noted(case: PreparedCase, own: Callable = own) -> object:
            read.add(case.patient)
            return own(case)

        monkeypatch.setattr(PreparedCase, name, property(noted))
    fold = folds_of(load_experiment(path).runs["otsu"], data)[1]

    def search(trials: int, watcher: Silent) -> object:
        return search_settings(
            path, data.folder, tmp_path / "runs", OVER,
            trials=trials, fold=1, watcher=watcher, accelerator="cpu",
        )  # fmt: skip

    first = search(1, Stopping(-1))
    stopped = Stopping(1)
    with pytest.raises(KeyboardInterrupt):
        search(3, stopped)
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    (last,) = folder.rglob("last.pt")  # the trial that was stopped, and no other
    kept = last.stat().st_mtime_ns
    again = Stopping(-1)
    found = search(3, again)
    assert again.said[0].partition(": ")[2] == stopped.said[0].partition(": ")[2]
    assert again.left == -1 - 3  # one epoch of the stopped trial, two of a new one
    assert kept
    assert (first.finished, found.finished) == (1, 3)
    assert read == {*fold.train, *fold.validation}
    assert not read & set(fold.test)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert len({row["optimiser.learning_rate"] for row in rows}) == 3
    best = max(float(row["validation F1 %"]) for row in rows)
    assert 100 * found.f1 == pytest.approx(best, rel=1e-3)
    chosen = load_experiment(path, settings=folder / "best.toml").runs["otsu"]
    assert chosen.optimiser.learning_rate == found.values["optimiser.learning_rate"]
    assert chosen.loss.kind == found.values["loss.kind"]
    assert "Research use only" in (folder / "best.toml").read_text()
    assert search(3, Stopping(-1)).values == found.values  # nothing left to do
    assert not list(folder.rglob("*.pt"))


def test_a_trial_that_does_badly_is_pruned_and_reports_its_best() -> None:
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.3)
    )
    trial = study.ask()
    watcher = TrialWatcher(trial, Silent())
    watcher.epoch({"epoch": 1, "f1": 0.4, "loss": 1.0}, 9)
    watcher.epoch({"epoch": 2, "loss": 1.0}, 9)  # not validated
    watcher.epoch({"epoch": 3, "f1": 0.1, "loss": 1.0}, 9)
    assert watcher.best == 0.4
    other = TrialWatcher(study.ask(), Silent())
    with pytest.raises(optuna.TrialPruned):
        other.epoch({"epoch": 1, "f1": None, "loss": 1.0}, 9)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ("[run.other]", {}, "has the runs otsu, other; name one with --run"),
        ("", {"run": "absent"}, "--run absent: .* has otsu"),
        ("", {"fold": 3}, "--fold 3: run otsu has folds 0 to 2"),
        ("", {"over": ["augment.absent=uniform(0,1)"]}, "absent: there is no such setting"),
        ("", {"over": ["training.batch=int(0,4)"]}, r"training\.batch: .*greater than"),
        (
            '[run.b]\nmask = { kind = "none" }\n[run.m]\nmask = { kind = "mined" }\n'
            'needs = { baseline = "b" }',
            {"run": "m"},
            "--run m: needs another run",
        ),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line(
    tmp_path: Path, tiny_data: PreparedData, change: str, options: dict, message: str
) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(TOML + change)
    arguments = {"over": OVER[:1], "trials": 1, **options}
    with pytest.raises((BadSettings, BadInput), match=message):
        search_settings(path, tiny_data.folder, tmp_path / "runs", **arguments)
    assert not (tmp_path / "runs").exists()
