"""Data flows one way: a module imports the nouns and earlier stages, nothing later."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "bonescan"

#: Each line may import the lines above it; what shares a line does not import one another.
ORDER = [
    {"__init__"},
    {"errors"},
    {"scan", "files"},
    {"config"},
    {"classifiers", "experiment", "measures", "runtime", "work"},
    {"package"},
    {"ingest"},
    {"simulate", "preprocess"},
    {"masks"},
    {"prepare"},
    {"models"},
    {"train"},
    {"predict"},
    {"quantify"},
    {"privacy"},
    {"report"},
    {"evaluate", "pacs"},
    {"pipeline"},
    {"console"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
MODULES = sorted(SOURCE.rglob("*.py"))


def stage_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the parts of the program that a file imports, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "bonescan" and rest:
                found.add(rest[0] if rest[0] in RANK else "__init__")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_stage_imports_only_earlier_ones(path: Path) -> None:
    own = stage_of(path)
    later = {name for name in imported(path) - {own} if RANK[name] >= RANK[own]}
    assert later == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_models_and_train_import_torch(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    names = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    uses = {name.split(".")[0] for name in names} & {"torch", "lightning_fabric", "monai"}
    assert not uses or stage_of(path) in {"models", "train"}


def test_every_part_has_its_place() -> None:
    assert {stage_of(path) for path in MODULES} == set(RANK)
