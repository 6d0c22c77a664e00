"""A cohort of simulated patients on disk: DICOM, Labelme marks, truth and cohort.csv."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from bonescan import __version__
from bonescan.errors import BadInput, BonescanError
from bonescan.scan import REGIONS, VIEW_NAMES
from bonescan.simulate.export import label_picture, write_annotation, write_pictures
from bonescan.simulate.followup import simulate_course
from bonescan.simulate.nm import NOTICE, nm_files
from bonescan.simulate.patient import PRESETS, Preset, SimulatedPatient, simulate_patient
from bonescan.work import run_pieces

Progress = Callable[[int, int], None]

#: What `write_patient` takes.
_Job = tuple[Path, int, int, Preset, bool]

#: Patients of the preset ``paper``: D1 90, D2 10, D3 50, D4 50.
PAPER_PATIENTS = 200
DEFAULT_PATIENTS = 20
COLUMNS = ("patient", "study", "cancer", "metastasis", "files", "labels", "site")


def write_cohort(
    folder: Path,
    patients: int | None,
    seed: int,
    *,
    preset: Preset = "screening",
    pictures: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[str]:
    """Simulate a cohort and write it.

    Parameters
    ----------
    folder : Path
        Made if need be. Patients that are already complete there, of the same seed and preset,
        are kept, so that an interrupted call can be repeated.
    patients : int or None
        How many; 200 for the preset ``paper`` and 20 for the others by default. Patient i is the
        same for every number of patients and of workers.
    seed : int
    preset : {"screening", "paper", "followup", "elsewhere"}
    pictures : bool
        Write the scans as pairs of 8-bit pictures, as published data sets hold them, in place of
        DICOM.
    workers : int
        Processes to use.
    progress : callable, optional
        Called with (done, total) patients.

    Returns
    -------
    list of str
        One line for each patient that could not be made, and one that says that ``cohort.csv`` is
        therefore not written; the same call goes on from there.

    Raises
    ------
    BadInput
        For an unknown preset, or a folder that holds another cohort.
    """
    if preset not in PRESETS:
        raise BadInput(f"preset {preset} is unknown; give one of {', '.join(PRESETS)}")
    number = patients or (PAPER_PATIENTS if preset == "paper" else DEFAULT_PATIENTS)
    folder = Path(folder)
    _claim(folder, seed, preset, pictures)
    for name in ("pictures" if pictures else "dicom", "labels", "truth"):
        (folder / name).mkdir(exist_ok=True)
    report = progress or (lambda done, total: None)
    report(0, number)
    jobs = [(folder, seed, index, preset, pictures) for index in range(number)]
    failures = []
    outcomes = run_pieces(_write_one, jobs, name=_shown, workers=workers)
    for done, (_, outcome) in enumerate(outcomes, start=1):
        failures += [str(outcome)] if isinstance(outcome, BonescanError) else []
        report(done, number)
    if failures:
        return [*failures, _incomplete(folder, len(failures), number)]
    rows = [row for index in range(number) for row in _rows(folder, index)]
    _write_text(folder / "cohort.csv", _csv(rows))
    return []


def _write_one(job: _Job) -> None:
    write_patient(*job)


def _shown(job: _Job) -> str:
    folder, _, index, *_ = job
    return f"{folder}: simulated patient {index + 1}"


def _incomplete(folder: Path, missing: int, number: int) -> str:
    return (
        f"{folder / 'cohort.csv'}: not written, {missing} of {number} patients are missing; "
        "start the same command again to go on"
    )


def write_patient(
    folder: Path, seed: int, index: int, preset: Preset, pictures: bool = False
) -> None:
    """Simulate and write all scans of one patient, unless they are there; the record comes last."""
    done = _record_path(folder, index)
    if done.exists():
        return
    studies = []
    for patient in _scans(seed, index, preset):
        studies.append(_row(patient, _write_scan(folder, patient, pictures)))
    _write_text(done, json.dumps(studies))


def _write_scan(folder: Path, patient: SimulatedPatient, pictures: bool) -> list[str]:
    """Write a scan and its truth aside, then move them; returns the scan's places in the cohort."""
    aside = folder / f".{patient.study}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        scan = _write_views(aside, patient, pictures)
        for name in [*scan, *_write_truth(aside, patient)]:
            os.replace(aside / Path(name).name, folder / name)
    except OSError as error:  # a full disk, which a file that is open does not name
        reason = error.strerror or str(error) or "write error"
        raise OSError(error.errno or errno.EIO, reason, str(folder / patient.study)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return scan


def _scans(seed: int, index: int, preset: Preset) -> Iterator[SimulatedPatient]:
    if preset == "followup":
        yield from simulate_course(seed, index)
        return
    yield simulate_patient(seed, index, preset=preset)


def _write_views(folder: Path, patient: SimulatedPatient, pictures: bool) -> list[str]:
    """Write the scan itself flat into ``folder``; returns its files' places in the cohort."""
    study = patient.study
    if pictures:
        paths = write_pictures(patient.counts, folder / study, patient.acquisition.export_least)
        return [f"pictures/{path.name}" for path in paths]
    datasets = nm_files(patient.counts, patient.identity, patient.acquisition)
    for end, dataset in datasets.items():
        content = io.BytesIO()  # pydicom would hide why a file cannot be written
        dataset.save_as(content, enforce_file_format=True)
        (folder / f"{study}{end}.dcm").write_bytes(content.getvalue())
    return [f"dicom/{study}{end}.dcm" for end in datasets]


def _write_truth(folder: Path, patient: SimulatedPatient) -> list[str]:
    """Write marks and truth flat into ``folder``; returns their places in the cohort."""
    study, written = patient.study, []
    for view, name in enumerate(VIEW_NAMES):
        image, annotation = write_annotation(
            label_picture(patient.counts[view]),
            ndimage.label(patient.truth.masks[view], np.ones((3, 3)))[0],
            folder / f"{study}_{name}",
        )
        written += [f"labels/{image.name}", f"labels/{annotation.name}"]
    truth = patient.truth
    np.savez_compressed(
        folder / f"{study}.npz",
        metastasis=truth.metastasis,
        benign=truth.benign,
        regions=truth.regions,
        kinds=truth.kinds,
        expected=truth.expected.astype(np.float16),
    )
    _write_text(folder / f"{study}.json", json.dumps(truth_record(patient), indent=1) + "\n")
    return [*written, f"truth/{study}.npz", f"truth/{study}.json"]


def truth_record(patient: SimulatedPatient) -> dict[str, Any]:
    """Return everything that is known about a scan and is not a picture, for JSON."""
    acquisition, truth = patient.acquisition, patient.truth
    return {
        "notice": NOTICE,
        "bonescan": __version__,
        "study": patient.study,
        "patient": patient.identity.patient_id,
        "visit": patient.visit,
        "course": patient.course,
        "study_date": patient.identity.study_date.isoformat(),
        "seed": patient.seed,
        "index": patient.index,
        "preset": patient.preset,
        "cancer": patient.cancer,
        "metastasis": patient.metastasis,
        "burden": patient.spread.burden,
        "counts": {
            name: int(n)
            for name, n in zip(VIEW_NAMES, patient.counts.sum(axis=(1, 2)), strict=True)
        },
        "regions": list(REGIONS),
        "lesions": [asdict(focus) for focus in truth.lesions],
        "findings": [asdict(focus) for focus in truth.findings],
        "body": asdict(patient.body),
        "physiology": {
            "regions": dict(patient.physiology.regions),
            "zones": dict(patient.physiology.zones),
            "tissues": dict(patient.physiology.tissues),
        },
        "vendor": acquisition.vendor.key,
        "camera": asdict(acquisition.camera),
        "velocity_mm_s": acquisition.velocity_mm_s,
        "export_least": acquisition.export_least,
        "joins": [asdict(join) for join in acquisition.joins],
        "motion": asdict(acquisition.motion) if acquisition.motion is not None else None,
    }


def _row(patient: SimulatedPatient, scan: list[str]) -> dict[str, str]:
    study = patient.study
    return {
        "patient": patient.identity.patient_id,
        "study": study,
        "cancer": patient.cancer,
        "metastasis": "yes" if patient.metastasis else "no",
        "files": ";".join(scan),
        "labels": ";".join(f"labels/{study}_{name}.json" for name in VIEW_NAMES),
        "site": "simulated",
    }


def _rows(folder: Path, index: int) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(_record_path(folder, index).read_text())
    return rows


def _record_path(folder: Path, index: int) -> Path:
    return folder / "truth" / f".done{index + 1:04d}"


def _claim(folder: Path, seed: int, preset: Preset, pictures: bool) -> None:
    """Note what the folder holds, or refuse one that holds something else."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "simulation.json"
    wanted = {"notice": NOTICE, "bonescan": __version__, "seed": seed, "preset": preset}
    if pictures:
        wanted["files"] = "pictures"
    if note.exists():
        found = json.loads(note.read_text())
        if found != wanted:
            raise BadInput(
                f"{note}: holds seed {found.get('seed')} and preset {found.get('preset')} of "
                f"bonescan {found.get('bonescan')}, as {found.get('files', 'DICOM')}; "
                "simulate into another folder"
            )
    elif any(folder.iterdir()):
        raise BadInput(f"{folder}: is not empty and holds no simulation; give a new folder")
    else:
        _write_text(note, json.dumps(wanted, indent=1) + "\n")


def _csv(rows: list[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _write_text(path: Path, text: str) -> None:
    aside = path.with_name(f"{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)
