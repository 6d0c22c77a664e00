"""Folds by patient."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonescan.errors import BadInput
from bonescan.train.folds import folds_to_json, make_folds, read_folds

NINETY = [f"p{i:03}" for i in range(90)]


def test_the_papers_split_of_d1() -> None:
    folds = make_folds(NINETY, [f"n{i}" for i in range(10)], folds=10, seed=2023)
    assert [(len(f.train), len(f.validation), len(f.test)) for f in folds] == [(72, 9, 9)] * 10
    assert all(len(f.train_negatives) == 10 for f in folds)
    assert sorted(p for f in folds for p in f.test) == NINETY
    assert all(folds[k].validation == folds[(k + 1) % 10].test for k in range(10))


@given(
    positives=st.sets(st.integers(0, 99), min_size=5, max_size=40),
    negatives=st.sets(st.integers(0, 99), max_size=20),
    folds=st.integers(3, 5),
    seed=st.integers(0, 2**31),
)
def test_no_patient_is_in_two_parts(
    positives: set[int], negatives: set[int], folds: int, seed: int
) -> None:
    names = [str(p) for p in positives]
    for fold in make_folds(names, [str(n) for n in negatives], folds=folds, seed=seed):
        parts = [fold.train, fold.validation, fold.test, fold.train_negatives]
        everyone = [p for part in parts for p in part]
        assert len(everyone) == len(set(everyone))
        assert set(everyone) == {str(p) for p in positives | negatives}
        for part in ("train", "validation", "test"):
            assert all(fold.part_of(p) == part for p in getattr(fold, part))


def test_folds_depend_on_the_positives_and_the_seed_alone() -> None:
    plain = make_folds(NINETY, [], folds=10, seed=1)
    with_negatives = make_folds(reversed(NINETY), ["n1", "n2"], folds=10, seed=1)
    assert [f.test for f in plain] == [f.test for f in with_negatives]
    assert [f.test for f in plain] != [f.test for f in make_folds(NINETY, [], folds=10, seed=2)]


def test_a_patient_who_is_positive_and_negative_stays_where_the_positive_study_is() -> None:
    for fold in make_folds(NINETY, ["p000", "n0"], folds=10, seed=0):
        assert fold.train_negatives == ("n0",)


def test_fewer_patients_than_folds_is_an_error() -> None:
    with pytest.raises(BadInput, match=r"2 patients with metastasis for 3 folds; set training\."):
        make_folds(["a", "b", "b"], [], folds=3, seed=0)


def test_round_trip_through_json(tmp_path: Path) -> None:
    folds = make_folds(NINETY, ["n1"], folds=10, seed=0)
    path = tmp_path / "folds.json"
    path.write_text(folds_to_json(folds))
    assert read_folds(path) == folds
    path.write_text('[{"number": 0}]')
    with pytest.raises(BadInput, match="is no list of folds"):
        read_folds(path)
