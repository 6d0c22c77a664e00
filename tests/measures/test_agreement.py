"""Kappa and limits of agreement against published and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from bonescan.measures.agreement import (
    cohen_kappa,
    free_response_kappa,
    limits_of_agreement,
)


def test_cohen_kappa_by_hand() -> None:
    """50 cases: observed 0.7, by chance 0.5, so 0.4."""
    assert cohen_kappa(20, 5, 10, 15) == pytest.approx(0.4)
    assert cohen_kappa(45, 15, 25, 15) == pytest.approx(0.1304, abs=1e-4)
    assert cohen_kappa(10, 0, 0, 10) == 1
    assert cohen_kappa(0, 10, 10, 0) == -1
    assert cohen_kappa(5, 5, 5, 5) == 0


def test_kappa_that_is_not_defined() -> None:
    assert cohen_kappa(0, 0, 0, 0) is None
    assert cohen_kappa(0, 0, 0, 9) is None
    assert free_response_kappa(0, 0, 0) is None


def test_free_response_kappa_is_cohens_limit() -> None:
    assert free_response_kappa(8, 2, 4) == pytest.approx(16 / 22)
    many = cohen_kappa(8, 2, 4, 10**7)
    assert many == pytest.approx(16 / 22, abs=1e-5)


def test_limits_by_hand() -> None:
    """Differences 1, 2, 3: bias 2, standard deviation 1."""
    found = limits_of_agreement([10, 20, 30], [11, 22, 33])
    assert found is not None
    assert found.bias == pytest.approx(2)
    assert (found.low, found.high) == (pytest.approx(2 - 1.959964), pytest.approx(2 + 1.959964))
    assert found.bias_half == pytest.approx(4.302653 / np.sqrt(3))
    assert found.limit_half == pytest.approx(4.302653 * np.sqrt(1 / 3 + 1.959964**2 / 4))
    assert found.slope == pytest.approx(np.polyfit([10.5, 21, 31.5], [1, 2, 3], 1)[0])


def test_limits_need_three_pairs() -> None:
    assert limits_of_agreement([1, 2], [1, 2]) is None
    equal = limits_of_agreement([1, 1, 1], [2, 2, 2])
    assert equal is not None
    assert equal.slope is None
    assert equal.low == equal.high == 1
