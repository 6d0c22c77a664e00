"""Pieces of work in processes: outcomes, failures, and processes that the system really ends."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bonescan.errors import BonescanError, ProcessEnded
from bonescan.work import in_order, run_pieces


def outcomes(module: ModuleType, pieces: list[Any], workers: int) -> list[Any]:
    run = run_pieces(module.work, pieces, name=lambda piece: f"piece {piece}", workers=workers)
    return list(in_order(run))


@pytest.mark.parametrize("workers", [1, 3])
def test_every_piece_has_its_outcome_in_order(pieces_module: ModuleType, workers: int) -> None:
    assert outcomes(pieces_module, list(range(7)), workers) == [0, 2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_piece_that_fails_stops_no_other(pieces_module: ModuleType, workers: int) -> None:
    first, bad, huge, last = outcomes(pieces_module, [1, "bad", "huge", 2], workers)
    assert (first, last) == (2, 4)
    assert str(bad) == "bad: is bad; mend it"
    assert isinstance(huge, ProcessEnded)
    assert str(huge).startswith("piece huge: memory ran out; ")


def test_the_piece_whose_process_is_ended_is_named_and_the_others_are_done(
    pieces_module: ModuleType,
) -> None:
    found = outcomes(pieces_module, [1, 2, "deadly", 3, 4, "deadly", 5], 2)
    lost = [outcome for outcome in found if isinstance(outcome, BonescanError)]
    assert [outcome for outcome in found if outcome not in lost] == [2, 4, 6, 8, 10]
    assert [type(outcome) for outcome in lost] == [ProcessEnded, ProcessEnded]
    for line in map(str, lost):
        assert line.startswith("piece deadly: the system ended its process")
        assert "fewer --workers" in line
        assert "\n" not in line


def test_a_process_that_is_ended_once_costs_no_piece(
    pieces_module: ModuleType, tmp_path: Path
) -> None:
    found = outcomes(pieces_module, [1, tmp_path / "seen", 2, 3], 2)
    assert found == [2, "second time", 4, 6]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bug_is_not_hidden(pieces_module: ModuleType, workers: int) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug"):
        outcomes(pieces_module, [1, "bug"], workers)


def test_outcomes_wait_for_those_before_them() -> None:
    given = iter([(2, "c"), (0, "a"), (1, "b")])
    ordered = in_order(given)
    assert next(ordered) == "a"
    assert list(ordered) == ["b", "c"]
