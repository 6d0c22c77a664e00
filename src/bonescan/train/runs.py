"""The runs and folds of an experiment: each in its own folder, restartable at any moment."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from bonescan import __version__
from bonescan.config import Settings
from bonescan.errors import BadInput, BadSettings
from bonescan.experiment import Experiment
from bonescan.models import Network, build_model, probabilities
from bonescan.prepare import PreparedCase, PreparedData
from bonescan.train.checkpoints import load_checkpoint
from bonescan.train.dataset import (
    Example,
    Parts,
    make_example,
    part_cases,
    plain_batches,
)
from bonescan.train.folder import RunFolder, locked, write_text
from bonescan.train.folds import Fold, folds_to_json, make_folds
from bonescan.train.loop import fit, marked
from bonescan.train.predictions import STEPS, Predictions
from bonescan.train.watch import Silent, Watcher, bars


def run_experiment(
    experiment: Experiment,
    data: Path,
    runs: Path,
    *,
    run: str | None = None,
    fold: int | None = None,
    shard: str | None = None,
    watcher: Watcher | None = None,
    accelerator: str = "auto",
) -> tuple[RunFolder, ...]:
    """Train what is left to do of an experiment, and return the folders of all that was asked for.

    Parameters
    ----------
    experiment : Experiment
        Its runs, each on every fold.
    data : Path
        Folder made by ``bonescan prepare``.
    runs : Path
        Folder of the run folders.
    run, fold : str, int, optional
        Only this run, only this fold (counted from 0).
    shard : str, optional
        ``i/n``: only the i-th of n equal parts of the work, counted from 1.
    watcher : Watcher, optional
        Told of the progress; progress bars on standard error without it.
    accelerator : str
        As lightning-fabric takes it: ``auto``, ``cpu``, ``gpu``.

    Raises
    ------
    BadSettings
        If a run, fold or shard is asked for that does not exist.
    BadInput
        If the data or a run folder does not fit the settings, or another process holds a folder.
    """
    work = work_of(experiment, run=run, fold=fold, shard=shard)
    prepared = PreparedData.load(data)  # before any bar is shown, so that an error stands alone
    if watcher is None:
        with bars() as watcher:
            return _train_all(experiment, work, prepared, runs, watcher, accelerator)
    return _train_all(experiment, work, prepared, runs, watcher, accelerator)


def work_of(
    experiment: Experiment, *, run: str | None, fold: int | None, shard: str | None
) -> list[tuple[str, int]]:
    """Return the (run, fold) pairs that are asked for."""
    if run is not None and run not in experiment.runs:
        raise BadSettings(f"--run {run}: {experiment.source} has {', '.join(experiment.runs)}")
    work = []
    for name, settings in experiment.runs.items():
        folds = settings.training.folds
        if fold is not None and not 0 <= fold < folds:
            raise BadSettings(f"--fold {fold}: run {name} has folds 0 to {folds - 1}")
        if run in (None, name):
            work += [(name, k) for k in range(folds) if fold in (None, k)]
    if shard is None:
        return work
    index, number = _parse_shard(shard)
    return work[index - 1 :: number]


def _parse_shard(shard: str) -> tuple[int, int]:
    first, separator, second = shard.partition("/")
    if separator and first.isdecimal() and second.isdecimal():
        index, number = int(first), int(second)
        if 1 <= index <= number:
            return index, number
    raise BadSettings(f"--shard {shard}: write it as I/N with 1 <= I <= N, for instance 2/4")


def _train_all(
    experiment: Experiment,
    work: Sequence[tuple[str, int]],
    data: PreparedData,
    runs: Path,
    watcher: Watcher,
    accelerator: str,
) -> tuple[RunFolder, ...]:
    folders = []
    for run, fold in work:
        settings = experiment.runs[run]
        folder = RunFolder.of(runs, experiment, run, fold)
        watcher.say(f"{experiment.name}, {run}, fold {fold}: {folder.path}")
        train_fold(settings, data, folder, fold, watcher=watcher, accelerator=accelerator)
        folders.append(folder)
    return tuple(folders)


def train_fold(
    settings: Settings,
    data: PreparedData,
    folder: RunFolder,
    fold: int,
    *,
    watcher: Watcher | None = None,
    accelerator: str = "auto",
) -> None:
    """Train one fold in its folder, from the start or from where it stopped, and predict.

    Parameters
    ----------
    settings : Settings
        Everything that decides what is done.
    data : PreparedData
        The whole cohort, on the canvas of the settings.
    folder : RunFolder
        Where; made if it does not exist.
    fold : int
        Which, counted from 0.

    Raises
    ------
    BadInput
        If another process holds the folder, it is not whole or was made from other settings or
        patients, the data has another canvas, or too few patients with metastasis.
    """
    if data.canvas != settings.canvas:
        raise BadInput(
            f"{data.folder}: was prepared with another canvas than the settings ask for; "
            "prepare it again with --experiment"
        )
    watcher = watcher or Silent()
    with locked(folder.path):
        if folder.is_done:
            watcher.say(f"{folder.path}: done already")
            return
        folds = folds_of(settings, data)
        parts = part_cases(data.cases, folds[fold], settings.data)
        fabric = Fabric(accelerator=accelerator, devices=1, precision=settings.training.precision)
        _open_folder(folder, settings, folds, data, fabric)
        began = time.time()
        train, validation = (
            [make_example(case, settings.mask) for case in part]
            for part in (parts.train, parts.validation)
        )
        fit(settings, train, validation, folder, fabric=fabric, watcher=watcher)
        network, epoch = chosen_network(folder, settings)
        fabric.to_device(network)
        predict_parts(network, parts, settings, fabric).save(folder.predictions)
        write_text(folder.done, _summary(folder, parts, fold, epoch, time.time() - began))


def folds_of(settings: Settings, data: PreparedData) -> tuple[Fold, ...]:
    """Return the folds of a cohort."""
    sets, training = settings.data, settings.training
    return make_folds(
        (case.patient for case in data.cases if case.set in sets.positives),
        (case.patient for case in data.cases if case.set in sets.train_negatives),
        folds=training.folds,
        seed=training.seed,
    )


def chosen_network(folder: RunFolder, settings: Settings) -> tuple[Network, int]:
    """Return the network of the checkpoint that the settings choose, on the CPU, and its epoch."""
    network = build_model(settings.model, len(settings.classes))
    if settings.training.checkpoint == "best":
        state = load_checkpoint(folder.best)
        weights, epoch = state["weights"], int(state["epoch"])
    else:
        state = load_checkpoint(folder.last)
        weights = state["network"] if state["average"] is None else state["average"]
        epoch = len(json.loads(state["progress"])["records"])
    network.load_state_dict(weights)
    return network.eval(), epoch


def predict_parts(
    network: Network, parts: Parts, settings: Settings, fabric: Fabric
) -> Predictions:
    """Predict every case that the fold did not train on."""
    held_out = {"validation": parts.validation, "test": parts.test, "healthy": parts.healthy}
    named = [(part, case) for part, cases in held_out.items() for case in cases]
    examples = [
        Example(case.study, case.patient, case.set, case.grey, case.metastasis.astype(np.uint8))
        for _, case in named
    ]
    probability, marks = [], []
    for batch in plain_batches(examples, settings.training.batch):
        with torch.inference_mode():
            logits = network(fabric.to_device(batch.x))[-1]
            metastasis = probabilities(logits, settings.groups)[:, -1]
            probability.append((metastasis * STEPS).round().to(torch.uint8).cpu().numpy())
            marks.append(marked(logits, settings).cpu().numpy())
    return Predictions(
        studies=tuple(example.study for example in examples),
        patients=tuple(example.patient for example in examples),
        sets=tuple(example.set for example in examples),
        parts=tuple(part for part, _ in named),
        pixel_area_mm2=np.array([_pixel_area(case) for _, case in named]),
        grey=np.stack([np.rint(example.grey).astype(np.uint8) for example in examples]),
        probability=np.concatenate(probability),
        marked=np.concatenate(marks),
        metastasis=np.stack([example.target for example in examples]).astype(bool),
    )


def _pixel_area(case: PreparedCase) -> float:
    spacing = case.record.canvas_spacing_mm
    return float("nan") if spacing is None else spacing[0] * spacing[1]


def _open_folder(
    folder: RunFolder,
    settings: Settings,
    folds: tuple[Fold, ...],
    data: PreparedData,
    fabric: Fabric,
) -> None:
    """Write what is done and where, or check that the folder was made for the same."""
    starts: list[dict[str, Any]] = []
    if folder.check_resumable():
        starts = folder.read_starts()
        same = (
            folder.read_settings() == settings
            and folder.folds.read_text(encoding="utf-8") == folds_to_json(folds)
            and starts[-1]["data"] == data.digest
        )
        if not same:
            raise BadInput(
                f"{folder.path}: was begun with other settings or other data; "
                "delete it or train into another runs folder"
            )
    else:
        write_text(folder.settings, settings.model_dump_json(indent=1) + "\n")
        write_text(folder.folds, folds_to_json(folds))
    starts.append(
        {**environment(fabric), "data": data.digest, "description": _describe(data.cases)}
    )
    write_text(folder.environment, json.dumps(starts, indent=1) + "\n")


def environment(fabric: Fabric) -> dict[str, Any]:
    """Return what makes the numbers: program, libraries, machine."""
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "bonescan": __version__,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.platform(),
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


def _describe(cases: Sequence[PreparedCase]) -> str:
    patients = len({case.patient for case in cases})
    sites = sorted({case.site or "unnamed" for case in cases})
    return f"cohort of {patients} patients, site {', '.join(sites)}"


def _summary(folder: RunFolder, parts: Parts, fold: int, epoch: int, seconds: float) -> str:
    records = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    validated = [record for record in records if "f1" in record]
    chosen = next((r for r in validated if r["epoch"] == epoch), validated[-1])
    with_metastasis = {case.patient for case in parts.train if case.metastasis.any()}
    patients = {case.patient for case in parts.train}
    summary = {
        "experiment": folder.path.parent.parent.name,
        "run": folder.path.parent.name.rpartition("-")[0],
        "fold": fold,
        "epochs": len(records),
        "chosen_epoch": epoch,
        "validation_f1": chosen["f1"],
        "collapsed": validated[-1]["collapsed"] or not chosen["tp"] + chosen["fp"],
        "train_positives": len(with_metastasis),
        "train_negatives": len(patients - with_metastasis),
        "validation": len({case.patient for case in parts.validation}),
        "test": len({case.patient for case in parts.test}),
        "seconds_since_last_start": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return json.dumps(summary, indent=1) + "\n"
