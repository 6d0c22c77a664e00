"""Real outside programs take the DICOM objects: dciodvfy, dcmtk and an Orthanc of our own."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pynetdicom import AE

from bonescan.pacs import Archive, send_result
from bonescan.report import codes
from bonescan.report.objects import OBJECTS, write_objects

pytestmark = pytest.mark.acceptance

BOUNDARY = "bonescan-part"
#: Seconds that an archive gets to answer on a busy machine.
PATIENCE_S = 120


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


def test_dcmtk_shows_the_objects(nm_study, tmp_path: Path) -> None:
    need("dcmdump", "dsr2html", "dsrdump")
    for name, content in files_of(nm_study).items():
        (tmp_path / name).write_bytes(content)
        assert nm_study.scan.identity.study_uid in said("dcmdump", tmp_path / name)
    page = said("dsr2html", "--unknown-relationship", tmp_path / "sr.dcm")
    for text in ("POST 4", "Bony metastasis", "Femur", "ller"):
        assert text in page
    # dcmtk's page leaves out the names of measurements; its listing has them.
    listing = said("dsrdump", "--unknown-relationship", tmp_path / "sr.dcm")
    line = next(line for line in listing.splitlines() if codes.INDEX_WHOLE.meaning in line)
    assert f'"{nm_study.reading.index.whole:g}"' in line


@pytest.fixture
def orthanc(
    start_orthanc: Callable[..., AbstractContextManager[tuple[int, str]]],
) -> Iterator[tuple[int, str]]:
    """An archive: its DICOM port and its web address."""
    with start_orthanc() as started:
        yield started


def store(datasets: list[pydicom.Dataset], port: int) -> list[int]:
    """Send objects by C-STORE; return the answers' status."""
    sender = AE("BONESCAN")
    for dataset in datasets:
        sender.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    link = sender.associate("127.0.0.1", port, ae_title="ARCHIVE")
    assert link.is_established
    try:
        return [link.send_c_store(dataset).Status for dataset in datasets]
    finally:
        link.release()


def stow(content: bytes, address: str) -> dict[str, object]:
    """Send an object by STOW-RS; return the answer."""
    start = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    request = urllib.request.Request(
        f"{address}/dicom-web/studies",
        data=start + content + f"\r\n--{BOUNDARY}--\r\n".encode(),
        headers={
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
            "Accept": "application/dicom+json",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return dict(json.load(answer))


def retrieve(dataset: pydicom.Dataset, address: str) -> pydicom.Dataset:
    """Fetch an object by WADO-RS."""
    path = (
        f"studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    request = urllib.request.Request(f"{address}/dicom-web/{path}", headers=accept)
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    part = body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n--")]
    return pydicom.dcmread(BytesIO(part))


def test_what_is_sent_is_there_once_though_no_answer_was_noted(
    nm_study, orthanc: tuple[int, str], tmp_path: Path
) -> None:
    """An archive that may have the objects is asked, and none is sent again."""
    folder = tmp_path / "Mueller"
    folder.mkdir()
    for name, content in {**files_of(nm_study), "result.json": b"{}"}.items():
        (folder / name).write_bytes(content)
    archive = Archive("ARCHIVE", "127.0.0.1", orthanc[0], timeout_s=PATIENCE_S)
    first = send_result(folder, archive)
    assert (first.sent, first.problems) == (OBJECTS[:1] + OBJECTS[2:], ())
    receipt = folder / "sent.json"
    receipt.write_text(receipt.read_text().replace('"stored"', '"asked"'))
    again = send_result(folder, archive)
    assert (again.sent, again.known, again.problems) == ((), first.sent, ())
    assert receipt.read_text().count('"stored"') == 4
    own = pydicom.dcmread(folder / "sr.dcm")
    assert retrieve(own, orthanc[1]) == own


def test_an_archive_takes_the_objects_and_gives_them_back(
    nm_study, orthanc: tuple[int, str]
) -> None:
    """By C-STORE and STOW-RS in, by WADO-RS out; sent again, each is there once."""
    port, address = orthanc
    files = files_of(nm_study)
    objects = {name: pydicom.dcmread(BytesIO(content)) for name, content in files.items()}
    assert store([objects["seg.dcm"], objects["sr.dcm"]], port) == [0, 0]
    for name in ("capture.dcm", "report.dcm"):
        failed = stow(files[name], address).get("00081198", {})  # Failed SOP Sequence
        assert not failed.get("Value")
    assert store(list(objects.values()), port) == [0] * 4
    for dataset in objects.values():
        assert retrieve(dataset, address) == dataset
    study = nm_study.scan.identity.study_uid
    with urllib.request.urlopen(f"{address}/dicom-web/studies/{study}/instances") as answer:
        assert len(json.load(answer)) == 4
