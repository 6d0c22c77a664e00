"""Compile an ONNX network for canvases of one size, under OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bonescan.runtime.precise import split_normalisations
from bonescan.runtime.quiet import import_openvino


def compile_network(path: Path, height: int, width: int, threads: int | None = None) -> Any:
    """Compile an ONNX network for canvases of one size, in single precision.

    Parameters
    ----------
    path : Path
        Takes (N, 1, H, W) float32, grey values / 255.
    height, width : int
        The canvas.
    threads : int, optional
        CPU threads; OpenVINO decides without it.

    Returns
    -------
    openvino.CompiledModel
        Takes one canvas, (1, 1, height, width).

    Raises
    ------
    RuntimeError
        From OpenVINO, if the file is no network or does not take such a canvas.
    """
    core = import_openvino().Core()
    model = core.read_model(path)
    model.reshape([1, 1, height, width])
    split_normalisations(model)
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    return core.compile_model(model, "CPU", options)
