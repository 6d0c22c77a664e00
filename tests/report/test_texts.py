"""What is said to a reader."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.report import texts
from bonescan.scan import Flag, Lesion, Reading, Scan


@pytest.fixture(scope="module")
def reading(bright_package: Package, plain_scan: Scan) -> Reading:
    return read_scan(plain_scan, Engine(bright_package, threads=1))


def test_summary_counts_marks_by_view(reading: Reading) -> None:
    said = texts.summary(reading)
    assert said.startswith(
        "1 suspected metastasis in 2 marks (1 anterior, 1 posterior): chest level (left)."
    )
    assert "Largest: ANT 1 (2.8 cm²)." in said


def test_summary_of_one_mark_in_one_view(reading: Reading) -> None:
    alone = replace(reading, views=reading.views[:1], lesions=reading.lesions[:1])
    assert texts.summary(alone).startswith("1 suspected metastasis in 1 mark (1 anterior): chest")


def test_marks_that_could_not_be_matched_may_be_one_lesion(reading: Reading) -> None:
    apart = replace(reading, lesions=tuple(replace(one, match=None) for one in reading.lesions))
    assert texts.summary(apart).startswith("Up to 2 suspected metastases in 2 marks")
    assert dict(texts.figures(apart))[texts.LESIONS] == "up to 2"


def test_places_stand_by_their_area_with_their_sides(reading: Reading) -> None:
    def mark(region: str, side: str, pixels: int) -> Lesion:
        return replace(reading.lesions[0], region=region, side=side, area_pixels=pixels)

    lesions = [mark("ribs", "R", 5), mark("pelvis", "L", 30), mark("lumbar_spine", "R", 9)]
    lesions += [mark("ribs", "L", 5), mark("lumbar_spine", "midline", 9)]
    assert texts.places(lesions) == "pelvis (left), lumbar spine, ribs (both sides)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Doe^Jane", "Doe Jane"),
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Adams John Robert Quincy Rev. B.A. M.Div."),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou (山田 太郎, やまだ たろう)"),
        ("=山田^太郎", "山田 太郎"),
        ("^^^^", ""),
        ("", ""),
    ],
)
def test_a_person_s_name_is_written_as_one_writes_it(value: str, shown: str) -> None:
    assert texts.person_name(value) == shown


def test_numbers_are_told_no_finer_than_they_are_known() -> None:
    assert [texts.probability(value) for value in (0.9996, 0.95, 0.004)] == [
        "> 0.99", "0.95", "< 0.01",
    ]  # fmt: skip
    assert [texts.times(value) for value in (None, 1.25, 361.6)] == ["–", "1.2", "> 10"]


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
