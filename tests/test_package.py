"""Model packages are verified when they are loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bonescan.config import OtsuMask, PaperCanvas, UNetSettings
from bonescan.errors import BadInput
from bonescan.package import (
    CARD_NAME,
    ONNX_NAME,
    WEIGHTS_NAME,
    Card,
    Package,
    Threshold,
    TrainingData,
    sha256_of,
    write_card,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ONNX_NAME).write_bytes(b"network")
    (tmp_path / WEIGHTS_NAME).write_bytes(b"weights")
    card = Card(
        name="test",
        version="1",
        made_with="bonescan",
        made_at="2024-01-01T00:00:00Z",
        sha256=sha256_of(tmp_path / ONNX_NAME),
        weights_sha256=sha256_of(tmp_path / WEIGHTS_NAME),
        canvas=PaperCanvas(reduce=2),
        mask=OtsuMask(),
        model=UNetSettings(),
        classes=("background", "non-metastatic", "metastasis"),
        threshold=Threshold(value=0.5, rule="given", chosen_on="nothing"),
        training=TrainingData(
            description="none",
            experiment="e",
            run="r",
            fold=0,
            settings_digest="0",
            data_digest="0",
            positives=1,
            negatives=0,
            validation=1,
            test=1,
            epochs=1,
            epoch=1,
        ),
        intended_use="tests",
        limits=(),
    )
    write_card(tmp_path, card)
    return tmp_path


def changed(folder: Path, **values: object) -> None:
    card = json.loads((folder / CARD_NAME).read_text())
    (folder / CARD_NAME).write_text(json.dumps({**card, **values}))


def test_a_package_loads_as_it_was_written(folder: Path) -> None:
    package = Package.load(folder)
    assert package.card.canvas == PaperCanvas(reduce=2)
    assert package.card.metastasis_channel == 2
    assert package.onnx_path.read_bytes() == b"network"
    assert package.weights_path.read_bytes() == b"weights"
    assert "not for diagnosis" in package.card.notice


def test_sha256_of_a_known_message(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert sha256_of(tmp_path / "abc") == known


@pytest.mark.parametrize("name", [ONNX_NAME, WEIGHTS_NAME])
def test_a_changed_or_missing_file_is_found(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"other")
    with pytest.raises(BadInput, match=rf"{name}: SHA-256 differs from the card's"):
        Package.load(folder)
    (folder / name).unlink()
    with pytest.raises(BadInput, match=rf"{name}: is missing"):
        Package.load(folder)


def test_a_folder_without_a_card_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"card\.json: is missing, so this is no model package"):
        Package.load(tmp_path)


def test_a_damaged_card_is_one_clear_line(folder: Path) -> None:
    (folder / CARD_NAME).write_text('{"name": "cut')
    with pytest.raises(BadInput, match=r"card\.json: cannot be read"):
        Package.load(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2, this program reads 1"),
        ({"canvas": {"kind": "round"}}, "canvas: "),
        ({"threshold": {"value": 0.5}}, r"threshold\.rule: "),
        ({"surprise": 1}, "surprise: "),
        ({"classes": ["bone"]}, "classes has no metastasis"),
    ],
)
def test_a_card_that_is_not_valid_names_the_key(
    folder: Path, values: dict[str, object], message: str
) -> None:
    changed(folder, **values)
    with pytest.raises(BadInput, match=message):
        Package.load(folder)


def test_reading_and_evaluating_import_no_torch() -> None:
    code = (
        "import sys, bonescan.package, bonescan.evaluate.tables, bonescan.train.folder, "
        "bonescan.train.predictions, bonescan.train.folds; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
