"""`bonescan read` from call to files: exit codes, one line a failure, odd names, odd folders."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bonescan.cli import main
from bonescan.package import Package

OUTPUTS = {
    "anterior_lesions.png",
    "lesions.csv",
    "overlay.png",
    "posterior_lesions.png",
    "anterior_counts.png",
    "posterior_counts.png",
    "anterior_probability.png",
    "posterior_probability.png",
    "report.html",
    "report.pdf",
    "result.json",
}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    failures: list[str]


Read = Callable[..., Outcome]
SavePair = Callable[[Path, str], list[Path]]


@pytest.fixture
def read(
    bright_package: Package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Read:
    """Call `bonescan read` in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*paths: str | Path, out: str = "out") -> Outcome:
        words = ["read", *map(str, paths), "--out", out, "--model", str(bright_package.folder)]
        monkeypatch.setattr(sys, "argv", ["bonescan", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        lines = said.err.splitlines()
        assert all(line.startswith("bonescan: ") for line in lines)
        return Outcome(int(end.value.code or 0), said.out, lines)

    return call


def test_one_bad_file_stops_no_other_and_gives_exit_code_1(
    read: Read, save_pair: SavePair, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save_pair(folder, "good")
    (folder / "bad.dcm").write_text("no scan")
    outcome = read("in")
    assert outcome.code == 1
    assert len(outcome.failures) == 1
    assert "bad.dcm: not a DICOM file" in outcome.failures[0]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good"}
    assert {path.name for path in (tmp_path / "out/good").iterdir()} == OUTPUTS


def test_the_same_files_named_twice_are_one_study(
    read: Read, save_pair: SavePair, tmp_path: Path
) -> None:
    pair = save_pair(tmp_path, "twice")
    outcome = read(*pair, *pair, tmp_path)
    assert outcome.code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["twice"]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_not_text_is_read(read: Read, save_pair: SavePair, tmp_path: Path) -> None:
    save_pair(tmp_path, os.fsdecode(b"caf\xe9"))
    outcome = read(".", out="out")
    assert (outcome.code, outcome.failures) == (0, [])
    assert {path.name for path in (tmp_path / "out/caf_").iterdir()} == OUTPUTS
    assert json.loads((tmp_path / "out/caf_/result.json").read_text())["study"] == "caf_"


def test_names_keep_brackets_spaces_and_scripts(
    read: Read, save_pair: SavePair, tmp_path: Path
) -> None:
    save_pair(tmp_path, "[bold] 骨 扫描")
    outcome = read(".")
    assert outcome.code == 0
    assert "[bold] 骨 扫描: marks by zone and view" in outcome.out
    assert (tmp_path / "out/[bold] 骨 扫描/report.html").is_file()


def test_a_line_break_in_a_name_does_not_break_the_line(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a\nb.dcm").write_text("no scan")
    outcome = read("a\nb.dcm")
    assert outcome.code == 1
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith("bonescan: a b.dcm: not a DICOM file")


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_file_in_the_place_of_the_results_is_one_line(
    read: Read, save_pair: SavePair, tmp_path: Path, out: str
) -> None:
    pair = save_pair(tmp_path, "case")
    (tmp_path / "file").write_text("mine")
    outcome = read(*pair, out=out)
    assert outcome.code == 2
    assert len(outcome.failures) == 1
    assert "file: is a file where results should go; name a folder" in outcome.failures[0]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_zip_is_read_and_leaves_nothing_behind(
    read: Read, save_pair: SavePair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(unpacked))
    pair = save_pair(tmp_path, "zipped")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in pair:
            archive.write(path, f"deep/{path.name}")
    assert read("all.zip").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["zipped"]
    assert not list(unpacked.iterdir())
