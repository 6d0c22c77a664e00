"""How views are shown: window, cut-out, numbers in the margins."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.quantify.unread import unread_flags
from bonescan.report.display import NUMBER_PITCH, ReadLimit, inverse_grey, lay_out, spread
from bonescan.report.figure import draw_overlay
from bonescan.scan import Reading, Scan


@pytest.fixture(scope="module")
def reading(bright_package: Package, plain_scan: Scan) -> Reading:
    return read_scan(plain_scan, Engine(bright_package, threads=1))


def test_inverse_grey() -> None:
    counts = np.array([[0, 5, 10, 99]], np.float32)
    assert inverse_grey(counts, 10).tolist() == [[255, 128, 0, 0]]
    assert inverse_grey(counts * 0, 0).tolist() == [[255] * 4]


def test_a_hot_spot_does_not_pale_the_body(plain_scan: Scan, reading: Reading) -> None:
    hot = plain_scan.anterior
    assert hot is not None
    hotter = replace(
        plain_scan, anterior=replace(hot, counts=np.where(hot.counts > 50, 1e4, hot.counts))
    )
    assert lay_out(hotter, reading)[0].black == lay_out(plain_scan, reading)[0].black


def test_disease_all_over_does_not_pale_the_rest(plain_scan: Scan, reading: Reading) -> None:
    view = plain_scan.anterior
    assert view is not None
    counts = view.counts.copy()
    counts[200:300, 100:160] = 500  # far more than a hundredth of the body
    ill = replace(plain_scan, anterior=replace(view, counts=counts))
    assert lay_out(ill, reading)[0].black == pytest.approx(8 * 4)


def test_both_views_show_the_same_rows(plain_scan: Scan, reading: Reading) -> None:
    anterior, posterior = lay_out(plain_scan, reading)
    assert anterior.top == posterior.top
    assert anterior.shape == posterior.shape
    assert anterior.top <= 55
    assert anterior.top + anterior.shape[0] >= 970


def test_the_limit_of_what_was_read_is_shown(plain_scan: Scan, reading: Reading) -> None:
    panel = lay_out(plain_scan, reading)[0]
    (limit,) = panel.limits
    assert reading.views[0].read_rows is not None
    assert limit.row + panel.top == reading.views[0].read_rows[1]
    assert limit.told == "not read below"
    everything = replace(reading, views=tuple(replace(v, read_rows=None) for v in reading.views))
    assert lay_out(plain_scan, everything)[0].limits == ()


#: What is left of the counts below row 700 and above row 100, beside which there are 10000.
@pytest.mark.parametrize(
    ("above", "below", "told"),
    [
        (0, 5, []),
        (0, 40, ["not read below"]),
        (0, 2000, ["not read below"]),
        (40, 0, ["not read above"]),
        (40, 40, ["not read above", "not read below"]),
    ],
)
def test_picture_and_flag_agree_on_what_was_not_read(
    plain_scan: Scan, reading: Reading, above: int, below: int, told: list[str]
) -> None:
    view = plain_scan.anterior
    assert view is not None
    counts = np.zeros_like(view.counts)
    counts[100:700, 100:110] = 10_000 / 6000
    counts[50, 100], counts[900, 100] = above, below
    scan = replace(plain_scan, anterior=replace(view, counts=counts), posterior=None)
    seen = replace(reading.views[0], read_rows=(100, 700))
    ours = replace(reading, views=(seen,), lesions=())
    (panel,) = lay_out(scan, ours)
    assert [limit.told for limit in panel.limits] == told
    assert all(0 <= limit.row <= panel.shape[0] for limit in panel.limits)
    flags = unread_flags(scan, ours.views)
    assert [flag.code for flag in flags] == (["partly-read"] if told else [])
    assert all(
        f"({10_000 / (10_000 + above + below):.1%} of its counts)" in flag.message for flag in flags
    )


@given(st.lists(st.floats(0, 700), max_size=60).map(sorted))
def test_numbers_keep_their_order_and_distance(wanted: list[float]) -> None:
    placed = spread(wanted, 700)
    assert len(placed) == len(wanted)
    pitch = min(NUMBER_PITCH, 700 / max(1, len(wanted)))
    assert all(b - a >= pitch - 1e-6 for a, b in pairwise(placed))
    assert all(pitch / 2 - 1e-6 <= row <= 700 - pitch / 2 + 1e-6 for row in placed)


def test_numbers_that_have_room_stay_where_they_are() -> None:
    assert spread([50, 100, 400], 700) == [50, 100, 400]


def test_overlay_marks_where_the_lesion_is(plain_scan: Scan, reading: Reading) -> None:
    panels = lay_out(plain_scan, reading)
    picture = np.asarray(draw_overlay(panels, "plain").convert("RGB")).astype(int)
    red = (picture[..., 0] > 180) & (picture[..., 1] < 60)
    assert red.any()
    left = red[:, : picture.shape[1] // 2]
    columns = np.flatnonzero(left.any(axis=0))
    # the anterior spot lies right of that view's middle: its mark does, too, and so does its number
    assert columns.min() > picture.shape[1] // 4


def test_overlay_of_one_view(plain_scan: Scan, reading: Reading) -> None:
    alone = replace(plain_scan, posterior=None)
    ours = replace(reading, views=reading.views[:1], lesions=reading.lesions[:1])
    assert draw_overlay(lay_out(alone, ours), "plain").size[0] == 640


def test_words_of_a_limit_keep_off_the_names_above_the_picture() -> None:
    assert ReadLimit(3, unread_below=False).told_under
    assert not ReadLimit(80, unread_below=False).told_under
    assert ReadLimit(900, unread_below=True).told_under
