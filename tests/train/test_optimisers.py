"""Every optimiser and schedule: numbers by hand, and a killed run that goes on as if it had not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter

from bonescan.config import Settings
from bonescan.config.learning import Adam, OptimiserSettings, Schedule
from bonescan.errors import BadSettings
from bonescan.experiment import load_experiment
from bonescan.prepare import PreparedData
from bonescan.train.folder import RunFolder
from bonescan.train.optimisers import OPTIMISERS, build_optimiser
from bonescan.train.runs import train_fold
from bonescan.train.schedules import FACTORS, rate_factor
from bonescan.train.watch import Record, Silent

#: One of each kind; `test_every_kind_is_here` fails without.
KINDS: dict[str, dict[str, object]] = {
    "adam": {},
    "adamw": {"weight_decay": 0.1},
    "sgd": {"momentum": 0.9, "weight_decay": 0.1},
    "radam": {},
}
SCHEDULES: dict[str, object] = {
    "constant": "constant",
    "cosine": "cosine",
    "warm_cosine": {"kind": "warm_cosine", "warmup_epochs": 2},
    "steps": {"kind": "steps", "every": 2},
    "polynomial": {"kind": "polynomial"},
    "one_cycle": {"kind": "one_cycle"},
    "plateau": {"kind": "plateau", "patience": 1},
}


class StopAt(Silent):
    def __init__(self, epoch: int) -> None:
        self.epochs = epoch

    def epoch(self, record: Record, total: int) -> None:
        if record["epoch"] == self.epochs:
            raise KeyboardInterrupt


def settings_for(kind: str) -> OptimiserSettings:
    tree = {"kind": kind, "learning_rate": 0.01, **KINDS[kind]}
    settings: OptimiserSettings = TypeAdapter(OptimiserSettings).validate_python(tree)
    return settings


def schedule_of(tree: object) -> Schedule:
    schedule: Schedule = TypeAdapter(Schedule).validate_python(tree)
    return schedule


def factors(tree: object, epochs: int, losses: list[float] | None = None) -> list[float]:
    losses = losses or [1.0] * epochs
    records = [{"validation_loss": loss} for loss in losses]
    schedule = schedule_of(tree)
    return [rate_factor(schedule, records[:done], epochs) for done in range(epochs)]


def test_every_kind_is_here() -> None:
    assert set(KINDS) == set(OPTIMISERS)
    assert set(SCHEDULES) - {"constant", "cosine"} == set(FACTORS)


# --- optimisers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_it_steps_downhill(kind: str) -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 1)
    x = torch.rand(64, 4)
    y = x.sum(dim=1, keepdim=True)
    optimiser = build_optimiser(network, settings_for(kind))
    losses = []
    for _ in range(60):
        loss = ((network(x) - y) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_the_first_steps_by_hand() -> None:
    """Weight 1, gradient 2, rate 0.01: what each update rule makes of it."""

    def stepped(kind: str, **numbers: object) -> float:
        network = torch.nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            network.weight.fill_(1.0)
        tree = {"kind": kind, "learning_rate": 0.01, **numbers}
        optimiser = build_optimiser(network, TypeAdapter(OptimiserSettings).validate_python(tree))
        (2 * network.weight).sum().backward()
        optimiser.step()
        return float(network.weight.detach())

    assert stepped("adam") == pytest.approx(1 - 0.01)  # the sign of the gradient
    assert stepped("adamw", weight_decay=0.1) == pytest.approx(1 * (1 - 0.01 * 0.1) - 0.01)
    plain = {"momentum": 0.0, "nesterov": False}
    assert stepped("sgd", **plain) == pytest.approx(1 - 0.01 * 2)
    assert stepped("sgd", momentum=0.9, nesterov=True) == pytest.approx(1 - 0.01 * (2 + 0.9 * 2))
    assert stepped("radam") == pytest.approx(1 - 0.01 * 2)  # no rectified moment yet: the gradient


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_biases_and_norms_do_not_decay(kind: str) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    groups = build_optimiser(network, settings_for(kind)).param_groups
    decays = {p.ndim: group["weight_decay"] for group in groups for p in group["params"]}
    assert decays == {4: 0.1, 1: 0.0}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_numbers_alone_mean_adam() -> None:
    assert Settings.model_validate({"optimiser": {"learning_rate": 0.5}}).optimiser == Adam(
        learning_rate=0.5
    )


# --- schedules ----------------------------------------------------------------------------------


def test_schedules_by_hand() -> None:
    assert factors("constant", 3) == [1, 1, 1]
    assert factors("cosine", 4) == pytest.approx(
        [0.5 * (1 + math.cos(math.pi * k / 4)) for k in range(4)]
    )
    assert factors({"kind": "steps", "every": 2, "factor": 0.1}, 5) == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01]
    )
    assert factors({"kind": "polynomial", "power": 2}, 4) == pytest.approx(
        [1, 9 / 16, 1 / 4, 1 / 16]
    )
    warm = factors({"kind": "warm_cosine", "warmup_epochs": 3, "floor": 0.1}, 7)
    assert warm == pytest.approx(
        [0.25, 0.5, 0.75, 1, *(0.1 + 0.45 * (1 + math.cos(math.pi * k / 4)) for k in (1, 2, 3))]
    )
    cycle = factors({"kind": "one_cycle", "rise": 0.5, "start": 0.2, "end": 0.0}, 4)
    assert cycle == pytest.approx([0.2, 0.6, 1.0, 0.5])


def test_plateau_falls_after_waiting_and_counts_anew() -> None:
    losses = [1.0, 0.9, 0.95, 0.9, 0.9, 0.8, 0.8, 0.8]
    found = factors({"kind": "plateau", "factor": 0.5, "patience": 2}, 8, losses)
    #       before each epoch:  0    1    2    3  |  4    5    6    7
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]
    assert rate_factor(
        schedule_of({"kind": "plateau", "factor": 0.5, "patience": 2}),
        [{"validation_loss": loss} for loss in losses],
        9,
    ) == pytest.approx(0.25)


def test_epochs_without_validation_do_not_count_as_waiting() -> None:
    records: list[Record] = [{"validation_loss": 1.0}, {}, {}, {}, {"validation_loss": 0.5}]
    assert rate_factor(schedule_of({"kind": "plateau", "patience": 1}), records, 9) == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_leaves_the_range_from_0_to_the_rate(name: str) -> None:
    for epochs in (1, 2, 7, 50):
        found = factors(SCHEDULES[name], epochs)
        assert all(0 <= factor <= 1 for factor in found)
        assert max(found) > 0


# --- runs ---------------------------------------------------------------------------------------

COMBINED = [
    *((kind, "cosine") for kind in KINDS),
    *(("adam", name) for name in SCHEDULES if name != "cosine"),
]


@pytest.mark.parametrize(("kind", "schedule"), COMBINED)
def test_a_killed_run_goes_on_bit_by_bit(
    kind: str,
    schedule: str,
    tiny_data: PreparedData,
    settings_of: Callable[..., Settings],
    tmp_path: Path,
) -> None:
    optimiser = {"kind": kind, "schedule": SCHEDULES[schedule], "clip_norm": 1.0, **KINDS[kind]}
    settings = settings_of(optimiser=optimiser, training={"epochs": 4})
    folders = [RunFolder(tmp_path / name) for name in ("whole", "cut")]
    train_fold(settings, tiny_data, folders[0], 0, accelerator="cpu")
    for stop in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            train_fold(settings, tiny_data, folders[1], 0, accelerator="cpu", watcher=StopAt(stop))
    train_fold(settings, tiny_data, folders[1], 0, accelerator="cpu")
    assert folders[0].metrics.read_bytes() == folders[1].metrics.read_bytes()
    one, two = (torch.load(folder.last, weights_only=True) for folder in folders)
    for name, weight in one["network"].items():
        assert torch.equal(weight, two["network"][name]), name


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("optimiser.kind=lion", "lion"),
        ("optimiser.momentum=0.9", "there is no such setting"),
        ('optimiser.schedule={kind="steps",factor=2}', "less than 1"),
        ("optimiser.schedule=linear", "'constant' or 'cosine'"),
    ],
)
def test_a_wrong_setting_is_one_line(item: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text("[run.one]\n")
    with pytest.raises(BadSettings, match=told) as caught:
        load_experiment(path, [item])
    assert "\n" not in str(caught.value)
