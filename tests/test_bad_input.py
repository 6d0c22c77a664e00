"""Every kind of bad input through the command line: one line, its exit code, nothing half-written.

The good study beside each of them is read all the same.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import CTImageStorage, generate_uid

from bonescan.cli import main
from bonescan.config import Settings
from bonescan.package import Package
from bonescan.simulate import write_cohort
from bonescan.train.folder import RunFolder, write_text

#: Larger than any picture of one patient, smaller than what a study's results need.
SMALL_DISK_BYTES = 60_000


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-frame NM file of a simulated patient; its labels lie in ``../labels``."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, 1, 7)
    return next((folder / "dicom").glob("*.dcm"))


def changed(study: Path, path: Path, **attributes: object) -> None:
    """Write a study with other attributes (None removes one) and an identity of its own."""
    dataset = pydicom.dcmread(study)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, generate_uid())
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path)


def truncated(study: Path, path: Path) -> None:
    path.write_bytes(study.read_bytes()[:300_000])


def text(study: Path, path: Path) -> None:
    path.write_text("a note that somebody named like a scan")


def ct(study: Path, path: Path) -> None:
    changed(study, path, Modality="CT", SOPClassUID=CTImageStorage)


def no_counts(study: Path, path: Path) -> None:
    changed(study, path, PixelData=bytes(len(pydicom.dcmread(study).PixelData)))


def not_a_number(study: Path, path: Path) -> None:
    counts = pydicom.dcmread(study).pixel_array.astype(np.float32)
    counts[0, 100, 100] = np.nan
    integer = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation"))
    changed(study, path, FloatPixelData=counts.tobytes(), BitsAllocated=32, **integer)


def no_matrix(study: Path, path: Path) -> None:
    changed(study, path, Rows=0, Columns=0, PixelData=b"")


def vast_matrix(study: Path, path: Path) -> None:
    changed(study, path, Rows=20_000, Columns=20_000)


def no_pixels(study: Path, path: Path) -> None:
    changed(study, path, PixelData=None)


def vast_picture(study: Path, path: Path) -> None:
    Image.new("L", (20_000, 20_000)).save(path, "PNG")


def bomb(study: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan.dcm", bytes(200 * 2**20))


def escape(study: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(study, "../../scan.dcm")


def empty(study: Path, path: Path) -> None:
    path.mkdir()


BAD = [
    (truncated, "bad.dcm", "Pixel Data is cut off"),
    (text, "bad.dcm", "not a DICOM file"),
    (ct, "bad.dcm", "Modality is CT, not NM; give the planar whole-body bone scan"),
    (no_counts, "bad.dcm", "view is empty (all pixels are 0); export the study again"),
    (not_a_number, "bad.dcm", "Pixel Data holds NaN or infinity; export the study again"),
    (no_matrix, "bad.dcm", "matrix of 0 x 0, 2 frames, is empty; export the study again"),
    (vast_matrix, "bad.dcm", "matrix of 20000 x 20000 is larger than any planar scan"),
    (no_pixels, "bad.dcm", "Pixel Data is cut off"),
    (vast_picture, "bad.png", "the picture is larger than any planar scan"),
    (bomb, "bad.zip", "unpacks to 200 MiB in 1 files from 0.2 MiB, more than studies do"),
    (escape, "bad.zip", "would leave the folder it is unpacked to; do not trust this zip"),
    (empty, "bad", "the folder holds no files; give the folder of a study"),
]


@pytest.mark.parametrize(("make", "name", "said"), BAD, ids=[make.__name__ for make, *_ in BAD])
@pytest.mark.parametrize("verb", ["read", "inspect"])
def test_a_bad_file_is_one_line_and_the_study_beside_it_is_read(
    make: Callable[[Path, Path], None],
    name: str,
    said: str,
    verb: str,
    study: Path,
    bright_package: Package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make(study, tmp_path / name)
    options = ["--out", "out", "--model", str(bright_package.folder)] if verb == "read" else []
    monkeypatch.setattr(sys, "argv", ["bonescan", verb, name, str(study), *options])
    with pytest.raises(SystemExit) as end:
        main()
    out, error = capsys.readouterr()
    assert end.value.code == 1
    assert error.startswith(f"bonescan: {name}")
    assert said in error
    assert error.count("\n") == 1
    assert study.stem in out
    if verb == "read":
        assert [path.name for path in Path("out").iterdir()] == [study.stem]
        assert json.loads((tmp_path / "out" / study.stem / "result.json").read_text())["study"]


def small_disk() -> None:
    """Let no file grow beyond a size, as on a disk that is nearly full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_DISK_BYTES, SMALL_DISK_BYTES))


def on_a_small_disk(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bonescan", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_disk,
    )


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_while_reading_leaves_nothing(
    study: Path, bright_package: Package, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = on_a_small_disk("read", study, "--out", out, "--model", bright_package.folder)
    assert result.returncode == 1
    assert result.stderr == (
        f"bonescan: {out / study.stem}: the results cannot be written (File too large); "
        "free space or name another folder\n"
    )
    assert list(out.iterdir()) == []


def test_a_full_disk_while_simulating_leaves_no_half_patient(tmp_path: Path) -> None:
    result = on_a_small_disk("simulate", tmp_path / "cohort", "--patients", "1")
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 2
    assert f"{tmp_path / 'cohort' / 'sim0001'}: File too large; check the path" in last
    assert files_below(tmp_path) == {"simulation.json"}


def test_a_full_disk_while_preparing_is_one_line(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = on_a_small_disk("prepare", study.parents[1], "--out", out)
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith(f"bonescan: {out}")
    assert "cannot be written (File too large)" in last
    assert files_below(out) <= {"data.json"}  # lists what failed


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bonescan", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_labelme_file_for_another_image_is_one_line(study: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    write_cohort(cohort, 1, 7)
    marks = next((cohort / "labels").glob("*_anterior.json"))
    record = json.loads(marks.read_text())
    marks.write_text(json.dumps({**record, "imageHeight": 512, "imageWidth": 512}))
    result = call("prepare", cohort, "--out", tmp_path / "data")
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1
    assert marks.name in last
    assert "512 x 512" in last


def test_a_misspelt_key_is_one_line_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('title = "t"\n[base]\noptimiser = { learning_rte = 0.1 }\n[run.a]\n')
    result = call("train", path, "--data", tmp_path, "--runs", tmp_path / "runs")
    assert result.returncode == 2
    assert result.stderr.startswith(f"bonescan: {path}: ")
    assert "optimiser.learning_rte" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_run_folder_from_other_settings_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "own" / "a-0" / "fold0")
    write_text(folder.settings, Settings().model_dump_json())
    result = call("export", folder.path, "--out", tmp_path / "model")
    assert result.returncode == 2
    assert "holds no finished fold" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "model").exists()
