"""Finding studies in files, folders and zips: grouping, names, failures."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.errors import BadInput
from bonescan.ingest import archives, find_studies, load_files, load_study
from bonescan.ingest.naming import stem_of, study_name, unique_names

ANTERIOR, POSTERIOR = "399321004", "399001007"


@pytest.fixture
def two(nm, front, back):
    def make(**attributes):
        return nm([front, back], codes=[ANTERIOR, POSTERIOR], **attributes)

    return make


@pytest.fixture
def one(nm, front, back):
    """A file of one view, in a given study and series."""

    def make(view, study="1.2.3", series="1.2.3.4", *, coded=True, **attributes):
        grey = front if view == "anterior" else back
        code = ANTERIOR if view == "anterior" else POSTERIOR
        return nm(
            grey,
            codes=[code] if coded else [],
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            **attributes,
        )

    return make


def summary(paths):
    """Return {study name: (views, number of files)} and the failures' reasons."""
    with find_studies(paths) as found:
        studies = {
            study.name: ("".join(sorted(view.view[0] for view in study.views)), len(study.files))
            for study in found.studies
        }
        return studies, [failure.reason for failure in found.failures]


def test_folder_of_two_frame_files(two, save, tmp_path):
    for name in ("b.dcm", "a.dcm", "sub/a.dcm", "1.2.840.5"):
        save(two(), tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "DICOMDIR").write_bytes(b"x")
    studies, failures = summary([tmp_path])
    assert studies == {
        "1.2.840.5": ("ap", 1), "a": ("ap", 1), "b": ("ap", 1), "a-2": ("ap", 1),
    }  # fmt: skip
    assert failures == []


def test_one_file_a_view_in_one_series(one, save, tmp_path):
    folder = tmp_path / "patient9"
    save(one("posterior"), folder / "IM0001")
    save(one("anterior"), folder / "IM0002")
    assert summary([folder]) == ({"patient9": ("ap", 2)}, [])


def test_one_series_a_view(one, save, tmp_path):
    save(one("posterior", series="1.2.3.5"), tmp_path / "x" / "s1" / "i1.dcm")
    save(one("anterior", series="1.2.3.6"), tmp_path / "x" / "s2" / "i2.dcm")
    assert summary([tmp_path]) == ({"x": ("ap", 2)}, [])


def test_shared_stem_names_a_pair_of_files(one, save, tmp_path):
    save(one("anterior"), tmp_path / "0001_ANT.dcm")
    save(one("posterior"), tmp_path / "0001_POST.dcm")
    assert summary([tmp_path]) == ({"0001": ("ap", 2)}, [])


def test_other_study_uids_but_shared_stem(one, save, tmp_path):
    save(one("anterior", study="1.2.1", series="1.2.11"), tmp_path / "0001_ANT.dcm")
    save(one("posterior", study="1.2.2", series="1.2.22"), tmp_path / "0001_POST.dcm")
    assert summary([tmp_path]) == ({"0001": ("ap", 2)}, [])


def test_other_patients_are_not_paired(one, save, tmp_path):
    save(one("anterior", PatientID="A"), tmp_path / "a.dcm")
    save(one("posterior", PatientID="B"), tmp_path / "b.dcm")
    studies, _ = summary([tmp_path])
    assert studies == {"a": ("a", 1), "b": ("p", 1)}


def test_a_second_anterior_view_is_not_lost(one, save, tmp_path):
    folder = tmp_path / "x"
    save(one("anterior", AcquisitionTime="100000"), folder / "1.dcm")
    save(one("posterior", AcquisitionTime="110000"), folder / "2.dcm")
    save(one("anterior", AcquisitionTime="110000"), folder / "3.dcm")
    with find_studies([folder]) as found:
        by_files = {tuple(path.name for path in study.files) for study in found.studies}
        flags = {flag.code for study in found.studies for flag in study.flags}
    assert by_files == {("1.dcm",), ("2.dcm", "3.dcm")}
    assert "repeated-view" in flags


def test_unnamed_views_of_a_series_are_told_apart_by_pixels(one, save, tmp_path):
    folder = tmp_path / "x"
    save(one("posterior", coded=False), folder / "1")
    save(one("anterior", coded=False), folder / "2")
    with find_studies([folder]) as found:
        (study,) = found.studies
        scan = load_study(study)
    assert scan.anterior.source.name == "2"
    assert scan.anterior.recognised_by == "pixels"


def test_copies_of_one_object_are_used_once(two, save, tmp_path):
    dataset = two()
    save(dataset, tmp_path / "a.dcm")
    save(dataset, tmp_path / "copy" / "b.dcm")
    with find_studies([tmp_path, tmp_path / "a.dcm"]) as found:
        (study,) = found.studies
    assert [flag.code for flag in study.flags] == ["duplicate-file"]


def test_shared_instance_uid_with_other_pixels_is_kept(one, save, tmp_path):
    save(one("anterior", SOPInstanceUID="1.2.9"), tmp_path / "a.dcm")
    save(one("posterior", SOPInstanceUID="1.2.9"), tmp_path / "b.dcm")
    with find_studies([tmp_path]) as found:
        (study,) = found.studies
    assert len(study.files) == 2
    assert {flag.code for flag in study.flags} == {"shared-instance-uid"}


def test_scatter_window_in_a_file_of_its_own(one, save, energy_windows, tmp_path):
    peak = energy_windows((126, 154))
    scatter = energy_windows((92, 125))
    save(one("anterior", EnergyWindowInformationSequence=peak), tmp_path / "x" / "1.dcm")
    save(one("anterior", EnergyWindowInformationSequence=scatter), tmp_path / "x" / "2.dcm")
    with find_studies([tmp_path]) as found:
        assert [study.name for study in found.studies] == ["1"]
        assert [item.path.name for item in found.skipped] == ["2.dcm"]
        (flag,) = found.studies[0].flags
    assert flag.code == "several-energy-windows"
    assert flag.message.startswith("Not read: 2.dcm: energy window")


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("described", [True, False])
def test_a_geometric_mean_in_a_file_of_its_own(
    one, nm, save, front, back, tmp_path, coded, described
):
    mean = np.sqrt(front.astype(float) * back[:, ::-1]).round().astype(np.uint16)
    dataset = nm(mean, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    if described:
        dataset.SeriesDescription = "WB GEOMETRIC MEAN"
    save(one("anterior", coded=coded), tmp_path / "x" / "1")
    save(one("posterior", coded=coded), tmp_path / "x" / "2")
    alone = save(dataset, tmp_path / "x" / "3")
    with find_studies([tmp_path]) as found:
        (study,) = found.studies
        scan = load_study(study)
        assert found.failures == ()
        assert [item.path.name for item in found.skipped] == ["3"] * described
    np.testing.assert_array_equal(scan.anterior.counts, front)
    np.testing.assert_array_equal(scan.posterior.counts, back)
    (flag,) = [flag for flag in scan.flags if flag.code == "derived-frame"]
    assert flag.message.startswith("3 is computed from the views")
    scan = load_files([tmp_path / "x" / name for name in "123"])
    np.testing.assert_array_equal(scan.posterior.counts, back)
    if described:
        assert "holds only a picture computed from views" in summary([alone])[1][0]
        with pytest.raises(BadInput, match="holds only a picture computed from views"):
            load_files([alone, tmp_path / "x" / "2"], views={alone: "anterior"})


def test_failures_do_not_stop_others(two, save, tmp_path):
    good = save(two(), tmp_path / "good.dcm")
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text.dcm").write_text("hello")
    (tmp_path / "ct1.dcm").write_bytes(b"")
    for number in range(3):
        save(two(Modality="MR"), tmp_path / "mr" / f"{number}.dcm")
    for number in range(11):
        save(two(Modality="CT"), tmp_path / "ct" / f"{number}.dcm")
    studies, failures = summary([tmp_path, tmp_path / "missing.dcm"])
    assert list(studies) == ["good"]
    assert sum("no such file" in reason for reason in failures) == 1
    (ct,) = [reason for reason in failures if "Modality is CT" in reason]
    assert "10 more files alike" in ct
    assert sum("Modality is MR" in reason for reason in failures) == 3  # each named
    assert len(failures) == 8
    assert all("\n" not in reason for reason in failures)


def test_a_folder_that_may_not_be_opened_is_named(nm, save, front, tmp_path, monkeypatch):
    save(nm(front), tmp_path / "in" / "a.dcm")
    (tmp_path / "in" / "closed").mkdir()
    allowed = os.access
    monkeypatch.setattr(
        "os.access", lambda path, mode: Path(path).name != "closed" and allowed(path, mode)
    )
    with find_studies([tmp_path / "in"]) as found:
        assert [study.name for study in found.studies] == ["a"]
        (failure,) = found.failures
    assert failure.reason.endswith("in/closed: the folder cannot be opened; check its rights")


def test_empty_folder(tmp_path):
    assert "no files" in summary([tmp_path])[1][0]


def test_named_clutter_is_a_failure(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("x")
    assert "not a DICOM file" in summary([path])[1][0]
    assert "holds no DICOM" in summary([tmp_path])[1][0]


def test_label_pictures_beside_dicom_are_left_out(two, save, front, tmp_path):
    save(two(), tmp_path / "dicom" / "a.dcm")
    Image.fromarray(np.minimum(front, 255).astype(np.uint8)).save(tmp_path / "a_anterior.png")
    (tmp_path / "a_anterior.json").write_text("{}")
    assert summary([tmp_path]) == ({"a": ("ap", 1)}, [])


def test_our_own_outputs_are_left_out(two, save, front, tmp_path):
    save(two(), tmp_path / "a.dcm")
    out = tmp_path / "out" / "a"
    out.mkdir(parents=True)
    (out / "result.json").write_text("{}")
    Image.fromarray(np.minimum(front, 255).astype(np.uint8)).save(out / "overlay.png")
    assert summary([tmp_path]) == ({"a": ("ap", 1)}, [])


def test_load_files_with_given_views(one, save, tmp_path):
    first = save(one("anterior", coded=False), tmp_path / "one.dcm")
    second = save(one("posterior", coded=False), tmp_path / "two.dcm")
    scan = load_files([first, second], name="s1", views={first: "anterior", second: "posterior"})
    assert scan.study == "s1"
    assert scan.posterior.source == second
    assert scan.posterior.recognised_by == "given"


def test_load_files_refuses_two_studies(two, save, tmp_path):
    paths = [save(two(), tmp_path / name) for name in ("a.dcm", "b.dcm")]
    with pytest.raises(BadInput, match="2 studies, not one"):
        load_files(paths)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["in/case7.dcm"], "case7"),
        (["in/1.2.840.10008.5"], "1.2.840.10008.5"),
        (["in/IM0001"], "IM0001"),
        (["in/0001_ANT.jpg", "in/0001_POST.jpg"], "0001"),
        (["in/anterior_17.png", "in/posterior_17.png"], "17"),
        (["d/wholeBodyANT/5.jpg", "d/wholeBodyPOST/5.jpg"], "5"),
        (["in/IM1", "in/IM2"], "in"),
        (["in/ANT.dcm", "in/POST.dcm"], "in"),
        (["p9/ANT/IM1", "p9/POST/IM1"], "IM1"),
        (["p9/ANT/IM1", "p9/POST/IM2"], "p9"),
        (["batch.zip/IM1", "batch.zip/IM2"], "batch"),
        (["in/..dcm"], "study"),
    ],
)
def test_study_name(files, name):
    assert study_name([Path(file) for file in files]) == name


def test_stem_keeps_uids_whole():
    assert stem_of(Path("1.2.3.dcm")) == "1.2.3"
    assert stem_of(Path("a.b.JPG")) == "a.b"


def test_names_collide_whatever_their_case():
    assert unique_names(["a", "A", "a", "a-2"]) == ["a", "A-2", "a-3", "a-2-2"]


# --- zips -----------------------------------------------------------------------------------------


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def dicom_bytes(two, save, tmp_path):
    return save(two(), tmp_path / "source" / "x.dcm").read_bytes()


def test_zip_of_studies(two, save, tmp_path):
    data = [save(two(), tmp_path / "source" / f"{n}.dcm").read_bytes() for n in (1, 2)]
    path = packed(
        tmp_path / "batch.zip",
        {"one/a.dcm": data[0], "deep/er/b.dcm": data[1], "README.txt": b"x", "__MACOSX/c": b"x"},
    )
    with find_studies([path]) as found:
        assert [study.name for study in found.studies] == ["b", "a"]
        assert found.studies[0].origins == (path / "deep/er/b.dcm",)
        scan = load_study(found.studies[0])
        folder = scan.anterior.source.parent
        assert folder.exists()
    assert scan.sources == (path / "deep/er/b.dcm",)
    assert not folder.exists()


def test_zip_in_a_folder_and_failures_name_the_member(dicom_bytes, tmp_path):
    packed(tmp_path / "in.zip", {"a.dcm": dicom_bytes, "cut.dcm": dicom_bytes[:3000]})
    studies, failures = summary([tmp_path / "in.zip"])
    assert list(studies) == ["a"]
    assert "in.zip/cut.dcm" in failures[0]


@pytest.mark.parametrize("name", ["../out.dcm", "/abs.dcm", "a/../../b.dcm", "..\\x.dcm", "C:/x"])
def test_path_escaping_zip(dicom_bytes, tmp_path, name):
    path = packed(tmp_path / "evil.zip", {"ok.dcm": dicom_bytes, name: dicom_bytes})
    studies, failures = summary([path])
    assert studies == {}
    assert "would leave the folder" in failures[0]
    assert not (tmp_path / "out.dcm").exists()


def test_link_in_zip(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.dcm")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "would leave the folder" in summary([path])[1][0]


def test_zip_bomb(tmp_path):
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.dcm", "w", force_zip64=True) as member,
    ):
        for _ in range(200):
            member.write(bytes(2**20))
    assert "more than studies do" in summary([path])[1][0]


def test_zip_that_lies_about_sizes(dicom_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 10_000)
    path = packed(tmp_path / "big.zip", {"a.dcm": dicom_bytes})
    assert "more than studies do" in summary([path])[1][0]


def test_encrypted_zip(tmp_path):
    path = packed(tmp_path / "secret.zip", {"a.dcm": b"x"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(bytes(data))
    assert "encrypted" in summary([path])[1][0]


def test_zip_in_a_zip(dicom_bytes, tmp_path):
    inner = packed(tmp_path / "inner.zip", {"a.dcm": dicom_bytes}).read_bytes()
    path = packed(tmp_path / "outer.zip", {"inner.zip": inner, "b.dcm": dicom_bytes})
    studies, (reason,) = summary([path])
    assert list(studies) == ["b"]
    assert "a zip inside a zip" in reason


def test_damaged_zip(dicom_bytes, tmp_path):
    path = packed(tmp_path / "cut.zip", {"a.dcm": dicom_bytes})
    path.write_bytes(path.read_bytes()[:2000])
    assert "damaged" in summary([path])[1][0]


def test_full_disk_while_unpacking(dicom_bytes, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    path = packed(tmp_path / "a.zip", {"a.dcm": dicom_bytes})
    monkeypatch.setattr(archives, "_copy", full)
    reason = summary([path])[1][0]
    assert "cannot be unpacked (No space left on device); free space below" in reason
    assert reason.endswith("or set TMPDIR")


def test_nothing_stays_in_the_temporary_folder(dicom_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = packed(tmp_path / "a.zip", {"a.dcm": dicom_bytes})
    with find_studies([path]) as found:
        assert found.studies
        assert list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "tmp").iterdir())
