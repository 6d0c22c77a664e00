"""The shipped reader and the paper's arms, side by side on the same unseen simulated patients.

    python benchmarks/against_paper.py UNSEEN ELSEWHERE --arm BEST --arm BASELINE

UNSEEN and ELSEWHERE are cohorts with truth, BEST and BASELINE packages of
``experiments/against_paper.toml``, which tells how to make all four. Each package goes through
`bonescan evaluate --cohort --model`; its figures stand at its own threshold, which was chosen on
its validation patients. In the arms' favour, their pixel F1 is also given at the threshold that is
best on these very patients, and the reader is set against that one; and lesion sensitivity at up to
so many false marks a patient is read off everybody's curve alike. 95 % intervals are from drawing
patients anew; those of a difference draw the same patients for both. Simulated patients; no
clinical evidence. Research use only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.config import DoubleUNetSettings
from bonescan.evaluate.patients import patient_interval
from bonescan.evaluate.sweep import Sweep, choose_threshold
from bonescan.evaluate.validation import validate_package
from bonescan.evaluate.validation_figures import Validation
from bonescan.evaluate.validation_report import interval_text
from bonescan.measures.statistics import Interval
from bonescan.package import Card, Package
from bonescan.predict import SHIPPED_MODEL

#: False marks a patient at which everybody's sensitivity is told.
ALLOWED = (0.5, 1.0)
#: Validations without gain, in epochs, after which an arm counts as trained out.
WITHOUT_GAIN = 50

Rows = NDArray[np.intp]
Figure = Callable[[Rows], float | None]


@dataclass(frozen=True)
class Reading:
    """A package's curve on a cohort; ``best`` is the threshold of the highest pixel F1 there."""

    name: str
    patients: tuple[str, ...]
    sweep: Sweep
    own: int
    best: int
    found: Validation


def reading_of(found: Validation) -> Reading:
    usable = [outcome for outcome in found.outcomes if outcome.annotated]
    sweep = found.model_sweep
    scores = [sweep.pixel_counts(at).f1 or 0.0 for at in range(len(sweep.thresholds))]
    return Reading(
        name=f"{found.card.name} {found.card.version}",
        patients=tuple(outcome.patient for outcome in usable),
        sweep=sweep,
        own=sweep.index_of(found.rule.threshold),
        best=int(np.argmax(scores)),
        found=found,
    )


def pixel_f1(item: Reading, at: int) -> Figure:
    return lambda rows: item.sweep.pixel_counts(at, rows).f1


def at_false_marks(item: Reading, allowed: float) -> Figure:
    """Return the sensitivity at the threshold that keeps within so many false marks on all rows.

    Where none does, it is not defined.
    """
    at = choose_threshold(item.sweep, allowed)
    if (item.sweep.false_per_study(at) or 0.0) > allowed:
        return lambda rows: None
    return lambda rows: item.sweep.sensitivity(at, rows)


def difference(first: Figure, second: Figure) -> Figure:
    """Return the first figure less the second, of the same rows."""

    def statistic(rows: Rows) -> float | None:
        one, two = first(rows), second(rows)
        return None if one is None or two is None else one - two

    return statistic


def table(reader: Reading, arms: Sequence[Reading]) -> str:
    """Return the figures as Markdown, the reader's first.

    Raises
    ------
    SystemExit
        If the packages did not read the same patients.
    """
    every = (reader, *arms)
    if any(item.patients != reader.patients for item in every):
        raise SystemExit("the packages read different patients; see the problems in each summary")
    lines = [f"| | {' | '.join(item.name for item in every)} |", f"|---|{'---|' * len(every)}"]

    def add(name: str, told: Sequence[Interval | str | None]) -> None:
        texts = [cell if isinstance(cell, str) else interval_text(cell) for cell in told]
        lines.append(f"| {name} | {' | '.join(texts)} |")

    def of_patients(statistic: Figure) -> Interval | None:
        return patient_interval(statistic, reader.patients)

    models = [item.found.model for item in every]
    add("pixel F1", [model.pixel_f1 for model in models])
    add(
        "pixel F1 at the threshold that is best here",
        [of_patients(pixel_f1(item, item.best)) for item in every],
    )
    own = pixel_f1(reader, reader.own)
    add(
        "the reader's less an arm's, at the arm's best",
        ["", *(of_patients(difference(own, pixel_f1(arm, arm.best))) for arm in arms)],
    )
    add("lesion sensitivity", [model.lesion_sensitivity for model in models])
    add("false marks a patient", [model.false_marks for model in models])
    add("false marks on a lesion-free patient", [model.false_marks_lesion_free for model in models])
    for allowed in ALLOWED:
        told = [of_patients(at_false_marks(item, allowed)) for item in every]
        add(f"lesion sensitivity at up to {allowed:g} false marks a patient", told)
    add("patient AUC", [model.patient_auc for model in models])
    add("calibration error of candidates", [item.found.reliability.lesion_error for item in every])
    return "\n".join(lines)


def what_it_had(card: Card) -> str:
    """Say how an arm was trained, and whether a comparison with it is provisional."""
    model, training = card.model, card.training
    width = f"width {model.width:g}, " if isinstance(model, DoubleUNetSettings) else ""
    whole = isinstance(model, DoubleUNetSettings) and model.width >= 1
    trained_out = training.epochs - training.epoch >= WITHOUT_GAIN
    doubt = "" if whole and trained_out else "; a comparison with it is provisional"
    return (
        f"{card.name}: {model.kind}, {width}{card.mask.kind} mask, canvas reduced by "
        f"{card.canvas.reduce}, {training.positives} patients with and {training.negatives} "
        f"without metastasis, epoch {training.epoch} of {training.epochs}{doubt}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohorts", type=Path, nargs="+")
    parser.add_argument("--arm", type=Path, action="append", default=[], required=True)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="the reader")
    parser.add_argument("--out", type=Path, help="keeps each package's validation there")
    options = parser.parse_args()
    reader = Package.load(options.model)
    arms = [Package.load(folder) for folder in options.arm]
    for package in arms:
        print(what_it_had(package.card))
    with tempfile.TemporaryDirectory() as folder:
        for cohort in options.cohorts:
            readings = []
            for number, package in enumerate((reader, *arms)):
                out = (options.out or Path(folder)) / cohort.name / f"{number}-{package.card.name}"
                readings.append(reading_of(validate_package(package, cohort, out, pictures=False)))
            lesions = int(readings[0].sweep.lesions.sum())
            print(f"\n{cohort.name}: {len(readings[0].patients)} studies, {lesions} lesions\n")
            print(table(readings[0], readings[1:]))


if __name__ == "__main__":
    main()
