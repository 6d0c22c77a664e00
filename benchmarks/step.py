"""A training step of the full Double U-Net on this CPU, against other ways to make it.

One step is what `bonescan.train` does with a batch of two: forward, focal Tversky loss of both
outputs, backward, Adam. Each way runs in a process of its own, and ours and the other take turns,
step by step, so that a busy machine slows both alike; beside the seconds on the clock stands the
CPU time of the process, which, with one thread, a busy machine hardly changes.

Ways: ``nchw`` (eager torch in its default layout), ``spinning`` (ours, but threads that wait for
others keep their cores busy, as OpenMP has it by default), ``compiled`` (ours under
``torch.compile``; needs a C++ compiler), and ``keras``, a network of the same layers and the same
number of parameters in `step_keras.py`, run by a Python that has tensorflow, which this project
neither needs nor installs.

    python benchmarks/step.py
    python benchmarks/step.py --other keras --keras ELSEWHERE/bin/python
    python benchmarks/step.py --size 320 256 --profile

``--profile`` prints where the CPU time goes, operator by operator, for ours and for ``nchw``.
``--loading`` tells what share of a step the loading of its batch takes, in CPU time (with one
thread) and on the clock; the pictures lie in memory, where training holds them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

WAYS = ("nchw", "spinning", "compiled", "keras")
BATCH = 2


def main() -> None:
    asked = arguments()
    size = (asked.size[0], asked.size[1])
    if asked.worker:
        answer(asked.worker, size, asked.threads)
    elif asked.profile:
        for way in ("ours", "nchw"):
            print_profile(way, size, asked.threads)
    elif asked.loading:
        print_loading(size, asked.threads, asked.rounds)
    else:
        for other in asked.other:
            compare(other, asked)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time a training step of the Double U-Net.")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 512), metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--other", nargs="+", choices=WAYS, default=["nchw"])
    parser.add_argument("--keras", default=sys.executable, help="a Python that has tensorflow")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--loading", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- two ways in turn -----------------------------------------------------------------------------


def compare(other: str, asked: argparse.Namespace) -> None:
    """Print the ratio of ours to another way, each step of one after a step of the other."""
    size, rounds = asked.size, asked.rounds
    with worker("ours", asked) as ours, worker(other, asked) as theirs:
        took: dict[str, list[tuple[float, float]]] = {"ours": [], other: []}
        for number in range(rounds + 1):
            for name, process in (("ours", ours), (other, theirs)):
                taken = step_of(process)
                if taken is None:
                    print(f"{other}: does not run here")
                    return
                if number:  # the first step makes the graphs and finds its memory
                    took[name].append(taken)
    print(f"Double U-Net, {size[0]} x {size[1]}, batch {BATCH}, threads {asked.threads}, ", end="")
    print(f"{rounds} rounds, median")
    for name, times in took.items():
        wall, cpu = (median(column) for column in zip(*times, strict=True))
        print(f"  {name:<9} {wall:7.1f} s on the clock, {cpu:7.1f} s of CPU")
    for kind, column in (("clock", 0), ("CPU", 1)):
        ratios = [
            theirs[column] / ours[column]
            for ours, theirs in zip(took["ours"], took[other], strict=True)
        ]
        print(
            f"  {other} : ours, {kind}: " + f"{median(ratios):.2f} times as long "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


@contextmanager
def worker(way: str, asked: argparse.Namespace) -> Iterator[subprocess.Popen[str]]:
    """Start a process that makes a step for each line that it is sent."""
    script = Path(__file__).with_name("step_keras.py") if way == "keras" else Path(__file__)
    command = [asked.keras if way == "keras" else sys.executable, str(script), "--worker", way]
    command += ["--size", str(asked.size[0]), str(asked.size[1]), "--threads", str(asked.threads)]
    policy = {"spinning": "ACTIVE"}.get(way, "PASSIVE")
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_WAIT_POLICY": policy},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def step_of(process: subprocess.Popen[str]) -> tuple[float, float] | None:
    """Ask for a step: its seconds on the clock and of CPU; None where the process has ended."""
    sender, receiver = process.stdin, process.stdout
    assert sender is not None
    assert receiver is not None
    try:
        sender.write("step\n")
        sender.flush()
    except BrokenPipeError:
        return None
    words = receiver.readline().split()
    return (float(words[0]), float(words[1])) if len(words) == 2 else None


def answer(way: str, size: tuple[int, int], threads: int) -> None:
    """Make a step for each line of standard input, and print its times."""
    step = torch_step(way, size, threads)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


# --- a step in torch ------------------------------------------------------------------------------


def torch_step(way: str, size: tuple[int, int], threads: int) -> Callable[[], float]:
    """Return a function that makes one step of the program's own loop."""
    import torch
    from lightning_fabric import Fabric

    from bonescan.config import FocalTverskyLoss, Settings
    from bonescan.train.dataset import Batch
    from bonescan.train.loop import Learner

    torch.set_num_threads(threads)
    settings = Settings(loss=FocalTverskyLoss())
    learner = Learner(settings, Fabric(accelerator="cpu", devices=1))
    learner.model.train()
    if way == "nchw":
        learner.network.to(memory_format=torch.contiguous_format)
    if way == "compiled":
        learner.model = torch.compile(learner.model)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, 1, *size, generator=generator)
    target = torch.randint(0, 3, (BATCH, *size), generator=generator)
    batch = Batch(x, target)
    return lambda: float(learner.step(batch, settings, 0))


def print_profile(way: str, size: tuple[int, int], threads: int) -> None:
    """Print the operators that take the most CPU time of a step, after one to warm up."""
    from torch.profiler import ProfilerActivity, profile

    step = torch_step(way, size, threads)
    step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step()
    print(f"--- {way}, {size[0]} x {size[1]}")
    print(
        seen.key_averages().table(
            sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=44
        )
    )


# --- loading --------------------------------------------------------------------------------------


def print_loading(size: tuple[int, int], threads: int, rounds: int) -> None:
    """Print what share of a step its batch takes: CPU time, and how long the loop waits for it."""
    import numpy as np

    from bonescan.config import Augment
    from bonescan.experiment import load_experiment
    from bonescan.train.dataset import Batch, Example, training_batches

    rng = np.random.default_rng(0)
    examples = [
        Example(
            study=str(number), patient=str(number), set="D1",
            grey=rng.gamma(1.0, 10.0, size).clip(0, 255).astype(np.float32),
            target=rng.integers(0, 3, size, dtype=np.uint8),
        )
        for number in range(BATCH * rounds)
    ]  # fmt: skip
    reader = load_experiment(Path(__file__).parents[1] / "experiments" / "reader.toml")
    ways = {"as in the paper": Augment(), "as the shipped reader": reader.runs["joint"].augment}
    step = torch_step("ours", size, threads)
    step()

    def batches(augment: Augment) -> Iterator[Batch]:
        return training_batches(examples, augment, batch=BATCH, seed=1, epoch=0)

    print(f"Double U-Net, {size[0]} x {size[1]}, batch {BATCH}, threads {threads}, {rounds} steps")
    for name, augment in ways.items():
        before = time.process_time()
        for _ in batches(augment):
            pass
        loading = (time.process_time() - before) / rounds
        waited = stepped = computed = 0.0
        waiting = batches(augment)
        while True:
            began = time.perf_counter()
            if next(waiting, None) is None:
                break
            waited += time.perf_counter() - began
            began, before = time.perf_counter(), time.thread_time()
            step()
            stepped += time.perf_counter() - began
            computed += time.thread_time() - before
        print(
            f"  {name}: {1000 * loading:.1f} ms of CPU for a batch, "
            f"{loading / (computed / rounds):.2%} of its step's; "
            f"{waited / (waited + stepped):.2%} of the clock spent waiting for batches"
        )


if __name__ == "__main__":
    main()
