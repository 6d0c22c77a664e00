"""Experiment files (TOML): runs as data, read into the settings tree.

Precedence, lowest first: the defaults in `bonescan.config`, ``[base]``, ``[run.NAME]``, ``--set``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bonescan.config import Frozen, Settings
from bonescan.errors import BadSettings

T = TypeVar("T", bound=BaseModel)


class Printed(Frozen):
    """Figures that a publication prints for a run, in percent."""

    precision: float
    sensitivity: float
    f1: float


class Experiment(Frozen):
    """An experiment file: one or more runs over the same folds."""

    title: str
    paper: str | None = None
    runs: dict[str, Settings]
    printed: dict[str, Printed] = Field(default_factory=dict)
    source: Path

    @property
    def name(self) -> str:
        """The file's stem, used as the folder of its runs."""
        return self.source.stem


def load_experiment(path: Path, overrides: Iterable[str] = ()) -> Experiment:
    """Read an experiment file and resolve every run's settings.

    Parameters
    ----------
    path : Path
        TOML with ``title``, optional ``paper``, ``[base]``, ``[run.NAME]``, ``[printed.NAME]``.
    overrides : iterable of str
        ``a.b=value`` with a TOML value (a bare word counts as text), applied to every run last.

    Raises
    ------
    BadSettings
        With the file, the key's path and what is wrong with it.
    """
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: not a text file in UTF-8; name a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path}: not valid TOML: {error}; correct it") from error
    _check_tables(path, text)
    unknown = set(text) - {"title", "paper", "base", "run", "printed"}
    if unknown:
        raise BadSettings(f"{path}: unknown key {sorted(unknown)[0]!r}; remove it")
    base = text.get("base", {})
    named: dict[str, Any] = text.get("run") or {"base": {}}
    changes = [_parse_override(item) for item in overrides]
    runs = {}
    for name, own in named.items():
        tree = _merge(base, own)
        for change in changes:
            tree = _merge(tree, change)
        runs[name] = _validated(Settings, tree, f"{path}: run {name}")
    printed = {
        name: _validated(Printed, value, f"{path}: printed.{name}")
        for name, value in text.get("printed", {}).items()
    }
    return Experiment(
        title=text.get("title", path.stem),
        paper=text.get("paper"),
        runs=runs,
        printed=printed,
        source=path,
    )


def _check_tables(path: Path, text: Mapping[str, Any]) -> None:
    """Refuse a value where an experiment file has a table, and a table where it has a text."""
    for key in ("title", "paper"):
        if not isinstance(text.get(key, ""), str):
            raise BadSettings(f'{path}: {key}: is no text; write {key} = "..."')
    for key in ("base", "run", "printed"):
        if not isinstance(text.get(key, {}), Mapping):
            raise BadSettings(f"{path}: {key}: is no table; write [{key}...]")
    for key in ("run", "printed"):
        for name, value in text.get(key, {}).items():
            if not isinstance(value, Mapping):
                raise BadSettings(f"{path}: {key}.{name}: is no table; write [{key}.NAME]")


def _validated(kind: type[T], tree: Mapping[str, Any], where: str) -> T:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        told = first["msg"]
        if first["type"] == "extra_forbidden":
            told = "there is no such setting; correct its name or remove it"
        raise BadSettings(f"{where}: {key}: {told}") from error


def _parse_override(item: str) -> dict[str, Any]:
    key, separator, raw = item.partition("=")
    if not separator or not key:
        raise BadSettings(f"--set {item}: write it as a.b=value")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    tree: Any = value
    for part in reversed(key.strip().split(".")):
        tree = {part: tree}
    return dict(tree)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two trees; a table with another ``kind`` replaces the one below."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        same_kind = (
            isinstance(old, Mapping)
            and isinstance(value, Mapping)
            and value.get("kind", old.get("kind")) == old.get("kind")
        )
        merged[key] = _merge(old, value) if same_kind else value  # type: ignore[arg-type]
    return merged
