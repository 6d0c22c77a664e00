"""Pictures of folds, classes and marks, from run folders made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.config import NoMask, OtsuMask, PaperCanvas, Settings, Training
from bonescan.config.networks import UNetSettings
from bonescan.evaluate.fold_plot import draw_folds
from bonescan.evaluate.folds import finished_folds
from bonescan.evaluate.result_figures import (
    CLASS_COLOURS,
    class_picture,
    common_fold,
    draw_masks,
    draw_results,
)
from bonescan.experiment import Experiment, Printed
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions

SETTINGS = Settings(canvas=PaperCanvas(reduce=4), training=Training(folds=3), model=UNetSettings())
BINARY = SETTINGS.model_copy(update={"mask": NoMask()})


def predictions() -> Predictions:
    """A positive and a negative test case, 40 x 32, bodies of 10 with a lesion of 90."""
    grey = np.zeros((2, 40, 32), np.uint8)
    grey[:, 4:, 4:12] = grey[:, 4:, 20:28] = 10
    metastasis = np.zeros(grey.shape, bool)
    metastasis[0, 20:24, 6:10] = True
    grey[metastasis] = 90
    return Predictions(
        studies=("a", "b"),
        patients=("a", "b"),
        sets=("D1", "D1"),
        parts=("test", "test"),
        pixel_area_mm2=np.full(2, 92.0),
        grey=grey,
        probability=metastasis * np.uint8(255),
        marked=metastasis,
        metastasis=metastasis,
    )


def experiment(**runs: Settings) -> Experiment:
    return Experiment(
        title="By hand",
        runs=runs,
        printed={"one": Printed(f1=60, folds=((50, 50, 50), (60, 60, 60), (70, 70, 70)))},
        source=Path("hand.toml"),
    )


def finish(own: Experiment, run: str, fold: int, runs: Path) -> None:
    folder = RunFolder.of(runs, own, run, fold)
    folder.path.mkdir(parents=True)
    predictions().save(folder.predictions)
    folder.settings.write_text(own.runs[run].model_dump_json())
    for path in (folder.folds, folder.metrics, folder.last, folder.best):
        path.write_text("")
    summary = {"train_positives": 4, "train_negatives": 0, "chosen_epoch": 3, "collapsed": False}
    folder.done.write_text(json.dumps(summary))


def shape(png: bytes | None) -> tuple[int, int]:
    assert png is not None
    return Image.open(io.BytesIO(png)).size


def test_classes_are_those_that_training_compares_with() -> None:
    found = predictions()
    picture = class_picture(found, 0, SETTINGS)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert colours == set(CLASS_COLOURS.values())
    assert np.array_equal((picture == CLASS_COLOURS[2]).all(axis=2), found.metastasis[0])
    assert {tuple(c) for c in class_picture(found, 1, SETTINGS).reshape(-1, 3)} == {
        CLASS_COLOURS[0],
        CLASS_COLOURS[1],
    }


def test_the_fold_of_the_figure_is_one_that_all_runs_have(tmp_path: Path) -> None:
    own = experiment(one=SETTINGS, two=BINARY)
    finish(own, "one", 0, tmp_path)
    finish(own, "one", 2, tmp_path)
    finish(own, "two", 2, tmp_path)
    assert common_fold(own, ["one", "two"], tmp_path) == 2
    assert common_fold(own, ["two"], tmp_path) == 2
    assert common_fold(own, [], tmp_path) is None


def test_pictures_are_drawn_of_what_is_finished(tmp_path: Path) -> None:
    own = experiment(one=SETTINGS, two=BINARY)
    assert draw_results(own, ["one", "two"], tmp_path) is None
    assert draw_masks(own, tmp_path) is None
    finish(own, "two", 0, tmp_path)
    assert draw_masks(own, tmp_path) is None  # a binary run has no three classes
    finish(own, "one", 0, tmp_path)
    assert min(shape(draw_masks(own, tmp_path))) > 300
    alone = shape(draw_results(own, ["one"], tmp_path))
    both = shape(draw_results(own, ["one", "two"], tmp_path))
    assert both[0] > alone[0]
    assert both[1] == alone[1]


def test_the_plot_of_folds_has_room_for_every_fold(tmp_path: Path) -> None:
    own = experiment(one=SETTINGS)
    finish(own, "one", 1, tmp_path)
    folds = {"one": finished_folds(own, tmp_path, "one")}
    width, height = shape(draw_folds(own, folds))
    assert width > height > 300
    many = own.model_copy(
        update={"runs": {"one": SETTINGS.model_copy(update={"training": Training(folds=20)})}}
    )
    assert shape(draw_folds(many, folds))[0] > width


@pytest.mark.parametrize("mask", [OtsuMask(), OtsuMask(border_margin=4)])
def test_a_margin_is_seen(mask: OtsuMask) -> None:
    settings = SETTINGS.model_copy(update={"mask": mask})
    picture = class_picture(predictions(), 0, settings)
    beside = tuple(picture[22, 10])  # the pixel right of the lesion, one canvas pixel away
    assert beside == CLASS_COLOURS[0 if mask.border_margin else 1]
