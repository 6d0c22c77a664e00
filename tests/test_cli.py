"""The command line as a contract: verbs, exit codes, one line an error."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

VERBS = [
    "read",
    "inspect",
    "compare",
    "send",
    "simulate",
    "prepare",
    "train",
    "search",
    "evaluate",
    "show",
    "export",
]


def bonescan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bonescan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_verb_and_research_use() -> None:
    result = bonescan("--help")
    assert result.returncode == 0
    assert re.findall(r"^  ([a-z]+) ", result.stdout.split("Commands:")[1], re.MULTILINE) == VERBS
    assert "Research use only" in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = bonescan(verb, "--help")
    assert result.returncode == 0
    assert verb in result.stdout


def test_help_and_reading_import_no_torch() -> None:
    code = (
        "import sys, bonescan.cli, bonescan.pipeline;"
        "sys.exit(any(name.split('.')[0] == 'torch' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "absent.toml"],
        ["evaluate"],
        ["read", "x.dcm", "--out", "out", "--model", "absent"],
        ["train", "absent.toml", "--data", "data", "--runs", "runs"],
        ["export", "absent", "--out", "model"],
        ["prepare", "absent", "--out", "data"],
        ["frobnicate"],
        ["send", "absent", "--to", "PACS@localhost:104"],
        ["send", ".", "--to", "localhost:104"],
        ["read", "x.dcm"],
        ["simulate", "cohort", "--patients", "0"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_wrong_call_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    result = bonescan(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("bonescan: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["read", "x.dcm", "--out", "out", "--model", ""], "--model"),
        (["read", "x.dcm", "--out", ""], "--out"),
        (["read", "x.dcm", "--out="], "--out"),
        (["read", "", "--out", "out"], "an argument"),
        (["inspect", " "], "an argument"),
        (["evaluate", "--cohort", "", "--out", "out"], "--cohort"),
        (["train", "a.toml", "--data", "d", "--runs", "r", "--run", ""], "--run"),
        (["show", "a.toml", "--set", ""], "--set"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_an_empty_option_is_not_the_folder_one_is_in(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = bonescan(*arguments)
    assert result.returncode == 2
    assert result.stderr == f"bonescan: {named}: is empty; give a value, or leave it out\n"
    assert list(tmp_path.iterdir()) == []


def test_inspect_names_what_it_passed_over(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no scan")
    (tmp_path / "broken.dcm").write_bytes(b"DICM nonsense")
    result = bonescan("inspect", tmp_path)
    assert result.returncode == 1
    assert f"passed over: {tmp_path / 'note.txt'}: no scan" in result.stdout


def test_some_failed_inputs_give_exit_code_1_and_name_each(tmp_path: Path) -> None:
    bad = tmp_path / "broken.dcm"
    bad.write_bytes(b"DICM nonsense")
    result = bonescan("inspect", bad, "--json")
    assert result.returncode == 1
    assert "broken.dcm" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.strip() == "[]"
