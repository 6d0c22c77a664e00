"""The threshold of a package is chosen on validation patients alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import PaperCanvas, Settings
from bonescan.errors import BadInput
from bonescan.evaluate.operating import lesion_threshold, operating_point
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


@pytest.mark.parametrize(
    ("allowed", "at", "kept"),
    [
        (12, 2, True),  # the most sensitive
        (3, 1, True),
        (2, 0, True),  # 4 of the best F1's 8 lesions are half of them
        (-1, 1, False),  # none keeps within: F1 is 8 / 15, 16 / 21 and 18 / 31
    ],
)
def test_where_to_stand_on_a_curve(allowed: float, at: int, kept: bool) -> None:
    hits, false_marks = np.array([4, 8, 9]), np.array([1, 3, 12])
    assert operating_point(hits, false_marks, 10, allowed) == (at, kept)


def test_few_patients_with_lesions_alone_do_not_force_a_threshold_that_finds_nothing() -> None:
    hits, false_marks = np.array([0, 1, 8]), np.array([0, 2, 20])
    assert operating_point(hits, false_marks, 10, 5) == (2, False)
