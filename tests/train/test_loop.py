"""The loop: it learns, repeats itself, survives being killed, and says when it collapsed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from bonescan.config import NoMask, Settings
from bonescan.errors import BadInput, BadSettings, BonescanError
from bonescan.prepare import PreparedData
from bonescan.train import checkpoints, loop
from bonescan.train.chosen import chosen_network
from bonescan.train.dataset import Batch, make_example
from bonescan.train.folder import RunFolder
from bonescan.train.loop import Progress, examples_of_epoch, keep_best, watch_for_collapse
from bonescan.train.runs import train_fold
from bonescan.train.watch import Record, Silent

SettingsOf = Callable[..., Settings]
#: Everything that has a state: augmentation, moving average, schedule.
STATEFUL = {
    "training": {"average_decay": 0.9, "epochs": 8},
    "augment": {"thin": 0.5, "shift_pixels": 1, "mirror": 0.5, "gain": 1.3},
    "optimiser": {"learning_rate": 0.01, "schedule": "cosine"},
}


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.records: list[Record] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def epoch(self, record: Record, total: int) -> None:
        self.records.append(record)


class StopAfter(Silent):
    """Interrupts the run at a batch of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)
        self.now = 1

    def step(self, done: int, total: int) -> None:
        if (self.now, done) == self.at:
            raise KeyboardInterrupt

    def epoch(self, record: Record, total: int) -> None:
        self.now = record["epoch"] + 1


def run(data: PreparedData, settings: Settings, path: Path, **options: object) -> RunFolder:
    folder = RunFolder(path)
    train_fold(settings, data, folder, 0, accelerator="cpu", **options)
    return folder


def metrics(folder: RunFolder) -> list[Record]:
    return [json.loads(line) for line in folder.metrics.read_text().splitlines()]


def test_it_learns_to_find_the_hot_squares(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(training={"epochs": 30})
    records = metrics(run(tiny_data, settings, tmp_path / "run"))
    assert [record["epoch"] for record in records] == list(range(1, 31))
    assert records[-1]["loss"] < 0.7 * records[0]["loss"]
    assert max(record["f1"] for record in records) > 0.8


@pytest.mark.parametrize("model", ["unet", "double_unet"])
def test_same_settings_same_metrics(
    model: str, tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    kinds = {
        "unet": {"kind": "unet", "channels": [4, 8]},
        "double_unet": {"kind": "double_unet", "channels": None, "width": 0.0625},
    }
    tree = {key: value for key, value in kinds[model].items() if value is not None}
    settings = settings_of(**STATEFUL).model_copy(
        update={"model": Settings.model_validate({"model": tree}).model}
    )
    one = run(tiny_data, settings, tmp_path / "one")
    two = run(tiny_data, settings, tmp_path / "two")
    assert one.metrics.read_bytes() == two.metrics.read_bytes()
    other = settings.model_copy(
        update={"training": settings.training.model_copy(update={"seed": 1})}
    )
    assert metrics(run(tiny_data, other, tmp_path / "other"))[0] != metrics(one)[0]


@pytest.mark.parametrize("stop", [(1, 1), (2, 1), (5, 2)])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    stop: tuple[int, int], tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(**STATEFUL, data={"positives": ["D1"], "train_negatives": ["D2"]})
    whole = run(tiny_data, settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tiny_data, settings, tmp_path / "cut", watcher=StopAfter(*stop))
    cut = RunFolder(tmp_path / "cut")
    assert not cut.is_done
    assert cut.last.exists() == (stop[0] > 1)
    run(tiny_data, settings, tmp_path / "cut")
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()
    one, two = (torch.load(folder.last, weights_only=True) for folder in (whole, cut))
    for name, weight in one["network"].items():
        assert torch.equal(two["network"][name], weight)
    assert len(json.loads(cut.environment.read_text())) == (2 if stop[0] > 1 else 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_an_interrupted_run_on_a_gpu_ends_within_the_stated_tolerance(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(**STATEFUL)
    folders = [RunFolder(tmp_path / name) for name in ("whole", "cut")]
    train_fold(settings, tiny_data, folders[0], 0, accelerator="gpu")
    with pytest.raises(KeyboardInterrupt):
        train_fold(settings, tiny_data, folders[1], 0, accelerator="gpu", watcher=StopAfter(5, 2))
    train_fold(settings, tiny_data, folders[1], 0, accelerator="gpu")
    losses = [[record["loss"] for record in metrics(folder)] for folder in folders]
    assert losses[1] == pytest.approx(losses[0], rel=loop.GPU_TOLERANCE)


TRAIN = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from bonescan.config import NoMask, Settings
from bonescan.prepare import PreparedData
from bonescan.train.folder import RunFolder
from bonescan.train.runs import train_fold
data, settings, folder = map(Path, sys.argv[1:])
train_fold(Settings.model_validate_json(settings.read_text()), PreparedData.load(data),
           RunFolder(folder), 0, accelerator="cpu")
"""


def start(data: Path, settings: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", TRAIN, str(data), str(settings), str(folder)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_kill_9_at_any_moment_changes_nothing(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(**{**STATEFUL, "training": {"average_decay": 0.9, "epochs": 60}})
    path = tmp_path / "settings.json"
    path.write_text(settings.model_dump_json())
    process = start(tiny_data.folder, path, tmp_path / "whole")
    assert process.wait(timeout=300) == 0
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")

    killed = 0
    for lines in (1, 15, 35):
        process = start(tiny_data.folder, path, cut.path)
        while process.poll() is None:
            if cut.metrics.exists() and len(cut.metrics.read_text().splitlines()) >= lines:
                os.kill(process.pid, signal.SIGKILL)
                killed += process.wait() == -signal.SIGKILL
                break
            time.sleep(0.002)
        assert len(metrics(cut)) < 60
    assert killed == 3
    assert not cut.is_done
    assert start(tiny_data.folder, path, cut.path).wait(timeout=300) == 0
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()
    assert not list(cut.path.glob("*.part"))


def test_the_scale_of_half_precision_is_kept(settings_of: SettingsOf, tmp_path: Path) -> None:
    def learner() -> tuple[loop.Learner, torch.amp.GradScaler]:
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        half = MixedPrecision("16-mixed", "cpu", scaler)
        return loop.Learner(settings_of(), Fabric(accelerator="cpu", plugins=half)), scaler

    one, scaler = learner()
    batch = Batch(torch.rand(2, 1, 16, 16), torch.randint(0, 3, (2, 16, 16)))
    for number in range(3):
        one.step(batch, settings_of(), number)
    assert scaler.state_dict() == {**scaler.state_dict(), "scale": 16.0, "_growth_tracker": 1}
    one.save(tmp_path / "last.pt", Progress(steps=3))
    two, again = learner()
    assert two.resume(tmp_path / "last.pt").steps == 3
    assert again.state_dict() == scaler.state_dict()


def test_metrics_ahead_of_the_checkpoint_are_cut_back(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of()
    with pytest.raises(KeyboardInterrupt):
        run(tiny_data, settings, tmp_path / "cut", watcher=StopAfter(3, 1))
    cut = RunFolder(tmp_path / "cut")
    with cut.metrics.open("a") as file:
        file.write('{"epoch": 3, "loss": 0')
    run(tiny_data, settings, tmp_path / "cut")
    assert [record["epoch"] for record in metrics(cut)] == [1, 2, 3, 4]


def test_collapse_is_flagged_and_said_once() -> None:
    progress, lines = Progress(), Lines()
    flags = []
    for epoch, marked in enumerate([5, 0, 0, 0, 0, 7], start=1):
        record: Record = {"epoch": epoch, "tp": marked, "fp": 0}
        watch_for_collapse(record, progress, 3, lines)
        flags.append(record["collapsed"])
    assert flags == [False, False, False, True, True, False]
    assert len(lines.said) == 1
    assert "collapsed: no pixel" in lines.said[0]
    assert "last 3 validations (epoch 4)" in lines.said[0]


def test_a_run_that_predicts_nothing_says_so_in_its_metrics_and_summary(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(training={"collapse_epochs": 2})
    lines = Lines()
    original = loop.marked

    def nothing(logits: torch.Tensor, settings: Settings) -> torch.Tensor:
        return torch.zeros_like(original(logits, settings))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "marked", nothing)
        folder = run(tiny_data, settings, tmp_path / "run", watcher=lines)
    assert [record["collapsed"] for record in metrics(folder)] == [False, True, True, True]
    assert metrics(folder)[-1]["precision"] is None
    assert folder.read_summary()["collapsed"] is True
    assert sum("collapsed" in line for line in lines.said) == 1


def test_a_loss_that_is_no_number_ends_the_run(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "loss_of", lambda outputs, *_: outputs[-1].sum() * math.nan)
        with pytest.raises(BonescanError, match=r"epoch 1: the loss is nan; set optimiser\."):
            run(tiny_data, settings_of(), tmp_path / "run")
    assert not RunFolder(tmp_path / "run").last.exists()


def test_the_best_checkpoint_is_the_best_f1_then_the_lowest_loss(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    folder = run(tiny_data, settings_of(training={"epochs": 12}), tmp_path / "run")
    records = metrics(folder)
    best = max(records, key=lambda r: (r["f1"], -r["validation_loss"]))
    assert torch.load(folder.best, weights_only=True)["epoch"] == best["epoch"]
    assert folder.read_summary()["chosen_epoch"] == best["epoch"]
    assert folder.read_summary()["validation_f1"] == best["f1"]


def test_equal_f1_keeps_the_lower_loss(tmp_path: Path) -> None:
    class Learner:
        judged = torch.nn.Linear(1, 1)

    progress, folder = Progress(), RunFolder(tmp_path)
    for epoch, (f1, loss) in enumerate([(None, 0.9), (0.4, 0.5), (0.4, 0.6), (0.4, 0.4)], start=1):
        record: Record = {"epoch": epoch, "f1": f1, "validation_loss": loss}
        keep_best(record, progress, Learner(), folder)  # type: ignore[arg-type]
        assert progress.best_epoch == [1, 2, 2, 4][epoch - 1]


def test_validation_may_be_rarer_but_never_misses_the_last_epoch(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(training={"epochs": 5, "validate_every": 3})
    records = metrics(run(tiny_data, settings, tmp_path / "run"))
    assert ["f1" in record for record in records] == [False, False, True, False, True]


def test_cosine_schedule_and_constant_rate(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(optimiser={"learning_rate": 0.01, "schedule": "cosine"})
    rates = [r["learning_rate"] for r in metrics(run(tiny_data, settings, tmp_path / "run"))]
    expected = [0.005 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert rates == pytest.approx(expected)


def test_the_average_is_what_is_judged_and_kept(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(training={"average_decay": 0.99, "checkpoint": "last"})
    folder = run(tiny_data, settings, tmp_path / "run")
    state = torch.load(folder.last, weights_only=True)
    network, epoch = chosen_network(folder, settings)
    assert epoch == 4
    name = "head.weight"
    assert torch.equal(network.state_dict()[name], state["average"][name])
    assert not torch.equal(state["average"][name], state["network"][name])


def test_the_first_epochs_may_see_positives_only(
    tiny_data: PreparedData, settings_of: SettingsOf
) -> None:
    training = settings_of(training={"positives_first": 2}).training
    train = [make_example(case, NoMask()) for case in tiny_data.cases]
    for epoch, sets in enumerate([{"D1"}, {"D1"}, {"D1", "D2", "D4"}]):
        assert {one.set for one in examples_of_epoch(train, epoch, training)} == sets
    healthy = [one for one in train if one.set != "D1"]
    assert examples_of_epoch(healthy, 0, training) == healthy


def test_a_canvas_that_the_network_cannot_take_is_refused(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    settings = settings_of(model={"channels": [2] * 7})
    with pytest.raises(BadSettings, match=r"32 x 32 pixels, but a unet needs multiples of 64"):
        run(tiny_data, settings, tmp_path / "run")


def test_a_full_disk_is_one_clear_line_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoints.save_atomically({"epoch": 1}, path)
    with pytest.MonkeyPatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(torch, "save", full)
        with pytest.raises(BonescanError, match=r"last\.pt: cannot be written .*No space left"):
            checkpoints.save_atomically({"epoch": 2}, path)
    assert checkpoints.load_checkpoint(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_checkpoint_is_one_clear_line(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_data, settings_of(), tmp_path / "run", watcher=StopAfter(2, 1))
    folder = RunFolder(tmp_path / "run")
    folder.last.write_bytes(folder.last.read_bytes()[:200])
    with pytest.raises(BadInput, match=r"last\.pt: cannot be read as a checkpoint"):
        run(tiny_data, settings_of(), tmp_path / "run")


@pytest.mark.parametrize("clip_norm", [0.0, 1e-3])
def test_the_gradient_is_no_longer_than_asked(settings_of: SettingsOf, clip_norm: float) -> None:
    settings = settings_of(optimiser={"clip_norm": clip_norm})
    learner = loop.Learner(settings, Fabric(accelerator="cpu"))
    torch.manual_seed(0)
    target = (torch.rand(2, 16, 16) > 0.9).long() * 2
    learner.step(Batch(torch.rand(2, 1, 16, 16), target), settings, 1)
    gradients = [p.grad for p in learner.network.parameters() if p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    if clip_norm:
        assert norm == pytest.approx(clip_norm, rel=1e-3)
    else:
        assert norm > 1e-2
