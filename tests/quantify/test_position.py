"""The body's outline: side, level, and pictures that have no body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonescan.quantify.position import UNKNOWN_LEVEL, outline_body, side_of, side_of_edge
from bonescan.scan import Scan, View


def _view(scan: Scan, name: str) -> View:
    return next(view for view in scan.views if view.name == name)


def test_midline_and_extent_of_a_straight_body(plain_scan: Scan) -> None:
    body = outline_body(_view(plain_scan, "anterior").counts)
    assert body.whole
    assert body.top == pytest.approx(55, abs=4)
    assert body.bottom == pytest.approx(971, abs=4)
    assert body.midline.offset(300, 127.5) == pytest.approx(0, abs=2)


def test_a_constant_picture_has_no_body() -> None:
    body = outline_body(np.full((40, 20), 3, np.float32))
    assert not body.mask.any()
    assert body.level(5) == UNKNOWN_LEVEL


def test_the_level_is_unknown_where_the_frame_cuts_the_feet(plain_scan: Scan) -> None:
    counts = _view(plain_scan, "anterior").counts
    assert outline_body(counts).level(300) == "chest level"
    assert outline_body(counts[:700]).level(300) == UNKNOWN_LEVEL


@pytest.mark.parametrize(
    ("row", "level"),
    [(60, "head level"), (300, "chest level"), (480, "pelvis level"), (940, "lower leg level")],
)
def test_levels_go_down_the_body(plain_scan: Scan, row: int, level: str) -> None:
    assert outline_body(_view(plain_scan, "anterior").counts).level(row) == level


@pytest.mark.parametrize(
    ("name", "column", "side"),
    [
        ("anterior", 90, "R"),
        ("anterior", 170, "L"),
        ("posterior", 90, "L"),
        ("posterior", 170, "R"),
        ("anterior", 128, "midline"),
        ("posterior", 127, "midline"),
    ],
)
def test_side_follows_the_view(plain_scan: Scan, name: str, column: int, side: str) -> None:
    view = _view(plain_scan, name)
    body = outline_body(view.counts)
    assert side_of(view, body.midline, np.array([300, 301]), np.array([column, column])) == side
    without = replace(view, pixel_spacing_mm=None)
    assert side_of(without, body.midline, np.array([300]), np.array([column])) == side


def test_edges_of_both_views() -> None:
    assert side_of_edge("anterior", left=True) == side_of_edge("posterior", left=False) == "R"
    assert side_of_edge("anterior", left=False) == side_of_edge("posterior", left=True) == "L"


def test_an_arm_cut_by_the_frame_does_not_move_the_midline(plain_scan: Scan) -> None:
    counts = _view(plain_scan, "anterior").counts.copy()
    counts[250:500, 20:45] = 2
    assert abs(outline_body(counts).midline.offset(300, 127.5)) < 8
