"""A training step of the full Double U-Net on a GPU: images a second, share of its peak, memory.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --precision 32-true --batches 4 8 --rounds 20

One step is what `bonescan.train` does: forward, focal Tversky loss of both outputs, backward, Adam,
on canvases that lie on the device. The peak is not a data sheet's but what the same device reaches
in the same run, in turn with the steps: a product of two square bfloat16 matrices. Work is counted
as two for each multiply-add of the convolutions and matrix products, forward and backward. Beside
it stands what part of the device's time goes into convolutions and matrix products and what into
everything else (norms, activations, copies: bound by memory, not by arithmetic), and how long the
device had nothing to do. ``--device cpu`` tries the script where there is no GPU; the figures of a
processor mean little here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from lightning_fabric import Fabric
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from bonescan.config import DoubleUNetSettings, FocalTverskyLoss, Settings
from bonescan.train.dataset import Batch
from bonescan.train.loop import Learner

#: Operators that do arithmetic rather than move memory, by parts of their names.
ARITHMETIC = ("convolution", "conv", "mm", "gemm", "linear")


@dataclass(frozen=True)
class Step:
    """What one batch size gave: times in seconds of a step, work in FLOP, memory in bytes."""

    batch: int
    seconds: float
    flop: float
    peak_flops: float
    memory: int
    arithmetic: float
    idle: float

    @property
    def words(self) -> str:
        """A row of the table."""
        reached = self.flop / self.seconds
        return (
            f"| {self.batch} | {self.batch / self.seconds:.1f} | {reached / 1e12:.2f} "
            f"| {reached / self.peak_flops:.1%} | {self.memory / 2**30:.2f} "
            f"| {self.arithmetic:.0%} | {self.idle:.0%} |"
        )


def main() -> None:
    asked = arguments()
    device = torch.device(asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu.py: torch sees no GPU here; give --device cpu to try the script")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"Double U-Net of width {asked.width:g}, {asked.size[0]} x {asked.size[1]}, ", end="")
    print(f"{asked.precision}, {name}, torch {torch.__version__}, median of {asked.rounds} steps\n")
    print("| batch | images a second | TFLOP a second | of the peak | memory, GiB ", end="")
    print("| device's time in arithmetic | device idle |")
    print("|---|---|---|---|---|---|---|")
    for batch in asked.batches:
        try:
            print(measure(batch, asked, device).words, flush=True)
        except torch.OutOfMemoryError:
            print(f"| {batch} | does not fit | | | | | |")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time a training step on a GPU.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 512), metavar=("H", "W"))
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32, 64])
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--matrix", type=int, default=8192, help="side of the peak's matrices")
    return parser.parse_args()


def measure(batch: int, asked: argparse.Namespace, device: torch.device) -> Step:
    """Time the steps of one batch size, each in turn with the product that tells the peak."""
    step = training_step(batch, asked, device)
    with FlopCounterMode(display=False) as counter:  # the first step: it finds its memory, too
        step()
    a, b = torch.rand(2, asked.matrix, asked.matrix, dtype=torch.bfloat16, device=device)
    seconds_of(lambda: a @ b, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    pairs = [
        (seconds_of(step, device), seconds_of(lambda: a @ b, device)) for _ in range(asked.rounds)
    ]
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    seconds, product = (median(column) for column in zip(*pairs, strict=True))
    arithmetic, idle = shares(step, device)
    return Step(
        batch=batch,
        seconds=seconds,
        flop=float(counter.get_total_flops()),
        peak_flops=2 * asked.matrix**3 / product,
        memory=memory,
        arithmetic=arithmetic,
        idle=idle,
    )


def training_step(
    batch: int, asked: argparse.Namespace, device: torch.device
) -> Callable[[], object]:
    """Return a function that makes one step of the program's own loop."""
    settings = Settings(loss=FocalTverskyLoss(), model=DoubleUNetSettings(width=asked.width))
    fabric = Fabric(accelerator=device.type, devices=1, precision=asked.precision)
    learner = Learner(settings, fabric)
    learner.model.train()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 1, *asked.size, generator=generator).to(device)
    target = torch.randint(0, 3, (batch, *asked.size), generator=generator).to(device)
    return lambda: learner.step(Batch(x, target), settings, 0)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Return how long something takes on the clock until the device has done it."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def shares(step: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return the share of the device's time in arithmetic, and of the clock with none of either."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as seen:
        clock = seconds_of(step, device)
    # Rows of operators hold the time of the kernels that they start; rows of kernels hold it again.
    took = {
        row.key: row.self_device_time_total if on_gpu else row.self_cpu_time_total
        for row in seen.key_averages()
        if row.device_type == DeviceType.CPU
    }
    busy = sum(took.values()) / 1e6
    counted = sum(t for key, t in took.items() if any(word in key for word in ARITHMETIC)) / 1e6
    return counted / busy, max(0.0, 1 - busy / clock)


if __name__ == "__main__":
    main()
