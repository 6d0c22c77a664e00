"""Training examples in memory, the parts of a fold, and the order in which they are seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bonescan.config import Augment, Data, JointMask, MaskSettings, PatientMask, SkeletonMask
from bonescan.errors import BadInput
from bonescan.masks import joint_labels, label_map
from bonescan.prepare import PreparedCase
from bonescan.scan import VIEW_NAMES
from bonescan.train.augment import augmented
from bonescan.train.folds import Fold

GREY_MAXIMUM = 255.0


@dataclass(frozen=True)
class Example:
    """A canvas and its classes.

    Attributes
    ----------
    grey : (H, W) float32
        Grey values in [0, 255].
    target : (H, W) uint8
        Class index of each pixel; for binary training 1 is metastasis and 0 is not.
    counts_per_grey : (float, float)
        Counts behind one grey value in the left and in the right half.
    has_metastasis : bool
        Whether any pixel is metastasis.
    one_class : bool
        Whether all pixels have one class, whatever is done to the picture.
    """

    study: str
    patient: str
    set: str
    grey: NDArray[np.float32]
    target: NDArray[np.uint8]
    counts_per_grey: tuple[float, float] = (1.0, 1.0)
    has_metastasis: bool = False
    one_class: bool = False


@dataclass(frozen=True)
class Parts:
    """The cases of one fold.

    ``healthy`` are the cases without metastasis that this fold does not train on: they take part
    in nothing but the count of false positives. Where the fold leaves a site out, they are of that
    site.
    """

    train: tuple[PreparedCase, ...]
    validation: tuple[PreparedCase, ...]
    test: tuple[PreparedCase, ...]
    healthy: tuple[PreparedCase, ...]


HEALTHY_SETS = ("D2", "D4")


def part_cases(cases: Sequence[PreparedCase], fold: Fold, data: Data) -> Parts:
    """Deal the cases of a cohort to the parts of a fold."""
    train: list[PreparedCase] = []
    held_out: dict[str, list[PreparedCase]] = {"validation": [], "test": []}
    healthy: list[PreparedCase] = []
    for case in cases:
        part = fold.part_of(case.patient)
        trains = case.set in (*data.positives, *data.train_negatives) and part == "train"
        if trains:
            train.append(case)
        elif case.set in data.positives and part in held_out:
            held_out[part].append(case)
        elif case.set in HEALTHY_SETS and (not fold.site or case.site == fold.site):
            healthy.append(case)
    return Parts(
        tuple(train), tuple(held_out["validation"]), tuple(held_out["test"]), tuple(healthy)
    )


def make_example(
    case: PreparedCase, mask: MaskSettings, mined: NDArray[np.float32] | None = None
) -> Example:
    """Read a case and give it its class indices by the mask settings.

    A canvas reduced by r averages r x r pixels, each of its counts times the view's gain. ``mined``
    are the probabilities of the fold's baseline, for `MinedMask`.
    """
    grey, metastasis = case.grey, case.metastasis
    reduce = case.record.reduce
    anterior, posterior = (reduce**2 / case.gains.get(view, 1.0) for view in VIEW_NAMES)
    return Example(
        study=case.study,
        patient=case.patient,
        set=case.set,
        grey=grey,
        target=_target(case, grey, metastasis, mask, mined),
        counts_per_grey=(anterior, posterior),
        has_metastasis=bool(metastasis.any()),
        one_class=isinstance(mask, PatientMask),
    )


def _target(
    case: PreparedCase,
    grey: NDArray[np.float32],
    metastasis: NDArray[np.bool_],
    mask: MaskSettings,
    mined: NDArray[np.float32] | None,
) -> NDArray[np.uint8]:
    if isinstance(mask, PatientMask):
        return np.full(grey.shape, metastasis.any(), np.uint8)
    if not isinstance(mask, JointMask | SkeletonMask):
        reduce = case.record.reduce
        return label_map(grey, metastasis, mask, reduce=reduce, mined=mined).classes
    try:
        if isinstance(mask, SkeletonMask):
            return case.layer("truth_regions")
        return joint_labels(metastasis, case.layer("truth_kinds"), case.layer("truth_regions"))
    except KeyError as error:
        raise BadInput(
            f"{case.path}: {error.args[0]}, which mask.kind = {mask.kind} needs; "
            "prepare a simulated cohort or choose another mask"
        ) from error


def plain_example(case: PreparedCase) -> Example:
    """Read a case to predict it; its target is the annotation."""
    return Example(case.study, case.patient, case.set, case.grey, case.metastasis.astype(np.uint8))


@dataclass(frozen=True)
class Batch:
    """Network input (N, 1, H, W) float32 in [0, 1] and target (N, H, W) int64."""

    x: Tensor
    target: Tensor

    @classmethod
    def of(cls, pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.uint8]]]) -> Batch:
        """Stack (grey, target) pairs."""
        grey = np.stack([grey for grey, _ in pairs])
        target = np.stack([target for _, target in pairs])
        return cls(
            torch.from_numpy(grey / np.float32(GREY_MAXIMUM))[:, None],
            torch.from_numpy(target.astype(np.int64)),
        )


def epoch_order(number: int, batch: int, rng: np.random.Generator) -> list[list[int]]:
    """Shuffle ``number`` examples and cut them into batches.

    A last batch of one cannot be batch-normalised: the epoch's first example joins it.
    """
    order = rng.permutation(number).tolist()
    batches = [order[start : start + batch] for start in range(0, number, batch)]
    if len(batches[-1]) == 1:
        batches[-1].append(order[0])
    return batches


def training_batches(
    examples: Sequence[Example],
    settings: Augment,
    *,
    batch: int,
    seed: int,
    epoch: int,
    ahead: int = 2,
) -> Iterator[Batch]:
    """Yield the shuffled, augmented batches of one epoch, prepared ``ahead`` of their use.

    Order and random changes depend on the seed, the epoch and the example alone, so a run that was
    killed sees the same pictures again, whatever the number of threads.
    """

    def changed(index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        example = examples[index]
        rng = np.random.default_rng([seed, epoch, index, 1])
        grey, target = augmented(
            example.grey,
            example.target,
            settings,
            rng,
            counts_per_grey=example.counts_per_grey,
        )
        return grey, np.full_like(target, example.target[0, 0]) if example.one_class else target

    order = epoch_order(len(examples), batch, np.random.default_rng([seed, epoch]))
    with ThreadPoolExecutor(max_workers=batch) as pool:
        waiting = [[pool.submit(changed, i) for i in indices] for indices in order[:ahead]]
        for number in range(len(order)):
            if number + ahead < len(order):
                waiting.append([pool.submit(changed, i) for i in order[number + ahead]])
            yield Batch.of([item.result() for item in waiting.pop(0)])


def plain_batches(examples: Sequence[Example], batch: int) -> Iterator[Batch]:
    """Yield the examples as they are, in order."""
    for start in range(0, len(examples), batch):
        yield Batch.of([(one.grey, one.target) for one in examples[start : start + batch]])
