"""Cases of a cohort: views as the table tells them, marks in the geometry of each view."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, generate_uid

from bonescan.errors import BadInput
from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import Case, LabelFile, ViewPlace
from bonescan.ingest.labelme import write_labelme
from bonescan.scan import Crop, Scan, View

SHAPE = (40, 30)
MakeCase = Callable[..., Case]


def view(name: str, crop: Crop | None = None) -> View:
    assert name in ("anterior", "posterior")
    counts = np.ones(SHAPE, np.float32)
    return View(name, counts, None, Path("x.dcm"), crop or Crop.whole(SHAPE))


BOTH = Scan("x", view("anterior"), view("posterior"))


def case(*labels: LabelFile, metastasis: bool = True, **more: object) -> Case:
    fields = {"patient": "p", "study": "x", "cancer": "breast", "files": (Path("x.dcm"),)}
    return Case(metastasis=metastasis, labels=labels, row=7, **(fields | more))  # type: ignore[arg-type]


@pytest.fixture
def mark(tmp_path: Path) -> Callable[..., Path]:
    """Write a Labelme file with one marked box."""

    def _mark(
        name: str,
        rows: slice,
        columns: slice,
        shape: tuple[int, int] = SHAPE,
        label: str = "metastasis",
    ) -> Path:
        mask = np.zeros(shape, bool)
        mask[rows, columns] = True
        write_labelme(tmp_path / name, mask, f"{Path(name).stem}.png", label=label, tolerance=0)
        return tmp_path / name

    return _mark


def test_several_files_of_a_view_add_up(mark: Callable[..., Path]) -> None:
    first = LabelFile(mark("1.json", slice(0, 4), slice(0, 4)), "anterior")
    second = LabelFile(mark("2.json", slice(10, 12), slice(5, 9)), "anterior")
    third = LabelFile(mark("3.json", slice(10, 12), slice(5, 9), label="benign"), "posterior")
    masks = read_masks(case(first, second, third), BOTH)
    assert masks.metastasis["anterior"].sum() == 16 + 8
    assert not masks.metastasis["posterior"].any()
    assert masks.benign["posterior"].sum() == 8
    assert masks.flags == ()


def test_view_without_a_label_file_is_a_doubt_in_a_positive_case(mark: Callable[..., Path]) -> None:
    label = LabelFile(mark("1.json", slice(0, 4), slice(0, 4)), "posterior")
    (flag,) = read_masks(case(label), BOTH).flags
    assert (flag.code, "anterior" in flag.message) == ("label-missing", True)


def test_label_without_a_view_fits_a_scan_of_one_view(mark: Callable[..., Path]) -> None:
    label = LabelFile(mark("1.json", slice(0, 4), slice(0, 4)), None)
    masks = read_masks(case(label), Scan("x", None, view("posterior")))
    assert masks.metastasis["posterior"].sum() == 16
    with pytest.raises(BadInput, match="does not tell its view; write anterior: or posterior:"):
        read_masks(case(label), BOTH)


def test_label_on_a_joint_frame_is_cut_to_both_views(mark: Callable[..., Path]) -> None:
    left = view("anterior", Crop(0, 0, 40, 30, 40, 60))
    right = view("posterior", Crop(0, 30, 40, 30, 40, 60))
    path = mark("1.json", slice(5, 7), slice(28, 34), (40, 60))
    for label in (LabelFile(path, None), LabelFile(path, "posterior")):
        masks = read_masks(case(label), Scan("x", left, right))
        assert masks.metastasis["posterior"].sum() == 8
        assert masks.metastasis["posterior"][5:7, :4].all()
        expected = 4 if label.view is None else 0
        assert masks.metastasis["anterior"][5:7, 28:].sum() == expected


def test_label_for_a_view_that_is_not_there_is_refused(mark: Callable[..., Path]) -> None:
    label = LabelFile(mark("1.json", slice(0, 4), slice(0, 4)), "posterior")
    with pytest.raises(BadInput, match="the study has no posterior view"):
        read_masks(case(label), Scan("x", view("anterior"), None))


def test_labels_must_agree_with_the_table(mark: Callable[..., Path]) -> None:
    some = LabelFile(mark("1.json", slice(0, 4), slice(0, 4)), "anterior")
    none = LabelFile(mark("2.json", slice(0, 0), slice(0, 0)), "anterior")
    benign = LabelFile(mark("3.json", slice(0, 4), slice(0, 4), label="benign"), "anterior")
    with pytest.raises(BadInput, match=r"metastasis is no in row 7 .* its labels mark some"):
        read_masks(case(some, metastasis=False), BOTH)
    with pytest.raises(BadInput, match=r"metastasis is yes in row 7 .* no label file is named"):
        read_masks(case(), BOTH)
    assert read_masks(case(none, benign, metastasis=False), BOTH).flags == ()
    assert read_masks(case(metastasis=False), BOTH).flags == ()
    codes = [flag.code for flag in read_masks(case(none), BOTH).flags]
    assert codes == ["label-none", "label-missing"]


# --- views as the table tells them --------------------------------------------------------------


def body(seed: int) -> NDArray[np.uint16]:
    """Counts of a symmetric body, 1024 x 256: nothing tells front from back."""
    rate = np.zeros((1024, 256))
    rate[80:180, 104:152] = 6
    rate[180:520, 70:186] = 3
    rate[180:520, 122:134] = 9
    rate[190:540, 40:58] = rate[190:540, 198:216] = 3
    rate[520:920, 84:116] = rate[520:920, 140:172] = 3
    return np.random.default_rng(seed).poisson(rate).astype(np.uint16)


def write_two_frames(path: Path) -> Path:
    """Write a two-frame whole-body NM object without any word about its views."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID = "NM", "p"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 1024, 256, 2
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.PixelSpacing = [2.4, 2.4]
    dataset.PixelData = np.stack([body(1), body(2)]).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_frames_take_the_names_that_the_table_gives(tmp_path: Path) -> None:
    path = write_two_frames(tmp_path / "x.dcm")
    for anterior in (1, 2):
        places = (
            ViewPlace("anterior", path, anterior),
            ViewPlace("posterior", path, 3 - anterior),
        )
        for told in (places, places[:1], places[1:]):
            scan = load_case(case(files=(path,), views=told, metastasis=False))
            assert scan.anterior is not None
            assert scan.posterior is not None
            assert (scan.anterior.frame, scan.posterior.frame) == (anterior, 3 - anterior)
            assert (scan.anterior.name, scan.posterior.name) == ("anterior", "posterior")
            np.testing.assert_array_equal(scan.anterior.counts, body(anterior))
            by = {view.name: view.recognised_by for view in scan.views}
            assert all(by[place.view] == "cohort.csv" for place in told)
            doubts = {flag.code for flag in scan.flags if flag.severity != "info"}
            assert "view-guessed" not in doubts


def test_frame_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write_two_frames(tmp_path / "x.dcm")
    with pytest.raises(BadInput, match=r"x\.dcm: frame 3 is not among the views read; .* row 7"):
        load_case(case(files=(path,), views=(ViewPlace("anterior", path, 3),)))


def test_files_take_the_names_that_the_table_gives(tmp_path: Path) -> None:
    first, second = tmp_path / "k1.png", tmp_path / "k2.png"
    Image.fromarray(body(1).astype(np.uint8)).save(first)
    Image.fromarray(body(2).astype(np.uint8)).save(second)
    views = (ViewPlace("anterior", second), ViewPlace("posterior", first))
    scan = load_case(case(files=(first,), views=views, metastasis=False))
    assert scan.study == "x"
    assert scan.anterior is not None
    assert scan.posterior is not None
    np.testing.assert_array_equal(scan.anterior.counts, body(2))
    np.testing.assert_array_equal(scan.posterior.counts, body(1))


def test_two_pictures_of_one_view_are_refused(tmp_path: Path) -> None:
    files = tmp_path / "k_ANT.png", tmp_path / "l_ant.png"
    for seed, file in enumerate(files):
        Image.fromarray(body(seed).astype(np.uint8)).save(file)
    with pytest.raises(BadInput, match=r"k_ANT\.png .* and l_ant\.png .* are both anterior"):
        load_case(case(files=files))
    scan = load_case(case(files=files, views=(ViewPlace("posterior", files[1]),)))
    assert {view.name: view.source.name for view in scan.views} == {
        "anterior": "k_ANT.png",
        "posterior": "l_ant.png",
    }


def test_file_of_two_frames_must_be_told_apart_by_frame(tmp_path: Path) -> None:
    path = write_two_frames(tmp_path / "x.dcm")
    with pytest.raises(BadInput, match="shows 2 pictures; tell which is anterior by file#frame"):
        load_case(case(files=(path,), views=(ViewPlace("anterior", path),)))
