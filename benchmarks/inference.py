"""Ways to run a package's network: quality on simulated patients, and cost, in one run.

    bonescan simulate COHORT --patients 40 --preset screening --seed 4242
    bonescan simulate CALIBRATION --patients 60 --preset screening --seed 3132
    pip install nncf==3.4.0
    python benchmarks/inference.py COHORT --calibration CALIBRATION

In turn: as `bonescan read` runs it (f32); the mean with the patient's mirror image, each view
mirrored in its place; and, with ``--calibration`` and NNCF installed, weights and activations of
the convolutions in 8 bits, their ranges from the calibration scans alone. Candidate classifier and
threshold are the package's own in all of them. Quality: lesion sensitivity, false marks and
pixel F1 at that threshold, and sensitivity at up to 1/4, 1/2 and 1 false mark a patient, where the
threshold is chosen on these very patients, alike for all. Differences to f32 are of the same
patients, with 95 % intervals from drawing patients anew. Cost: network time of one study, in
processor time and by the clock, each way in turn in every round on the same canvas; GFLOP count two
for each multiply-add. Simulated patients; no clinical evidence. Research use only.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LabelNames
from bonescan.evaluate.froc import froc
from bonescan.evaluate.matching import match_pairs
from bonescan.evaluate.patients import patient_interval
from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import Case, read_cohort
from bonescan.measures.pixels import PixelCounts, pooled
from bonescan.measures.statistics import Interval
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine, predict_scan
from bonescan.preprocess import prepare_canvas
from bonescan.quantify import find_lesions, lesion_rule, score_scan
from bonescan.quantify.lesions import label_components
from bonescan.runtime.precise import split_normalisations
from bonescan.runtime.quiet import import_openvino

Grey = NDArray[np.float32]
#: False marks a patient at which sensitivity is told.
ALLOWED = (0.25, 0.5, 1.0)


def mirrored(canvas: Grey) -> Grey:
    """Mirror both halves (..., H, W) left to right in their places."""
    middle = canvas.shape[-1] // 2
    halves = canvas[..., :middle][..., ::-1], canvas[..., middle:][..., ::-1]
    return np.concatenate(halves, axis=-1)


class Mirrored(Engine):
    """Takes the mean of a canvas and its mirror image."""

    def probabilities(self, grey: Grey) -> Grey:
        back = mirrored(super().probabilities(mirrored(grey)))
        return (super().probabilities(grey) + back) * np.float32(0.5)


class EightBit(Engine):
    """Runs a network that NNCF has quantised."""

    def __init__(self, package: Package, threads: int, canvases: Sequence[Grey]) -> None:
        super().__init__(package, threads=threads)
        openvino = import_openvino()
        import nncf

        core = openvino.Core()
        model = core.read_model(package.onnx_path)
        model.reshape([1, 1, *canvases[0].shape])
        split_normalisations(model)
        data = nncf.Dataset([canvas[None, None] / np.float32(255) for canvas in canvases])
        small = nncf.quantize(model, data, subset_size=len(canvases))
        self.bytes = sum(
            op.get_data().nbytes for op in small.get_ops() if op.get_type_name() == "Constant"
        )
        self.run = core.compile_model(
            small, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        )

    def _compiled(self, height: int, width: int) -> Any:
        return self.run


@dataclass(frozen=True)
class Outcome:
    """One patient by one way: candidates' scores and true lesions, marks at the threshold."""

    scores: tuple[float, ...]
    hits: tuple[frozenset[tuple[int, int]], ...]
    lesions: int
    found: int
    false: int
    pixels: PixelCounts


def outcome(case: Case, engine: Engine) -> Outcome:
    """Read a patient and compare with the truth."""
    card = engine.package.card
    rule = lesion_rule(card)
    scan = load_case(case)
    truth = read_masks(case, scan, LabelNames()).metastasis
    scored = score_scan(scan, predict_scan(scan, engine), card).marks
    scores: list[float] = []
    hits: list[frozenset[tuple[int, int]]] = []
    counts = []
    lesions = found = false = 0
    for number, view in enumerate(scan.views):
        own, marks = scored[view.name], find_lesions(view, scored[view.name], rule).mask
        labels, count = label_components(truth[view.name])
        candidates, _ = label_components(own > 0)
        for row, patch in zip(
            match_pairs(candidates, labels), range(1, int(candidates.max()) + 1), strict=True
        ):
            scores.append(float(own[candidates == patch].max()))
            hits.append(frozenset((number, int(j)) for j in np.flatnonzero(row)))
        pairs = match_pairs(marks.astype(np.int32), labels)
        lesions += count
        found += int(pairs.any(axis=0).sum())
        false += int((~pairs.any(axis=1)).sum())
        counts.append(PixelCounts.of(marks > 0, truth[view.name]))
    return Outcome(tuple(scores), tuple(hits), lesions, found, false, pooled(counts))


def at_false_marks(items: Sequence[Outcome], allowed: float) -> float | None:
    """Return the sensitivity at up to so many false marks a patient."""
    hits = [
        frozenset((number, 2 * lesion + view) for view, lesion in own)
        for number, item in enumerate(items)
        for own in item.hits
    ]
    scores = np.array([score for item in items for score in item.scores])
    total = sum(item.lesions for item in items)
    curve = froc(scores, hits, total, len(items))
    within = curve.hits[curve.false_marks <= allowed * len(items)]
    return float(within.max(initial=0)) / total if total else None


def sensitivity(items: Sequence[Outcome]) -> float | None:
    total = sum(item.lesions for item in items)
    return sum(item.found for item in items) / total if total else None


def figures() -> dict[str, Callable[[Sequence[Outcome]], float | None]]:
    """Return what is told of each way."""

    def at(allowed: float) -> Callable[[Sequence[Outcome]], float | None]:
        return lambda items: at_false_marks(items, allowed)

    return {
        "lesion sensitivity": sensitivity,
        "false marks a patient": lambda items: float(np.mean([item.false for item in items])),
        "pixel F1": lambda items: pooled(item.pixels for item in items).f1,
        **{f"sensitivity at {x:g} false marks": at(x) for x in ALLOWED},
    }


def cells(
    statistic: Callable[[Sequence[Outcome]], float | None],
    own: Sequence[Outcome],
    first: Sequence[Outcome],
    draws: int,
) -> str:
    """Return a figure and, where it is another way's, its difference to the first's."""
    names = [str(number) for number in range(len(own))]

    def difference(rows: NDArray[np.intp]) -> float | None:
        one, two = (statistic([items[i] for i in rows]) for items in (own, first))
        return None if one is None or two is None else one - two

    value = statistic(own)
    told = "not defined" if value is None else f"{value:.3f}"
    if own is first:
        return told
    away: Interval | None = patient_interval(difference, names, draws=draws)
    if away is None:
        return told
    return f"{told} ({away.value:+.3f}; {away.low:+.3f} to {away.high:+.3f})"


def times(
    ways: dict[str, Engine], canvas: Grey, rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Return each way's median CPU and clock seconds of a study, and its ratio to the first's."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, engine in ways.items():
            clock, cpu = time.perf_counter(), time.process_time()
            engine.probabilities(canvas[None])
            taken[name].append((time.process_time() - cpu, time.perf_counter() - clock))
    first = [cpu for cpu, _ in next(iter(taken.values()))[1:]]  # the first round warms up
    return {
        name: (
            median(cpu for cpu, _ in own[1:]),
            median(clock for _, clock in own[1:]),
            median(cpu / base for (cpu, _), base in zip(own[1:], first, strict=True)),
        )
        for name, own in taken.items()
    }


def gflop(package: Package, size: tuple[int, int]) -> float:
    """Count the multiply-adds of one canvas by the settings' network, two for each."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from bonescan.models import build_model

    network = build_model(package.card.model, len(package.card.classes)).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 1, *size))
    return float(counter.get_total_flops()) / 1e9


def canvases_of(cohort: Path, package: Package, most: int) -> list[Grey]:
    cases = read_cohort(cohort).cases[:most]
    return [prepare_canvas(load_case(case), package.card.canvas).grey for case in cases]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--calibration", type=Path, help="cohort that 8-bit ranges come from")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--scans", type=int, default=60, help="scans of the calibration")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()
    package = Package.load(options.model)
    threads = len(os.sched_getaffinity(0))
    ways: dict[str, Engine] = {
        "f32": Engine(package, threads=threads),
        "f32, with the mirror image": Mirrored(package, threads=threads),
    }
    if options.calibration is not None:
        canvases = canvases_of(options.calibration, package, options.scans)
        ways["int8"] = EightBit(package, threads, canvases)
    cases = read_cohort(options.cohort).cases[: options.patients]
    outcomes = {name: [outcome(case, way) for case in cases] for name, way in ways.items()}
    (canvas,) = canvases_of(options.cohort, package, 1)
    cost = times(ways, canvas, options.rounds)
    one = gflop(package, (canvas.shape[0], canvas.shape[1]))
    card, first = package.card, outcomes["f32"]
    print(
        f"{card.name} {card.version}, {card.sha256[:12]}, {threads} threads, {len(cases)} "
        f"simulated patients with {sum(item.lesions for item in first)} lesions\n"
    )
    print(f"| | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}")
    for name, statistic in figures().items():
        told = [cells(statistic, own, first, options.draws) for own in outcomes.values()]
        print(f"| {name} | {' | '.join(told)} |")
    passes = {name: 2 if isinstance(way, Mirrored) else 1 for name, way in ways.items()}
    rows = {
        "GFLOP a study": [f"{one * passes[name]:.1f}" for name in ways],
        "network, processor time, ms": [f"{1000 * cost[name][0]:.0f}" for name in ways],
        "the same, times f32": [f"{cost[name][2]:.2f}" for name in ways],
        "network, by the clock, ms": [f"{1000 * cost[name][1]:.0f}" for name in ways],
    }
    for name, told in rows.items():
        print(f"| {name} | {' | '.join(told)} |")
    eight = ways.get("int8")
    if isinstance(eight, EightBit):
        file = package.onnx_path.stat().st_size
        print(f"\nnetwork's file {file / 1e6:.1f} MB; 8-bit constants {eight.bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
