"""The hot-spot detector on the folds of an experiment."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import PaperCanvas, Settings, Training
from bonescan.errors import BadSettings
from bonescan.evaluate.floor import detect
from bonescan.evaluate.folds import finished_folds
from bonescan.evaluate.tables import evaluate_experiments
from bonescan.experiment import Experiment, load_experiment
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions

CANVAS = PaperCanvas(reduce=4)
SETTINGS = Settings(canvas=CANVAS, training=Training(folds=3))


def predictions(hot: int = 90) -> Predictions:
    """Two validation, two test cases and a healthy one: bodies of 10 with a lesion of ``hot``."""
    parts = ("validation", "validation", "test", "test", "healthy")
    grey = np.zeros((len(parts), 160, 128), np.uint8)
    for left in (16, 80):
        grey[:, 8:, left : left + 32] = 10
    metastasis = np.zeros(grey.shape, bool)
    metastasis[:4, 60:66, 24:30] = True
    grey[metastasis] = hot
    nothing = np.zeros(grey.shape, np.uint8)
    return Predictions(
        studies=tuple(f"s{i}" for i in range(len(parts))),
        patients=tuple(f"p{i}" for i in range(len(parts))),
        sets=("D1",) * 4 + ("D4",),
        parts=parts,
        pixel_area_mm2=np.full(len(parts), 92.0),
        grey=grey,
        probability=nothing,
        marked=nothing > 0,
        metastasis=metastasis,
    )


def test_it_finds_what_is_hot_and_takes_nothing_from_the_network() -> None:
    found = detect(predictions(), CANVAS)
    test = found.of_part("test")
    overlap = (test.marked & test.metastasis).sum()
    assert 2 * overlap / (test.marked.sum() + test.metastasis.sum()) > 0.7
    assert not found.of_part("healthy").marked.any()


def test_its_threshold_comes_from_validation_patients_alone() -> None:
    plain = predictions()
    other = plain.grey.copy()
    tested = np.array([part == "test" for part in plain.parts])
    other[tested] = other[tested][:, ::-1]
    kept = detect(replace(plain, grey=other), CANVAS).of_part("validation")
    assert np.array_equal(kept.marked, detect(plain, CANVAS).of_part("validation").marked)


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Experiment, Path]:
    experiment = Experiment(
        title="With a floor", runs={"one": SETTINGS}, floor="hot_spots", source=Path("known.toml")
    )
    for fold in (0, 2):
        folder = RunFolder.of(tmp_path, experiment, "one", fold)
        folder.path.mkdir(parents=True)
        predictions().save(folder.predictions)
        folder.settings.write_text(SETTINGS.model_dump_json())
        for path in (folder.folds, folder.metrics, folder.last, folder.best):
            path.write_text("")
        summary = {"train_positives": 4, "train_negatives": 2, "chosen_epoch": 3, "collapsed": True}
        folder.done.write_text(json.dumps(summary))
    return experiment, tmp_path


def test_it_is_judged_on_the_finished_folds(finished: tuple[Experiment, Path]) -> None:
    folds = finished_folds(*finished, "hot_spots")
    assert [fold.fold for fold in folds] == [0, 2]
    assert all(fold.training_patients == 6 and not fold.collapsed for fold in folds)
    assert {len(fold.healthy) for fold in folds} == {1}


def table(folder: Path, kind: str) -> list[dict[str, str]]:
    with (folder / "out" / f"known_{kind}.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_stands_in_the_tables_beside_the_networks(
    finished: tuple[Experiment, Path], tmp_path: Path
) -> None:
    experiment, runs = finished
    evaluate_experiments([experiment], runs, tmp_path / "out")
    floor = [row for row in table(tmp_path, "areas") if row["run"] == "hot_spots"]
    assert [row["area"] for row in floor][::4] == [
        "whole canvas",
        "thorax",
        "thorax and pelvis",
    ]
    assert float(floor[0]["F1"]) > 70
    (froc,) = (row for row in table(tmp_path, "froc") if row["run"] == "hot_spots")
    assert (froc["studies"], froc["lesions"], froc["at 0.125"]) == ("4", "4", "100.0")
    boxes = [row for row in table(tmp_path, "boxes") if row["run"] == "hot_spots"]
    assert [row["what"] for row in boxes] == ["lesion", "mark"] * 4
    assert {row["matched"] for row in boxes} == {"yes"}
    missed = [row for row in table(tmp_path, "missed") if row["run"] == "hot_spots"]
    assert (missed[0]["lesions"], missed[0]["missed"]) == ("4", "0")
    lesions = [row for row in table(tmp_path, "lesions") if row["run"] == "hot_spots"]
    assert [row["lesion sensitivity %"] for row in lesions] == ["100.0"] * 3 + [""] * 3
    assert not (tmp_path / "out" / "known_hot_spots_fold0.png").exists()


@pytest.mark.parametrize(
    ("floor", "told"),
    [('"sun"', "floor: .*; write floor = "), ('"hot_spots"', "is the name of the floor")],
)
def test_a_floor_that_cannot_be_is_refused(floor: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(f"floor = {floor}\n[run.hot_spots]\n")
    with pytest.raises(BadSettings, match=told):
        load_experiment(path)
