"""Settings: precedence, refusals that name the key, and the shipped experiment files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bonescan.config import DoubleUNetSettings, OtsuMask, Settings
from bonescan.config.learning import AdamW
from bonescan.errors import BadSettings
from bonescan.experiment import load_experiment

EXPERIMENTS = sorted((Path(__file__).resolve().parents[1] / "experiments").glob("*.toml"))

EXAMPLE = """
title = "example"
[base]
loss = { kind = "focal_tversky", gamma = 0.5 }
training = { epochs = 7, seed = 1 }
[run.a]
training = { epochs = 9 }
[run.b]
loss = { kind = "dice" }
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.toml"
    path.write_text(EXAMPLE)
    return path


def test_run_beats_base_beats_defaults(example: Path) -> None:
    runs = load_experiment(example).runs
    assert runs["a"].training.epochs == 9
    assert runs["b"].training.epochs == 7
    assert runs["a"].training.seed == runs["b"].training.seed == 1
    assert runs["a"].training.batch == Settings().training.batch


def test_another_kind_replaces_the_whole_choice(example: Path) -> None:
    runs = load_experiment(example).runs
    assert runs["a"].loss.model_dump() == {
        "kind": "focal_tversky",
        "gamma": 0.5,
        "alpha": 0.3,
        "beta": 0.7,
        "smooth": 1.0,
    }
    assert runs["b"].loss.kind == "dice"


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ('model={ kind = "unet", channels = [4] }', "model.channels: .* at least 2 items"),
        ('model={ kind = "unet", channels = [4, 0] }', "model.channels.1: .* greater than 0"),
        ('model={ kind = "unet_plus_plus", channels = [4, 4] }', "model.channels: .* at least 6"),
        ('model={ kind = "swin_unetr", heads = [3, 0, 3, 3] }', "model.heads.1: .* greater than 0"),
        ("model.width=0.5", "model: has no kind; write it with kind = "),
        (
            'model={ kind = "double_unet", batch_norm_momentum = 0 }',
            "model.batch_norm_momentum: .* greater than 0",
        ),
        ("optimiser.learning_rate=-1e-3", "optimiser.learning_rate: .* greater than 0"),
        ("loss.smooth=0", "loss.smooth: .* greater than 0"),
    ],
)
def test_numbers_that_no_training_can_use_are_refused(
    setting: str, named: str, example: Path
) -> None:
    with pytest.raises(BadSettings, match=named):
        load_experiment(example, [setting])


def test_command_line_beats_everything(example: Path) -> None:
    runs = load_experiment(example, ["training.epochs=2", "loss.kind=dice"]).runs
    assert {run.training.epochs for run in runs.values()} == {2}
    assert {run.loss.kind for run in runs.values()} == {"dice"}


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("training.epoch=2", "training.epoch: there is no such setting; correct its name"),
        ("training.batch=1", "training.batch"),
        ("loss.kind=hinge", "loss"),
        ("canvas.kind=paper canvas", "canvas"),
        ("no-value", "a.b=value"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_path(example: Path, override: str, names: str) -> None:
    with pytest.raises(BadSettings, match=names) as caught:
        load_experiment(example, [override])
    assert "\n" not in str(caught.value)


def test_unknown_table_and_broken_toml_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[runs.a]\n")
    with pytest.raises(BadSettings, match=r"x\.toml: unknown key 'runs'"):
        load_experiment(path)
    path.write_text("[base\n")
    with pytest.raises(BadSettings, match="not valid TOML"):
        load_experiment(path)
    with pytest.raises(BadSettings, match="cannot be read"):
        load_experiment(tmp_path / "absent.toml")
    path.write_bytes(b"title = '\xe9'")
    with pytest.raises(BadSettings, match="not a text file in UTF-8"):
        load_experiment(path)


@pytest.mark.parametrize(
    "text", ["title = 3", "base = 3", "run = []", "run.a = 3", "printed.a = 3"]
)
def test_a_value_in_the_place_of_a_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadSettings, match=rf"x\.toml: {text.split(' ')[0]}: is no (table|text)"):
        load_experiment(path)


def test_digest_follows_the_settings_only(example: Path) -> None:
    first, again = (load_experiment(example).runs for _ in range(2))
    assert first["a"].digest == again["a"].digest != first["b"].digest
    assert first["a"].digest != load_experiment(example, ["training.seed=2"]).runs["a"].digest


def test_digest_is_made_of_what_was_set_so_that_new_settings_leave_it() -> None:
    assert Settings().told() == {}
    narrow = Settings(
        model=DoubleUNetSettings(width=0.5), optimiser=AdamW(), mask=OtsuMask(on="linear")
    )
    assert narrow.told() == {
        "model": {"kind": "double_unet", "width": 0.5},
        "optimiser": {"kind": "adamw"},
        "mask": {"kind": "otsu", "on": "linear"},
    }
    written = Settings.model_validate({**narrow.told()})
    assert written == narrow


def test_paper_numbers() -> None:
    settings = Settings()
    canvas = settings.canvas
    assert (canvas.body_rows, canvas.view_columns, canvas.kept_rows) == (950, 256, 640)
    assert (canvas.brightness.mean_low, canvas.brightness.mean_high) == (7, 14)
    assert (settings.training.epochs, settings.training.batch) == (500, 4)
    assert settings.training.folds == 10
    assert settings.optimiser.learning_rate == 1e-4


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_shipped_experiment_loads(path: Path) -> None:
    experiment = load_experiment(path)
    assert set(experiment.printed) <= set(experiment.runs)
    for printed in experiment.printed.values():
        if printed.region is not None:  # of other groups, see test_experiments.py
            continue
        harmonic = 2 * printed.precision * printed.sensitivity
        assert printed.f1 == pytest.approx(
            harmonic / (printed.precision + printed.sensitivity), abs=0.02
        )
