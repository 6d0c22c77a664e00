"""The real scans that lie beside the repository, where they are; see their README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from bonescan.errors import NotABoneScan
from bonescan.ingest import find_studies, load_files, load_study, quality
from bonescan.ingest.appearance import appearance_of, telling_apart
from bonescan.ingest.outline import outline_of
from bonescan.ingest.tiles import bodies_in, shows_a_column_of_bodies
from bonescan.scan import Crop, View

NUMBERS = range(1, 11)


def picture(real: Path, number: int, view: str) -> np.ndarray:
    return np.asarray(Image.open(real / "bs80k_pairs" / f"{number:04d}_{view}.jpg"), np.float32)


def nm1(real: Path) -> np.ndarray:
    return pydicom.dcmread(real / "nm1" / "nm1_anterior.dcm").pixel_array.astype(np.float32)


def upside_down(grey):
    counts = np.ascontiguousarray(grey, np.float32)
    view = View("anterior", counts, None, Path("a.dcm"), Crop.whole(counts.shape))
    return quality._upside_down(view, outline_of(counts))


def test_whole_folder(real):
    with find_studies([real]) as found:
        assert found.failures == ()
        names = [study.name for study in found.studies]
        assert names == [
            *(f"{number:04d}" for number in NUMBERS), "nm1_anterior", "poumonsReins_2frame",
        ]  # fmt: skip
        for study in found.studies[:10]:
            scan = load_study(study)
            assert [view.name for view in scan.views] == ["anterior", "posterior"]
            assert scan.anterior.recognised_by == "file name"
            codes = {flag.code for flag in scan.flags}
            assert "picture-source" in codes
            assert not codes & {"view-contradicted", "low-counts", "burned-in-text", "inverted"}
            assert ("wrapped-counts" in codes) == (study.name == "0006")


def test_nm1(real):
    scan = load_files([real / "nm1" / "nm1_anterior.dcm"])
    assert scan.posterior is None
    view = scan.anterior
    assert (view.recognised_by, view.pixel_spacing_mm) == ("image id", (2.26, 2.26))
    assert view.counts.sum(dtype=float) == scan.acquisition.counts_accumulated == 3_596_452
    assert scan.acquisition.true_counts
    assert scan.acquisition.velocity_mm_s == pytest.approx(1.671598)
    assert {flag.code for flag in scan.flags} == {"view-missing", "body-clipped"}


def test_lungs_and_kidneys_are_refused(real):
    with pytest.raises(
        NotABoneScan, match="not a body from head to feet, and Image Type is STATIC"
    ):
        load_files([real / "poumonsReins_2frame.dcm"])


def test_pixels_tell_every_view_and_pair(real):
    right = 0
    for number in NUMBERS:
        front = appearance_of(picture(real, number, "ANT"))
        back = appearance_of(picture(real, number, "POST"))
        assert telling_apart(front, back) == "anterior"
        right += (front.view == "anterior") + (back.view == "posterior")
    assert right == 20
    assert appearance_of(nm1(real)).view == "anterior"


@pytest.mark.parametrize("counts", [10_000, 50_000, 200_000])
def test_few_counts_still_show_a_body(real, counts):
    rng = np.random.default_rng(0)
    for grey in (nm1(real), *(picture(real, number, "POST") for number in NUMBERS)):
        thin = rng.poisson(grey * (counts / grey.sum()))
        assert outline_of(thin).looks_like_a_body


def test_a_body_on_its_head_is_told_from_one_head_up(real):
    for grey in (nm1(real), *(picture(real, n, side) for n in NUMBERS for side in ("ANT", "POST"))):
        for upright in (grey, grey[: len(grey) * 11 // 20], grey[len(grey) // 5 :]):
            assert upside_down(upright) == []
        assert [flag.severity for flag in upside_down(grey[::-1])] == ["error"]


def test_side_by_side(real):
    for number in NUMBERS:
        front, back = picture(real, number, "ANT"), picture(real, number, "POST")
        for axis in (0, 1):
            crops = bodies_in(np.concatenate([back, front], axis=axis))
            assert [(crop.height, crop.width) for crop in crops] == [(1024, 256)] * 2
        for margins in ((0, 0), (128, 128), (200, 300)):
            assert len(bodies_in(np.pad(front, ((0, 0), margins)))) == 1


def test_a_single_body_is_no_column_of_bodies(real):
    for grey in (nm1(real), *(picture(real, n, side) for n in NUMBERS for side in ("ANT", "POST"))):
        for part in (grey, grey[:700], grey[:, 50:206], grey[90:700]):
            assert len(bodies_in(part)) == 1
            assert not shows_a_column_of_bodies(part)


def test_bodies_without_a_gap_between_them(real):
    for number in NUMBERS:
        tight = []
        for side in ("ANT", "POST"):
            grey = picture(real, number, side)
            found = outline_of(grey)
            tight.append(grey[found.top : found.bottom])
        column = np.concatenate(tight)
        assert len(bodies_in(column)) == 2 or shows_a_column_of_bodies(column)
