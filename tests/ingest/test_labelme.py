"""Labelme files of both generations to masks, and masks back."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.ingest.labelme import annotated_shape, read_labelme, write_labelme
from bonescan.ingest.polygons import border

SHAPE = (40, 30)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a Labelme file with the given shapes; keywords change the record."""

    def _write(*shapes: dict[str, Any], **changes: Any) -> Path:
        record = {
            "version": "4.5.9", "flags": {}, "shapes": list(shapes), "imagePath": "x_anterior.png",
            "imageData": None, "imageHeight": SHAPE[0], "imageWidth": SHAPE[1],
        }  # fmt: skip
        record |= changes
        path = tmp_path / "x_anterior.json"
        path.write_text(json.dumps({k: v for k, v in record.items() if v != "absent"}))
        return path

    return _write


def shape(kind: str | None, *points: tuple[float, float], **more: Any) -> dict[str, Any]:
    base = {"label": "metastasis", "points": [list(p) for p in points], "group_id": None}
    return base | {"shape_type": kind, "flags": {}} | more


def png(mask: np.ndarray) -> str:
    packed = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(packed, "PNG")
    return base64.b64encode(packed.getvalue()).decode()


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def test_polygon_rectangle_and_mask_agree(write: Write) -> None:
    expected = box(slice(5, 9), slice(10, 16))
    corners = [(10, 5), (16, 5), (16, 9), (10, 9)]
    for one in (
        shape("polygon", *corners),
        shape(None, *corners),
        shape("rectangle", (16, 5), (10, 9)),
        shape("rectangle", *corners),
        shape("oriented_rectangle", *corners),
        shape("mask", (10.0, 5.0), (15.0, 8.0), mask=png(np.ones((4, 6))), description=""),
    ):
        annotation = read_labelme(write(one), SHAPE)
        np.testing.assert_array_equal(annotation.metastasis, expected)
        assert not annotation.benign.any()
        assert annotation.flags == ()


def test_circle_is_centre_and_a_point_on_it(write: Write) -> None:
    mask = read_labelme(write(shape("circle", (15, 20), (15, 26))), SHAPE).metastasis
    assert mask.sum() == pytest.approx(np.pi * 36, rel=0.05)
    assert np.argwhere(mask).mean(axis=0) + 0.5 == pytest.approx((20, 15))


def test_shapes_add_up(write: Write) -> None:
    annotation = read_labelme(
        write(shape("rectangle", (1, 1), (3, 3)), shape("rectangle", (2, 2), (5, 5))), SHAPE
    )
    expected = box(slice(1, 3), slice(1, 3)) | box(slice(2, 5), slice(2, 5))
    np.testing.assert_array_equal(annotation.metastasis, expected)


def test_shapes_without_area_are_left_out_and_said(write: Write) -> None:
    annotation = read_labelme(
        write(
            shape("point", (3, 3)),
            shape("line", (1, 1), (9, 9)),
            shape("linestrip", (1, 1), (9, 9), (1, 20)),
            shape("line", (1, 1), (2, 9)),
        ),
        SHAPE,
    )
    assert not annotation.metastasis.any()
    (flag,) = annotation.flags
    assert flag.code == "label-left-out"
    assert "2 line, 1 linestrip, 1 point" in flag.message


def test_shape_beyond_the_picture_is_cut_and_said(write: Write) -> None:
    annotation = read_labelme(write(shape("rectangle", (20, 30), (99, 99))), SHAPE)
    np.testing.assert_array_equal(annotation.metastasis, box(slice(30, None), slice(20, None)))
    assert [flag.code for flag in annotation.flags] == ["label-clipped"]
    cut = read_labelme(
        write(shape("mask", (28, -2), (31, 1), mask=png(np.ones((4, 4))))), SHAPE
    ).metastasis
    np.testing.assert_array_equal(cut, box(slice(0, 2), slice(28, 30)))


def test_shape_without_a_pixel_is_said(write: Write) -> None:
    annotation = read_labelme(write(shape("polygon", (3.1, 3.1), (3.2, 3.1), (3.2, 3.2))), SHAPE)
    assert [flag.code for flag in annotation.flags] == ["label-empty"]


def test_mask_one_pixel_smaller_than_its_box_is_taken(write: Write) -> None:
    # Labelme's box ends one past the last pixel; at the picture's edge the mask lacks that one.
    one = shape("mask", (26, 36), (30, 40), mask=png(np.ones((4, 4))))
    mask = read_labelme(write(one), SHAPE).metastasis
    np.testing.assert_array_equal(mask, box(slice(36, 40), slice(26, 30)))


def test_names_are_mapped_by_the_setting(write: Write) -> None:
    names = LabelNames(metastasis=("Met", "M"), benign=("joint",), ignored=("bladder",))
    path = write(
        shape("rectangle", (0, 0), (2, 2), label="met"),
        shape("rectangle", (4, 4), (6, 6), label="Joint"),
        shape("rectangle", (8, 8), (9, 9), label=" BLADDER"),
    )
    annotation = read_labelme(path, SHAPE, names=names)
    np.testing.assert_array_equal(annotation.metastasis, box(slice(0, 2), slice(0, 2)))
    np.testing.assert_array_equal(annotation.benign, box(slice(4, 6), slice(4, 6)))


def test_default_names_take_spelling_lightly(write: Write) -> None:
    path = write(shape("rectangle", (0, 0), (2, 2), label="Bone_Metastasis"))
    assert read_labelme(path, SHAPE).metastasis.sum() == 4


def test_unknown_names_are_listed_with_the_remedy(write: Write) -> None:
    path = write(
        shape("rectangle", (0, 0), (2, 2), label="metastatis"),
        shape("point", (0, 0), label="artefact"),
    )
    with pytest.raises(BadInput, match=r"'artefact', 'metastatis' .*labels\.metastasis"):
        read_labelme(path, SHAPE)


def test_file_for_another_picture_is_refused(write: Write) -> None:
    with pytest.raises(BadInput, match="40 x 30, but the view is 1024 x 256"):
        read_labelme(write(), (1024, 256))


def test_size_may_be_written_as_float(write: Write) -> None:
    assert annotated_shape(write(imageHeight=40.0, imageWidth=30.0)) == SHAPE
    assert annotated_shape(write(imageHeight=float("nan"), imageWidth=30.0)) is None


def test_size_is_taken_from_the_picture_inside_where_it_is_not_stated(write: Write) -> None:
    path = write(imageHeight="absent", imageWidth=None, imageData=png(np.zeros(SHAPE)))
    assert annotated_shape(path) == SHAPE
    assert not read_labelme(path, SHAPE).metastasis.any()
    with pytest.raises(BadInput, match="imageHeight or imageWidth is missing"):
        read_labelme(write(imageHeight="absent"), SHAPE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100000, "not valid JSON"),
        (b"[]", "shapes is missing"),
        (b'{"shapes": 3}', "shapes is missing"),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message) as caught:
        read_labelme(path, SHAPE)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ("text", "label is missing"),
        ({"points": [[1, 2]]}, "label is missing"),
        (shape("polygon", (1, 1), (2, 2)), "needs 3 points, it has 2"),
        (shape("circle", (1, 1)), "needs 2 points"),
        (shape("rectangle", (1, 1)), "needs 2 points"),
        (shape("polygon") | {"points": None}, "no list of"),
        (shape("polygon") | {"points": [[1, 2], [3], [4, 5]]}, "no list of"),
        (shape("polygon") | {"points": [["a", "b"], [1, 2], [3, 4]]}, "no list of"),
        (shape("polygon", (1, 1), (float("nan"), 2), (3, 3)), "no list of"),
        (shape("polygon") | {"points": []}, "no list of"),
        (shape("heptagon", (1, 1), (2, 2), (3, 3)), "shape_type 'heptagon' is not known"),
        (shape("mask", (1, 1), (4, 4)), "no base64 PNG"),
        (shape("mask", (1, 1), (4, 4), mask="!!"), "no base64 PNG"),
        (shape("mask", (1, 1), (4, 4), mask="aGVsbG8="), "no base64 PNG"),
        (shape("mask", (1, 1), (4, 4), mask=png(np.ones((9, 4)))), "9 x 4 pixels, its box 4 x 4"),
    ],
)
def test_senseless_shapes_are_one_line(write: Write, one: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read_labelme(write(one), SHAPE)
    assert "shape 1" in str(caught.value)


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_labelme(tmp_path / "no.json", SHAPE)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**20), density=st.floats(0.02, 0.8), smooth=st.floats(0.3, 3))
def test_masks_come_back_but_for_their_border(
    tmp_path: Path, seed: int, density: float, smooth: float
) -> None:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 50)), smooth)
    mask = field > np.quantile(field, 1 - density)
    write_labelme(tmp_path / "x.json", mask, "x.png")
    back = read_labelme(tmp_path / "x.json", (60, 50)).metastasis
    assert not ((back != mask) & ~border(mask)).any()
    write_labelme(tmp_path / "x.json", mask, "x.png", tolerance=0)
    np.testing.assert_array_equal(read_labelme(tmp_path / "x.json", (60, 50)).metastasis, mask)


def test_numbered_masks_keep_their_numbers(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 3:6] = 1
    mask[20:24, 3:6] = 2
    mask[20:24, 20:26] = 2
    write_labelme(tmp_path / "x.json", mask, "x.png", label="benign")
    record = json.loads((tmp_path / "x.json").read_text())
    assert [one["group_id"] for one in record["shapes"]] == [1, 2, 2]
    assert (record["imagePath"], record["imageHeight"], record["imageWidth"]) == ("x.png", 40, 30)
    np.testing.assert_array_equal(read_labelme(tmp_path / "x.json", SHAPE).benign, mask > 0)


def test_a_file_drawn_on_another_picture_is_doubted(tmp_path: Path) -> None:
    path = tmp_path / "case1_anterior.json"
    mask = np.zeros((40, 30), bool)
    mask[5:15, 5:15] = True
    for picture, codes in (
        ("case1_anterior.png", []),
        ("C:\\pictures\\case1_anterior.jpg", []),
        ("case4_anterior.png", ["label-other-picture"]),
        ("case1_posterior.png", ["label-other-picture"]),
    ):
        write_labelme(path, mask, picture)
        assert [flag.code for flag in read_labelme(path, (40, 30)).flags] == codes, picture
    (tmp_path / "case1_posterior.png").write_bytes(b"")
    with pytest.raises(BadInput, match=r"imagePath is case1_posterior\.png"):
        read_labelme(path, (40, 30))
