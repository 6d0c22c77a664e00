"""What is said to a reader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.report import texts
from bonescan.scan import Flag, Reading, Scan


@pytest.fixture(scope="module")
def reading(bright_package: Package, plain_scan: Scan) -> Reading:
    return read_scan(plain_scan, Engine(bright_package, threads=1))


def test_summary_counts_marks_by_view(reading: Reading) -> None:
    said = texts.summary(reading)
    assert said.startswith("2 marks of suspected metastasis (1 anterior, 1 posterior).")
    assert "2.8 cm², chest level, left" in said


def test_summary_of_one_mark_in_one_view(reading: Reading) -> None:
    alone = replace(reading, views=reading.views[:1], lesions=reading.lesions[:1])
    assert texts.summary(alone).startswith("1 mark of suspected metastasis (1 anterior).")


def test_a_summary_without_marks_names_what_was_read(reading: Reading) -> None:
    none = replace(reading, lesions=(), views=reading.views[1:])
    said = texts.summary(none)
    assert said.startswith("No metastasis was marked in the posterior view.")
    assert "rules nothing out" in said


def test_area_without_a_spacing(reading: Reading) -> None:
    assert texts.area(replace(reading.lesions[0], area_mm2=None)) == "49 pixels"


def test_pictures_are_described(reading: Reading) -> None:
    assert "without marks" in texts.picture_text(reading, "anterior", marked=False)
    said = texts.picture_text(reading, "posterior", marked=True)
    assert "1: chest level, L" in said


def test_flags_of_both_views_are_one_entry() -> None:
    flags = (
        Flag("a", "anterior is low", "warning"),
        Flag("b", "other.", "info"),
        Flag("a", "posterior is low", "warning"),
        Flag("a", "grave", "error"),
    )
    assert texts.grouped(flags) == (
        Flag("a", "Anterior is low. Posterior is low.", "warning"),
        Flag("b", "Other.", "info"),
        Flag("a", "Grave.", "error"),
    )


def test_a_picture_has_grey_values(plain_scan: Scan) -> None:
    how = replace(plain_scan.acquisition, true_counts=False)
    assert texts.unit(plain_scan) == "counts"
    assert texts.unit(replace(plain_scan, acquisition=how)) == "grey values"


def test_an_index_that_is_refused_is_a_dash_in_a_table() -> None:
    assert (texts.index_value(None), texts.index_value(0.125)) == ("–", "0.12")
