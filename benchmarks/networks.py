"""What the networks of an experiment cost: parameters, GFLOP, time of one study on the CPU.

    python benchmarks/networks.py experiments/table8_small.toml --evaluation EVALUATION --out OUT

Each network is built untrained (its weights do not change what it costs), exported as `bonescan
export` does, and timed under OpenVINO on one canvas and one thread, in turn with the small U-Net of
the settings' defaults on a canvas of the same size: the ratio of each pair is what is told, because
seconds differ between machines. It is processor time, not the clock's, so that other work on the
machine counts little. GFLOP count two for each multiply-add of convolutions and matrix products.
With ``--evaluation``, a folder of `bonescan evaluate`, its figures of quality are set against the
time: F1 of the means, lesions and false marks of the test patients, mean of the FROC. The floor of
the experiment, which has no weights, is a row and a line. The plot is ``networks.png``, the table
``networks.csv``, ``.md``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode

from bonescan.config import Settings, UNetSettings
from bonescan.evaluate.areas import WHOLE
from bonescan.evaluate.fold_plot import as_png
from bonescan.evaluate.table import Cell, Table, write_table
from bonescan.experiment import Experiment, load_experiment
from bonescan.models import Network, build_model
from bonescan.runtime import compile_network
from bonescan.train.export import write_onnx


@dataclass(frozen=True)
class Quality:
    """What `bonescan evaluate` says of a run: all in percent, but ``false_marks`` a patient."""

    f1: float
    sensitivity: float | None
    false_marks: float
    froc: float | None


@dataclass(frozen=True)
class Cost:
    """What one network costs on one canvas."""

    run: str
    parameters: int
    gflop: float
    seconds: float
    ratio: float


def canvas_size(settings: Settings) -> tuple[int, int]:
    """Rows and columns of the canvas that the settings make."""
    canvas = settings.canvas
    return canvas.kept_rows // canvas.reduce, 2 * canvas.view_columns // canvas.reduce


def gflop(network: Network, size: tuple[int, int]) -> float:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.eval()(torch.zeros(1, 1, *size))
    return counter.get_total_flops() / 1e9


def runner(network: Network, size: tuple[int, int], folder: Path) -> Callable[[], object]:
    """Export and compile a network, and return a call that reads one canvas."""
    path = folder / "network.onnx"
    write_onnx(network, size, path)
    compiled = compile_network(path, *size, threads=1)
    canvas = np.random.default_rng(0).random((1, 1, *size), np.float32)
    return lambda: compiled(canvas)


def seconds_in_turn(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Return the median CPU seconds of the first, and the median of its ratios to the second."""
    pairs = []
    for _ in range(rounds + 1):  # the first round warms up
        took = []
        for call in (first, second):
            start = time.process_time()
            call()
            took.append(time.process_time() - start)
        pairs.append(took)
    kept = pairs[1:]
    return median(one for one, _ in kept), median(one / two for one, two in kept)


def qualities(folder: Path | None, experiment: Experiment) -> dict[str, Quality]:
    """Return the quality of each run that `bonescan evaluate` found finished folds of."""
    if folder is None:
        return {}

    def rows(kind: str, **wanted: str) -> dict[str, dict[str, str]]:
        with (folder / f"{experiment.name}_{kind}.csv").open(encoding="utf-8") as file:
            return {
                row["run"]: row
                for row in csv.DictReader(file)
                if all(row[column] == value for column, value in wanted.items())
            }

    def number(text: str) -> float | None:
        return float(text) if text else None

    lesions = rows("lesions", area=WHOLE, patients="test")
    froc = rows("froc")
    return {
        run: Quality(
            f1=float(row["F1"]),
            sensitivity=number(lesions[run]["lesion sensitivity %"]),
            false_marks=float(lesions[run]["false marks a patient"]),
            froc=float(froc[run]["mean"]) if run in froc else None,
        )
        for run, row in rows("summary", average="F1 of the means").items()
        if row["F1"]
    }


def costs(experiment: Experiment, rounds: int) -> list[Cost]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        for run, settings in experiment.runs.items():
            size, classes = canvas_size(settings), len(settings.classes)
            reference = runner(build_model(UNetSettings(), classes), size, Path(name))
            network = build_model(settings.model, classes)
            seconds, ratio = seconds_in_turn(runner(network, size, Path(name)), reference, rounds)
            parameters = sum(p.numel() for p in network.parameters())
            found.append(Cost(run, parameters, gflop(network, size), seconds, ratio))
            print(f"{run}: {1000 * seconds:.0f} ms, {ratio:.2f} of the small U-Net", flush=True)
    return found


def table(experiment: Experiment, found: Sequence[Cost], judged: Mapping[str, Quality]) -> Table:
    size = " x ".join(map(str, canvas_size(next(iter(experiment.runs.values())))))
    columns = (
        *("run", "parameters", "GFLOP", "CPU ms a study", "times small U-Net", "F1 %"),
        *("lesions found %", "false marks a patient", "FROC mean %"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            cost.run,
            cost.parameters,
            round(cost.gflop, 2),
            round(1000 * cost.seconds, 1),
            round(cost.ratio, 2),
            *_cells(judged.get(cost.run)),
        )
        for cost in found
    ]
    floor = judged.get(experiment.floor or "")
    if floor is not None:
        rows.append((experiment.floor, 0, *(None,) * 3, *_cells(floor)))
    title = f"Cost of the networks of {experiment.name} on a canvas of {size} pixels"
    return Table(title, columns, tuple(rows))


def _cells(quality: Quality | None) -> tuple[Cell, ...]:
    if quality is None:
        return (None,) * 4
    return (quality.f1, quality.sensitivity, quality.false_marks, quality.froc)


def draw(
    experiment: Experiment, found: Sequence[Cost], judged: Mapping[str, Quality], path: Path
) -> None:
    """Draw F1 and the mean of the FROC over CPU time; without them, GFLOP over CPU time."""
    known = [cost for cost in found if cost.run in judged]
    panels: list[tuple[str, dict[str, float]]] = [
        ("F1 of the means, pixels of metastasis, %", {run: own.f1 for run, own in judged.items()}),
        (
            "lesions found, mean of the FROC, %",
            {run: own.froc for run, own in judged.items() if own.froc is not None},
        ),
    ]
    if not known:
        panels = [("GFLOP a study", {cost.run: cost.gflop for cost in found})]
    figure = Figure(figsize=(6.4 * len(panels), 4.8), dpi=150, layout="constrained")
    for axes, (name, heights) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        shown = sorted((cost for cost in found if cost.run in heights), key=lambda one: one.ratio)
        for number, cost in enumerate(shown):
            place = (cost.ratio, heights[cost.run])
            axes.scatter(*place, s=12 * np.sqrt(cost.parameters / 1e4), alpha=0.6)
            up = 1 if number % 2 else -1  # neighbours apart
            axes.annotate(
                cost.run, place, xytext=(4, 5 * up), textcoords="offset points", fontsize=8,
                rotation=35 * up, rotation_mode="anchor", va="bottom" if up > 0 else "top",
            )  # fmt: skip
        if experiment.floor in heights:
            axes.axhline(heights[experiment.floor], color="#555", linestyle="--", linewidth=1)
            axes.annotate(
                experiment.floor, (0.01, heights[experiment.floor]), xytext=(0, 3),
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("processor time of one study, times that of the small U-Net")
        if not known:
            axes.set_yscale("log")
        axes.set_ylabel(name)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("{x:g}")
            axis.set_tick_params(which="both", labelsize=8)
        axes.margins(0.18)
        axes.grid(alpha=0.3)
    figure.suptitle(
        f"{experiment.title}\narea of a mark: square root of the parameters", fontsize=9
    )
    path.write_bytes(as_png(figure))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path, nargs="?", default="experiments/table8.toml")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--evaluation", type=Path)
    parser.add_argument("--out", type=Path, default=Path("networks"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    experiment = load_experiment(Path(options.experiment), options.overrides, options.settings)
    judged = qualities(options.evaluation, experiment)
    found = costs(experiment, options.rounds)
    shown = table(experiment, found, judged)
    write_table(shown, options.out / "networks")
    draw(experiment, found, judged, options.out / "networks.png")
    print()
    print(shown.markdown())


if __name__ == "__main__":
    main()
