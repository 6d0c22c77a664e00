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
    "simulate",
    "prepare",
    "train",
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


def test_some_failed_inputs_give_exit_code_1_and_name_each(tmp_path: Path) -> None:
    bad = tmp_path / "broken.dcm"
    bad.write_bytes(b"DICM nonsense")
    result = bonescan("inspect", bad, "--json")
    assert result.returncode == 1
    assert "broken.dcm" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.strip() == "[]"
