"""The 8-bit pictures for Labelme and their mapping."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bonescan.errors import BadInput
from bonescan.ingest.labelling import IntensityMapping, default_mapping, export_for_labelme
from bonescan.scan import Crop, View

COUNTS = np.random.default_rng(0).poisson(6, (40, 30)).astype(np.float32)
VIEW = View("posterior", COUNTS, None, Path("case7.dcm"), Crop.whole((40, 30)), frame=2)


@given(st.floats(0.05, 60), st.booleans(), st.integers(0, 2**20))
def test_mapping_comes_back_within_half_a_grey_value(
    gain: float, inverted: bool, seed: int
) -> None:
    counts = np.random.default_rng(seed).gamma(1.0, 40.0, 200).astype(np.float32)
    mapping = IntensityMapping(gain, inverted)
    back = mapping.to_counts(mapping.to_grey(counts))
    below = np.rint(counts * np.float32(gain)) < 255
    np.testing.assert_allclose(back[below], counts[below], atol=0.501 / gain, rtol=1e-5)
    assert (counts[~below] >= back[~below] * (1 - 0.002) - 0.5 / gain).all()


def test_picture_and_sidecar_tell_the_counts(tmp_path: Path) -> None:
    path = export_for_labelme(VIEW, tmp_path / "new")
    assert path.name == "case7_posterior.png"
    with Image.open(path) as image:
        grey = np.asarray(image)
    assert grey.dtype == np.uint8
    sidecar = json.loads((tmp_path / "new" / "case7_posterior.intensity.json").read_text())
    np.testing.assert_array_equal(
        grey, np.minimum(255, np.round(sidecar["gain"] * COUNTS.astype(np.float64)))
    )
    assert sidecar["frame"] == 2
    assert "Research use only" in sidecar["notice"]
    # Fewer than 255 different counts: the picture loses nothing below white.
    back = IntensityMapping(sidecar["gain"]).to_counts(grey)
    np.testing.assert_array_equal(np.rint(back)[grey < 255], COUNTS[grey < 255])


def test_hot_bladder_does_not_darken_the_skeleton() -> None:
    hot = COUNTS.copy()
    hot[0, 0] = 60000
    assert default_mapping(hot).gain == pytest.approx(default_mapping(COUNTS).gain, rel=0.1)
    assert default_mapping(np.zeros((4, 4), np.float32)).gain == 1.0


def test_inverted_picture_shows_air_white(tmp_path: Path) -> None:
    path = export_for_labelme(VIEW, tmp_path, stem="x", mapping=IntensityMapping(10, inverted=True))
    with Image.open(path) as image:
        np.testing.assert_array_equal(255 - np.asarray(image), np.minimum(255, 10 * COUNTS))
    assert "255 - grey" in json.loads((tmp_path / "x.intensity.json").read_text())["counts"]


def test_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        export_for_labelme(VIEW, tmp_path / "file")
