"""What there is to do, in which order: the unit of work is one fold of one run.

A fold run needs other fold runs (`bonescan.experiment.Needs`), always of the same fold: there is no
way to name another one. The order follows from that. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonescan.config import Settings
from bonescan.errors import BadSettings
from bonescan.experiment import Experiment, Role
from bonescan.train.folder import RunFolder

Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class FoldRun:
    """One fold, counted from 0, of one run of an experiment."""

    experiment: Experiment
    run: str
    fold: int

    @property
    def key(self) -> Key:
        """What tells fold runs apart: experiment, run, digest of all its settings, fold."""
        return (self.experiment.name, self.run, self.experiment.digest(self.run), self.fold)

    @property
    def settings(self) -> Settings:
        """Everything that decides what is done."""
        return self.experiment.runs[self.run]

    @property
    def needs(self) -> dict[Role, FoldRun]:
        """The same fold of every run that must be finished first."""
        return {
            item.role: FoldRun(item.experiment, item.run, self.fold)
            for item in self.experiment.needed_by(self.run)
        }

    def folder(self, runs: Path) -> RunFolder:
        """Return its folder below the folder of all runs."""
        return RunFolder.of(runs, self.experiment, self.run, self.fold)

    def needed_folders(self, runs: Path) -> dict[Role, RunFolder]:
        """Return the folders of what it needs."""
        return {role: item.folder(runs) for role, item in self.needs.items()}

    def __str__(self) -> str:
        return f"{self.experiment.name}, {self.run}, fold {self.fold}"


def work_of(
    experiment: Experiment,
    *,
    run: str | None = None,
    fold: int | None = None,
    shard: str | None = None,
) -> list[FoldRun]:
    """Return the fold runs of an experiment that are asked for, without what they need.

    Parameters
    ----------
    run, fold : str, int, optional
        Only this run, only this fold (counted from 0).
    shard : str, optional
        ``i/n``: only the i-th of n parts, counted from 1. Fold runs that need the same one stay
        together, so that no two parts train it at once; without needs the parts are equal to one
        fold run.

    Raises
    ------
    BadSettings
        If a run, fold or shard is asked for that does not exist.
    """
    if run is not None and run not in experiment.runs:
        raise BadSettings(f"--run {run}: {experiment.source} has {', '.join(experiment.runs)}")
    work = []
    for name, settings in experiment.runs.items():
        folds = settings.training.folds
        if fold is not None and not 0 <= fold < folds:
            raise BadSettings(f"--fold {fold}: run {name} has folds 0 to {folds - 1}")
        if run in (None, name):
            work += [FoldRun(experiment, name, k) for k in range(folds) if fold in (None, k)]
    if shard is None:
        return work
    index, number = _parse_shard(shard)
    return [item for chain in chains(work)[index - 1 :: number] for item in chain]


def in_order(wanted: Iterable[FoldRun]) -> tuple[FoldRun, ...]:
    """Return the fold runs and all that they need, each once, what is needed before what needs."""
    done: dict[Key, FoldRun] = {}

    def visit(item: FoldRun) -> None:
        if item.key not in done:
            for needed in item.needs.values():
                visit(needed)
            done[item.key] = item

    for item in wanted:
        visit(item)
    return tuple(done.values())


def waves(wanted: Iterable[FoldRun]) -> list[list[FoldRun]]:
    """Group fold runs and all that they need: each group needs only what is in those before it."""
    level: dict[Key, int] = {}
    groups: list[list[FoldRun]] = []
    for item in in_order(wanted):
        level[item.key] = 1 + max((level[one.key] for one in item.needs.values()), default=-1)
        if level[item.key] == len(groups):
            groups.append([])
        groups[level[item.key]].append(item)
    return groups


def chains(wanted: Sequence[FoldRun]) -> list[list[FoldRun]]:
    """Group fold runs that share a needed one; different groups can be trained side by side."""
    groups: list[tuple[set[Key], list[FoldRun]]] = []
    for item in wanted:
        keys = {one.key for one in in_order([item])}
        members = [item]
        apart = []
        for group in groups:
            if group[0] & keys:
                keys |= group[0]
                members = [*group[1], *members]
            else:
                apart.append(group)
        groups = [*apart, (keys, members)]
    first = {item.key: position for position, item in enumerate(wanted)}
    return sorted((members for _, members in groups), key=lambda group: first[group[0].key])


def _parse_shard(shard: str) -> tuple[int, int]:
    first, separator, second = shard.partition("/")
    if separator and first.isdecimal() and second.isdecimal():
        index, number = int(first), int(second)
        if 1 <= index <= number:
            return index, number
    raise BadSettings(f"--shard {shard}: write it as I/N with 1 <= I <= N, for instance 2/4")
