"""The three classes, on canvases built in code and on real pairs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.config import NoMask, OtsuMask, PaperCanvas
from bonescan.masks import label_map
from bonescan.masks.otsu import otsu_body
from bonescan.preprocess import prepare_canvas
from bonescan.scan import BACKGROUND, METASTASIS, NON_METASTATIC, Crop, Scan, View, ViewName

BODY = np.s_[120:640, 70:190]


def canvas(sides: tuple[int, ...] = (0, 256), seed: int = 0) -> np.ndarray:
    """A 640 x 512 canvas: air of 0.1, soft tissue of 5 and a spine of 60 in the given halves."""
    rate = np.zeros((640, 512))
    for left in sides:
        half = rate[:, left : left + 256]
        half[:] = 0.1
        half[BODY] = 5
        half[120:600, 124:136] = 60
    return np.random.default_rng(seed).poisson(rate).astype(np.float32)


def truth(sides: tuple[int, ...] = (0, 256)) -> np.ndarray:
    mask = np.zeros((640, 512), bool)
    for left in sides:
        mask[:, left : left + 256][BODY] = True
    return mask


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


NOTHING = np.zeros((640, 512), bool)


def test_log_finds_the_body_and_linear_the_bones() -> None:
    assert overlap(otsu_body(canvas(), OtsuMask()), truth()) > 0.95
    bones = otsu_body(canvas(), OtsuMask(on="linear"))
    assert 0.9 < bones.sum() / (2 * 480 * 12) < 1.1


@pytest.mark.parametrize("side", [0, 256])
def test_missing_view_does_not_move_the_threshold(side: int) -> None:
    both, one = canvas(), canvas()
    one[:, 256 - side : 512 - side] = 0
    seen = np.s_[:, side : side + 256]
    mask = otsu_body(one, OtsuMask())
    assert overlap(mask[seen], otsu_body(both, OtsuMask())[seen]) > 0.99
    assert not mask[:, 256 - side : 512 - side].any()
    assert label_map(one, NOTHING, OtsuMask()).flags == ()


def test_classes_are_background_body_and_metastasis() -> None:
    metastasis = NOTHING.copy()
    metastasis[300:310, 120:130] = True
    metastasis[10:12, 10:12] = True
    labels = label_map(canvas(), metastasis, OtsuMask())
    np.testing.assert_array_equal(labels.classes == METASTASIS, metastasis)
    assert labels.classes[400, 130] == NON_METASTATIC
    assert labels.classes[60, 30] == BACKGROUND
    assert labels.names[METASTASIS] == "metastasis"
    assert labels.classes.dtype == np.uint8


def test_border_margin_surrounds_metastases_with_background() -> None:
    metastasis = NOTHING.copy()
    metastasis[300, 130] = True
    classes = label_map(canvas(), metastasis, OtsuMask(border_margin=3)).classes
    assert classes[300, 130] == METASTASIS
    assert classes[303, 130] == classes[300, 127] == classes[302, 132] == BACKGROUND
    assert classes[304, 130] == classes[303, 131] == NON_METASTATIC
    # Half as many pixels on a canvas of half the size.
    reduced = label_map(canvas(), metastasis, OtsuMask(border_margin=4), reduce=2).classes
    assert reduced[302, 130] == BACKGROUND
    assert reduced[303, 130] == NON_METASTATIC


def test_implausible_body_is_flagged() -> None:
    labels = label_map(canvas(), NOTHING, OtsuMask(on="linear"))
    assert [flag.code for flag in labels.flags] == ["body-mask-implausible"]
    assert "4%" in labels.flags[0].message


def test_constant_canvas_has_no_body() -> None:
    for value in (0.0, 9.0):
        labels = label_map(np.full((640, 512), value, np.float32), NOTHING, OtsuMask())
        assert not labels.classes.any()
        assert [flag.code for flag in labels.flags] == ["body-mask-implausible"]


def test_binary_map_is_the_annotation() -> None:
    metastasis = NOTHING.copy()
    metastasis[5, 5] = True
    labels = label_map(canvas(), metastasis, NoMask())
    np.testing.assert_array_equal(labels.classes, metastasis)
    assert labels.names == ("not metastasis", "metastasis")


def test_real_pairs_give_the_measured_shares(real: Path) -> None:
    shares: dict[str, list[float]] = {"log": [], "linear": []}
    for number in range(1, 11):
        pair: dict[ViewName, View] = {
            name: _picture(real / "bs80k_pairs" / f"{number:04d}_{token}.jpg", name)
            for name, token in (("anterior", "ANT"), ("posterior", "POST"))
        }
        grey = prepare_canvas(Scan("x", pair["anterior"], pair["posterior"]), PaperCanvas()).grey
        shares["log"].append(otsu_body(grey, OtsuMask()).mean())
        shares["linear"].append(otsu_body(grey, OtsuMask(on="linear")).mean())
    # 34-46 % and 8-15 %, as measured once on these pairs with an implementation of its own.
    assert min(shares["log"]) == pytest.approx(0.34, abs=0.01)
    assert max(shares["log"]) == pytest.approx(0.46, abs=0.01)
    assert min(shares["linear"]) == pytest.approx(0.08, abs=0.01)
    assert max(shares["linear"]) == pytest.approx(0.15, abs=0.01)


def _picture(path: Path, name: ViewName) -> View:
    counts = np.asarray(Image.open(path).convert("L"), np.float32)
    return View(name, counts, None, path, Crop.whole((counts.shape[0], counts.shape[1])))
