"""A model package under OpenVINO: canvases in, probabilities out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonescan.errors import BadInput
from bonescan.package import Package
from bonescan.runtime import compile_network

#: White of a canvas; the network takes grey values divided by it.
WHITE = np.float32(255)
#: Rounding that a probability may show beyond [0, 1].
ROUNDING = 1e-3


class Engine:
    """Runs a model package on the CPU, in single precision.

    Parameters
    ----------
    package : Package
        A verified model package.
    threads : int, optional
        CPU threads for one canvas; OpenVINO decides without it.

    Notes
    -----
    The network is compiled for the size of the first canvas it sees and kept in this process, also
    for other engines on the same file. Nothing is written to disk and nothing is sent anywhere.
    """

    def __init__(self, package: Package, *, threads: int | None = None) -> None:
        self.package = package
        self.threads = threads

    def probabilities(self, grey: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the class probabilities of canvases.

        Parameters
        ----------
        grey : (N, H, W) float32
            Grey values in [0, 255].

        Returns
        -------
        (N, classes, H, W) float32
            In [0, 1], classes in the card's order.

        Raises
        ------
        BadInput
            If the network cannot be run, or gives another number of classes than its card says or
            values that are no probabilities.
        """
        if grey.ndim != 3:
            raise ValueError(f"grey is {grey.shape}, not (N, H, W)")
        classes = len(self.package.card.classes)
        found = np.empty((grey.shape[0], classes, *grey.shape[1:]), np.float32)
        if not len(grey):
            return found
        run = self._compiled(grey.shape[1], grey.shape[2])
        request = run.create_infer_request()
        for index, canvas in enumerate(grey):
            scaled = np.ascontiguousarray(canvas, np.float32)[None, None] / WHITE
            output = request.infer([scaled])[run.output(0)]
            found[index] = self._checked(output[0], found.shape[1:])
        return found

    def metastasis(self, grey: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of metastasis, (N, H, W) float32, of canvases (N, H, W)."""
        return self.probabilities(grey)[:, self.package.card.metastasis_channel]

    def _compiled(self, height: int, width: int) -> Any:
        path = self.package.onnx_path
        try:
            stamp = path.stat().st_mtime_ns
            return _compile(path.resolve(), stamp, self.threads, height, width)
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason"
            raise BadInput(
                f"{path}: the network does not run on a {height} x {width} canvas ({reason}); "
                "get the package again or use another"
            ) from error

    def _checked(self, output: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
        path = self.package.onnx_path
        if output.shape != shape:
            raise BadInput(
                f"{path}: the output is {output.shape}, the card promises {shape}; "
                "get the package again"
            )
        if not (output.min() >= -ROUNDING and output.max() <= 1 + ROUNDING):
            raise BadInput(f"{path}: the output is no probability; export the model again")
        return np.clip(output, 0, 1)


@lru_cache(maxsize=8)
def _compile(path: Path, stamp: int, threads: int | None, height: int, width: int) -> Any:
    """Keep compiled networks; ``stamp`` tells a replaced file from the old one."""
    return compile_network(path, height, width, threads)
