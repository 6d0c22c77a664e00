"""What was written is read back; what does not fit together is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.errors import BadInput
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.report import write_outputs
from bonescan.report.stored import is_result, load_results
from bonescan.scan import BoneScanIndex, Reading, RegionIndex, Scan


@pytest.fixture(scope="module")
def reading(bright_package: Package, plain_scan: Scan) -> Reading:
    return read_scan(plain_scan, Engine(bright_package, threads=1))


@pytest.fixture
def folder(tmp_path: Path, plain_scan: Scan, reading: Reading) -> Path:
    write_outputs(plain_scan, reading, tmp_path / "plain")
    return tmp_path / "plain"


def test_written_then_read_is_the_same(folder: Path, plain_scan: Scan, reading: Reading) -> None:
    assert is_result(folder)
    scan, again = load_results(folder)
    assert scan.identity == plain_scan.identity
    for view, was in zip(scan.views, plain_scan.views, strict=True):
        np.testing.assert_array_equal(view.counts, was.counts)
        assert replace(view, counts=was.counts) == was
    for got, lesion in zip(again.lesions, reading.lesions, strict=True):
        assert (got.view, got.number, got.box, got.side) == (
            lesion.view,
            lesion.number,
            lesion.box,
            lesion.side,
        )
        assert got.outline == lesion.outline
    for mine, theirs in zip(again.views, reading.views, strict=True):
        np.testing.assert_array_equal(mine.mask, theirs.mask)
        assert mine.read_rows == theirs.read_rows
        np.testing.assert_allclose(mine.probability, theirs.probability, atol=0.5 / 255 + 1e-6)
    assert again.flags == reading.flags
    assert again.provenance == reading.provenance


def test_what_was_read_of_a_view_comes_back(
    tmp_path: Path, plain_scan: Scan, reading: Reading
) -> None:
    views = tuple(replace(v, read_rows=(5, 900), read_columns=(0, 200)) for v in reading.views)
    write_outputs(plain_scan, replace(reading, views=views), tmp_path / "part")
    found = load_results(tmp_path / "part")[1].views
    assert {(v.read_rows, v.read_columns) for v in found} == {((5, 900), (0, 200))}


def test_counts_beyond_16_bits_keep_their_proportions(
    tmp_path: Path, plain_scan: Scan, reading: Reading
) -> None:
    assert plain_scan.anterior is not None
    hot = replace(plain_scan.anterior, counts=plain_scan.anterior.counts * 1000)
    write_outputs(replace(plain_scan, anterior=hot), reading, tmp_path / "hot")
    scan, _ = load_results(tmp_path / "hot")
    assert scan.anterior is not None
    np.testing.assert_allclose(scan.anterior.counts, hot.counts, atol=1.0)


def test_an_index_comes_back(folder: Path) -> None:
    record = json.loads((folder / "result.json").read_text())
    part = RegionIndex("pelvis", 7.5, 0.1, None, 0.1, 0.75)
    record["index"] = {
        "whole": 0.75, "visible": 0.8, "fusion": "mean", "weights": "w 1", "band": 0.3,
        "regions": [part.__dict__], "refused": [],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(record))
    _, reading = load_results(folder)
    assert reading.index == BoneScanIndex(0.75, 0.8, "mean", "w 1", (part,), 0.3)


def test_a_folder_of_an_earlier_version_has_the_probabilities_of_its_lesions(folder: Path) -> None:
    for path in folder.glob("*_probability.png"):
        path.unlink()
    _, reading = load_results(folder)
    for view in reading.views:
        own = [x.probability for x in reading.lesions if x.view == view.view]
        assert set(np.unique(view.probability)) == {np.float32(0), *map(np.float32, own)}


def test_probabilities_of_another_size_are_refused(folder: Path) -> None:
    Image.fromarray(np.zeros((512, 256), np.uint8)).save(folder / "anterior_probability.png")
    with pytest.raises(BadInput, match=r"anterior_probability\.png: is 512 x 256 pixels"):
        load_results(folder)


def test_a_folder_without_counts_is_refused(folder: Path) -> None:
    (folder / "anterior_counts.png").unlink()
    with pytest.raises(BadInput, match=r"anterior_counts\.png: is missing; read the scan again"):
        load_results(folder)


def test_a_mask_of_other_numbers_is_refused(folder: Path) -> None:
    mask = np.zeros((1024, 256), np.uint8)
    mask[5:9, 5:9] = 7
    Image.fromarray(mask).save(folder / "anterior_lesions.png")
    with pytest.raises(BadInput, match="its numbers are not those of"):
        load_results(folder)


def test_a_mask_of_another_size_is_refused(folder: Path) -> None:
    Image.fromarray(np.zeros((512, 256), np.uint8)).save(folder / "anterior_lesions.png")
    with pytest.raises(BadInput, match="512 x 256 pixels, not 1024 x 256"):
        load_results(folder)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not valid JSON"),
        ('{"schema": "other"}', "schema is not bonescan-result"),
        ('{"schema": "bonescan-result", "schema_version": "9.0"}', "schema_version 9.0"),
        ('{"schema": "bonescan-result", "schema_version": "1.0"}', "does not fit the schema"),
    ],
)
def test_a_broken_record_is_refused(folder: Path, content: str, says: str) -> None:
    (folder / "result.json").write_text(content)
    with pytest.raises(BadInput, match=says) as caught:
        load_results(folder)
    assert "\n" not in str(caught.value)
