"""A drawn body and minimal DICOM data sets, made in code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

NM = "1.2.840.10008.5.1.4.1.1.20"
REAL = Path(__file__).parents[2] / ".." / "shared" / "real"

Body = Callable[..., NDArray[np.uint16]]
MakeNm = Callable[..., Dataset]


def draw_body(
    view: Literal["anterior", "posterior"] = "anterior",
    *,
    shape: tuple[int, int] = (1024, 256),
    counts: float = 1.0e6,
    seed: int = 0,
    margin: float = 0.06,
) -> NDArray[np.uint16]:
    """Draw a body of soft tissue and a few bones with Poisson noise, (H, W) uint16 counts.

    The front has a bright sternum and bladder and a faint lumbar spine, the back a bright spine
    and sacrum.
    """
    rows, columns = shape
    height = rows * (1 - 2 * margin)
    y = ((np.arange(rows) - rows * margin) / height)[:, None]
    x = np.abs((np.arange(columns) - columns / 2 + 0.5) / height)[None, :]
    picture = np.zeros(shape)

    def add(amount: float, centre: tuple[float, float], radii: tuple[float, float]) -> None:
        inside = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1
        picture[inside] += amount

    def bar(amount: float, span: tuple[float, float], where: tuple[float, float]) -> None:
        inside = (y >= span[0]) & (y < span[1]) & (x >= where[0]) & (x < where[1])
        picture[np.broadcast_to(inside, picture.shape)] += amount

    add(2, (0.065, 0), (0.065, 0.045))  # head
    bar(2, (0.12, 0.16), (0, 0.035))  # neck
    bar(2, (0.155, 0.50), (0, 0.085))  # trunk
    bar(1.5, (0.16, 0.52), (0.092, 0.122))  # arms
    bar(2, (0.155, 0.19), (0.08, 0.11))  # shoulders
    bar(1.5, (0.50, 1.0), (0.02, 0.075))  # legs
    bar(3, (0.50, 0.98), (0.038, 0.052))  # bones of the legs
    back = view == "posterior"
    bar(5 if back else 9, (0.13, 0.24), (0, 0.018))  # upper spine, sternum
    bar(14 if back else 3, (0.24, 0.42), (0, 0.018))  # lower spine
    add(6, (0.44, 0.06), (0.035, 0.035))  # pelvis
    add(8 if back else 1, (0.455, 0), (0.02, 0.03))  # sacrum
    add(0 if back else 8, (0.495, 0), (0.015, 0.03))  # bladder
    expected = picture * (counts / picture.sum()) + 0.002
    return np.random.default_rng(seed).poisson(expected).astype(np.uint16)


def view_code(value: str, meaning: str = "", scheme: str = "SCT") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = value, scheme
    if meaning:
        code.CodeMeaning = meaning
    return code


def make_nm(
    frames: NDArray[Any] | Sequence[NDArray[Any]],
    *,
    codes: Sequence[str | None] = (),
    **attributes: Any,
) -> Dataset:
    """Make a minimal NM whole-body object of frames (N, H, W) or (H, W).

    ``codes`` gives each detector's view code value; ``attributes`` set or (None) remove elements.
    """
    stack = np.asarray(frames)
    stack = stack[None] if stack.ndim == 2 else stack
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = NM
    dataset.SOPClassUID, dataset.SOPInstanceUID = NM, generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID = "NM", "P1"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    dataset.PixelSpacing = [2.0 * 1024 / stack.shape[1]] * 2
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stack.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = stack.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stack.dtype.kind == "i")
    dataset.DetectorVector = list(range(1, len(stack) + 1))
    dataset.EnergyWindowVector = [1] * len(stack)
    dataset.PixelData = stack.tobytes()
    if codes:
        detectors = []
        for value in codes:
            detector = Dataset()
            detector.ViewCodeSequence = DicomSequence([view_code(value)] if value else [])
            detectors.append(detector)
        dataset.DetectorInformationSequence = DicomSequence(detectors)
    for keyword, value in attributes.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def windows(*ranges: tuple[float, float]) -> DicomSequence:
    """Return an Energy Window Information Sequence."""
    items = []
    for low, high in ranges:
        span, item = Dataset(), Dataset()
        span.EnergyWindowLowerLimit, span.EnergyWindowUpperLimit = low, high
        item.EnergyWindowRangeSequence = DicomSequence([span])
        items.append(item)
    return DicomSequence(items)


@pytest.fixture(scope="session")
def body() -> Body:
    """`draw_body`."""
    return draw_body


@pytest.fixture(scope="session")
def front() -> NDArray[np.uint16]:
    return draw_body("anterior", seed=1)


@pytest.fixture(scope="session")
def back() -> NDArray[np.uint16]:
    return draw_body("posterior", seed=2)


@pytest.fixture(scope="session")
def nm() -> MakeNm:
    """`make_nm`."""
    return make_nm


@pytest.fixture(scope="session")
def energy_windows() -> Callable[..., DicomSequence]:
    """`windows`."""
    return windows


@pytest.fixture(scope="session")
def save() -> Callable[[Dataset, Path], Path]:
    """Write a data set as a DICOM file."""

    def write(dataset: Dataset, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real scans beside the repository; the test is skipped without it."""
    if not (REAL / "nm1" / "nm1_anterior.dcm").exists():
        pytest.skip("the real scans of ../shared/real are not here")
    return REAL
