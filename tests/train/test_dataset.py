"""Which case goes where, and in which order examples are seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bonescan.config import Augment, Data, NoMask, OtsuMask, Settings
from bonescan.prepare import PreparedData
from bonescan.train.dataset import epoch_order, make_example, part_cases, training_batches
from bonescan.train.folds import Fold
from bonescan.train.runs import folds_of


def test_train_negatives_join_training_only(
    tiny_data: PreparedData, settings_of: Callable[..., Settings]
) -> None:
    settings = settings_of(data={"positives": ["D1"], "train_negatives": ["D2"]})
    for fold in folds_of(settings, tiny_data):
        parts = part_cases(tiny_data.cases, fold, settings.data)
        assert Counter(case.set for case in parts.train)["D2"] == 2
        assert {case.set for case in (*parts.validation, *parts.test)} == {"D1"}
        assert [case.set for case in parts.healthy] == ["D4"]
        studies = [
            c.study for p in (parts.train, parts.validation, parts.test, parts.healthy) for c in p
        ]
        assert sorted(studies) == sorted(case.study for case in tiny_data.cases)


def test_negatives_that_do_not_train_count_as_healthy(tiny_data: PreparedData) -> None:
    fold = Fold(0, ("patient-D1-0",), ("patient-D1-1",), ("patient-D1-2",))
    parts = part_cases(tiny_data.cases, fold, Data(positives=("D1",)))
    assert sorted(case.set for case in parts.healthy) == ["D2", "D2", "D4"]


def test_the_negative_study_of_a_test_patient_does_not_train(tmp_path: Path) -> None:
    class Case:
        def __init__(self, study: str, patient: str, set_: str) -> None:
            self.study, self.patient, self.set = study, patient, set_

    cases = [Case("a", "p", "D1"), Case("b", "p", "D2"), Case("c", "q", "D2"), Case("d", "r", "D1")]
    fold = Fold(0, ("r",), (), ("p",), train_negatives=("q",))
    parts = part_cases(cases, fold, Data(train_negatives=("D2",)))  # type: ignore[arg-type]
    assert [case.study for case in parts.train] == ["c", "d"]
    assert [case.study for case in parts.test] == ["a"]
    assert [case.study for case in parts.healthy] == ["b"]


def test_examples_carry_their_classes_and_counts(tiny_data: PreparedData) -> None:
    case = tiny_data.cases[0]
    three = make_example(case, OtsuMask(smooth_pixels=1.0))
    binary = make_example(case, NoMask())
    assert np.array_equal(three.target == 2, case.metastasis)
    assert np.array_equal(binary.target == 1, case.metastasis)
    assert set(np.unique(three.target)) == {0, 1, 2}
    assert three.counts_per_grey == (256.0, 128.0)  # reduced by 16, gains 1 and 2


@given(number=st.integers(2, 50), batch=st.integers(2, 8), seed=st.integers(0, 99))
def test_an_epoch_sees_every_example_and_has_no_batch_of_one(
    number: int, batch: int, seed: int
) -> None:
    batches = epoch_order(number, batch, np.random.default_rng(seed))
    seen = Counter(index for one in batches for index in one)
    assert set(seen) == set(range(number))
    assert min(len(one) for one in batches) >= 2
    assert seen.total() - number == (1 if number % batch == 1 else 0)


def test_batches_follow_from_seed_and_epoch_whatever_is_prepared_ahead(
    tiny_data: PreparedData,
) -> None:
    examples = [make_example(case, NoMask()) for case in tiny_data.cases]
    settings = Augment(thin=0.5, shift_pixels=2, mirror=0.5)

    def epoch(number: int, ahead: int) -> list[torch.Tensor]:
        batches = training_batches(examples, settings, batch=3, seed=1, epoch=number, ahead=ahead)
        return [batch.x for batch in batches]

    once, again, other = epoch(5, 1), epoch(5, 4), epoch(6, 2)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], other[0])
    assert [len(x) for x in once] == [3, 3, 3, 2]
    assert once[0].dtype == torch.float32
    assert max(float(x.max()) for x in once) <= 1
