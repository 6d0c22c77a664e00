"""The table of weights: what ships, and what a user's table must be."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bonescan.errors import BadInput
from bonescan.quantify.weights import SHIPPED_WEIGHTS, load_weights
from bonescan.scan import REGIONS


def test_the_shipped_table_is_the_printed_one() -> None:
    """Spine and sacrum are printed as 8.3 %, all bones sum to 100.1 %."""
    weights = load_weights()
    spine = ("cervical_spine", "thoracic_spine", "lumbar_spine", "sacrum")
    assert sum(map(weights.of, spine)) == pytest.approx(8.3, abs=0.02)
    other = tomllib.loads(SHIPPED_WEIGHTS.read_text(encoding="utf-8"))["other"]
    assert sum(weights.percent) + sum(other.values()) == pytest.approx(100.1, abs=0.02)
    assert weights.label == "Spiers 1968, version 1"
    assert "Spiers" in weights.source
    assert weights.fusion == "mean"


def own(folder: Path, old: str = "", new: str = "") -> Path:
    path = folder / "own.toml"
    text = SHIPPED_WEIGHTS.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_users_table_is_read(tmp_path: Path) -> None:
    path = own(tmp_path, "skull = 18.4", "skull = 16.6")
    path.write_text(path.read_text(encoding="utf-8").replace('"Spiers 1968"', '"mine"'))
    weights = load_weights(path)
    assert weights.label == "mine, version 1"
    assert weights.percent[0] == 16.6
    assert weights.percent[1:] == load_weights().percent[1:]
    assert len(weights.percent) == len(REGIONS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pelvis = 7.5", "", "regions.pelvis is missing"),
        ("pelvis = 7.5", "pelvis = -1", "regions.pelvis is -1"),
        ("pelvis = 7.5", "pelvis = nan", "regions.pelvis is nan"),
        ("pelvis = 7.5", "pelvis = true", "regions.pelvis is True"),
        ("pelvis = 7.5", 'pelvis = "much"', "regions.pelvis is much"),
        ("pelvis = 7.5", "pelvis = 8.9", "sum to 101.5 percent"),
        ("pelvis = 7.5", "pelvis = 7.5\ntail = 1", "regions.tail is no region"),
        ('version = "1"', "", "version is missing"),
        ('fusion = "mean"', 'fusion = "median"', "fusion is median; give one of mean, max"),
        ('fusion = "mean"', "scale = 2", "scale is unknown"),
        ("[regions]", "[regions", "is no TOML"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = own(tmp_path, old, new)
    with pytest.raises(BadInput) as caught:
        load_weights(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.toml: cannot be read"):
        load_weights(tmp_path / "absent.toml")


def test_other_numbers_need_another_name(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    text = SHIPPED_WEIGHTS.read_text(encoding="utf-8")
    copy.write_text(text, encoding="utf-8")
    assert load_weights(copy) == load_weights()
    copy.write_text(text.replace("sternum = 0.3", "sternum = 0.4"), encoding="utf-8")
    with pytest.raises(BadInput, match="name and version are those of the shipped table"):
        load_weights(copy)
    other = text.replace("sternum = 0.3", "sternum = 0.4").replace('version = "1"', 'version = "2"')
    copy.write_text(other, encoding="utf-8")
    assert load_weights(copy).of("sternum") == 0.4
