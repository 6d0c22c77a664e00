"""The body's rows, against the disturbances that real views bring."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bonescan.preprocess.body import body_columns, body_rows

TOP, BOTTOM = 80, 780


def body(scale: float = 1.0, seed: int = 0, table: float = 0.0) -> np.ndarray:
    """Counts of a head, trunk and two legs in rows 80 to 780 of 1024, columns 60 to 196."""
    rate = np.full((1024, 256), 0.02)
    rate[:, 45:211] += table
    rate[TOP:170, 108:148] += 8
    rate[170:420, 60:196] += 2.5
    rate[170:420, 120:136] += 10
    rate[420:BOTTOM, 85:110] += 3.5
    rate[420:BOTTOM, 146:171] += 3.5
    return np.random.default_rng(seed).poisson(scale * rate).astype(np.float32)


def found(counts: np.ndarray) -> tuple[int, int]:
    extent = body_rows(counts)
    assert extent is not None
    return extent.first, extent.end


def test_finds_head_and_feet() -> None:
    assert found(body()) == pytest.approx((TOP, BOTTOM), abs=6)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.15, 20), st.integers(0, 2**20))
def test_any_count_level_gives_the_same_rows(scale: float, seed: int) -> None:
    assert found(body(scale, seed)) == pytest.approx((TOP, BOTTOM), abs=8)


def test_hot_bladder_and_injection_do_not_move_it() -> None:
    counts = body()
    counts[400:420, 118:138] = 3000
    counts[430:436, 30:36] = 60000
    assert found(counts) == pytest.approx((TOP, BOTTOM), abs=6)


def test_values_wrapped_at_256_do_not_move_it() -> None:
    counts = body()
    rows, columns = np.indices(counts.shape)
    counts += 2000 * np.exp(-((rows - 410) ** 2 + (columns - 128) ** 2) / 300)
    assert found(np.floor(counts) % 256) == pytest.approx((TOP, BOTTOM), abs=6)


def test_table_shadow_is_not_a_body() -> None:
    assert found(body(table=1.0)) == pytest.approx((TOP, BOTTOM), abs=6)


def test_marker_beyond_the_feet_is_left_out() -> None:
    counts = body()
    counts[950:960, 100:150] = 40
    assert found(counts) == pytest.approx((TOP, BOTTOM), abs=6)


def test_faint_calves_do_not_cut_off_the_feet() -> None:
    counts = body()
    counts[640:670, :] = 0
    assert found(counts) == pytest.approx((TOP, BOTTOM), abs=6)


def test_columns_reach_from_side_to_side() -> None:
    counts = body()
    rows = body_rows(counts)
    assert rows is not None
    columns = body_columns(counts, rows)
    assert columns is not None
    assert (columns.first, columns.end) == pytest.approx((60, 196), abs=8)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_picture_has_no_body(value: float) -> None:
    assert body_rows(np.full((100, 50), value, np.float32)) is None


#: First and last row of the body in real anterior views, read by eye off the pictures.
BY_EYE = {
    "nm1/nm1_anterior.dcm": (90, 854),
    "bs80k_pairs/0001_ANT.jpg": (47, 731),
    "bs80k_pairs/0002_ANT.jpg": (22, 688),
    "bs80k_pairs/0003_ANT.jpg": (35, 740),
    "bs80k_pairs/0004_ANT.jpg": (11, 642),
    "bs80k_pairs/0005_ANT.jpg": (15, 692),
}


@pytest.mark.parametrize("name", BY_EYE)
def test_real_bodies_lie_where_the_eye_sees_them(real: Path, name: str) -> None:
    path = real / name
    pixels = pydicom.dcmread(path).pixel_array if path.suffix == ".dcm" else Image.open(path)
    assert found(np.asarray(pixels, np.float32)) == pytest.approx(BY_EYE[name], abs=8)
