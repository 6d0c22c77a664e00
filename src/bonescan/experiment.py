"""Experiment files (TOML): runs as data, read into the settings tree.

Precedence, lowest first: the defaults in `bonescan.config`, ``[base]``, ``[run.NAME]``, a file of
``--settings``, ``--set``.
A run may name in ``needs`` other runs that come first, fold by fold: the baseline that negative
mining asks, the pre-training that transfer starts from.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, Field, ValidationError

from bonescan.config import Frozen, Settings
from bonescan.errors import BadSettings

T = TypeVar("T", bound=BaseModel)
Role = Literal["baseline", "pretraining"]
#: Settings as TOML gives them, not validated yet.
Tree = dict[str, Any]
ROLES: tuple[Role, ...] = ("baseline", "pretraining")

#: Sections of ``--settings`` and ``--set`` that go on to the experiments that are needed: a chain
#: has one scale.
SHARED_SECTIONS = ("canvas", "labels", "model", "optimiser", "augment", "training")


class Printed(Frozen):
    """Figures that a publication prints for a run, in percent.

    ``folds`` are its (precision, sensitivity, F1) of each fold, where it prints them; ``region`` is
    the part of the body that they are for, where it is not the whole canvas.
    """

    precision: float | None = None
    sensitivity: float | None = None
    f1: float | None = None
    iou: float | None = None
    region: str | None = None
    folds: tuple[tuple[float, float, float], ...] = ()


class Needs(Frozen):
    """Runs whose same fold must be finished first.

    Each is ``run`` (of the same file) or ``file.run`` (of ``file.toml`` beside it).
    """

    baseline: str | None = None
    """A binary run on the same folds; its marks become the class of `MinedMask`."""
    pretraining: str | None = None
    """A run of the same network on other patients; its weights are what `TransferInit` takes."""


class Needed(NamedTuple):
    """A run that another one needs."""

    role: Role
    experiment: Experiment
    run: str


class Experiment(Frozen):
    """An experiment file: one or more runs over the same folds.

    ``compare`` names for a run those that its folds are compared with, as ``run`` or ``file.run``.
    ``others`` are the experiments that this one needs, by name. ``floor`` is a detector without
    learning that is judged on the same folds.
    """

    title: str
    paper: str | None = None
    runs: dict[str, Settings]
    printed: dict[str, Printed] = Field(default_factory=dict)
    needs: dict[str, Needs] = Field(default_factory=dict)
    compare: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    others: dict[str, Experiment] = Field(default_factory=dict)
    floor: Literal["hot_spots"] | None = None
    source: Path

    @property
    def name(self) -> str:
        """The file's stem, used as the folder of its runs."""
        return self.source.stem

    @property
    def folds(self) -> int:
        """Number of folds: the largest of its runs, which share them as a rule."""
        return max(settings.training.folds for settings in self.runs.values())

    def needed_by(self, run: str) -> tuple[Needed, ...]:
        """Return what a run needs, without what that in turn needs."""
        own = self.needs.get(run, Needs())
        found = []
        for role in ROLES:
            reference = getattr(own, role)
            if reference is not None:
                name, needed_run = split_reference(reference, self.name)
                other = self if name == self.name else self.others[name]
                found.append(Needed(role, other, needed_run))
        return tuple(found)

    def digest(self, run: str) -> str:
        """Return 10 hex digits that stand for a run's settings and those of all that it needs."""
        own = self.runs[run].digest
        needed = {item.role: item.experiment.digest(item.run) for item in self.needed_by(run)}
        if not needed:
            return own
        text = json.dumps({"settings": own, **needed}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def split_reference(reference: str, own: str) -> tuple[str, str]:
    """Return (experiment, run) of ``run`` or ``file.run``; ``own`` is the file that says it."""
    name, _, run = reference.rpartition(".")
    return name or own, run


def load_experiment(
    path: Path, overrides: Iterable[str] = (), settings: Path | None = None
) -> Experiment:
    """Read an experiment file and resolve every run's settings, and the files that it needs.

    Parameters
    ----------
    path : Path
        TOML with ``title``, optional ``paper`` and ``floor``, ``[base]``, ``[run.NAME]``,
        ``[printed.NAME]`` and ``[compare]``. ``needs`` stands in ``[base]`` or ``[run.NAME]``.
    overrides : iterable of str
        ``a.b=value`` with a TOML value (a bare word counts as text), applied to every run last.
        Those of `SHARED_SECTIONS` are applied to the needed experiments as well.
    settings : Path, optional
        TOML with sections of settings as under ``[base]``, a scale for instance, applied to every
        run before ``overrides`` and in the same way.

    Raises
    ------
    BadSettings
        With the file, the key's path and what is wrong with it.
    """
    below = () if settings is None else (_read_settings(settings),)
    return _load(path, (*below, *(_parse_override(item) for item in overrides)), ())


def _read_settings(path: Path) -> Tree:
    """Read a file of settings; its keys must be sections, so that an experiment is not taken."""
    tree = _read(path)
    unknown = sorted(set(tree) - set(Settings.model_fields))
    if unknown:
        raise BadSettings(
            f"{path}: {unknown[0]}: is no section of settings; write sections such as [training]"
        )
    return tree


def _load(path: Path, overrides: tuple[Tree, ...], asking: tuple[Path, ...]) -> Experiment:
    if path.resolve() in asking:
        raise BadSettings(f"{path}: needs itself by way of {asking[-1].name}; break the circle")
    text = _read(path)
    _check_tables(path, text)
    unknown = set(text) - {"title", "paper", "base", "run", "printed", "compare", "floor"}
    if unknown:
        raise BadSettings(f"{path}: unknown key {sorted(unknown)[0]!r}; remove it")
    trees = _run_trees(text, overrides)
    needs = {
        name: _validated(Needs, tree.pop("needs", {}), f"{path}: run {name}: needs")
        for name, tree in trees.items()
    }
    printed = {
        name: _validated(Printed, value, f"{path}: printed.{name}")
        for name, value in text.get("printed", {}).items()
    }
    try:
        experiment = Experiment(
            title=text.get("title", path.stem),
            paper=text.get("paper"),
            runs={
                name: _validated(Settings, tree, f"{path}: run {name}")
                for name, tree in trees.items()
            },
            printed=printed,
            needs={name: own for name, own in needs.items() if own != Needs()},
            compare=text.get("compare", {}),
            floor=text.get("floor"),
            others=_load_others(path, needs, overrides, asking),
            source=path,
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise BadSettings(f"{path}: {key}: {first['msg']}; {_REMEDY[key]}") from error
    if experiment.floor in experiment.runs:
        raise BadSettings(f"{path}: run {experiment.floor}: is the name of the floor; rename it")
    _check_needs(experiment)
    return experiment


#: How the top-level keys of an experiment file are written.
_REMEDY = {"compare": 'write NAME = ["file.run"]', "floor": 'write floor = "hot_spots"'}


def _read(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: not a text file in UTF-8; name a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path}: not valid TOML: {error}; correct it") from error


def _run_trees(text: Mapping[str, Any], overrides: tuple[Tree, ...]) -> dict[str, Tree]:
    """Return the merged tree of every run."""
    named: dict[str, Any] = text.get("run") or {"base": {}}
    trees = {}
    for name, own in named.items():
        tree = _merge(text.get("base", {}), own)
        for change in overrides:
            tree = _merge(tree, change)
        trees[name] = tree
    return trees


def _load_others(
    path: Path, needs: Mapping[str, Needs], overrides: tuple[Tree, ...], asking: tuple[Path, ...]
) -> dict[str, Experiment]:
    shared = tuple(
        {section: item[section] for section in item if section in SHARED_SECTIONS}
        for item in overrides
    )
    references = [getattr(own, role) for own in needs.values() for role in ROLES]
    names = {split_reference(item, path.stem)[0] for item in references if item is not None}
    return {
        name: _load(path.with_name(f"{name}.toml"), shared, (*asking, path.resolve()))
        for name in sorted(names - {path.stem})
    }


def _check_needs(experiment: Experiment) -> None:
    """Refuse needs that do not exist, run in a circle, or do not fit the run that has them."""
    for run, settings in experiment.runs.items():
        where = f"{experiment.source}: run {run}"
        own = experiment.needs.get(run, Needs())
        _check_pair(where, "mask.kind = mined", settings.mask.kind == "mined", own, "baseline")
        _check_pair(
            where, "init.kind = transfer", settings.init.kind == "transfer", own, "pretraining"
        )
        _check_circle(experiment, run, ())
        for item in experiment.needed_by(run):
            reference = f"needs.{item.role} = {item.experiment.name}.{item.run}"
            told = _misfit(item.role, settings, item.experiment.runs[item.run])
            if told:
                raise BadSettings(f"{where}: {reference}: {told}")


def _check_pair(where: str, setting: str, wanted: bool, own: Needs, role: Role) -> None:
    named = getattr(own, role) is not None
    if wanted and not named:
        raise BadSettings(
            f'{where}: {setting} but no {role} is named; add needs.{role} = "file.run"'
        )
    if named and not wanted:
        raise BadSettings(f"{where}: needs.{role} is there without {setting}; remove one of them")


def _check_circle(experiment: Experiment, run: str, asking: tuple[str, ...]) -> None:
    if run in asking:
        raise BadSettings(f"{experiment.source}: run {run}: needs itself; break the circle")
    for role in ROLES:
        reference = getattr(experiment.needs.get(run, Needs()), role)
        if reference is None:
            continue
        name, needed = split_reference(reference, experiment.name)
        other = experiment if name == experiment.name else experiment.others[name]
        if needed not in other.runs:
            raise BadSettings(
                f"{experiment.source}: run {run}: needs.{role} = {reference}: "
                f"{other.source} has {', '.join(other.runs)}"
            )
        if other is experiment:
            _check_circle(experiment, needed, (*asking, run))


def _misfit(role: Role, own: Settings, other: Settings) -> str | None:
    """Tell why a run cannot serve another one, or None if it can."""
    pairs: dict[str, tuple[object, object]] = {
        "canvas": (own.canvas, other.canvas),
        "training.split": (own.training.split, other.training.split),
        "training.folds": (own.training.folds, other.training.folds),
    }
    if role == "baseline":
        if other.mask.kind != "none":
            return "is not binary; name a run with mask.kind = none"
        pairs["data.positives"] = (own.data.positives, other.data.positives)
        pairs["training.seed"] = (own.training.seed, other.training.seed)
        why = "so its folds would hold other patients"
    else:
        pairs["model"] = (own.model, other.model)
        pairs["classes"] = (own.classes, other.classes)
        why = "so its weights would not fit"
    for key, (one, two) in pairs.items():
        if one != two:
            return f"has another {key}, {why}; make them equal"
    return None


def _check_tables(path: Path, text: Mapping[str, Any]) -> None:
    """Refuse a value where an experiment file has a table, and a table where it has a text."""
    for key in ("title", "paper"):
        if not isinstance(text.get(key, ""), str):
            raise BadSettings(f'{path}: {key}: is no text; write {key} = "..."')
    for key in ("base", "run", "printed", "compare"):
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
        key = ".".join(_written(first["loc"], tree))
        told = first["msg"]
        if first["type"] == "extra_forbidden":
            told = "there is no such setting; correct its name or remove it"
        elif first["type"] == "union_tag_not_found":
            told = 'has no kind; write it with kind = "..."'
        told = told.removeprefix("Value error, ")
        raise BadSettings(f"{where}: {key}: {told}" if key else f"{where}: {told}") from error


def _written(path: Sequence[int | str], tree: Any) -> list[str]:
    """Return a path as the user writes it: without the kinds that pydantic puts in between."""
    names = []
    for place, part in enumerate(path):
        held = isinstance(tree, Mapping) and part in tree
        if held or place == len(path) - 1 or not isinstance(tree, Mapping):
            names.append(str(part))
            tree = tree[part] if held else None
    return names


def _parse_override(item: str) -> Tree:
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


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
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
