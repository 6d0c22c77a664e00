"""What one fold run may take from another one: the same fold, finished, of the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor

from bonescan.config import Settings
from bonescan.errors import BadInput
from bonescan.experiment import Role
from bonescan.masks.mining import FoldMining
from bonescan.models import probabilities
from bonescan.prepare import PreparedCase, PreparedData
from bonescan.train.chosen import chosen_network
from bonescan.train.dataset import Example, Parts, make_example, plain_batches, plain_example
from bonescan.train.folder import RunFolder
from bonescan.train.folds import Fold, read_folds


def needed_fold(folder: RunFolder, fold: int, data_digest: str) -> Fold:
    """Return who took which part in a finished fold, after checking that it may be built upon.

    Raises
    ------
    BadInput
        If it is not finished, is another fold, or was trained on other data.
    """
    folder.require_done()
    number = int(folder.read_summary()["fold"])
    if number != fold:
        raise BadInput(
            f"{folder.path}: is fold {number} where fold {fold} is needed: it has learned from "
            "test patients; hand in the same fold"
        )
    if folder.read_starts()[-1]["data"] != data_digest:
        raise BadInput(f"{folder.path}: was trained on other data; delete it and train it again")
    return read_folds(folder.folds)[fold]


def learned_from(fold: Fold) -> frozenset[str]:
    """Patients that a fold run's weights depend on: it trains on some and is chosen on others."""
    return frozenset((*fold.train, *fold.validation, *fold.train_negatives))


def check_unseen(folder: RunFolder, learned: frozenset[str], held_out: Iterable[str]) -> None:
    """Refuse a needed run that has learned from a patient who is to be held out.

    Raises
    ------
    BadInput
        With the first such patient.
    """
    leaked = sorted(learned & set(held_out))
    if leaked:
        raise BadInput(
            f"{folder.path}: has learned from patient {leaked[0]}, who is held out here; "
            "a patient may take one part only: correct the sets in cohort.csv"
        )


def fingerprints(needs: Mapping[Role, RunFolder]) -> dict[str, str]:
    """Return a digest of how each needed run was trained, to notice one that was trained anew."""
    for folder in needs.values():
        folder.require_done()
    return {
        role: hashlib.sha256(folder.metrics.read_bytes()).hexdigest()
        for role, folder in sorted(needs.items())
    }


def held_out_parts(
    parts: Parts, needs: Mapping[Role, RunFolder], data: PreparedData, fold: Fold
) -> Parts:
    """Check what is needed, and drop from the healthy cases those that it has learned from.

    Where the fold leaves a site out, nothing that is needed may have learned from that site.
    """
    left_out = {case.patient for case in data.cases if fold.site and case.site == fold.site}
    held_out = {case.patient for case in (*parts.validation, *parts.test)} | left_out
    seen: frozenset[str] = frozenset()
    for role, folder in needs.items():
        learned = learned_from(needed_fold(folder, fold.number, data.digest))
        # A baseline shares the fold's own parts, so it was chosen on the same validation patients.
        tested = {case.patient for case in parts.test} | left_out
        tested = tested if role == "baseline" else held_out
        check_unseen(folder, learned, tested)
        seen |= learned
    return replace(parts, healthy=tuple(case for case in parts.healthy if case.patient not in seen))


def examples_of(
    settings: Settings,
    parts: Parts,
    fold: Fold,
    needs: Mapping[Role, RunFolder],
    data: PreparedData,
    fabric: Fabric,
) -> tuple[list[Example], list[Example]]:
    """Return the examples of the training and of the validation part."""
    mining = None
    if settings.mask.kind == "mined":
        if "baseline" not in needs:
            raise BadInput("mask.kind = mined: the baseline of the same fold is needed; name it")
        mining = mine(needs["baseline"], (*parts.train, *parts.validation), fold, data, fabric)

    def example(case: PreparedCase) -> Example:
        mined = None if mining is None else mining.of(case.study, fold.number)
        return make_example(case, settings.mask, mined)

    return [example(case) for case in parts.train], [example(case) for case in parts.validation]


def mine(
    baseline: RunFolder,
    cases: Sequence[PreparedCase],
    fold: Fold,
    data: PreparedData,
    fabric: Fabric,
) -> FoldMining:
    """Ask the baseline of the same fold for its probabilities in the cases to learn from.

    Raises
    ------
    BadInput
        If the baseline is not finished, of another fold, or a test patient leaks.
    """
    learned = learned_from(needed_fold(baseline, fold.number, data.digest))
    settings = baseline.read_settings()
    network, _ = chosen_network(baseline, settings)
    fabric.to_device(network)
    examples = [plain_example(case) for case in cases]
    found = []
    for batch in plain_batches(examples, settings.training.batch):
        with torch.inference_mode():
            logits = network(fabric.to_device(batch.x))[-1]
            found += list(probabilities(logits)[:, -1].float().cpu().numpy())
    return FoldMining(
        fold=fold.number,
        learned_from=learned,
        held_out=frozenset(fold.test),
        patients={case.study: case.patient for case in cases},
        probability={case.study: one for case, one in zip(cases, found, strict=True)},
    )


def transferred_weights(
    settings: Settings, needs: Mapping[Role, RunFolder]
) -> Mapping[str, Tensor] | None:
    """Return the weights that a run with the init kind ``transfer`` starts from, else None."""
    if settings.init.kind != "transfer" or "pretraining" not in needs:
        return None
    folder = needs["pretraining"]
    network, _ = chosen_network(folder, folder.read_settings())
    weights: Mapping[str, Tensor] = network.state_dict()
    return weights
