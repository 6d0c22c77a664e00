"""Random changes of a canvas: each does what it says, and the same draw does the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bonescan.config import Augment
from bonescan.train.augment import (
    OUTSIDE,
    Move,
    augmented,
    bent,
    blank_half,
    coarsened,
    cropped,
    digitised,
    mirror_halves,
    moved,
    shaded,
    spotted,
    thinned,
)

EVERYTHING = Augment(
    gain=1.5,
    thin=0.5,
    shift_pixels=3,
    rotate_degrees=5,
    zoom=0.1,
    blur_pixels=1,
    mirror=0.5,
    drop_view=0.2,
    coarse=0.5,
    digital=0.5,
    law=0.5,
    shade=0.5,
    crop=0.5,
)


def canvas() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    grey = rng.poisson(30, (40, 32)).astype(np.float32)
    target = np.zeros((40, 32), np.uint8)
    target[5:35, 3:13] = target[5:35, 19:29] = 1
    target[10:14, 5:9] = 2
    return grey, target


def test_nothing_changes_by_default() -> None:
    grey, target = canvas()
    for seed in range(5):
        one, two = augmented(grey, target, Augment(), np.random.default_rng(seed))
        assert np.array_equal(one, grey)
        assert np.array_equal(two, target)


def test_same_draw_same_result_and_input_is_left_alone() -> None:
    grey, target = canvas()
    kept = grey.copy(), target.copy()
    results = [
        augmented(grey, target, EVERYTHING, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])
    assert not np.array_equal(results[0][0], results[2][0])
    assert np.array_equal(grey, kept[0])
    assert np.array_equal(target, kept[1])


@given(seed=st.integers(0, 10_000))
def test_range_shape_and_classes_hold(seed: int) -> None:
    grey, target = canvas()
    one, two = augmented(grey, target, EVERYTHING, np.random.default_rng(seed))
    assert one.shape == two.shape == grey.shape
    assert (one.dtype, two.dtype) == (np.float32, np.uint8)
    assert one.min() >= 0
    assert one.max() <= 255
    assert set(np.unique(two)) <= {0, 1, 2}


@given(arrays(np.float32, (6, 10), elements=st.floats(0, 255, width=32)))
def test_mirroring_twice_is_nothing_and_stays_in_its_half(grey: np.ndarray) -> None:
    assert np.array_equal(mirror_halves(mirror_halves(grey)), grey)
    assert np.array_equal(mirror_halves(grey)[:, :5], grey[:, 4::-1])


def test_shift_moves_both_views_of_one_patient() -> None:
    grey = np.zeros((20, 20), np.float32)
    grey[10, 4] = grey[10, 14] = 8
    result = moved(grey, Move(down=2, right=1), order=1)
    # To the patient's left: right in the anterior view, left in the posterior view.
    assert result[12, 5] == result[12, 13] == pytest.approx(8)
    assert result.sum() == pytest.approx(16)


def test_rotation_turns_the_views_against_each_other() -> None:
    grey = np.zeros((41, 82), np.float32)
    grey[5, 20] = grey[5, 61] = 8
    result = moved(grey, Move(degrees=30), order=1)
    anterior, posterior = result[:, :41], result[:, 41:]
    row, column = np.unravel_index(anterior.argmax(), anterior.shape)
    assert column != 20
    # The posterior half is the mirror image of the anterior one.
    np.testing.assert_allclose(posterior, anterior[:, ::-1], atol=1e-4)
    assert np.hypot(row - 20, column - 20) == pytest.approx(15, abs=1)


def test_zoom_enlarges_about_the_centre_of_each_view() -> None:
    target = np.zeros((41, 82), np.uint8)
    target[16:25, 16:25] = target[16:25, 57:66] = 1
    result = moved(target, Move(zoom=2.0), order=0)
    assert result[:, :41].sum() == result[:, 41:].sum()
    assert result.sum() == pytest.approx(4 * target.sum(), rel=0.15)
    assert result[20, 20] == result[20, 61] == 1


def test_thinning_keeps_the_mean_and_raises_the_noise_as_poisson_statistics_say() -> None:
    rng = np.random.default_rng(0)
    grey = np.full((200, 200), 20, np.float32)
    counts = 4.0  # counts behind a grey value: 80 a pixel
    result = thinned(grey, 0.25, rng, counts)
    assert result.mean() == pytest.approx(20, rel=0.01)
    # Binomial: variance n q (1 - q), scaled back by (q c)^2.
    assert result.var() == pytest.approx(80 * 0.25 * 0.75 / (0.25 * counts) ** 2, rel=0.05)


def test_gain_scales_within_its_range() -> None:
    grey, target = canvas()
    settings = Augment(gain=2.0)
    gains = [
        augmented(grey, target, settings, np.random.default_rng(seed))[0].sum() / grey.sum()
        for seed in range(50)
    ]
    assert 0.5 <= min(gains) < 0.7
    assert 1.4 < max(gains) <= 2.0


def test_coarse_pixels_keep_the_mean() -> None:
    grey, _ = canvas()
    coarse = coarsened(grey, 2.0)
    assert coarse.shape == grey.shape
    assert coarse.mean() == pytest.approx(grey.mean(), rel=0.03)
    assert (
        np.abs(np.diff(coarse[:, :16], axis=0)).mean()
        < np.abs(np.diff(grey[:, :16], axis=0)).mean() / 2
    )


def test_an_8_bit_chain_rounds_clips_and_wraps() -> None:
    grey = np.array([[0.2, 10.3, 127.5, 200.0]], np.float32)
    np.testing.assert_allclose(digitised(grey, 2.0, wraps=False), [[0, 10.5, 127.5, 127.5]])
    np.testing.assert_allclose(digitised(grey, 2.0, wraps=True), [[0, 10.5, 127.5, 72.0]])


def test_a_power_law_leaves_the_median_where_it_is() -> None:
    grey, _ = canvas()
    changed = bent(grey, 1.3)
    assert np.median(changed[changed > 0]) == pytest.approx(np.median(grey[grey > 0]), rel=1e-4)
    assert changed[grey > np.median(grey)].mean() > grey[grey > np.median(grey)].mean()
    assert not bent(np.zeros((2, 2), np.float32), 1.3).any()


@given(seed=st.integers(0, 10_000))
def test_cropped_rows_lose_their_labels_and_the_rest_stays(seed: int) -> None:
    grey, target = canvas()
    one, two = cropped(grey, target, np.random.default_rng(seed))
    gone = ~one.any(axis=1)
    assert not two[gone].any()
    assert np.array_equal(one[~gone], grey[~gone])
    assert np.array_equal(two[~gone], target[~gone])
    assert gone.mean() <= 0.4


@given(seed=st.integers(0, 10_000))
def test_spots_lie_off_the_bones_and_are_labelled_as_no_metastasis(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grey = np.full((60, 80), 8, np.float32)
    target = np.zeros((60, 80), np.uint8)
    target[:, 10:14] = target[:, 60:64] = 4 * 3
    one, two = spotted(grey, target, rng)
    changed = two != target
    assert set(np.unique(two[changed])) <= {OUTSIDE}
    assert (one >= grey - 1e-3).all()
    assert np.array_equal(one[:, 10:14], grey[:, 10:14])
    assert not changed.any() or one[changed].mean() > 1.2 * 8


def test_a_dropped_view_takes_its_labels_along() -> None:
    grey, target = canvas()
    dropped = [
        augmented(grey, target, Augment(drop_view=1.0), np.random.default_rng(seed))
        for seed in range(8)
    ]
    sides = {(one[:, :16].any(), one[:, 16:].any()) for one, _ in dropped}
    assert sides == {(True, False), (False, True)}
    assert all(not two[one == 0].any() for one, two in dropped)
    assert np.array_equal(blank_half(grey, 1)[:, :16], grey[:, :16])


def test_shade_changes_uptake_slowly_and_keeps_its_level() -> None:
    rng = np.random.default_rng(4)
    even = np.full((160, 128), 20.0, np.float32)
    fields = [np.log(shaded(even, rng) / even) for _ in range(40)]
    assert abs(float(np.mean(fields))) < 0.02
    assert 0.03 < float(np.std(fields)) < 0.25
    for field in fields:
        steps = np.abs(np.diff(field[:, :64], axis=0)).max()
        assert steps < 0.6 * max(float(np.ptp(field)), 1e-3)
    assert not np.allclose(fields[0][:, :64], fields[0][:, 64:])
