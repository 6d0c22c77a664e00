"""From a finished run to a package, and on from a package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bonescan.config import PackageInit, Settings
from bonescan.errors import BadInput, BonescanError
from bonescan.models import build_model, probabilities
from bonescan.package import Package, Threshold
from bonescan.predict import Engine
from bonescan.prepare import PreparedData
from bonescan.train import export
from bonescan.train.export import export_run, reliability
from bonescan.train.folder import RunFolder
from bonescan.train.initial import initialise
from bonescan.train.predictions import Predictions
from bonescan.train.runs import train_fold

SettingsOf = Callable[..., Settings]


@pytest.fixture(scope="module")
def finished(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny" / "base-0123456789" / "fold0")
    settings = settings_of(training={"epochs": 25})
    train_fold(settings, tiny_data, folder, 0, accelerator="cpu")
    return folder


def test_a_package_predicts_what_the_run_predicted(
    finished: RunFolder, tiny_data: PreparedData, tmp_path: Path
) -> None:
    package = export_run(finished.path, tmp_path / "model")
    kept = Predictions.load(finished.predictions)
    grey = np.stack([tiny_data.case(study).grey for study in kept.studies])
    found = Engine(package).probabilities(grey)
    assert found.shape == (len(grey), 3, 32, 32)
    assert np.abs(found[:, 2] - kept.probability / 255).max() < 0.5 / 255 + 1e-4


def test_the_card_tells_where_it_comes_from(
    finished: RunFolder, tiny_data: PreparedData, tmp_path: Path
) -> None:
    card = export_run(finished.path, tmp_path / "model", name="tiny", version="3").card
    assert (card.name, card.version) == ("tiny", "3")
    assert card.classes == ("background", "non-metastatic", "metastasis")
    assert card.metastasis_channel == 2
    assert card.training.experiment == "tiny"
    assert card.training.run == "base"
    assert card.training.data_digest == tiny_data.digest
    assert card.training.positives + card.training.validation + card.training.test == 7
    assert "site made in a test" in card.threshold.chosen_on
    assert "validation patients" in card.threshold.chosen_on
    assert all("test patients" in score.measured_on for score in card.expected)
    f1 = card.expected[2]
    assert f1.low is not None
    assert f1.value is not None
    assert f1.high is not None
    assert f1.low <= f1.value <= f1.high
    assert f1.value > 70
    assert "Research use only" in card.notice
    assert not list(tmp_path.glob("*.part"))


def test_threshold_is_the_best_of_the_validation_patients(
    finished: RunFolder, tmp_path: Path
) -> None:
    card = export_run(finished.path, tmp_path / "model").card
    kept = Predictions.load(finished.predictions).of_part("validation")

    def f1(threshold: float) -> float:
        marked = kept.probability >= round(255 * threshold)
        return 2 * (marked & kept.metastasis).sum() / (marked.sum() + kept.metastasis.sum())

    assert f1(card.threshold.value) == max(f1(step / 255) for step in range(1, 256))
    given = Threshold(value=0.25, rule="given", chosen_on="nothing")
    assert export_run(finished.path, tmp_path / "b", threshold=given).card.threshold == given


def test_reliability_by_hand() -> None:
    kept = Predictions(
        ("a",), ("a",), ("D1",), ("validation",),
        np.array([4.0]),
        np.zeros((1, 1, 4), np.uint8),
        np.array([[[0, 10, 255, 200]]], np.uint8),
        np.zeros((1, 1, 4), bool),
        np.array([[[False, True, True, True]]]),
    )  # fmt: skip
    found = reliability(kept, "data", bins=2)
    assert found.edges == (0.0, 0.5, 1.0)
    assert found.pixels == (2, 2)
    assert found.observed == (0.5, 1.0)


def test_fine_tuning_starts_from_the_packages_weights(
    finished: RunFolder, tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    package = export_run(finished.path, tmp_path / "model")
    settings = settings_of(
        init={"kind": "package", "path": str(package.folder)}, training={"epochs": 1}
    )
    network = build_model(settings.model, 3)
    initialise(network, settings.init)
    weights = load_file(package.weights_path)
    assert all(torch.equal(weights[name], w) for name, w in network.state_dict().items())
    tuned = RunFolder(tmp_path / "tuned")
    train_fold(settings, tiny_data, tuned, 0, accelerator="cpu")
    assert tuned.read_summary()["validation_f1"] > 0.7  # after one epoch
    again = export_run(tuned.path, tmp_path / "again").card.training.started_from
    card = package.card
    assert card.training.started_from is None
    assert again is not None
    assert f"{card.name} {card.version}" in again
    assert card.weights_sha256 in again


@pytest.mark.parametrize("kind", ["package", "vgg19"])
def test_weights_that_are_not_there_leave_no_folder_half_made(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path, kind: str
) -> None:
    settings = settings_of(init={"kind": kind, "path": str(tmp_path / "absent")})
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(BadInput, match="absent"):
        train_fold(settings, tiny_data, folder, 0, accelerator="cpu")
    assert not folder.settings.exists()
    assert not folder.environment.exists()


def test_a_package_of_another_network_does_not_start_a_run(
    finished: RunFolder, settings_of: SettingsOf, tmp_path: Path
) -> None:
    package = export_run(finished.path, tmp_path / "model")
    other = build_model(settings_of(model={"channels": [3, 8]}).model, 3)
    with pytest.raises(BadInput, match="holds a unet with 3 classes, which does not fit"):
        initialise(other, PackageInit(path=package.folder))


def test_a_binary_run_exports_one_class(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    tree = settings_of(training={"epochs": 2}).model_dump(mode="json")
    settings = Settings.model_validate({**tree, "mask": {"kind": "none"}})
    folder = RunFolder(tmp_path / "runs" / "run-0" / "fold0")
    train_fold(settings, tiny_data, folder, 0, accelerator="cpu")
    package = export_run(folder.path, tmp_path / "model")
    assert package.card.classes == ("metastasis",)
    found = Engine(package).probabilities(tiny_data.cases[0].grey[None])
    network = build_model(settings.model, 1)
    network.load_state_dict(load_file(package.weights_path))
    with torch.inference_mode():
        x = torch.from_numpy(tiny_data.cases[0].grey / 255)[None, None]
        expected = probabilities(network.eval()(x)[-1]).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_cannot_be_exported_says_why(finished: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no finished fold"):
        export_run(tmp_path, tmp_path / "model")
    export_run(finished.path, tmp_path / "model")
    with pytest.raises(BadInput, match="model: exists already"):
        export_run(finished.path, tmp_path / "model")
    (tmp_path / "empty").mkdir()
    assert Package.load(export_run(finished.path, tmp_path / "empty").folder)


def test_an_export_that_differs_from_the_network_is_refused(
    finished: RunFolder, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "TOLERANCE", -1.0)
        with pytest.raises(BonescanError, match="probabilities differ by"):
            export_run(finished.path, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_package_and_leaves_nothing(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bonescan.train.export.save_file", full)
    with pytest.raises(BadInput) as error:
        export_run(finished.path, tmp_path / "model")
    assert str(error.value).startswith(f"{tmp_path / 'model'}: No space left on device;")
    assert list(tmp_path.glob("model*")) == []
