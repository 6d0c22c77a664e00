"""Intervals against known values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bonescan.measures.statistics import bootstrap, paired_difference


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400).tolist()
    found = bootstrap(values, mean)
    assert found is not None
    half = 1.96 * np.std(values) / 20
    assert found.value == pytest.approx(np.mean(values))
    assert found.low == pytest.approx(found.value - half, abs=0.03)
    assert found.high == pytest.approx(found.value + half, abs=0.03)
    assert bootstrap(values, mean) == found  # the same seed, the same draws


def test_bootstrap_of_equal_items_has_no_width_and_of_none_does_not_exist() -> None:
    found = bootstrap([3.0] * 5, mean)
    assert found is not None
    assert (found.low, found.value, found.high) == (3.0, 3.0, 3.0)
    assert bootstrap([], mean) is None
    assert bootstrap([1.0], lambda _: None) is None


def test_paired_difference_against_the_textbook() -> None:
    # Differences 1, 2, 3: mean 2, standard deviation 1, t(0.975, 2) = 4.3027.
    found = paired_difference([2, 4, 6], [1, 2, 3], test_share=1 / 8)
    assert found is not None
    assert found.mean == 2
    assert found.high - found.mean == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    corrected = 4.3027 * np.sqrt(1 / 3 + 1 / 8)
    assert found.corrected_high - found.mean == pytest.approx(corrected, rel=1e-4)
    assert found.mean - found.corrected_low == pytest.approx(corrected, rel=1e-4)
    assert (found.pairs, found.a_higher) == (3, 3)


def test_swapping_the_arms_swaps_the_sign() -> None:
    a, b = [60.7, 61.7, 64.9], [62.0, 61.0, 66.0]
    one = paired_difference(a, b, test_share=0.1)
    two = paired_difference(b, a, test_share=0.1)
    assert one is not None
    assert two is not None
    assert (one.mean, one.low, one.high) == pytest.approx((-two.mean, -two.high, -two.low))


def test_one_pair_has_no_interval() -> None:
    assert paired_difference([1.0], [2.0], test_share=0.1) is None
