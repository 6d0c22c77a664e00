"""A result folder to send, and certificates to send it under."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

#: File, class and modality of each object.
OBJECTS = (
    ("seg.dcm", "1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
    ("sr.dcm", "1.2.840.10008.5.1.4.1.1.88.33", "SR"),
    ("capture.dcm", "1.2.840.10008.5.1.4.1.1.7", "OT"),
    ("report.dcm", "1.2.840.10008.5.1.4.1.1.104.1", "DOC"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A result folder with objects of the classes that are written, small ones."""
    found = tmp_path / "readings" / "Mueller"
    found.mkdir(parents=True)
    (found / "result.json").write_text("{}")
    for name, sop_class, modality in OBJECTS:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.Modality = sop_class, modality
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", f"1.2.3.1.{len(name)}"
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "Müller^Jörg"
        if name == "capture.dcm":
            dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 8, 16, 1
            dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            dataset.PixelData = bytes(range(128))
            dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(found / name, enforce_file_format=True)
    return found


@pytest.fixture(scope="session")
def certify(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that makes a key and a certificate in one PEM file, of 127.0.0.1 or a name."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")

    def make(stem: str, *, signer: Path | None = None, name: str = "IP:127.0.0.1") -> Path:
        path = folder / f"{stem}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={stem}"]
        command += ["-keyout", "own.key", "-out", "own.crt"]
        if signer is None:
            command += ["-addext", "keyUsage=critical,keyCertSign"]
        else:
            command += ["-CA", str(signer), "-CAkey", str(signer)]
            command += ["-addext", f"subjectAltName={name}"]
            command += ["-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        path.write_text((folder / "own.key").read_text() + (folder / "own.crt").read_text())
        return path

    return make
