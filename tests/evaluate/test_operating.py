"""The threshold of a package is chosen on validation patients alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bonescan.config import PaperCanvas, Settings
from bonescan.errors import BadInput
from bonescan.evaluate.operating import best_lesion_f1, lesion_threshold
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions


def finished(folder: RunFolder, area: float) -> None:
    """Write a run whose validation patient has lesions at 0.9 and 0.5 and false marks at 0.7, 0.3.

    The test patient would ask for another threshold.
    """
    probability = np.zeros((2, 40, 40), np.uint8)
    truth = np.zeros((2, 40, 40), bool)
    for row, value, true in ((2, 0.9, True), (12, 0.7, False), (22, 0.5, True), (32, 0.3, False)):
        probability[0, row : row + 4, 5:9] = round(255 * value)
        truth[0, row : row + 4, 5:9] = true
    probability[1, 2:6, 25:29] = 26
    truth[1, 2:6, 25:29] = True
    Predictions(
        studies=("a", "b"),
        patients=("a", "b"),
        sets=("D1", "D1"),
        parts=("validation", "test"),
        pixel_area_mm2=np.full(2, area),
        grey=np.full((2, 40, 40), 10, np.uint8),
        probability=probability,
        marked=probability > 127,
        metastasis=truth,
    ).save(folder.predictions)
    folder.settings.write_text(Settings(canvas=PaperCanvas(reduce=4)).model_dump_json())
    folder.environment.write_text(json.dumps([{"description": "a test's cohort"}]))
    for path in (folder.folds, folder.metrics, folder.last, folder.best):
        path.touch()
    folder.done.write_text(json.dumps({"validation": 1}))


@pytest.mark.parametrize("area", [10.0, float("nan")])
@pytest.mark.parametrize(("most_false", "lowest", "highest"), [(0, 0.7, 0.9), (1, 0.3, 0.5)])
def test_most_sensitive_within_the_false_marks(
    most_false: float, lowest: float, highest: float, area: float, tmp_path: Path
) -> None:
    finished(RunFolder(tmp_path), area)
    found = lesion_threshold(tmp_path, most_false=most_false)
    assert lowest < found.value <= highest + 1 / 255
    assert found.chosen_on == "1 validation patients, a test's cohort"
    assert f"{100 if most_false else 50} % at {most_false:.2f}" in found.rule


def test_specks_below_the_smallest_lesion_do_not_count(tmp_path: Path) -> None:
    finished(RunFolder(tmp_path), area=3.0)  # a patch of 16 pixels is 48 mm2, below 50 mm2
    assert "0 % at 0.00" in lesion_threshold(tmp_path).rule


def test_a_run_that_is_not_finished_has_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no finished fold"):
        lesion_threshold(tmp_path)


def test_without_a_threshold_within_the_false_marks_lesion_f1_decides() -> None:
    hits, false_marks = np.array([[9, 8, 4]]), np.array([[12, 3, 3]])
    sweep = SimpleNamespace(hits=hits, lesions=np.array([10]), false_marks=false_marks)
    # F1 is 18 / 31, 16 / 21 and 8 / 17.
    assert best_lesion_f1(sweep) == 1  # type: ignore[arg-type]
