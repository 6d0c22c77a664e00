"""OpenVINO f32 against eager torch on the full Double U-Net, one 640 x 512 canvas, same threads.

Run with ``python benchmarks/engine.py``; about two minutes on two cores. The ratios are measured in
one run, each way in turn, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from bonescan.models import DoubleUNet, probabilities
from bonescan.runtime.quiet import import_openvino
from bonescan.train.export import write_onnx

SIZE = (640, 512)
ROUNDS = 5


def main() -> None:
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = DoubleUNet(classes=3).eval()
    x = torch.rand(1, 1, *SIZE)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "OpenVINO f32": openvino_way(network, x, threads),
        "torch eager": torch_way(network, x),
        "torch eager, channels last": torch_way(network, x, torch.channels_last),
    }
    expected = ways["torch eager"]()
    differences = {name: float(np.abs(way() - expected).max()) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    reference = median(seconds["torch eager"])
    print(f"Double U-Net, 640 x 512, {threads} threads, median of {ROUNDS} rounds")
    for name, taken in seconds.items():
        ratio = reference / median(taken)
        print(
            f"{name:<28} {median(taken):6.2f} s, {ratio:5.2f} times as fast as torch eager, ",
            end="",
        )
        print(f"probabilities within {differences[name]:.1e}")


def openvino_way(network: DoubleUNet, x: torch.Tensor, threads: int) -> Callable[[], np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(network, SIZE, path)
        compiled = (
            import_openvino()
            .Core()
            .compile_model(
                path,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": "f32",
                    "INFERENCE_NUM_THREADS": threads,
                    "PERFORMANCE_HINT": "LATENCY",
                },
            )
        )
    array = x.numpy()
    return lambda: np.asarray(compiled(array)[0])


def torch_way(
    network: DoubleUNet, x: torch.Tensor, memory: torch.memory_format = torch.contiguous_format
) -> Callable[[], np.ndarray]:
    own = DoubleUNet(classes=3).eval()
    own.load_state_dict(network.state_dict())
    own.to(memory_format=memory)
    given = x.to(memory_format=memory)

    def run() -> np.ndarray:
        with torch.inference_mode():
            return probabilities(own(given)[-1]).numpy()

    return run


if __name__ == "__main__":
    main()
