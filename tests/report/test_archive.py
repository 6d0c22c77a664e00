"""Real outside programs take the DICOM objects: dciodvfy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from bonescan.report.objects import write_objects

pytestmark = pytest.mark.acceptance


def files_of(study) -> dict[str, bytes]:
    pdf = b"%PDF-1.4\n%%EOF\n"
    return write_objects(
        study.scan, study.reading, Image.new("RGB", (64, 48), (90, 30, 30)), pdf, regions=True
    )


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def said(*words: str | Path) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def test_dciodvfy_finds_no_error(any_study, tmp_path: Path) -> None:
    need("dciodvfy")
    kinds = {
        "seg.dcm": "Segmentation",
        "seg-posterior.dcm": "Segmentation",
        "sr.dcm": "ComprehensiveSR",
        "capture.dcm": "SCImage",
        "report.dcm": "EncapsulatedPDF",
    }
    for name, content in files_of(any_study).items():
        (tmp_path / name).write_bytes(content)
        report = said("dciodvfy", tmp_path / name)
        assert kinds[name] in report
        assert "Error" not in report, f"{name}: {report}"
