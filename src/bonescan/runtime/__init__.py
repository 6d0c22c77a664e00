"""ONNX networks under OpenVINO: quiet, exact, on the CPU. Imports no stage, so any may use it."""

from bonescan.runtime.compiling import compile_network

__all__ = ["compile_network"]
