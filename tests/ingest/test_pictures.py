"""PNG, JPEG and TIFF pictures as a source."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bonescan.errors import BadInput
from bonescan.ingest import find_studies, load_files, load_study


def codes_of(scan):
    return {flag.code for flag in scan.flags}


@pytest.fixture
def grey(front, back):
    """Front and back as 8-bit grey values."""
    return {
        "ANT": np.minimum(front.astype(int) * 4, 255).astype(np.uint8),
        "POST": np.minimum(back.astype(int) * 4, 255).astype(np.uint8),
    }


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "jpg"])
@pytest.mark.parametrize("names", ["0001_{}", "{}_0001", "0001 ({})"])
def test_pair_by_name(grey, tmp_path, suffix, names):
    for view, picture in grey.items():
        Image.fromarray(picture).save(tmp_path / f"{names.format(view)}.{suffix}")
    with find_studies([tmp_path]) as found:
        (study,) = found.studies
        scan = load_study(study)
    assert scan.study.startswith("0001")
    assert scan.anterior.recognised_by == "file name"
    tolerance = 40 if suffix == "jpg" else 0
    assert np.abs(scan.posterior.counts - grey["POST"]).max() <= tolerance
    assert not scan.acquisition.true_counts
    assert "picture-source" in codes_of(scan)
    assert not codes_of(scan) & {"low-counts", "burned-in-text", "inverted"}


def test_bs80k_folders(grey, tmp_path):
    for view, picture in grey.items():
        folder = tmp_path / f"wholeBody{view}"
        folder.mkdir()
        for number in (12, 7):
            Image.fromarray(picture).save(folder / f"{number}.png")
    with find_studies([tmp_path]) as found:
        assert [study.name for study in found.studies] == ["12", "7"]
        assert all(len(study.files) == 2 for study in found.studies)


def test_single_letters_need_both_files(grey, tmp_path):
    Image.fromarray(grey["ANT"]).save(tmp_path / "x_A.png")
    Image.fromarray(grey["POST"]).save(tmp_path / "x_P.png")
    Image.fromarray(grey["POST"]).save(tmp_path / "group_A.png")
    with find_studies([tmp_path]) as found:
        names = {study.name: len(study.views) for study in found.studies}
        alone = next(study for study in found.studies if study.name == "group_A")
    assert names == {"x": 2, "group_A": 1}
    assert (alone.views[0].view, alone.views[0].by) == ("posterior", "pixels")


def test_two_named_pictures_without_views_in_their_names(grey, tmp_path):
    Image.fromarray(grey["POST"]).save(tmp_path / "case_1.png")
    Image.fromarray(grey["ANT"]).save(tmp_path / "case_2.png")
    scan = load_files([tmp_path / "case_1.png", tmp_path / "case_2.png"])
    assert scan.study == tmp_path.name
    assert scan.anterior.source.name == "case_2.png"
    assert "view-guessed" in codes_of(scan)


def test_views_of_two_patients_named_together_stay_apart(grey, tmp_path):
    paths = [tmp_path / "0001_ANT.png", tmp_path / "0002_POST.png"]
    for path, picture in zip(paths, grey.values(), strict=True):
        Image.fromarray(picture).save(path)
    with find_studies(paths) as found:
        assert [study.name for study in found.studies] == ["0001_ANT", "0002_POST"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_depths(front, tmp_path, dtype, suffix):
    picture = np.minimum(front.astype(int) * (1 if dtype == np.uint8 else 100), np.iinfo(dtype).max)
    path = tmp_path / f"a_ANT.{suffix}"
    Image.fromarray(picture.astype(dtype)).save(path)
    np.testing.assert_array_equal(load_files([path]).anterior.counts, picture)


def test_rgb_grey_is_grey(grey, tmp_path):
    path = tmp_path / "a_ANT.png"
    Image.fromarray(grey["ANT"]).convert("RGB").save(path)
    scan = load_files([path])
    np.testing.assert_array_equal(scan.anterior.counts, grey["ANT"])
    assert "colour-picture" not in codes_of(scan)


def test_pages_of_a_tiff_are_views(grey, tmp_path):
    path = tmp_path / "a.tif"
    pages = [Image.fromarray(grey["POST"]), Image.fromarray(grey["ANT"])]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    scan = load_files([path])
    assert (scan.posterior.frame, scan.anterior.frame) == (1, 2)
    np.testing.assert_array_equal(scan.anterior.counts, grey["ANT"])


@pytest.mark.parametrize("inverse", [False, True])
def test_side_by_side_capture_with_text(grey, tmp_path, inverse):
    both = np.hstack([grey["ANT"], grey["POST"]])
    image = Image.fromarray(255 - both if inverse else both).convert("RGB")
    draw = ImageDraw.Draw(image)
    ink = (0, 0, 0) if inverse else (255, 255, 255)
    for place, word in (((10, 5), "ANT R"), ((270, 5), "POST L"), ((10, 1000), "2020-01-01")):
        draw.text(place, word, fill=ink)
    draw.text((400, 1000), "ID 4711", fill=(220, 20, 20))
    path = tmp_path / "capture.png"
    image.save(path)
    scan = load_files([path])
    assert scan.anterior.crop.left == 0
    assert scan.posterior.crop.left == 256
    assert {"composite-frame", "burned-in-text", "picture-source"} <= codes_of(scan)
    assert ("inverted" in codes_of(scan)) == inverse
    body = scan.anterior.counts[100:900]
    np.testing.assert_array_equal(body, grey["ANT"][100:900])


def test_coloured_picture_is_flagged(grey, tmp_path):
    colour = np.stack([grey["ANT"], grey["ANT"] // 2, grey["ANT"] // 4], axis=-1)
    path = tmp_path / "a_ANT.png"
    Image.fromarray(colour).save(path)
    assert "colour-picture" in codes_of(load_files([path]))


@pytest.mark.parametrize("keep", [20, 0.3, 0.8])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_cut_off_picture(grey, tmp_path, keep, suffix):
    path = tmp_path / f"a_ANT.{suffix}"
    Image.fromarray(grey["ANT"]).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: keep if keep > 1 else int(len(data) * keep)])
    with pytest.raises(BadInput, match=f"a_ANT.{suffix}: .*(damaged|cut off|not a PNG)"):
        load_files([path])


def test_photograph_is_no_scan(tmp_path):
    y, x = np.mgrid[:300, :400]
    Image.fromarray(((x + y) % 256).astype(np.uint8)).save(tmp_path / "cat.png")
    with pytest.raises(BadInput, match=r"cat\.png: the anterior view shows"):
        load_files([tmp_path / "cat.png"])


def test_blank_picture(tmp_path):
    Image.fromarray(np.zeros((1024, 256), np.uint8)).save(tmp_path / "a_ANT.png")
    with pytest.raises(BadInput, match="empty"):
        load_files([tmp_path / "a_ANT.png"])


def test_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (20000, 20000)).save(tmp_path / "a_ANT.png")
    with pytest.raises(BadInput, match="larger than any planar scan"):
        load_files([tmp_path / "a_ANT.png"])
