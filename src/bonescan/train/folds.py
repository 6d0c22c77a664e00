"""Which patients train, validate and test: cross-validation by patient (sections 3.8 and 4)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bonescan.errors import BadInput


@dataclass(frozen=True)
class Fold:
    """Patients of one fold's three parts; ``train_negatives`` are those that only ever train.

    ``site`` is the one that is left out for the test, where the split is by sites; all other
    patients of that site are in no part.

    Raises
    ------
    BadInput
        If a patient takes two parts, or one that only trains is held out.
    """

    number: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    train_negatives: tuple[str, ...] = ()
    site: str = ""

    def __post_init__(self) -> None:
        parts = (self.train, self.validation, self.test, self.train_negatives)
        seen: set[str] = set()
        for part in parts:
            twice = sorted(seen & set(part))
            if twice:
                raise BadInput(
                    f"fold {self.number}: patient {twice[0]} takes two parts; "
                    "a patient may take one only"
                )
            seen |= set(part)

    def part_of(self, patient: str) -> str | None:
        """Return ``train``, ``validation`` or ``test``, or None for a patient in no part."""
        for part in ("validation", "test", "train"):
            if patient in getattr(self, part):
                return part
        return "train" if patient in self.train_negatives else None


def make_folds(
    positives: Iterable[str], train_negatives: Iterable[str], *, folds: int, seed: int
) -> tuple[Fold, ...]:
    """Cut patients into folds: test = part k, validation = part k + 1 mod ``folds``.

    The cut depends on the set of positive patients, their number of parts and the seed alone, so
    every arm of an experiment has the same folds. A patient who is listed both as positive and as
    negative (two studies) goes where the positive cut says.

    Raises
    ------
    BadInput
        If there are fewer positive patients than folds.
    """
    patients = sorted(set(positives))
    if len(patients) < folds:
        raise BadInput(
            f"{len(patients)} patients with metastasis for {folds} folds; "
            "set training.folds lower or add patients"
        )
    negatives = tuple(sorted(set(train_negatives) - set(patients)))
    order = np.random.default_rng(seed).permutation(len(patients))
    parts = [tuple(patients[i] for i in part) for part in np.array_split(order, folds)]
    return tuple(
        Fold(
            number=k,
            train=tuple(p for j in range(2, folds) for p in parts[(k + j) % folds]),
            validation=parts[(k + 1) % folds],
            test=parts[k],
            train_negatives=negatives,
        )
        for k in range(folds)
    )


def folds_to_json(folds: tuple[Fold, ...]) -> str:
    """Return the folds as JSON text, the same for the same folds."""
    return json.dumps([asdict(fold) for fold in folds], indent=1) + "\n"


def read_folds(path: Path) -> tuple[Fold, ...]:
    """Read folds that `folds_to_json` wrote.

    Raises
    ------
    BadInput
        If the file cannot be read or is not such a list.
    """
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_fold_from(item) for item in items)
    except (OSError, ValueError, TypeError, KeyError, BadInput) as error:
        raise BadInput(f"{path}: is no list of folds ({error}); train again") from error


def _fold_from(item: dict[str, Any]) -> Fold:
    return Fold(
        number=int(item["number"]),
        train=tuple(item["train"]),
        validation=tuple(item["validation"]),
        test=tuple(item["test"]),
        train_negatives=tuple(item["train_negatives"]),
        site=str(item.get("site", "")),
    )
