"""All that an experiment asks for: one fold run after the other here, or side by side on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from bonescan.errors import BonescanError, FoldsFailed, ProcessEnded
from bonescan.experiment import Experiment
from bonescan.prepare import PreparedData
from bonescan.train.folder import RunFolder
from bonescan.train.runs import check_canvas, folds_of, train_fold
from bonescan.train.watch import Lines, Watcher, bars
from bonescan.train.work import FoldRun, in_order, waves, work_of
from bonescan.work import EngineName, Share, run_pieces

#: What a fold run ends with: nothing, or what was wrong with it.
Outcome = tuple[FoldRun, BonescanError | None]


def run_experiment(
    experiment: Experiment,
    data: Path,
    runs: Path,
    *,
    run: str | None = None,
    fold: int | None = None,
    shard: str | None = None,
    engine: EngineName = "local",
    watcher: Watcher | None = None,
    accelerator: str = "auto",
) -> tuple[RunFolder, ...]:
    """Train what is left to do of an experiment, and return the folders of all that was asked for.

    What its runs need of other runs is trained before, fold by fold. A fold run that fails stops
    only those that need it.

    Parameters
    ----------
    experiment : Experiment
        Its runs, each on every fold.
    data : Path
        Folder made by ``bonescan prepare``, on the canvas of each run.
    runs : Path
        Folder of the run folders.
    run, fold : str, int, optional
        Only this run, only this fold (counted from 0).
    shard : str, optional
        ``i/n``: only the i-th of n equal parts of the work, counted from 1.
    engine : {"local", "ray"}
        One fold run after the other here, or as many side by side as a Ray cluster has room for:
        each takes a GPU where there is any, and as many CPUs as torch has threads here
        (OMP_NUM_THREADS), so that its sums are those of the local engine. ``data`` and ``runs`` lie
        on a disk that all machines share.
    watcher : Watcher, optional
        Told of the progress; progress bars on standard error without it.
    accelerator : str
        As lightning-fabric takes it: ``auto``, ``cpu``, ``gpu``.

    Raises
    ------
    BadSettings
        If a run, fold or shard is asked for that does not exist, or Ray is and cannot be had.
    BadInput
        If the data does not fit the settings; nothing is trained then.
    FoldsFailed
        If fold runs failed, with the reason of each; all others are done.
    """
    work = work_of(experiment, run=run, fold=fold, shard=shard)
    order = in_order(work)
    canvases = {item.settings.canvas for item in order}
    prepared = {canvas: PreparedData.on(data, canvas) for canvas in canvases}
    for item in order:  # before any bar is shown, so that an error stands alone
        check_canvas(item.settings, prepared[item.settings.canvas])
        folds_of(item.settings, prepared[item.settings.canvas])
    if watcher is None:
        with bars() as watcher:
            failed = _train_all(work, data, runs, engine, watcher, accelerator)
    else:
        failed = _train_all(work, data, runs, engine, watcher, accelerator)
    if failed:
        raise FoldsFailed(failed)
    return tuple(item.folder(runs) for item in work)


def _train_all(
    work: Sequence[FoldRun],
    data: Path,
    runs: Path,
    engine: EngineName,
    watcher: Watcher,
    accelerator: str,
) -> list[str]:
    """Train, and return a line for each fold run that failed by itself."""
    if engine == "ray":
        outcomes = _on_ray(work, data, runs, watcher, accelerator)
    else:
        outcomes = _here(work, data, runs, watcher, accelerator)
    failed: dict[object, str] = {}
    lines: list[str] = []
    for item, error in outcomes:
        if error is None:
            continue
        blocked = any(needed.key in failed for needed in item.needs.values())
        failed[item.key] = str(error)
        if blocked:
            watcher.say(f"{item}: left out, because what it needs has failed")
        else:
            lines.append(_reason(item, error))
    return list(dict.fromkeys(lines))


def _reason(item: FoldRun, error: BonescanError) -> str:
    if isinstance(error, ProcessEnded):
        return (
            f"{item}: the system ended its process, most likely because memory ran out; free "
            "memory or set training.batch lower, and start it again to go on"
        )
    return str(error)


def _here(
    work: Sequence[FoldRun], data: Path, runs: Path, watcher: Watcher, accelerator: str
) -> Iterator[Outcome]:
    def train(item: FoldRun) -> None:
        watcher.say(f"{item}: {item.folder(runs).path}")
        _train(item, data, runs, watcher, accelerator)

    items = in_order(work)
    for index, outcome in run_pieces(train, items, name=str):
        yield items[index], outcome


def _on_ray(
    work: Sequence[FoldRun], data: Path, runs: Path, watcher: Watcher, accelerator: str
) -> Iterator[Outcome]:
    items = in_order(work)
    threads = torch.get_num_threads()
    job = partial(_train_there, data=data, runs=runs, accelerator=accelerator, threads=threads)
    share = Share(cpus=threads, gpu=accelerator in ("auto", "gpu", "cuda"))
    tick = _progress(items, runs, watcher)
    for wave in waves(work):
        for item in wave:
            watcher.say(f"{item}: {item.folder(runs).path}")
        for index, outcome in run_pieces(job, wave, name=str, engine="ray", share=share, tick=tick):
            if isinstance(outcome, BonescanError):
                yield wave[index], outcome
            else:
                for line in outcome:
                    watcher.say(line)
                yield wave[index], None


def _train(item: FoldRun, data: Path, runs: Path, watcher: Watcher, accelerator: str) -> None:
    train_fold(
        item.settings,
        PreparedData.on(data, item.settings.canvas),
        item.folder(runs),
        item.fold,
        needs=item.needed_folders(runs),
        watcher=watcher,
        accelerator=accelerator,
    )


def _train_there(
    item: FoldRun, *, data: Path, runs: Path, accelerator: str, threads: int
) -> tuple[str, ...]:
    """Train on a machine of the cluster, and return what there was to say."""
    torch.set_num_threads(threads)
    lines = Lines()
    _train(item, data, runs, lines, accelerator)
    return tuple(lines.said)


def _progress(items: Sequence[FoldRun], runs: Path, watcher: Watcher) -> Callable[[], None]:
    """Return a function that tells the watcher how far all fold runs are, by their folders."""
    folders = [item.folder(runs) for item in items]
    epochs = sum(item.settings.training.epochs for item in items)

    def tell() -> None:
        done = sum(folder.done.exists() for folder in folders)
        watcher.side_by_side(done, len(folders), sum(map(_epochs_of, folders)), epochs)

    return tell


def _epochs_of(folder: RunFolder) -> int:
    try:
        return folder.metrics.read_bytes().count(b"\n")
    except OSError:  # not begun
        return 0
