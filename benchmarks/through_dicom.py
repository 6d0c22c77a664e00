"""A simulated scan through the whole line: written as DICOM, found, loaded, read by a package.

For the benchmarks beside it. What comes back has no byte from the simulator but its DICOM files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.ingest import load_files
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.scan import VIEW_NAMES, Reading, Scan, View
from bonescan.simulate.nm import nm_files
from bonescan.simulate.patient import SimulatedPatient


def read_simulated(patient: SimulatedPatient, engine: Engine) -> tuple[Scan, Reading]:
    """Write a patient's DICOM files into a folder that is removed again, and read them."""
    with tempfile.TemporaryDirectory() as name:
        files = []
        datasets = nm_files(patient.counts, patient.identity, patient.acquisition)
        for end, dataset in datasets.items():
            files.append(Path(name) / f"{patient.study}{end}.dcm")
            dataset.save_as(files[-1], enforce_file_format=True)
        scan = load_files(files, name=patient.study)
    assert tuple(view.name for view in scan.views) == VIEW_NAMES
    return scan, read_scan(scan, engine)


def on_view(truth: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Cut a picture of the truth, (2, H, W), as a view was cut from its source frame."""
    crop = view.crop
    own = truth[VIEW_NAMES.index(view.name)]
    frame = np.zeros((crop.frame_height, crop.frame_width), truth.dtype)
    second_half = crop.left + crop.width / 2 > own.shape[1]  # where both views share a frame
    left = own.shape[1] if second_half else 0
    frame[: own.shape[0], left : left + own.shape[1]] = own
    return frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]


def put_into_page(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->`` of a page."""
    head, found, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, closed, tail = rest.partition(f"<!-- /{name} -->")
    if not found or not closed:
        raise SystemExit(f"{page}: has no place for {name}; write <!-- {name} --> and its end")
    page.write_text(f"{head}{found}" + "\n".join(lines) + f"\n{closed}{tail}", encoding="utf-8")
