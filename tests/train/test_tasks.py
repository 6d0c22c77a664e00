"""Runs that mark no metastasis: a classifier of patients, and the skeleton alone."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from bonescan.config import Augment, PatientMask, Settings
from bonescan.errors import BadInput
from bonescan.evaluate.tables import evaluate_experiments
from bonescan.experiment import Experiment
from bonescan.prepare import PreparedData
from bonescan.prepare.data import write_case, write_index
from bonescan.train.dataset import make_example, training_batches
from bonescan.train.export import export_run
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions
from bonescan.train.runs import train_fold

SettingsOf = Callable[..., Settings]
PATIENT = {
    "mask": {"kind": "patient", "smooth_pixels": None},
    "model": {"kind": "patient_classifier", "channels": [4, 8]},
    "loss": {"kind": "dice_cross_entropy"},
    "data": {"positives": ["D1", "D2", "D4"]},
    "optimiser": {"learning_rate": 0.02},
}
SKELETON = {
    "model": {"kind": "unet", "channels": [4, 8, 8]},
    "mask": {"kind": "skeleton", "smooth_pixels": None},
    "loss": {"kind": "dice_cross_entropy"},
    "optimiser": {"learning_rate": 0.05},
}


@pytest.fixture(scope="module")
def with_bones(
    data_of: Callable[..., PreparedData], tmp_path_factory: pytest.TempPathFactory
) -> PreparedData:
    """The tiny cohort, with a warm body as rib and the rows at its head as skull."""
    data = data_of(tmp_path_factory.mktemp("bones"), {"D1": 7, "D2": 1})
    records = []
    for case in data.cases:
        body = np.where(case.grey > 4, 6, 0).astype(np.uint8)
        body[:12][body[:12] > 0] = 1
        record = case.record.model_copy(update={"layers": ("truth_regions",)})
        write_case(data.folder, record, case.grey, case.metastasis, {"truth_regions": body})
        records.append(record)
    write_index(data.folder, data.canvas, records, [])
    return PreparedData.load(data.folder)


def settings(settings_of: SettingsOf, tree: dict[str, dict[str, object]], epochs: int) -> Settings:
    """Settings for the tiny cohort; a value of None drops what the cohort's own say."""
    plain = settings_of().model_dump(mode="json")
    own = {key: {k: v for k, v in part.items() if v is not None} for key, part in tree.items()}
    plain["training"]["epochs"] = epochs
    plain["optimiser"] |= own.pop("optimiser")
    return Settings.model_validate({**plain, **own})


def run(
    chosen: Settings, name: str, data: PreparedData, runs: Path
) -> tuple[Experiment, RunFolder]:
    experiment = Experiment(title="Tasks", runs={name: chosen}, source=Path("tasks.toml"))
    folder = RunFolder.of(runs, experiment, name, 0)
    train_fold(chosen, data, folder, 0, accelerator="cpu")
    return experiment, folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_classifier_gives_one_answer_a_patient(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    chosen = settings(settings_of, PATIENT, epochs=12)
    experiment, folder = run(chosen, "classifier", tiny_data, tmp_path)
    found = Predictions.load(folder.predictions)
    for probability, marked in zip(found.probability, found.marked, strict=True):
        assert len(np.unique(probability)) == 1
        assert marked.all() == (probability[0, 0] >= 127.5)
    with pytest.raises(BadInput, match=r"mask\.kind = patient, which marks no metastasis"):
        export_run(folder.path, tmp_path / "package")

    text = evaluate_experiments([experiment], tmp_path, tmp_path / "out")
    (row,) = rows(tmp_path / "out" / "tasks_patients.csv")
    assert int(row["patients with"]) + int(row["without"]) == len(
        found.of_part("test").patients + found.of_part("healthy").patients
    )
    assert "patients with metastasis told from those without" in text
    assert not (tmp_path / "out" / "tasks_summary.csv").exists()  # no pixels of metastasis


def test_the_label_of_a_patient_outlives_every_change_of_the_picture(
    tiny_data: PreparedData,
) -> None:
    case = next(case for case in tiny_data.cases if case.metastasis.any())
    rough = Augment(shift_pixels=12, rotate_degrees=30, drop_view=1.0, crop=1.0)
    (batch,) = training_batches(
        [make_example(case, PatientMask())] * 2, rough, batch=2, seed=0, epoch=0
    )
    assert (batch.target == 1).all()


def test_the_skeleton_is_learned_and_judged_region_by_region(
    with_bones: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    chosen = settings(settings_of, SKELETON, epochs=50)
    experiment, folder = run(chosen, "bones", with_bones, tmp_path)
    found = Predictions.load(folder.predictions)
    assert found.regions is not None
    assert found.true_regions is not None
    assert set(np.unique(found.true_regions)) == {0, 1, 6}
    assert np.array_equal(found.marked, found.regions != 0)

    evaluate_experiments([experiment], tmp_path, tmp_path / "out")
    table = {row["region"]: row for row in rows(tmp_path / "out" / "tasks_regions.csv")}
    test = found.of_part("test")
    for number, name in ((1, "skull"), (6, "ribs")):
        seen, there = test.regions == number, test.true_regions == number  # type: ignore[operator]
        dice = 200 * (seen & there).sum() / (seen.sum() + there.sum())
        assert float(table[name]["Dice"]) == pytest.approx(dice, abs=0.01)
        assert dice > 50
    assert table["sacrum"]["Dice"] == "" or float(table["sacrum"]["Dice"]) == 0
    with pytest.raises(BadInput, match=r"mask\.kind = skeleton, which marks no metastasis"):
        export_run(folder.path, tmp_path / "package")


def test_a_cohort_without_bones_is_refused(
    tiny_data: PreparedData, settings_of: SettingsOf, tmp_path: Path
) -> None:
    chosen = settings(settings_of, SKELETON, epochs=1)
    with pytest.raises(BadInput, match=r"which mask\.kind = skeleton needs; prepare a simulated"):
        run(chosen, "bones", tiny_data, tmp_path)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"mask": {"kind": "patient"}}, "go together"),
        ({"model": {"kind": "patient_classifier"}}, "go together"),
        ({"mask": {"kind": "skeleton"}}, "double_unet knows no mask"),
        ({"loss": {"kind": "joint"}}, "loss.kind = joint and mask.kind = joint"),
    ],
)
def test_settings_that_do_not_fit_one_another_are_refused(
    tree: dict[str, object], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings.model_validate(tree)
