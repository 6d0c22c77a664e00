"""`bonescan compare` from the command line: scans or result folders in, one page out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bonescan import RESEARCH_USE
from bonescan.cli import main
from bonescan.package import Package

SavePair = Callable[[Path, str], list[Path]]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bonescan", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def pictures(tmp_path: Path, save_pair: SavePair) -> tuple[Path, Path]:
    for name in ("a", "b"):
        save_pair(tmp_path / name, name)
    return tmp_path / "a", tmp_path / "b"


def test_scans_are_read_then_compared(
    call: Call, pictures: tuple[Path, Path], tmp_path: Path, bright_package: Package
) -> None:
    out = tmp_path / "out"
    code, said, _ = call("compare", *pictures, "--out", out, "--model", bright_package.folder)
    assert code == 0
    assert "scan 1 to 2: " in said
    record = json.loads((out / "compare.json").read_text())
    assert record["notice"] == RESEARCH_USE
    assert {status for finding in record["findings"] for status in finding["statuses"]} == {
        "baseline",
        "unchanged",
    }
    assert {flag["code"] for flag in record["flags"]} == {"patient-unknown", "date-missing"}
    rows = list(csv.DictReader((out / "compare.csv").read_text().splitlines()))
    assert {row["status"] for row in rows} == {"baseline", "unchanged"}
    page = (out / "compare.html").read_text()
    assert 'src="http' not in page
    assert RESEARCH_USE in page
    assert (out / "timeline.png").read_bytes().startswith(b"\x89PNG")
    again, _, _ = call("compare", out / "1-a", out / "2-b", "--out", tmp_path / "again")
    assert again == 0
    stored = json.loads((tmp_path / "again" / "compare.json").read_text())
    assert stored["findings"] == record["findings"]


def test_one_scan_and_a_folder_of_two_are_refused(
    call: Call, pictures: tuple[Path, Path], tmp_path: Path, bright_package: Package
) -> None:
    model = ("--model", bright_package.folder, "--out", tmp_path / "out")
    code, _, error = call("compare", pictures[0], *model)
    assert code == 2
    assert "name an earlier and a later one" in error
    code, _, error = call("compare", tmp_path, pictures[0], *model)
    assert code == 2
    assert "holds 2 studies" in error
    assert not (tmp_path / "out" / "compare.json").exists()
