"""The training loop (section 3.8), from the first weights to the last checkpoint.

A run that is killed at any moment and started again goes on after its last finished epoch. On a
CPU it then ends with the same numbers: order and random changes follow from seed, epoch and example
alone, and the checkpoint holds all that an epoch leaves behind. ``metrics.jsonl`` is rewritten from
the checkpoint, so it never runs ahead of it. On a GPU, whose sums are not made in a
fixed order, an epoch's loss may differ by `GPU_TOLERANCE`; the test of it runs where there is one.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from bonescan.config import OptimiserSettings, Settings, Training
from bonescan.errors import BadInput, BadSettings, BonescanError
from bonescan.measures.pixels import PixelCounts
from bonescan.models import Network, build_model
from bonescan.train.checkpoints import (
    load_checkpoint,
    on_cpu,
    random_states,
    save_atomically,
    set_random_states,
)
from bonescan.train.dataset import Batch, Example, plain_batches, training_batches
from bonescan.train.folder import RunFolder, write_text
from bonescan.train.initial import initialise
from bonescan.train.losses import loss_of
from bonescan.train.memory import keep_freed_memory
from bonescan.train.optimisers import build_optimiser
from bonescan.train.schedules import rate_factor
from bonescan.train.watch import Record, Watcher

#: Relative difference in an epoch's loss between a resumed and an uninterrupted run on a GPU.
GPU_TOLERANCE = 0.02


@dataclass
class Progress:
    """What an epoch leaves behind beside the weights and the optimiser's state.

    ``unmarked`` counts the validations in a row in which no pixel was marked as metastasis.
    """

    records: list[Record] = field(default_factory=list)
    steps: int = 0
    unmarked: int = 0
    best_epoch: int = 0
    best_f1: float = -1.0
    best_loss: float = math.inf

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.records)


class Learner:
    """A network, its optimiser and the moving average of its weights, on one device."""

    def __init__(
        self,
        settings: Settings,
        fabric: Fabric,
        transferred: Mapping[str, Tensor] | None = None,
    ) -> None:
        if fabric.device.type == "cpu":
            keep_freed_memory()
        torch.manual_seed(settings.training.seed)
        network = build_model(settings.model, len(settings.classes))
        initialise(network, settings.init, transferred)
        self.fabric = fabric
        self.network = network
        self.decay = settings.training.average_decay
        self.average = copy.deepcopy(network).requires_grad_(False) if self.decay else None
        if self.average is not None:
            fabric.to_device(self.average)
        optimiser = build_optimiser(network, settings.optimiser)
        self.model, self.optimiser = fabric.setup(network, optimiser)

    @property
    def judged(self) -> Network:
        """What validation, prediction and export see: the average where there is one."""
        return self.network if self.average is None else self.average

    def step(self, batch: Batch, settings: Settings, number: int) -> Tensor:
        """Learn from one batch, the ``number``-th of the run, and return its loss."""
        outputs = self.model(self.fabric.to_device(batch.x))
        loss = loss_of(outputs, self.fabric.to_device(batch.target), settings.loss)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        if settings.optimiser.clip_norm > 0:
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=settings.optimiser.clip_norm
            )
        self.optimiser.step()
        if self.average is not None:
            # A short memory at first, so that the first weights are soon forgotten.
            move_average(self.average, self.network, min(self.decay, (1 + number) / (10 + number)))
        return loss.detach()

    def save(self, path: Path, progress: Progress) -> None:
        """Write everything that is needed to go on, whole or not at all."""
        save_atomically(
            {
                "network": self.network.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
                "random": random_states(),
                "progress": json.dumps(vars(progress)),
            },
            path,
        )

    def resume(self, path: Path) -> Progress:
        """Take up what `save` wrote, and return the progress.

        Raises
        ------
        BadInput
            If the checkpoint cannot be read or belongs to another network.
        """
        state = load_checkpoint(path)
        try:
            self.network.load_state_dict(state["network"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.fabric.strategy.precision.load_state_dict(state.get("precision", {}))
            set_random_states(state["random"])
            return Progress(**json.loads(state["progress"]))
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"{path}: does not fit these settings; delete its folder and train again"
            ) from error


def fit(
    settings: Settings,
    train: Sequence[Example],
    validation: Sequence[Example],
    folder: RunFolder,
    *,
    fabric: Fabric,
    watcher: Watcher,
    transferred: Mapping[str, Tensor] | None = None,
) -> Learner:
    """Train until the last epoch, from the start or from the folder's checkpoint.

    Parameters
    ----------
    settings : Settings
        Everything that decides what is done.
    train, validation : sequence of Example
        The fold's two parts, in a fixed order.
    folder : RunFolder
        Receives ``metrics.jsonl``, ``last.pt`` and ``best.pt`` after every epoch.
    transferred : mapping of str to Tensor, optional
        The weights to start from, for the init kind ``transfer``.

    Raises
    ------
    BadSettings
        If the canvas has a size that the network cannot take.
    BonescanError
        If the loss is no longer a finite number, or a checkpoint cannot be written or read.
    """
    learner = Learner(settings, fabric, transferred)
    _check_size(learner.network, train[0], settings)
    progress = learner.resume(folder.last) if folder.check_resumable() else Progress()
    write_metrics(folder, progress)
    training = settings.training

    while progress.epoch < training.epochs:
        record: Record = {"epoch": progress.epoch + 1}
        record["learning_rate"] = set_learning_rate(learner, settings.optimiser, progress, training)
        examples = examples_of_epoch(train, progress.epoch, training)
        record["loss"] = train_epoch(learner, settings, examples, progress, watcher)
        if record["epoch"] % training.validate_every == 0 or record["epoch"] == training.epochs:
            record |= validate(learner, settings, validation)
            watch_for_collapse(record, progress, training.collapse_epochs, watcher)
            keep_best(record, progress, learner, folder)
        progress.records.append(record)
        learner.save(folder.last, progress)
        write_metrics(folder, progress)
        watcher.epoch(record, training.epochs)
    return learner


def examples_of_epoch(
    train: Sequence[Example], epoch: int, training: Training
) -> Sequence[Example]:
    """Return what an epoch, counted from 0, sees: at first perhaps only cases with metastasis."""
    if epoch >= training.positives_first:
        return train
    positive = [example for example in train if example.has_metastasis]
    return positive if len(positive) > 1 else train


def train_epoch(
    learner: Learner,
    settings: Settings,
    train: Sequence[Example],
    progress: Progress,
    watcher: Watcher,
) -> float:
    """Go through the training part once; return the mean loss of the batches."""
    learner.model.train()
    batches = training_batches(
        train,
        settings.augment,
        batch=settings.training.batch,
        seed=settings.training.seed,
        epoch=progress.epoch,
    )
    losses = []
    total = math.ceil(len(train) / settings.training.batch)
    for number, batch in enumerate(batches, start=1):
        losses.append(learner.step(batch, settings, progress.steps))
        progress.steps += 1
        watcher.step(min(number, total), total)
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise BonescanError(
            f"epoch {progress.epoch + 1}: the loss is {loss}; set optimiser.learning_rate lower "
            "or training.precision to 32-true"
        )
    return loss


def validate(learner: Learner, settings: Settings, validation: Sequence[Example]) -> Record:
    """Measure the loss and the pooled pixel counts of `judge` on the validation part."""
    network = learner.judged
    counts = PixelCounts()
    losses = []
    for batch in plain_batches(validation, settings.training.batch):
        with torch.inference_mode():
            network.eval()
            target = learner.fabric.to_device(batch.target)
            outputs = network(learner.fabric.to_device(batch.x))
            losses.append(float(loss_of(outputs, target, settings.loss)))
            counts += judge(outputs[-1], target, settings)
    return {
        "validation_loss": sum(losses) / len(losses),
        "precision": counts.precision,
        "sensitivity": counts.sensitivity,
        "f1": counts.f1,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
    }


def marked(logits: Tensor, settings: Settings) -> Tensor:
    """Return the (N, H, W) bool marks of metastasis by the paper's rule.

    One class: probability 0.5 or more; several: metastasis, the last one, is the most probable of
    its group. Of a skeleton, all bone is marked.
    """
    if logits.shape[1] == 1:
        return logits[:, 0] >= 0
    if settings.mask.kind == "skeleton":
        return logits.argmax(dim=1) != 0
    last = settings.groups[-1]
    return logits[:, -last:].argmax(dim=1) == last - 1


def is_metastasis(target: Tensor, settings: Settings) -> Tensor:
    """Return where (N, H, W) labels say metastasis."""
    if len(settings.classes) == 1:
        return target == 1
    last = settings.groups[-1]
    return target % last == last - 1


def judge(logits: Tensor, target: Tensor, settings: Settings) -> PixelCounts:
    """Count pixels of metastasis; of a skeleton, those of all its regions, each in its own."""
    if settings.mask.kind != "skeleton":
        return count(marked(logits, settings), is_metastasis(target, settings))
    seen = logits.argmax(dim=1)
    tp = int(((seen == target) & (target != 0)).sum())
    return PixelCounts(tp, int((seen != 0).sum()) - tp, int((target != 0).sum()) - tp)


def count(marks: Tensor, truth: Tensor) -> PixelCounts:
    """Count the pixels of two masks on their device."""
    tp, marked_pixels, true_pixels = (int(part.sum()) for part in (marks & truth, marks, truth))
    return PixelCounts(tp, marked_pixels - tp, true_pixels - tp)


def watch_for_collapse(record: Record, progress: Progress, limit: int, watcher: Watcher) -> None:
    """Say so, in the metrics and to the watcher, when nothing has been marked for too long."""
    progress.unmarked = 0 if record["tp"] + record["fp"] else progress.unmarked + 1
    record["collapsed"] = progress.unmarked >= limit
    if progress.unmarked == limit:
        watcher.say(
            f"collapsed: no pixel of the validation patients has been marked as metastasis in the "
            f"last {limit} validations (epoch {record['epoch']}); the run goes on, but look at "
            "its loss, learning rate and labels"
        )


def keep_best(record: Record, progress: Progress, learner: Learner, folder: RunFolder) -> None:
    """Keep the weights if the validation F1, or at equal F1 the loss, is the best so far."""
    f1 = record["f1"] or 0.0
    if (f1, -record["validation_loss"]) <= (progress.best_f1, -progress.best_loss):
        return
    progress.best_f1, progress.best_loss = f1, record["validation_loss"]
    progress.best_epoch = record["epoch"]
    best = {"weights": on_cpu(learner.judged.state_dict()), "epoch": record["epoch"], "f1": f1}
    save_atomically(best, folder.best)


def set_learning_rate(
    learner: Learner, settings: OptimiserSettings, progress: Progress, training: Training
) -> float:
    """Set the learning rate of the coming epoch, and return it."""
    factor = rate_factor(settings.schedule, progress.records, training.epochs)
    rate = settings.learning_rate * factor
    for group in learner.optimiser.param_groups:
        group["lr"] = rate
    return rate


@torch.no_grad()
def move_average(average: Network, network: Network, decay: float) -> None:
    """Move the average a little towards the network; batch-norm statistics are copied."""
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
    for own, other in zip(average.buffers(), network.buffers(), strict=True):
        own.copy_(other)


def _check_size(network: Network, example: Example, settings: Settings) -> None:
    height, width = example.grey.shape
    if not network.fits(height, width):
        raise BadSettings(
            f"canvas.reduce: gives {height} x {width} pixels, but a {settings.model.kind} needs "
            f"multiples of {network.sizes}; choose another reduce or fewer levels"
        )


def write_metrics(folder: RunFolder, progress: Progress) -> None:
    """Write ``metrics.jsonl`` as the checkpoint has it."""
    if progress.records:
        lines = "".join(json.dumps(record) + "\n" for record in progress.records)
        write_text(folder.metrics, lines)
