"""How well a package draws the twelve regions on simulated patients: Dice against their truth.

    bonescan simulate COHORT --patients 100 --seed 4242
    python benchmarks/skeleton.py COHORT [--model PACKAGE]

A region's Dice is the mean over the views that hold it in the truth, within what the model read; a
patient's Dice the mean over those. Intervals are bootstrap over patients. The reference is the same
drawn by chance of place alone: each region of the *next* patient of the cohort, laid over by the
body's top and middle; it tells how much of the figure the usual place of a bone gives away.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.ingest.cases import load_case
from bonescan.ingest.cohort import read_cohort
from bonescan.measures.statistics import Interval, bootstrap
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine, predict_scan
from bonescan.preprocess import kept
from bonescan.quantify.regions import clean_regions, drop_islands
from bonescan.scan import REGIONS, VIEW_NAMES

Regions = NDArray[np.uint8]
Scores = dict[str, list[float]]
#: A region of fewer pixels in a view is not scored there (a sliver at the edge of what was read).
LEAST_PIXELS = 20


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def score(drawn: Regions, truth: Regions, into: Scores, view: str) -> None:
    """Add the Dice of each region that the truth shows."""
    for value, name in enumerate(REGIONS, start=1):
        if view == "posterior" and name == "sternum":
            continue
        own = truth == value
        if own.sum() >= LEAST_PIXELS:
            into.setdefault(name, []).append(dice(drawn == value, own))


def laid_over(other: Regions, truth: Regions) -> Regions:
    """Move another patient's regions so that top and middle of both skeletons meet."""
    places = [np.nonzero(item > 0) for item in (other, truth)]
    down = int(places[1][0].min() - places[0][0].min())
    right = round(float(places[1][1].mean() - places[0][1].mean()))
    moved: Regions = np.roll(other, (down, right), axis=(0, 1))
    return moved


def mean_of(name: str | None, patients: Sequence[Scores]) -> float | None:
    if name is not None:
        values = [value for item in patients for value in item.get(name, [])]
        return float(np.mean(values)) if values else None
    regions = [mean_of(region, patients) for region in REGIONS]
    known = [value for value in regions if value is not None]
    return float(np.mean(known)) if known else None


def table(model: Sequence[Scores], reference: Sequence[Scores]) -> str:
    def cell(found: Interval | None) -> str:
        return "" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"

    rows = ["| region | Dice | another patient's, laid over |", "|---|---|---|"]
    for name in (*REGIONS, None):
        cells = [
            cell(bootstrap(items, lambda drawn, name=name: mean_of(name, drawn), draws=500))
            for items in (model, reference)
        ]
        rows.append(
            f"| {(name or 'mean of the regions').replace('_', ' ')} | {' | '.join(cells)} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    options = parser.parse_args()
    engine = Engine(Package.load(options.model))
    cases = read_cohort(options.cohort).cases
    model: list[Scores] = []
    reference: list[Scores] = []
    truths = []
    for case in cases:
        with np.load(options.cohort / "truth" / f"{case.study}.npz") as truth:
            truths.append(truth["regions"])
    for number, case in enumerate(cases):
        scan = load_case(case)
        seen = predict_scan(scan, engine)
        own: Scores = {}
        other: Scores = {}
        for view in scan.views:
            index = VIEW_NAMES.index(view.name)
            read = kept(seen.canvas, view.name)
            truth = np.where(read, truths[number][index], 0).astype(np.uint8)
            drawn = drop_islands(view, clean_regions(view, seen.regions[view.name]))
            score(drawn, truth, own, view.name)
            neighbour = laid_over(truths[(number + 1) % len(cases)][index], truths[number][index])
            score(np.where(read, neighbour, 0).astype(np.uint8), truth, other, view.name)
        model.append(own)
        reference.append(other)
    print(f"{len(cases)} simulated patients, {engine.package.card.name}, both views\n")
    print(table(model, reference))


if __name__ == "__main__":
    main()
