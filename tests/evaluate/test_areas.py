"""Thorax and pelvis on a canvas, by the body's height."""

from __future__ import annotations

import numpy as np
import pytest

from bonescan.config import PaperCanvas, ResampledCanvas
from bonescan.evaluate.areas import AREAS, area_rows, area_scores

#: A canvas whose body is 900 rows high: 25 rows of air above it in the window of 950.
CANVAS = PaperCanvas()


def body(top: int = 25, reduce: int = 1) -> np.ndarray:
    grey = np.zeros((640 // reduce, 512 // reduce), np.uint8)
    for left in (64, 320):
        grey[top // reduce :, left // reduce : (left + 128) // reduce] = 40
    return grey


def test_rows_follow_the_height_of_the_body() -> None:
    thorax, both = area_rows(body(), CANVAS)
    assert (thorax.name, both.name) == tuple(AREAS)
    # Lower edge of the jaw, of T12 and of the ischium of the ICRP man, of 1760 mm.
    for found, height_mm in (
        (thorax.rows.start, 1544),
        (thorax.rows.stop, 1204),
        (both.rows.start, 1544),
        (both.rows.stop, 864),
    ):
        assert found == pytest.approx(25 + 900 * (1 - height_mm / 1760), abs=6)


def test_a_reduced_canvas_shows_the_same_place() -> None:
    full, half = area_rows(body(), CANVAS), area_rows(body(reduce=2), PaperCanvas(reduce=2))
    for one, two in zip(full, half, strict=True):
        assert two.rows.start == pytest.approx(one.rows.start / 2, abs=3)
        assert two.rows.stop == pytest.approx(one.rows.stop / 2, abs=3)


def test_pixels_are_counted_inside_the_area_only() -> None:
    grey = body()
    marked, truth = np.zeros(grey.shape, bool), np.zeros(grey.shape, bool)
    thorax, both = area_rows(grey, CANVAS)
    truth[thorax.rows.start + 10, 100:110] = True  # in both areas, found
    marked[thorax.rows.start + 10, 100:110] = True
    marked[both.rows.stop - 10, 100:120] = True  # in the pelvis, wrongly
    truth[both.rows.stop + 20, 100:130] = True  # in a thigh, missed
    scores = {score.area: score.pixels for score in area_scores(grey, marked, truth, CANVAS)}
    assert (scores["thorax"].tp, scores["thorax"].fp, scores["thorax"].fn) == (10, 0, 0)
    pelvis = scores["thorax and pelvis"]
    assert (pelvis.tp, pelvis.fp, pelvis.fn) == (10, 20, 0)


def test_lesions_are_matched_inside_the_area_only() -> None:
    grey = body()
    marked, truth = np.zeros(grey.shape, bool), np.zeros(grey.shape, bool)
    thorax, both = area_rows(grey, CANVAS)
    for rows, columns, found in (
        (thorax.rows.start + 10, 100, True),  # in both areas
        (thorax.rows.start + 10, 400, False),  # the same in the posterior view, missed
        (both.rows.stop - 20, 100, True),  # in the pelvis
        (both.rows.stop + 20, 100, True),  # in a thigh
    ):
        truth[rows : rows + 6, columns : columns + 6] = True
        marked[rows : rows + 6, columns : columns + 6] = found
    marked[both.rows.stop - 20 : both.rows.stop - 16, 140:144] = True  # false, in the pelvis
    chest, pelvis = (
        score.lesions for score in area_scores(grey, marked, truth, CANVAS, smallest=9)
    )
    assert (chest.lesions, chest.hits, chest.marks, chest.false_marks) == (2, 1, 1, 0)
    assert (pelvis.lesions, pelvis.hits, pelvis.marks, pelvis.false_marks) == (3, 2, 3, 1)
    small = area_scores(grey, marked, truth, CANVAS, smallest=20)[1].lesions
    assert (small.hits, small.false_marks) == (2, 0)


def test_without_a_body_there_is_no_area() -> None:
    empty = np.zeros((640, 512), np.uint8)
    assert area_scores(empty, empty > 0, empty > 0, CANVAS) == ()


def test_a_canvas_that_begins_above_the_head_takes_the_mean_stature() -> None:
    canvas = ResampledCanvas(spacing_mm=2.4, head_room=25)
    thorax, _ = area_rows(body(), canvas)
    assert thorax.rows.stop == pytest.approx(25 + 1695 / 2.4 * 0.316, abs=6)
    # A body of that stature, centred, has its areas where the other canvas finds them.
    centred = round((950 - 1695 / 2.4) / 2)
    other, _ = area_rows(body(top=centred), CANVAS)
    assert other.rows.stop - centred == pytest.approx(thorax.rows.stop - 25, abs=6)
