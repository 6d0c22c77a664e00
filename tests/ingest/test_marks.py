"""A reader's Labelme files and PNG masks: which view, which size, which scan; odd ones refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from bonescan.errors import BadInput
from bonescan.ingest.labelme import write_labelme
from bonescan.ingest.marks import COUNTS_KEY, counts_digest, read_marks
from bonescan.scan import Crop, Scan

SHAPE = (1024, 256)


@pytest.fixture
def drawn() -> np.ndarray:
    """Two marks; those of the number 2 are two patches."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[300:307, 150:157] = 1
    mask[400:405, 100:110] = mask[500:505, 100:110] = 2
    return mask


def joint(scan: Scan) -> Scan:
    """Return the scan with both views beside each other in one frame."""
    views = [
        replace(view, crop=Crop(0, 256 * index, 1024, 256, 1024, 512), frame=1)
        for index, view in enumerate(scan.views)
    ]
    return replace(scan, anterior=views[0], posterior=views[1])


def save(path: Path, mask: np.ndarray, mode: str | None = None, **texts: str) -> Path:
    notes = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        notes.add_text(name.replace("_", "-"), text)
    picture = Image.fromarray(mask)
    (picture.convert(mode) if mode else picture).save(path, "PNG", pnginfo=notes)
    return path


@pytest.mark.parametrize("mode", [None, "L", "LA", "RGB", "RGBA", "I;16"])
def test_a_mask_says_what_it_said(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path, mode: str | None
) -> None:
    path = save(tmp_path / "p1_anterior.png", drawn, mode)
    marks = read_marks([path], plain_scan)
    assert set(marks.labels) == {"anterior"}
    np.testing.assert_array_equal(marks.labels["anterior"], drawn)
    (source,) = marks.sources
    assert (source.name, source.kind, source.views) == ("p1_anterior.png", "mask", ("anterior",))
    assert len(source.sha256) == 64
    assert marks.flags == ()


def test_the_view_may_stand_before_the_name(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path
) -> None:
    path = save(tmp_path / "mine.png", drawn)
    for view in ("anterior", "posterior"):
        assert set(read_marks([Path(f"{view}:{path}")], plain_scan).labels) == {view}
    with pytest.raises(BadInput, match="does not tell its view; write anterior: or posterior:"):
        read_marks([path], plain_scan)


def test_two_files_tell_of_two_views_but_not_of_one(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path
) -> None:
    front = save(tmp_path / "a_ANT.png", drawn)
    write_labelme(tmp_path / "a_POST.json", drawn, "a_POST.png", tolerance=0)
    marks = read_marks([front, tmp_path / "a_POST.json"], plain_scan)
    assert [source.kind for source in marks.sources] == ["mask", "labelme"]
    np.testing.assert_array_equal(marks.labels["posterior"] > 0, drawn > 0)
    again = save(tmp_path / "b_ANT.png", drawn)
    with pytest.raises(BadInput, match=r"b_ANT\.png: marks the anterior view, as a_ANT\.png does"):
        read_marks([front, again], plain_scan)


def test_one_picture_of_a_joint_frame_tells_of_both_views(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path
) -> None:
    scan = joint(plain_scan)
    both = np.concatenate([drawn, drawn[:, ::-1]], axis=1)
    write_labelme(tmp_path / "both.json", both, "both.png", tolerance=0)
    for path in (save(tmp_path / "both.png", both), tmp_path / "both.json"):
        marks = read_marks([path], scan)
        np.testing.assert_array_equal(marks.labels["anterior"] > 0, drawn > 0)
        np.testing.assert_array_equal(marks.labels["posterior"] > 0, drawn[:, ::-1] > 0)


def test_what_lies_on_another_view_is_left_out_and_said(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path
) -> None:
    both = np.concatenate([drawn, drawn], axis=1)
    marks = read_marks([save(tmp_path / "anterior.png", both)], joint(plain_scan))
    np.testing.assert_array_equal(marks.labels["anterior"], drawn)
    (flag,) = marks.flags
    assert flag.code == "marks-left-out"
    assert "149 marked pixels lie outside the anterior view" in flag.message


def test_benign_shapes_are_no_marks(plain_scan: Scan, drawn: np.ndarray, tmp_path: Path) -> None:
    write_labelme(tmp_path / "anterior.json", drawn, "anterior.png", label="benign")
    marks = read_marks([tmp_path / "anterior.json"], plain_scan)
    assert not marks.labels["anterior"].any()
    assert "benign" in marks.flags[0].message


def test_the_digest_tells_one_scan_from_another(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path
) -> None:
    front = plain_scan.views[0]
    same = save(tmp_path / "anterior.png", drawn, **{COUNTS_KEY: counts_digest(front.counts)})
    assert set(read_marks([same], plain_scan).labels) == {"anterior"}
    other = save(tmp_path / "posterior.png", drawn, **{COUNTS_KEY: counts_digest(front.counts)})
    with pytest.raises(BadInput, match="was made on another scan than this posterior view"):
        read_marks([other], plain_scan)


def test_marks_of_another_size_are_refused(plain_scan: Scan, tmp_path: Path) -> None:
    small = np.ones((512, 128), np.uint8)
    with pytest.raises(BadInput, match=r"is 512 x 128 pixels, but the frame .* is 1024 x 256"):
        read_marks([save(tmp_path / "anterior.png", small)], plain_scan)
    write_labelme(tmp_path / "anterior.json", small, "anterior.png")
    with pytest.raises(BadInput, match="512 x 128, but the view is 1024 x 256"):
        read_marks([tmp_path / "anterior.json"], plain_scan)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("anterior.png", b"", "is empty"),
        ("anterior.json", b"  \n", "is empty"),
        ("seg.dcm", b"\0" * 200, "is empty"),
        ("anterior.png", b"\x89PNG\r\n\x1a\nnonsense", "the picture is damaged"),
        ("anterior.json", b"{", "not valid JSON"),
        ("anterior.json", b"[1]", "shapes is missing"),
        ("anterior.json", b'{"schema": "bonescan-result"}', "shapes is missing"),
        ("marks.txt", b"two in the ribs", "needs a DICOM scan to refer to"),
    ],
)
def test_odd_files_are_one_line(
    plain_scan: Scan, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        read_marks([tmp_path / name], plain_scan)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_colours_are_refused(plain_scan: Scan, drawn: np.ndarray, tmp_path: Path) -> None:
    coloured = np.stack([drawn * 120, drawn, drawn], axis=-1)
    with pytest.raises(BadInput, match="has colours"):
        read_marks([save(tmp_path / "anterior.png", coloured)], plain_scan)


def test_a_missing_file_and_a_missing_view(
    plain_scan: Scan, drawn: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"absent\.png: cannot be read"):
        read_marks([tmp_path / "absent.png"], plain_scan)
    path = save(tmp_path / "posterior.png", drawn)
    with pytest.raises(BadInput, match="the study has no posterior view"):
        read_marks([path], replace(plain_scan, posterior=None))


def test_an_unknown_label_is_named(plain_scan: Scan, drawn: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "anterior.json"
    write_labelme(path, drawn, "x.png", label="hot rib")
    assert json.loads(path.read_text())["shapes"]
    with pytest.raises(BadInput, match="label 'hot rib' is not known; rename it to metastasis"):
        read_marks([path], plain_scan)
