"""Recognition of views from codes and text, in the order of trust."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.valuerep import VR

from bonescan.ingest import load_files
from bonescan.ingest.views import (
    clue_of_file,
    clue_of_frame,
    is_derived,
    start_angle_view,
    view_in,
    without_view,
)


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("0001_ANT", "anterior"),
        ("0001_POST", "posterior"),
        ("ANT_0001", "anterior"),
        ("wholeBodyPOST", "posterior"),
        ("Whole body anterior", "anterior"),
        ("case7ANT", "anterior"),
        ("antérieure", "anterior"),
        ("postérieur", "posterior"),
        ("POST THERAPY ANT", "anterior"),
        ("post-treatment", None),
        ("ANT/POST", None),
        ("Left anterior oblique", None),
        ("plantar", None),
        ("compost", None),
        ("", None),
    ],
)
def test_view_in(text, view):
    assert view_in(text) == view


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("0001_ANT", "0001"),
        ("POST-0001", "0001"),
        ("a_POST_b", "a_b"),
        ("wholeBodyANT", "wholeBody"),
        ("anterior", ""),
        ("case7", "case7"),
    ],
)
def test_without_view(name, rest):
    assert without_view(name) == rest


def test_derived():
    assert is_derived("GEOMETRIC MEAN")
    assert is_derived("WB_GMEAN")
    assert not is_derived("WB anterior")


@pytest.mark.parametrize(
    ("angle", "view"),
    [(0, "posterior"), (360, "posterior"), (180, "anterior"), (-180, "anterior"), (90, None)],
)
def test_start_angle(angle, view):
    assert start_angle_view(angle) == view


def code(value: str = "", meaning: str = "") -> Dataset:
    item = Dataset()
    if value:
        item.CodeValue = value
    if meaning:
        item.CodeMeaning = meaning
    return item


def detector(*codes: Dataset, **attributes: object) -> Dataset:
    item = Dataset()
    item.ViewCodeSequence = Sequence(codes)
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


@pytest.mark.parametrize(
    ("value", "view"),
    [
        ("399321004", "anterior"),
        ("G-5215", "anterior"),
        ("399001007", "posterior"),
        ("G-5216", "posterior"),
    ],
)
def test_code_value_outranks_its_meaning(value, view):
    dataset = Dataset()
    wrong = "posterior" if view == "anterior" else "anterior"
    dataset.DetectorInformationSequence = Sequence([detector(code(value, wrong))])
    clue = clue_of_frame(dataset, 1, 1)
    assert (clue.view, clue.by) == (view, "view code")


def test_meaning_outranks_view_position():
    dataset = Dataset()
    dataset.DetectorInformationSequence = Sequence([detector(code("X", "Posterior projection"))])
    dataset.ViewPosition = "ANTERIOR"
    clue = clue_of_frame(dataset, 1, 1)
    assert (clue.view, clue.by) == ("posterior", "view code meaning")


def test_view_position_outranks_vendor_text():
    dataset = Dataset()
    dataset.ViewPosition = "ANT"
    dataset.ImageID = "WHOLE BODY_F"
    clue = clue_of_frame(dataset, 1, 1)
    assert (clue.view, clue.by) == ("anterior", "view position")


@pytest.mark.parametrize("offset", [0x12, 0x30])
@pytest.mark.parametrize("block", [0x10, 0x11])
@pytest.mark.parametrize("names", [["WB ANT", "WB POS"], ["WHOLE BODY_E", "WHOLE BODY_F"]])
@pytest.mark.parametrize("unknown", [False, True], ids=["known VR", "UN"])
def test_ge_private_text(offset, block, names, unknown):
    dataset = Dataset()
    dataset.add_new((0x0011, block), "LO", "GEMS_GENIE_1")
    tag = (0x0011, block << 8 | offset)
    dataset.add_new(tag, "UN" if unknown else "LO", "\\".join(names).encode() if unknown else names)
    found = [clue_of_frame(dataset, frame, 2) for frame in (1, 2)]
    assert [clue.view for clue in found] == ["anterior", "posterior"]
    assert {clue.by for clue in found} == {"vendor text"}


@pytest.mark.parametrize("place", [(0x0009, 0x80), (0x0019, 0x61)])
def test_siemens_private_text(place):
    dataset = Dataset()
    block = dataset.private_block(place[0], "SIEMENS MED NM", create=True)
    block.add_new(place[1], "LO", ["Anterior", "Posterior"])
    assert [clue_of_frame(dataset, frame, 2).view for frame in (1, 2)] == ["anterior", "posterior"]


def test_siemens_private_text_of_two_lines():
    dataset = Dataset()
    block = dataset.private_block(0x0009, "SIEMENS MED NM", create=True)
    block.add_new(0x80, "ST", "WHOLEBODY ANT\r\nWHOLEBODY POS")
    assert [clue_of_frame(dataset, frame, 2).view for frame in (1, 2)] == ["anterior", "posterior"]


def test_siemens_lines_of_a_single_frame_are_one_text():
    dataset = Dataset()
    block = dataset.private_block(0x0009, "SIEMENS MED NM", create=True)
    block.add_new(0x80, "ST", "WHOLEBODY ANT\r\nBONE MDP")
    assert clue_of_frame(dataset, 1, 1).view == "anterior"


def test_empty_lines_name_nothing():
    dataset = Dataset()
    block = dataset.private_block(0x0009, "SIEMENS MED NM", create=True)
    block.add_new(0x80, "ST", "WHOLEBODY ANT\r\n\r\nWHOLEBODY POS")
    assert [clue_of_frame(dataset, frame, 2).view for frame in (1, 2)] == ["anterior", "posterior"]


@pytest.mark.parametrize("vr", [VR.UN, None], ids=["UN", "implicit VR"])
@pytest.mark.parametrize(
    ("content", "views"),
    [
        (b"ANT\\POS ", ["anterior", "posterior"]),
        (b"Posterior\0", [None, None]),  # one name for two frames
        (b"\1\0\2\0", [None, None]),  # signed shorts, whose meaning nobody tells
        (b"", [None, None]),
    ],
)
def test_siemens_whole_body_view_without_a_type(vr, content, views):
    """Dictionaries of private elements have a number there, so that text would be misread."""
    creator, tag = Tag(0x0019, 0x0010), Tag(0x0019, 0x1061)
    dataset = Dataset(  # as read; setting an element would convert it
        {
            creator: DataElement(creator, "LO", "SIEMENS MED NM"),
            tag: RawDataElement(tag, vr, len(content), content, 0, vr is None, True),
        }
    )
    clues = [clue_of_frame(dataset, frame, 2) for frame in (1, 2)]
    assert [clue and clue.view for clue in clues] == views


def test_image_id_of_ge():
    dataset = Dataset()
    dataset.ImageID = "WHOLE BODY_E"
    clue = clue_of_frame(dataset, 1, 1)
    assert (clue.view, clue.by) == ("anterior", "image id")


def test_vendor_text_outranks_description_and_that_the_file_name():
    dataset = Dataset()
    dataset.SeriesDescription = "Whole body POST"
    clue = clue_of_file(dataset, Path("x_ANT.dcm"))
    assert (clue.view, clue.by) == ("posterior", "series description")
    clue = clue_of_file(Dataset(), Path("x_ANT.dcm"))
    assert (clue.view, clue.by) == ("anterior", "file name")
    clue = clue_of_file(None, Path("wholeBodyPOST/12.jpg"))
    assert (clue.view, clue.by) == ("posterior", "folder name")


def test_file_name_says_nothing_about_one_of_two_frames(nm, save, front, back, tmp_path):
    scan = load_files([save(nm([back, front]), tmp_path / "x_ANT.dcm")])
    assert (scan.posterior.frame, scan.anterior.frame) == (1, 2)
    assert scan.anterior.recognised_by == "pixels"
    assert [flag.code for flag in scan.flags] == ["view-guessed", "view-guessed"]


def test_one_known_view_names_the_other(nm, save, front, back, tmp_path):
    dataset = nm([back, front], codes=["399001007", None])
    scan = load_files([save(dataset, tmp_path / "x.dcm")])
    assert scan.anterior.recognised_by == "the other view"
    (flag,) = scan.flags
    assert (flag.code, flag.severity) == ("view-guessed", "info")


def unclear(body):
    """A body of soft tissue with the same midline everywhere: no view by its pixels."""
    front, back = body("anterior", seed=3), body("posterior", seed=3)
    return [(front + back) // 2, (front[::1, ::-1] + back) // 2]


def test_start_angles_decide_where_pixels_do_not(nm, save, body, tmp_path):
    dataset = nm(unclear(body))
    dataset.DetectorInformationSequence = Sequence(
        [detector(StartAngle="0"), detector(StartAngle="180")]
    )
    scan = load_files([save(dataset, tmp_path / "x.dcm")])
    assert (scan.anterior.frame, scan.anterior.recognised_by) == (2, "detector start angle")
    assert {flag.code for flag in scan.flags} == {"view-guessed"}


def test_last_detector_1_is_anterior_with_a_warning(nm, save, body, tmp_path):
    dataset = nm(unclear(body), DetectorVector=[2, 1])
    scan = load_files([save(dataset, tmp_path / "x.dcm")])
    assert (scan.anterior.frame, scan.anterior.recognised_by) == (2, "detector order")
    guessed = [flag for flag in scan.flags if flag.code == "view-guessed"]
    assert len(guessed) == 2
    assert {flag.severity for flag in guessed} == {"warning"}


def test_pixels_contradict_codes(nm, save, front, back, tmp_path):
    dataset = nm([front, back], codes=["399001007", "399321004"])
    scan = load_files([save(dataset, tmp_path / "x.dcm")])
    assert scan.posterior.frame == 1
    (flag,) = scan.flags
    assert (flag.code, flag.severity) == ("view-contradicted", "error")


def test_pixels_contradict_a_single_view(nm, save, front, tmp_path):
    scan = load_files([save(nm(front, codes=["399001007"]), tmp_path / "x.dcm")])
    assert "view-contradicted" in {flag.code for flag in scan.flags}
