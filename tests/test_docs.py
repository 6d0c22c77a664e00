"""The documentation is true: the reference is current, links resolve, commands run as printed."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.core import TyperGroup

from bonescan.cli import app
from bonescan.experiment import load_experiment
from bonescan.ingest.cohort import read_cohort

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(page: Path) -> list[str]:
    """Every `bonescan` command in the page's console blocks, continuation lines joined."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    plain = (line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines)
    bare = (line.split("  #")[0].strip() for line in plain)
    return [line for line in bare if line.startswith("bonescan ")]


def test_reference_page_is_current() -> None:
    made = load(ROOT / "docs" / "make_reference.py")
    assert made.PAGE.read_text(encoding="utf-8") == made.reference()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_printed_command_is_a_call_that_the_program_takes(page: Path) -> None:
    """Verbs and options exist and their values parse; nothing is run."""
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    for command in commands(page):
        verb, *words = shlex.split(command)[1:]
        assert program.commands[verb].make_context(verb, words).params, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_scripts_and_experiments_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"(?:benchmarks|experiments)/[a-z0-9_/]+\.(?:py|toml)", text):
        assert (ROOT / name).is_file(), name


def test_file_map_names_what_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([^`]+)` \|", readme, re.MULTILINE)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
    stages = {path.name for path in (ROOT / "src/bonescan").iterdir() if path.is_dir()}
    stages.discard("__pycache__")
    assert stages <= {Path(path).name for path in named}


def blocks(page: Path, language: str) -> list[str]:
    """Return the page's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_own_data_page_is_what_the_program_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_pair: Callable[[Path, str], list[Path]]
) -> None:
    """Its table is read, its label names are settings, its Python writes pictures for Labelme."""
    page = ROOT / "docs" / "own-data.md"
    monkeypatch.chdir(tmp_path)
    (table,) = blocks(page, "csv")
    (names,) = blocks(page, "toml")
    (code,) = blocks(page, "python")
    files = ["dicom/p001.dcm", "dicom/p002_ANT.dcm", "dicom/p002_POST.dcm"]
    for name in [*files, "marks/p001a.json", "marks/p001p.json"]:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path("cohort.csv").write_text(table)
    cohort = read_cohort(Path("cohort.csv"))
    assert [case.set for case in cohort.cases] == ["D1", "D4"]
    Path("own.toml").write_text(names)
    labels = load_experiment(Path("own.toml")).runs["base"].labels
    assert labels.ignored == ("bladder", "injection site")
    for name in files:
        Path(name).unlink()
    save_pair(Path("dicom"), "p003")
    exec(compile(code, str(page), "exec"), {})
    assert {path.name for path in Path("marks").glob("p003*")} == {
        "p003_anterior.intensity.json",
        "p003_anterior.png",
        "p003_posterior.intensity.json",
        "p003_posterior.png",
    }


def test_tutorial_runs_as_printed(tmp_path: Path) -> None:
    """The tutorial's own commands at toy size: fewer patients, one epoch, a narrow network."""
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    toy = "--set training.epochs=1 --set training.folds=3 --set model.channels=[4,8]"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = []
    for command in commands(ROOT / "docs" / "tutorial.md"):
        small = re.sub(r"--patients \d+", "--patients 10", command)
        if re.match(r"bonescan (train|evaluate experiments)", small):
            small = f"{small} {toy}"
        result = subprocess.run(
            small,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{small}\n{result.stderr}"
        done.append(shlex.split(command)[1])
    assert done == [
        "simulate",
        "prepare",
        "train",
        "evaluate",
        "export",
        "simulate",
        "evaluate",
        "read",
    ]
    assert (tmp_path / "demo/reading/sim0001/report.html").is_file()


def test_the_matrix_in_the_page_is_the_committed_one() -> None:
    page = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    with (ROOT / "docs" / "results" / "small" / "all_arms.csv").open(encoding="utf-8") as file:
        arms = {row["arm"]: row for row in csv.DictReader(file)}
    shown = [line.split("|") for line in page.splitlines() if re.match(r"\| `\w+\.\w+` \| ", line)]
    assert len(shown) == 13
    columns = ("precision", "sensitivity", "F1 of the means", "mean of the fold F1")
    for _, name, _, *cells in shown:
        row = arms[name.strip(" `")]
        assert [cell.strip() for cell in cells[:4]] == [row[column] for column in columns]
        assert int(row["folds"]) >= 3
