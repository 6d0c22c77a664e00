"""Shared test set-up."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from bonescan.config import OtsuMask, PaperCanvas, UNetSettings
from bonescan.package import Card, Package, Threshold, TrainingData, write_card
from bonescan.scan import Crop, Identity, Scan, View, ViewName

ROOT = Path(__file__).resolve().parents[1]
#: Real scans lie beside the project where they are at hand; they never enter it.
REAL = ROOT.parent / "shared" / "real"

#: Where Debian's orthanc-dicomweb lies.
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
#: Seconds that an archive gets to come up on a busy machine.
PATIENCE_S = 120

# A machine that is busy fails no property.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def real() -> Path:
    """Folder of real scans; the test is skipped where they are not at hand."""
    if not REAL.is_dir():
        pytest.skip("the real scans (../shared/real) are not on this machine")
    return REAL


@pytest.fixture(scope="session")
def bright_package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package whose network calls everything brighter than grey 150 metastasis."""
    return _bright_package(tmp_path_factory.mktemp("bright"))


def _bright_package(folder: Path) -> Package:
    """Write a three-class network of three nodes: SoftMax of 0, -50 and 80 (x - 150 / 255)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, values: list[float]) -> onnx.TensorProto:
        array = np.array(values, np.float32).reshape(1, len(values), 1, 1)
        return numpy_helper.from_array(array, name)

    shape_in, shape_out = ["n", 1, "h", "w"], ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["grey", "slope"], ["steep"]),
            helper.make_node("Add", ["steep", "offset"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probability"], axis=1),
        ],
        "bright",
        [helper.make_tensor_value_info("grey", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, shape_out)],
        [
            constant("slope", [0.0, 0.0, 80.0]),
            constant("offset", [0.0, -50.0, -80.0 * 150 / 255]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, folder / "model.onnx")
    (folder / "weights.safetensors").write_bytes(b"")
    write_card(folder, _bright_card(folder))
    return Package.load(folder)


def _bright_card(folder: Path) -> Card:
    def digest(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    return Card(
        name="bright",
        version="1",
        made_with="tests",
        made_at="2026-01-01T00:00:00+00:00",
        sha256=digest("model.onnx"),
        weights_sha256=digest("weights.safetensors"),
        canvas=PaperCanvas(),
        mask=OtsuMask(),
        model=UNetSettings(),
        classes=("background", "non-metastatic", "metastasis"),
        threshold=Threshold(value=0.5, rule="fixed", chosen_on="nothing"),
        training=TrainingData(
            description="nothing: a fixed brightness threshold",
            experiment="",
            run="",
            fold=0,
            settings_digest="",
            data_digest="",
            positives=0,
            negatives=0,
            validation=0,
            test=0,
            epochs=0,
            epoch=0,
        ),
        intended_use="tests",
        limits=("tests only",),
    )


@pytest.fixture(scope="session")
def plain_scan() -> Scan:
    """Both views of a made-up body of ellipses with one hot spot, on the patient's left.

    It lies at rows 300-306; columns 150-156 of the anterior and 99-105 of the posterior view.
    """
    views = [_plain_view("anterior", 153), _plain_view("posterior", 102)]
    return Scan(study="plain", anterior=views[0], posterior=views[1], identity=Identity("P1"))


def _plain_view(name: ViewName, hot_column: int) -> View:
    rows, columns = np.mgrid[0:1024, 0:256].astype(np.float32)
    counts = np.zeros((1024, 256), np.float32)
    ellipses = ((110, 127.5, 55, 30), (330, 127.5, 190, 62))
    legs = ((710, 100, 260, 20), (710, 155, 260, 20))
    for row, column, height, width in ellipses + legs:
        counts[((rows - row) / height) ** 2 + ((columns - column) / width) ** 2 < 1] = 4
    counts[np.abs(columns - 127.5) < 6] *= 2
    counts[(np.abs(rows - 303) <= 3) & (np.abs(columns - hot_column) <= 3)] = 120
    return View(
        name=name,
        counts=counts,
        pixel_spacing_mm=(2.4, 2.4),
        source=Path("plain.dcm"),
        crop=Crop.whole(counts.shape),
        frame=1 if name == "anterior" else 2,
        recognised_by="view code",
    )


@pytest.fixture(scope="session")
def save_pair(plain_scan: Scan) -> Callable[[Path, str], list[Path]]:
    """Save both views of the plain body, with arms, as ``<stem>_ANT.png`` and ``_POST.png``."""

    def save(folder: Path, stem: str) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for view, ending in zip(plain_scan.views, ("ANT", "POST"), strict=True):
            counts = view.counts.copy()
            for side in (slice(40, 52), slice(204, 216)):
                counts[160:520, side] = 4
            counts[160:180, 40:216] = np.maximum(counts[160:180, 40:216], 4)
            paths.append(folder / f"{stem}_{ending}.png")
            Image.fromarray(counts.astype(np.uint8)).save(paths[-1], "PNG")
        return paths

    return save


@pytest.fixture
def start_orthanc(
    tmp_path: Path,
) -> Callable[..., AbstractContextManager[tuple[int, str]]]:
    """Start an archive of our own, with more settings; gives its DICOM port and web address."""
    if shutil.which("Orthanc") is None:
        pytest.skip("Orthanc is not installed")
    if not DICOMWEB.exists():
        pytest.skip("orthanc-dicomweb is not installed")

    @contextmanager
    def start(**more: object) -> Iterator[tuple[int, str]]:
        dicom_port, http_port = _free_port(), _free_port()
        settings = {
            "Name": "bonescan-test",
            "DicomAet": "ARCHIVE",
            "DicomPort": dicom_port,
            "HttpPort": http_port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "StorageDirectory": str(tmp_path / "archive"),
            "IndexDirectory": str(tmp_path / "archive"),
            "Plugins": [str(DICOMWEB.resolve())],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        config = tmp_path / "orthanc.json"
        config.write_text(json.dumps({**settings, **more}))
        address = f"http://127.0.0.1:{http_port}"
        with (tmp_path / "orthanc.log").open("wb") as log:
            process = subprocess.Popen([str(shutil.which("Orthanc")), str(config)], stderr=log)
            try:
                _wait_for(f"{address}/system", process)
                yield dicom_port, address
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    return start


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert process.poll() is None, "Orthanc ended"
        try:
            urllib.request.urlopen(address).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError("Orthanc did not answer")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Under continuous integration an acceptance test that was skipped fails the run."""
    if os.environ.get("BONESCAN_NO_SKIPPED_ACCEPTANCE") != "1":
        return
    skipped = [r for r in terminalreporter.getreports("skipped") if "acceptance" in r.keywords]
    for report in skipped:
        terminalreporter.write_line(f"acceptance test skipped: {report.nodeid}", red=True)
    if skipped:
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
