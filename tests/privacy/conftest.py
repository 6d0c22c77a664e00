"""A simulated patient whose header, file and folder names tell who it is in every place we know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from bonescan.simulate import write_cohort

NAME, GIVEN, PATIENT_ID, BORN = "Quastenbürger", "Ottokar", "PID-77120-X", "19470803"
ACCESSION, INSTITUTION, PHYSICIAN = "ACC-0815-77", "Klinik am Zauberberg", "Hofrätin^Behrens"
STUDY_DAY, STATION, OLD_ID = "20210317", "GAMMAROOM7", "ALT-4433-Y"
FILE_STEM, FOLDER = "Quastenbuerger_Otto", "Zimmer_Quastenbuerger"


@dataclass(frozen=True)
class Named:
    """A study on disk, and every text that tells whose it is."""

    path: Path
    uids: tuple[str, ...]

    @property
    def secrets(self) -> tuple[str, ...]:
        texts = (
            NAME, GIVEN, PATIENT_ID, BORN, "1947-08-03", ACCESSION, INSTITUTION, "Hofrätin",
            "Behrens", STUDY_DAY, "2021-03-17", STATION, OLD_ID, FILE_STEM, FOLDER,
        )  # fmt: skip
        return (*texts, *self.uids)


@pytest.fixture(scope="session")
def _simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    assert write_cohort(folder, 1, 5, preset="paper") == []
    (path,) = (folder / "dicom").glob("*.dcm")
    return path


@pytest.fixture
def named(_simulated: Path, tmp_path: Path) -> Named:
    """A two-frame simulated scan with identity, also in sequences, private and free text."""
    dataset = pydicom.dcmread(_simulated)
    name_patient(dataset)
    path = tmp_path / "in" / FOLDER / f"{FILE_STEM}.dcm"
    path.parent.mkdir(parents=True)
    dataset.save_as(path, enforce_file_format=True)
    uids = {
        str(element.value)
        for element in dataset.iterall()
        if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008.")
    }
    return Named(path, tuple(sorted(uids)))


def name_patient(dataset: Dataset) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[:, 300:308, 124:132] = 255  # a mark for the bright package
    dataset.PixelData = pixels.tobytes()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName, dataset.PatientID = f"{NAME}^{GIVEN}", PATIENT_ID
    dataset.PatientBirthDate, dataset.AccessionNumber = BORN, ACCESSION
    dataset.OtherPatientIDs, dataset.PatientComments = OLD_ID, f"Frau von {NAME}"
    dataset.InstitutionName, dataset.StationName = INSTITUTION, STATION
    dataset.ReferringPhysicianName, dataset.StudyID = PHYSICIAN, ACCESSION
    for kind in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{kind}Date", STUDY_DAY)
    dataset.SeriesDescription = f"WB {NAME}"
    # retained by the profile, though free text
    dataset.SoftwareVersions = f"installed at {INSTITUTION}"
    dataset.EnergyWindowInformationSequence[0].EnergyWindowName = PATIENT_ID
    dataset.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical = f"MDP {NAME}"
    other = Dataset()
    other.ReferencedSOPClassUID = dataset.SOPClassUID
    other.ReferencedSOPInstanceUID = "1.2.3.99.1"
    dataset.ReferencedImageSequence = Sequence([other])
    # a sequence that the profile does not know, with UIDs and a name inside
    kept = Dataset()
    kept.ReferencedSOPInstanceUID, kept.InstitutionName = "1.2.3.99.2", INSTITUTION
    dataset.DetectorInformationSequence[0].ViewCodeSequence[0].ViewModifierCodeSequence = Sequence(
        [kept]
    )
    block = dataset.private_block(0x0011, "MADE UP", create=True)
    block.add_new(1, "LO", f"{NAME} {PATIENT_ID}")
    dataset.file_meta.SourceApplicationEntityTitle = STATION
    dataset.preamble = INSTITUTION.encode("latin-1").ljust(128, b"\0")
