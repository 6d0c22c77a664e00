"""How well a run finds the regions of the skeleton: Dice of each, over its folds' test patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bonescan.config import BONES
from bonescan.evaluate.averages import percent
from bonescan.evaluate.finished import finished
from bonescan.evaluate.table import Cell, Table
from bonescan.experiment import Experiment
from bonescan.measures.pixels import PixelCounts, mean_of, pooled
from bonescan.scan import REGIONS
from bonescan.train.predictions import Predictions


@dataclass(frozen=True)
class RegionScore:
    """Pixels of one region in one test case of one fold."""

    region: str
    fold: int
    patient: str
    pixels: PixelCounts


def region_scores(experiment: Experiment, runs: Path, run: str) -> tuple[RegionScore, ...]:
    """Score every region in the test cases of a run's finished folds; none without regions."""
    return tuple(
        score
        for done in finished(experiment, runs, run)
        for score in score_regions(done.predictions.of_part("test"), done.fold)
    )


def score_regions(test: Predictions, fold: int) -> list[RegionScore]:
    """Count the pixels of each region in each case, both views together."""
    if test.regions is None or test.true_regions is None:
        return []
    return [
        RegionScore(region, fold, patient, PixelCounts.of(seen == number, there == number))
        for patient, seen, there in zip(test.patients, test.regions, test.true_regions, strict=True)
        for number, region in enumerate(BONES)
        if number and (np.any(seen == number) or np.any(there == number))
    ]


def region_table(experiment: Experiment, scores: Mapping[str, Sequence[RegionScore]]) -> Table:
    """Return every region of every run, and the mean of the twelve.

    ``Dice`` pools the pixels of all test patients, ``mean over patients`` averages each patient's
    own; a patient whose canvas lacks a region takes no part in its mean.
    """
    rows: list[tuple[Cell, ...]] = []
    for run, found in scores.items():
        own = {region: _figures(region, found) for region in BONES[1:]}
        for region, figures in own.items():
            cases = sum(score.region == region for score in found)
            rows.append((run, region, cases, *percent(*figures)))
        columns = zip(*(own[region] for region in REGIONS), strict=True)
        rows.append((run, "mean of the 12", None, *percent(*map(mean_of, columns))))
    return Table(
        f"{experiment.title}: regions of the skeleton, percent",
        ("run", "region", "cases", "Dice", "mean over patients", "precision", "sensitivity"),
        tuple(rows),
    )


def _figures(region: str, scores: Sequence[RegionScore]) -> tuple[float | None, ...]:
    own = [score.pixels for score in scores if score.region == region]
    counts = pooled(own)
    return (counts.f1, mean_of(one.f1 for one in own), counts.precision, counts.sensitivity)
