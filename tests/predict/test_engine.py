"""The engine under a real OpenVINO: values, errors, and silence."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.errors import BadInput
from bonescan.package import Package
from bonescan.predict import Engine


def test_probabilities_are_those_of_the_network(bright_package: Package) -> None:
    grey = np.random.default_rng(0).uniform(0, 255, (2, 32, 48)).astype(np.float32)
    scores = 80 * (grey.astype(np.float64) - 150) / 255
    weights = np.stack([np.ones_like(scores), np.full_like(scores, np.exp(-50)), np.exp(scores)])
    expected = np.moveaxis(weights / weights.sum(axis=0), 0, 1)
    found = Engine(bright_package, threads=1).probabilities(grey)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_canvas_gives_no_probability(bright_package: Package) -> None:
    found = Engine(bright_package).probabilities(np.zeros((0, 8, 8), np.float32))
    assert found.shape == (0, 3, 8, 8)


def test_metastasis_is_the_cards_channel(bright_package: Package) -> None:
    grey = np.full((1, 8, 8), 255, np.float32)
    assert Engine(bright_package).metastasis(grey).min() > 0.99


def test_a_damaged_network_is_one_line(bright_package: Package, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no network")
    with pytest.raises(BadInput, match=r"model\.onnx: the network does not run") as caught:
        Engine(replace(bright_package, folder=tmp_path)).probabilities(
            np.zeros((1, 8, 8), np.float32)
        )
    assert "\n" not in str(caught.value)


def test_a_card_with_other_classes_is_refused(bright_package: Package) -> None:
    card = bright_package.card.model_copy(update={"classes": ("metastasis",)})
    with pytest.raises(BadInput, match="the card promises"):
        Engine(replace(bright_package, card=card)).probabilities(np.zeros((1, 8, 8), np.float32))


def test_outputs_that_are_no_probabilities_are_refused(
    bright_package: Package, tmp_path: Path
) -> None:
    import onnx

    model = onnx.load(bright_package.onnx_path)
    model.graph.output[0].name = "scores"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(BadInput, match="no probability"):
        Engine(replace(bright_package, folder=tmp_path)).probabilities(
            np.zeros((1, 8, 8), np.float32)
        )


READ = """
import socket, sys
class Refused(socket.socket):
    def connect(self, *args): raise SystemExit("connects to %s" % (args,))
    connect_ex = connect
socket.socket = Refused
def refuse(*args, **kwargs): raise SystemExit("looks up %s" % (args,))
socket.getaddrinfo = refuse
import numpy as np
from pathlib import Path
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
import bonescan.report
Engine(Package.load(Path(sys.argv[1]))).probabilities(np.zeros((1, 16, 16), np.float32))
wrong = [name for name in ("torch", "openvino_telemetry.main") if name in sys.modules]
print(wrong, "openvino" in sys.modules)
"""


def test_reading_needs_no_torch_no_network_and_no_home(
    bright_package: Package, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", READ, str(bright_package.folder)],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[] True"
    assert list(home.iterdir()) == []
