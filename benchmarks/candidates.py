"""Other ways to make and to score candidates, refitted and judged on unseen simulated patients.

    python benchmarks/candidates.py RUN --model PACKAGE --cohort COHORT --cohort MORE \\
      --cohort PICTURES --unseen UNSEEN --unseen ELSEWHERE

RUN, PACKAGE and the cohorts are those of ``experiments/reader.toml``: the candidate classifier is
fitted, as `bonescan export --cohort` fits it, on patients that the run neither trained nor tests
on, and judged on cohorts that had no part in anything. In turn: candidates from other
probabilities; the mean with the mirror image; a quarter of the counts in the fit, too. Then a
quarter of the counts at the reading, as they are, blurred, and with the fit that knows them.
Differences are to the shipped way on the same patients, with 95 % intervals from drawing patients
anew. Simulated patients; no clinical evidence. Research use only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.classifiers import Classifier
from bonescan.config import LabelNames
from bonescan.evaluate.calibrating import LOW, choose_classifier
from bonescan.evaluate.froc import Curve
from bonescan.evaluate.held_out import (
    CandidateTable,
    HeldOutStudy,
    held_out_cases,
    measure_study,
)
from bonescan.evaluate.logistic import calibration_error
from bonescan.evaluate.patients import patient_interval
from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import Case, read_cohort
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.quantify.candidates import FEATURES
from bonescan.scan import Scan
from bonescan.train.folder import RunFolder
from bonescan.train.folds import read_folds
from implants import thin
from inference import Mirrored

#: False marks a patient at which sensitivity is told.
ALLOWED = (0.25, 0.5, 1.0)
QUARTER = 0.25
#: Sigma in source pixels of the blur that is tried on thin scans.
BLUR_PIXELS = 0.7

Change = Callable[[Scan, int], Scan]


def as_is(scan: Scan, number: int) -> Scan:
    return scan


def quarter(scan: Scan, number: int) -> Scan:
    """Keep a quarter of the counts; ``number`` seeds the draw."""
    return thin(scan, QUARTER, np.random.default_rng(number))


def blurred_quarter(scan: Scan, number: int) -> Scan:
    thinned = quarter(scan, number)
    views = {
        view.name: replace(view, counts=ndimage.gaussian_filter(view.counts, BLUR_PIXELS))
        for view in thinned.views
    }
    return replace(thinned, **views)


@dataclass(frozen=True)
class Way:
    """How candidates are made: engine, least probability, and what is done to the scan before."""

    engine: Engine
    low: float = LOW
    change: Change = as_is


def read_ways(
    cases: Sequence[Case], names: LabelNames, ways: dict[str, Way]
) -> dict[str, list[HeldOutStudy]]:
    """Read each case in each way; it is loaded once."""
    found: dict[str, list[HeldOutStudy]] = {name: [] for name in ways}
    for number, case in enumerate(cases):
        scan = load_case(case)
        truth = read_masks(case, scan, names).metastasis
        for name, way in ways.items():
            changed = way.change(scan, number)
            found[name].append(measure_study(case, changed, truth, way.engine, way.low))
    return found


def fitted(studies: Sequence[HeldOutStudy]) -> Classifier:
    return choose_classifier(CandidateTable.of(studies)).fit.model


def curve_of(studies: Sequence[HeldOutStudy], model: Classifier) -> Curve:
    table = CandidateTable.of(studies)
    return table.curve(model.probabilities(table.features, FEATURES))


def at_false_marks(curve: Curve, allowed: float) -> float | None:
    within = curve.hits[curve.false_marks <= allowed * curve.studies]
    return float(within.max(initial=0)) / curve.lesions if curve.lesions else None


def figures() -> dict[str, Callable[[Curve], float | None]]:
    """Return what is told of a curve: at few false marks, on average, and with every candidate."""

    def at(allowed: float) -> Callable[[Curve], float | None]:
        return lambda curve: at_false_marks(curve, allowed)

    return {
        **{f"at {allowed:g} false marks": at(allowed) for allowed in ALLOWED},
        "mean of 1/8 to 2": lambda curve: curve.mean_sensitivity if curve.lesions else None,
        "every candidate": lambda curve: at_false_marks(curve, np.inf),
    }


def row(
    name: str,
    studies: Sequence[HeldOutStudy],
    model: Classifier,
    first: tuple[Sequence[HeldOutStudy], Classifier],
    draws: int,
) -> str:
    """Return the figures of one way as a row, with differences to the first's."""
    own = curve_of(studies, model)
    cells = []
    for statistic in figures().values():
        value = statistic(own)
        text = "not defined" if value is None else f"{value:.3f}"
        if studies is not first[0] or model is not first[1]:

            def difference(
                rows: NDArray[np.intp], statistic: Callable[[Curve], float | None] = statistic
            ) -> float | None:
                one = statistic(curve_of([studies[i] for i in rows], model))
                two = statistic(curve_of([first[0][i] for i in rows], first[1]))
                return None if one is None or two is None else one - two

            away = patient_interval(difference, [study.patient for study in studies], draws=draws)
            if away is not None:
                text += f" ({away.value:+.3f}; {away.low:+.3f} to {away.high:+.3f})"
        cells.append(text)
    table = CandidateTable.of(studies)
    error = calibration_error(model.probabilities(table.features, FEATURES), table.true)
    return f"| {name} | {' | '.join(cells)} | {error:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the finished fold of the package")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--cohort", type=Path, action="append", required=True)
    parser.add_argument("--unseen", type=Path, action="append", required=True)
    parser.add_argument("--patients", type=int, help="only so many of each")
    parser.add_argument("--draws", type=int, default=300)
    options = parser.parse_args()
    package = Package.load(options.model)
    run = RunFolder(options.run)
    names = run.read_settings().labels
    plain, mirror = Engine(package, threads=1), Mirrored(package, threads=1)
    ways = {
        "as shipped": Way(plain),
        "candidates from 0.05": Way(plain, low=0.05),
        "candidates from 0.03": Way(plain, low=0.03),
        "mean with the mirror image": Way(mirror),
        "quarter": Way(plain, change=quarter),
    }
    tested = set(read_folds(run.folds)[int(run.read_summary()["fold"])].test)
    cases = [case for case in held_out_cases(run, options.cohort) if case.patient not in tested]
    fit = read_ways(cases[: options.patients], names, ways)
    models = {name: fitted(studies) for name, studies in fit.items()}
    knows_quarter = fitted([*fit["as shipped"], *fit["quarter"]])
    ways["blurred quarter"] = Way(plain, change=blurred_quarter)
    card = package.card
    number = len(fit["as shipped"])
    print(f"{card.name} {card.version}, {card.sha256[:12]}, fitted on {number} studies")
    for cohort in options.unseen:
        found = read_ways(read_cohort(cohort).cases[: options.patients], names, ways)
        shipped = models["as shipped"]
        rows = [
            *((name, found[name], models[name]) for name in list(models)[:4]),
            ("a quarter of the counts in the fit, too", found["as shipped"], knows_quarter),
            ("read at a quarter: as shipped", found["quarter"], shipped),
            ("read at a quarter: in the fit, too", found["quarter"], knows_quarter),
            (f"read at a quarter: blurred by {BLUR_PIXELS:g}", found["blurred quarter"], shipped),
        ]
        print(f"\n{cohort.name}: {len(found['quarter'])} studies; lesion sensitivity\n")
        print(f"| | {' | '.join(figures())} | calibration error |")
        print(f"|---|{'---|' * (len(figures()) + 1)}")
        for name, studies, model in rows:
            first = (found["as shipped"], shipped)
            print(row(name, studies, model, first, options.draws), flush=True)


if __name__ == "__main__":
    main()
