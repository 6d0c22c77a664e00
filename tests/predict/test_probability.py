"""From a scan to pictures in its own geometry, with a network of known values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import BONES, FINDINGS
from bonescan.package import Package, sha256_of, write_card
from bonescan.predict import Engine, predict_scan
from bonescan.scan import REGIONS, Scan


@pytest.fixture(scope="module")
def joint_package(bright_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A network that calls what is brighter than 100 pelvis and the rest ribs, all metastasis."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("joint")
    slope = np.zeros((1, 18, 1, 1), np.float32)
    offset = np.zeros((1, 18, 1, 1), np.float32)
    pelvis, ribs = (1 + REGIONS.index(name) for name in ("pelvis", "ribs"))
    slope[0, pelvis], offset[0, pelvis] = 1.0, -100 / 255
    offset[0, ribs], offset[0, -1] = 0.001, 0.5
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["grey", "slope"], ["steep"]),
            helper.make_node("Add", ["steep", "offset"], ["sum"]),
            helper.make_node("Clip", ["sum", "low", "high"], ["probability"]),
        ],
        "joint",
        [helper.make_tensor_value_info("grey", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 18, "h", "w"])],
        [
            numpy_helper.from_array(slope, "slope"),
            numpy_helper.from_array(offset, "offset"),
            numpy_helper.from_array(np.float32(0), "low"),
            numpy_helper.from_array(np.float32(1), "high"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, folder / "model.onnx")
    (folder / "weights.safetensors").write_bytes(b"")
    changes = {"sha256": sha256_of(folder / "model.onnx"), "classes": (*BONES, *FINDINGS)}
    write_card(folder, bright_package.card.model_copy(update=changes))
    return Package.load(folder)


def test_bones_and_metastasis_come_back_in_the_views_geometry(
    joint_package: Package, plain_scan: Scan
) -> None:
    seen = predict_scan(plain_scan, Engine(joint_package, threads=1))
    for view in plain_scan.views:
        regions = seen.regions[view.name]
        assert regions.shape == view.counts.shape
        assert regions.dtype == np.uint8
        np.testing.assert_array_equal(
            regions == 1 + REGIONS.index("pelvis"), (view.counts == 120) & (regions > 0)
        )
        assert (regions == 1 + REGIONS.index("pelvis")).sum() == 49
        np.testing.assert_allclose(seen.metastasis[view.name][regions > 0], 0.5, atol=1e-5)


def test_a_model_without_bones_names_none(bright_package: Package, plain_scan: Scan) -> None:
    assert predict_scan(plain_scan, Engine(bright_package, threads=1)).regions == {}


def test_a_missing_view_is_no_part_of_the_prediction(
    joint_package: Package, plain_scan: Scan, tmp_path: Path
) -> None:
    seen = predict_scan(replace(plain_scan, posterior=None), Engine(joint_package, threads=1))
    assert set(seen.regions) == set(seen.metastasis) == {"anterior"}
