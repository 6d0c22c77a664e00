"""Instance normalisation on a large canvas agrees with double precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bonescan.runtime import compile_network
from bonescan.runtime.precise import split_normalisations
from bonescan.runtime.quiet import import_openvino

SHAPE = (640, 512)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Write one instance normalisation, scaled by 0.1 and shifted by 0.5."""
    shape: list[str | int] = ["n", 1, *SHAPE]
    graph = helper.make_graph(
        [
            helper.make_node(
                "InstanceNormalization", ["grey", "scale", "shift"], ["out"], epsilon=1e-5
            )
        ],
        "norm",
        [helper.make_tensor_value_info("grey", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.array([0.1], np.float32), "scale"),
            numpy_helper.from_array(np.array([0.5], np.float32), "shift"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "norm.onnx")
    return tmp_path / "norm.onnx"


@pytest.fixture
def canvas() -> np.ndarray:
    """One view beside an empty half, with a hot spot: far from the middle of the values."""
    grey = np.random.default_rng(0).poisson(8, SHAPE) / 255
    grey[:, 256:] = 0
    grey[300:310, 100:110] = 1
    return grey.astype(np.float32)[None, None]


def test_normalisation_is_exact(network: Path, canvas: np.ndarray) -> None:
    exact = canvas.astype(np.float64)
    expected = 0.1 * (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5) + 0.5
    found = compile_network(network, *SHAPE, threads=1)(canvas)[0]
    np.testing.assert_allclose(found, expected, rtol=2e-6)


def test_every_normalisation_is_replaced(network: Path) -> None:
    model = import_openvino().Core().read_model(network)
    assert split_normalisations(model) == 1
    assert not [node for node in model.get_ops() if node.get_type_name() == "MVN"]
    assert split_normalisations(model) == 0
