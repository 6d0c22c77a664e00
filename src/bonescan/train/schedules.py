"""The learning rate of an epoch, from the settings and the epochs before it.

Nothing is kept beside the records of the epochs, which the checkpoint holds: a run that was killed
goes on with the rates that it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from bonescan.config.learning import OneCycle, Plateau, Polynomial, Schedule, Steps, WarmCosine
from bonescan.train.watch import Record


def rate_factor(schedule: Schedule, records: Sequence[Record], epochs: int) -> float:
    """Return what the learning rate is multiplied with in the coming epoch.

    Parameters
    ----------
    schedule : Schedule
    records : sequence of Record
        One for each finished epoch.
    epochs : int
        How many there will be in all.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _half_cosine(len(records) / epochs)
    return FACTORS[schedule.kind](schedule, records, epochs)


def warm_cosine(settings: WarmCosine, records: Sequence[Record], epochs: int) -> float:
    """Rise linearly, so that the first epoch after the warm-up has the full rate; then fall."""
    epoch, warm = len(records), settings.warmup_epochs
    if epoch < warm:
        return (epoch + 1) / (warm + 1)
    fall = _half_cosine((epoch - warm) / max(1, epochs - warm))
    return settings.floor + (1 - settings.floor) * fall


def steps(settings: Steps, records: Sequence[Record], epochs: int) -> float:
    """Fall at once, every so many epochs."""
    return float(settings.factor ** (len(records) // settings.every))


def polynomial(settings: Polynomial, records: Sequence[Record], epochs: int) -> float:
    """Fall to 0 by a power of what is left."""
    return float((1 - len(records) / epochs) ** settings.power)


def one_cycle(settings: OneCycle, records: Sequence[Record], epochs: int) -> float:
    """Rise, then fall, by half a cosine each."""
    share = len(records) / epochs
    if share < settings.rise:
        return 1 - (1 - settings.start) * _half_cosine(share / settings.rise)
    fall = _half_cosine((share - settings.rise) / (1 - settings.rise))
    return settings.end + (1 - settings.end) * fall


def plateau(settings: Plateau, records: Sequence[Record], epochs: int) -> float:
    """Fall at once after so many validations without a lower loss; then count anew."""
    best, waited, falls = math.inf, 0, 0
    for record in records:
        if "validation_loss" not in record:
            continue
        if record["validation_loss"] < best * (1 - settings.threshold):
            best, waited = record["validation_loss"], 0
        else:
            waited += 1
        if waited == settings.patience:
            falls, waited = falls + 1, 0
    return float(settings.factor**falls)


FACTORS: dict[str, Callable[[Any, Sequence[Record], int], float]] = {
    "warm_cosine": warm_cosine,
    "steps": steps,
    "polynomial": polynomial,
    "one_cycle": one_cycle,
    "plateau": plateau,
}


def _half_cosine(share: float) -> float:
    """1 at share 0, 0 at share 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
