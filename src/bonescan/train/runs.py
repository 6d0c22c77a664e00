"""One fold of one run in its own folder, restartable at any moment."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from bonescan import __version__
from bonescan.config import BONES, Settings
from bonescan.errors import BadInput
from bonescan.experiment import Role
from bonescan.models import Network, probabilities
from bonescan.prepare import PreparedCase, PreparedData
from bonescan.scan import METASTASIS, NON_METASTATIC
from bonescan.train.chosen import chosen_network
from bonescan.train.dataset import (
    Example,
    Parts,
    part_cases,
    plain_batches,
    plain_example,
)
from bonescan.train.folder import RunFolder, locked, write_text
from bonescan.train.folds import Fold, folds_to_json, make_folds, read_folds
from bonescan.train.initial import told_start
from bonescan.train.loop import fit, marked
from bonescan.train.needs import (
    examples_of,
    fingerprints,
    held_out_parts,
    transferred_weights,
)
from bonescan.train.predictions import STEPS, Predictions
from bonescan.train.sites import make_site_folds, sites_of
from bonescan.train.watch import Silent, Watcher

#: Layer of a prepared case that holds the true regions, as numbers of `BONES`.
BONE_LAYER = "truth_regions"


def train_fold(
    settings: Settings,
    data: PreparedData,
    folder: RunFolder,
    fold: int,
    *,
    needs: Mapping[Role, RunFolder] | None = None,
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
    needs : mapping of {"baseline", "pretraining"} to RunFolder, optional
        The finished same fold of what the run needs.

    Raises
    ------
    BadInput
        If another process holds the folder, it is not whole or was made from other settings or
        patients, the data has another canvas, too few patients have metastasis, or a needed run
        is not finished, is another fold or has learned from a patient who is held out here.
    """
    check_canvas(settings, data)
    watcher = watcher or Silent()
    with locked(folder.path):
        folds = folds_of(settings, data)
        sources = dict(needs or {})
        if folder.is_done:
            _check_same(folder, settings, folds, data, fingerprints(sources))
            watcher.say(f"{folder.path}: done already")
            return
        parts = held_out_parts(
            part_cases(data.cases, folds[fold], settings.data), sources, data, folds[fold]
        )
        fabric = Fabric(accelerator=accelerator, devices=1, precision=settings.training.precision)
        _open_folder(folder, settings, folds, data, fabric, fingerprints(sources))
        began = time.time()
        train, validation = examples_of(settings, parts, folds[fold], sources, data, fabric)
        missing = missing_class(settings, train)
        if missing and settings.mask.kind == "mined":  # as its baseline has it: a result, if poor
            watcher.say(f"{folder.path}: no training picture shows {missing}")
        elif missing:
            raise BadInput(
                f"{data.folder}: fold {fold}: no training picture shows {missing}, so that nothing "
                "can be learned; look at its sheets and at the labels in cohort.csv"
            )
        fit(
            settings,
            train,
            validation,
            folder,
            fabric=fabric,
            watcher=watcher,
            transferred=transferred_weights(settings, sources),
        )
        network, epoch = chosen_network(folder, settings)
        fabric.to_device(network)
        predict_parts(network, parts, settings, fabric).save(folder.predictions)
        write_text(folder.done, _summary(folder, parts, folds[fold], epoch, time.time() - began))


def missing_class(settings: Settings, train: Sequence[Example]) -> str | None:
    """Return a class that no training picture shows; of bones, some may well be out of view."""
    classes = {
        "none": {1: "a metastasis"},
        "patient": {0: "a patient without metastasis", 1: "a patient with metastasis"},
        "otsu": {NON_METASTATIC: "a body", METASTASIS: "a metastasis"},
        "mined": {NON_METASTATIC: "a false mark of the baseline", METASTASIS: "a metastasis"},
    }
    for number, name in classes.get(settings.mask.kind, {}).items():
        if not any(np.any(example.target == number) for example in train):
            return name
    return None


def check_canvas(settings: Settings, data: PreparedData) -> None:
    """Raise BadInput where the data was prepared for another canvas than that of the settings."""
    if data.canvas != settings.canvas:
        raise BadInput(
            f"{data.folder}: was prepared with another canvas than the settings ask for; "
            "prepare it again with --experiment"
        )


def folds_of(settings: Settings, data: PreparedData) -> tuple[Fold, ...]:
    """Return the folds of a cohort.

    Raises
    ------
    BadInput
        If the cohort cannot be cut as ``training.split`` asks, or has none of the negatives.
    """
    sets, training = settings.data, settings.training
    positives = {case.patient for case in data.cases if case.set in sets.positives}
    negatives = {case.patient for case in data.cases if case.set in sets.train_negatives}
    for name in set(sets.train_negatives) - {case.set for case in data.cases}:
        raise BadInput(
            f"{data.folder}: has no patient of set {name}, which data.train_negatives names; add "
            "some to cohort.csv and prepare again, or leave the set out"
        )
    try:
        if training.split == "sites":
            sites = sites_of((case.study, case.patient, case.site) for case in data.cases)
            return make_site_folds(
                sites, positives, negatives, folds=training.folds, seed=training.seed
            )
        return make_folds(positives, negatives, folds=training.folds, seed=training.seed)
    except BadInput as error:
        raise BadInput(f"{data.folder}: {error}") from error


def predict_parts(
    network: Network, parts: Parts, settings: Settings, fabric: Fabric
) -> Predictions:
    """Predict every case that the fold did not train on."""
    held_out = {"validation": parts.validation, "test": parts.test, "healthy": parts.healthy}
    named = [(part, case) for part, cases in held_out.items() for case in cases]
    examples = [plain_example(case) for _, case in named]
    probability, marks, bones = [], [], []
    for batch in plain_batches(examples, settings.training.batch):
        with torch.inference_mode():
            logits = network(fabric.to_device(batch.x))[-1]
            shares = probabilities(logits, settings.groups)
            sought = 1 - shares[:, 0] if settings.mask.kind == "skeleton" else shares[:, -1]
            probability.append((sought * STEPS).round().to(torch.uint8).cpu().numpy())
            marks.append(marked(logits, settings).cpu().numpy())
            bones.append(logits[:, : len(BONES)].argmax(dim=1).to(torch.uint8).cpu().numpy())
    told = all(BONE_LAYER in case.record.layers for _, case in named)
    knows_bones = told and settings.classes[: len(BONES)] == BONES
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
        regions=np.concatenate(bones) if knows_bones else None,
        true_regions=(
            np.stack([case.layer(BONE_LAYER) for _, case in named]) if knows_bones else None
        ),
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
    needed: Mapping[str, str],
) -> None:
    """Write what is done and where, or check that the folder was made for the same."""
    starts: list[dict[str, Any]] = []
    started_from = told_start(settings.init, needed)  # before anything is written
    if folder.check_resumable():
        _check_same(folder, settings, folds, data, needed)
        starts = folder.read_starts()
    else:
        write_text(folder.settings, settings.model_dump_json(indent=1) + "\n")
        write_text(folder.folds, folds_to_json(folds))
    made_from = {
        "data": data.digest,
        "needs": needed,
        "description": _describe(data.cases),
        "started_from": started_from,
    }
    starts.append({**environment(fabric), **made_from})
    write_text(folder.environment, json.dumps(starts, indent=1) + "\n")


def _check_same(
    folder: RunFolder,
    settings: Settings,
    folds: tuple[Fold, ...],
    data: PreparedData,
    needed: Mapping[str, str],
) -> None:
    """Refuse a folder that was made from something else, be it finished or not."""
    last = folder.read_starts()[-1]
    same = (
        folder.read_settings() == settings
        and read_folds(folder.folds) == folds
        and last["data"] == data.digest
        and last.get("needs", {}) == needed
    )
    if not same:
        raise BadInput(
            f"{folder.path}: was begun with other settings, other data or another needed run; "
            "delete it or train into another runs folder"
        )


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


def _summary(folder: RunFolder, parts: Parts, fold: Fold, epoch: int, seconds: float) -> str:
    records = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    validated = [record for record in records if "f1" in record]
    chosen = next((r for r in validated if r["epoch"] == epoch), validated[-1])
    with_metastasis = {case.patient for case in parts.train if case.metastasis.any()}
    patients = {case.patient for case in parts.train}
    summary = {
        "experiment": folder.path.parent.parent.name,
        "run": folder.path.parent.name.rpartition("-")[0],
        "fold": fold.number,
        "site": fold.site,
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
