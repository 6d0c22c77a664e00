"""Negative mining: the mined class, and leaks that cannot be written down."""

from __future__ import annotations

import numpy as np
import pytest

from bonescan.config import MinedMask
from bonescan.errors import BadInput
from bonescan.masks import label_map
from bonescan.masks.mining import FoldMining
from bonescan.scan import BACKGROUND, METASTASIS, NON_METASTATIC

GREY = np.zeros((8, 8), np.float32)


def probability(value: float) -> np.ndarray:
    picture = np.zeros((8, 8), np.float32)
    picture[2:6, 2:6] = value
    return picture


def mining(**changes: object) -> FoldMining:
    own: dict = {
        "fold": 3,
        "learned_from": frozenset({"ann", "bob"}),
        "held_out": frozenset({"tom"}),
        "patients": {"s1": "ann", "s2": "bob"},
        "probability": {"s1": probability(0.9), "s2": probability(0.1)},
    }
    return FoldMining(**{**own, **changes})


def test_on_a_negative_everything_marked_is_non_metastatic() -> None:
    nothing = np.zeros((8, 8), bool)
    labels = label_map(GREY, nothing, MinedMask(), mined=probability(0.5))
    np.testing.assert_array_equal(labels.classes == NON_METASTATIC, probability(1) == 1)
    assert set(np.unique(labels.classes)) == {BACKGROUND, NON_METASTATIC}
    assert labels.flags == ()
    below = label_map(GREY, nothing, MinedMask(), mined=probability(0.49))
    assert not below.classes.any()


def test_on_a_positive_the_annotation_stays_metastasis_and_the_rest_of_the_marks_is_not() -> None:
    metastasis = np.zeros((8, 8), bool)
    metastasis[4:8, 4:8] = True
    classes = label_map(GREY, metastasis, MinedMask(), mined=probability(0.9)).classes
    np.testing.assert_array_equal(classes == METASTASIS, metastasis)
    assert (classes == NON_METASTATIC).sum() == 16 - 4
    near = label_map(GREY, metastasis, MinedMask(border_margin=1), mined=probability(0.9)).classes
    assert near[3, 4] == BACKGROUND
    assert near[2, 4] == NON_METASTATIC


def test_a_mined_mask_without_a_baseline_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="needs the probabilities"):
        label_map(GREY, np.zeros((8, 8), bool), MinedMask())


def test_probabilities_of_the_same_fold_are_given() -> None:
    np.testing.assert_array_equal(mining().of("s1", 3), probability(0.9))


def test_a_baseline_that_learned_from_a_test_patient_is_refused() -> None:
    with pytest.raises(BadInput, match="fold 3: the baseline has learned from its test patient"):
        mining(held_out=frozenset({"bob", "tom"}), patients={}, probability={})


def test_a_test_patient_is_not_mined() -> None:
    with pytest.raises(BadInput, match="fold 3: its test patient tom is among those to mine"):
        mining(patients={"s1": "ann", "s2": "tom"})


def test_mining_from_another_fold_is_refused() -> None:
    with pytest.raises(BadInput, match="s1: mined by the baseline of fold 3 for fold 2"):
        mining().of("s1", 2)


def test_a_study_that_was_not_mined_is_refused() -> None:
    with pytest.raises(BadInput, match="s9: was not mined"):
        mining().of("s9", 3)
