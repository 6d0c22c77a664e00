"""Readings that were not made alike can be compared, but not without a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.quantify.change import index_change
from bonescan.quantify.followup import Visit, compare_visits
from bonescan.scan import BoneScanIndex, Reading, Scan


@pytest.fixture
def visit(plain_scan: Scan, bright_package: Package) -> Visit:
    return Visit(plain_scan, read_scan(plain_scan, Engine(bright_package)))


def codes(*visits: Visit) -> set[str]:
    return {flag.code for flag in compare_visits(visits).flags}


def test_two_models_are_a_doubt(visit: Visit) -> None:
    made = replace(visit.reading.provenance, model_version="2", model_sha256="ab" * 32)
    other = Visit(visit.scan, replace(visit.reading, provenance=made))
    assert "models-differ" not in codes(visit, visit)
    (flag,) = (f for f in compare_visits([visit, other]).flags if f.code == "models-differ")
    assert "bright 1, SHA-256" in flag.message
    assert "bright 2, SHA-256 abababab" in flag.message


def test_a_readers_marks_against_the_models_are_a_doubt(visit: Visit) -> None:
    views = tuple(replace(view, marked_by="reader") for view in visit.reading.views)
    drawn = Visit(visit.scan, replace(visit.reading, views=views))
    half = Visit(visit.scan, replace(visit.reading, views=(views[0], visit.reading.views[1])))
    assert "marks-differ" in codes(visit, drawn)
    assert "marks-differ" in codes(half, half)
    assert "marks-differ" not in codes(visit, visit)
    assert "marks-differ" not in codes(drawn, drawn)


@pytest.mark.parametrize("other", [{"weights": "of our own"}, {"fusion": "max"}])
def test_an_index_of_another_kind_gives_no_change(visit: Visit, other: dict[str, str]) -> None:
    index = BoneScanIndex(1.0, 1.5, "mean", "Spiers 1968, version 1", (), 0.3)
    one: Reading = replace(visit.reading, index=index)
    two: Reading = replace(visit.reading, index=replace(index, **other))  # type: ignore[arg-type]
    assert index_change(one, one).change == 0
    change = index_change(one, two)
    assert (change.earlier, change.later, change.change, change.beyond) == (1.0, 1.0, None, False)
    assert next(iter(other.values())) in change.reason
