"""What the networks of an experiment cost: parameters, GFLOP, time of one study on the CPU.

    python benchmarks/networks.py experiments/table8_small.toml --evaluation EVALUATION --out OUT

Each network is built untrained (its weights do not change what it costs), exported as `bonescan
export` does, and timed under OpenVINO on one canvas and one thread, in turn with the small U-Net of
the settings' defaults on a canvas of the same size: the ratio of each pair is what is told, because
seconds differ between machines. It is processor time, not the clock's, so that other work on the
machine counts little. GFLOP count two for each multiply-add of convolutions and matrix products.
With ``--evaluation``, a folder of `bonescan evaluate`, its F1 of the means is set against the time;
the plot is ``networks.png``, the table ``networks.csv``, ``.md``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import matplotlib as mpl
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bonescan.config import Settings, UNetSettings
from bonescan.evaluate.table import Table
from bonescan.experiment import Experiment, load_experiment
from bonescan.models import Network, build_model
from bonescan.runtime import compile_network
from bonescan.train.export import write_onnx

mpl.use("Agg")


@dataclass(frozen=True)
class Cost:
    """What one network costs on one canvas; ``quality`` is its F1 in percent, where known."""

    run: str
    kind: str
    parameters: int
    gflop: float
    seconds: float
    ratio: float
    quality: float | None


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


def qualities(folder: Path | None, experiment: Experiment) -> dict[str, float]:
    """F1 of the means by run, as `bonescan evaluate` wrote it."""
    if folder is None:
        return {}
    with (folder / f"{experiment.name}_summary.csv").open(encoding="utf-8") as file:
        return {
            row["run"]: float(row["F1"])
            for row in csv.DictReader(file)
            if row["average"] == "F1 of the means" and row["F1"]
        }


def costs(experiment: Experiment, evaluation: Path | None, rounds: int) -> list[Cost]:
    quality = qualities(evaluation, experiment)
    found = []
    with tempfile.TemporaryDirectory() as name:
        for run, settings in experiment.runs.items():
            size, classes = canvas_size(settings), len(settings.classes)
            reference = runner(build_model(UNetSettings(), classes), size, Path(name))
            network = build_model(settings.model, classes)
            seconds, ratio = seconds_in_turn(runner(network, size, Path(name)), reference, rounds)
            parameters = sum(p.numel() for p in network.parameters())
            cost = Cost(
                run=run,
                kind=settings.model.kind,
                parameters=parameters,
                gflop=gflop(network, size),
                seconds=seconds,
                ratio=ratio,
                quality=quality.get(run),
            )
            print(f"{run}: {1000 * seconds:.0f} ms, {ratio:.2f} of the small U-Net", flush=True)
            found.append(cost)
    return found


def table(experiment: Experiment, found: Sequence[Cost]) -> Table:
    size = " x ".join(map(str, canvas_size(next(iter(experiment.runs.values())))))
    columns = ("run", "parameters", "GFLOP", "CPU ms a study", "times small U-Net", "F1 %")
    rows = [
        (
            cost.run,
            cost.parameters,
            round(cost.gflop, 2),
            round(1000 * cost.seconds, 1),
            round(cost.ratio, 2),
            cost.quality,
        )
        for cost in found
    ]
    return Table(
        f"Cost of the networks of {experiment.name} on a canvas of {size} pixels",
        columns,
        tuple(rows),
    )


def draw(found: Sequence[Cost], title: str, path: Path) -> None:
    """Draw F1 over CPU time where there are F1s, else GFLOP over CPU time."""
    from matplotlib import pyplot as plt

    judged = [cost for cost in found if cost.quality is not None]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for cost in judged or found:
        height = cost.gflop if cost.quality is None else cost.quality
        axes.scatter(cost.ratio, height, s=12 * np.sqrt(cost.parameters / 1e4), alpha=0.6)
        axes.annotate(
            cost.run, (cost.ratio, height), xytext=(5, 5), textcoords="offset points", fontsize=8
        )
    axes.set_xscale("log")
    axes.set_xlabel("processor time of one study, times that of the small U-Net")
    if judged:
        axes.set_ylabel("F1 of the means, pixels of metastasis, %")
    else:
        axes.set_yscale("log")
        axes.set_ylabel("GFLOP a study")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}")
        axis.set_tick_params(which="both", labelsize=8)
    axes.margins(0.18)
    axes.grid(alpha=0.3)
    axes.set_title(f"{title}\narea of a mark: square root of the parameters", fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path, nargs="?", default="experiments/table8.toml")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--evaluation", type=Path)
    parser.add_argument("--out", type=Path, default=Path("networks"))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    experiment = load_experiment(Path(options.experiment), options.overrides)
    found = costs(experiment, options.evaluation, options.rounds)
    shown = table(experiment, found)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "networks.csv").write_text(shown.csv(), encoding="utf-8")
    (options.out / "networks.md").write_text(shown.markdown(), encoding="utf-8")
    draw(found, shown.title, options.out / "networks.png")
    print()
    print(shown.markdown())


if __name__ == "__main__":
    main()
