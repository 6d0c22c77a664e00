"""The canvas and its inverse, on views built in code."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonescan.config import Brightness, PaperCanvas, ResampledCanvas
from bonescan.errors import BadInput, BadSettings
from bonescan.preprocess import kept, place_labels, place_mask, prepare_canvas, restore
from bonescan.scan import Crop, Scan, View, ViewName

AS_IS = Brightness(mean_low=0.0, mean_high=255.0)


def view(
    name: ViewName, counts: np.ndarray, spacing: tuple[float, float] | None = (2.4, 2.4)
) -> View:
    shape = (counts.shape[0], counts.shape[1])
    return View(name, counts.astype(np.float32), spacing, Path("x.dcm"), Crop.whole(shape))


def scan(*views: View) -> Scan:
    by_name = {item.name: item for item in views}
    return Scan("x", by_name.get("anterior"), by_name.get("posterior"))


def phantom(
    shape: tuple[int, int] = (1024, 256), top: int = 60, bottom: int = 760, seed: int = 0
) -> np.ndarray:
    """Trunk, head and two legs with Poisson noise: enough of a body for the row profile."""
    width = shape[1]
    rate = np.full(shape, 0.02)
    middle, length = width // 2, bottom - top
    neck, hip = top + length // 8, top + length // 2
    rate[top:neck, middle - width // 12 : middle + width // 12] = 8
    rate[neck:hip, middle - width // 6 : middle + width // 6] = 3
    rate[neck:hip, middle - width // 32 : middle + width // 32] = 12
    for side in (-1, 1):
        leg = middle + side * width // 9
        rate[hip:bottom, leg - width // 20 : leg + width // 20] = 4
    return np.random.default_rng(seed).poisson(rate).astype(np.float32)


def test_paper_canvas_has_the_papers_shape_and_centres_the_body() -> None:
    canvas = prepare_canvas(scan(view("anterior", phantom())), PaperCanvas())
    assert canvas.grey.shape == (640, 512)
    assert canvas.grey.dtype == np.float32
    (placement,) = canvas.placements
    # 700 body rows from 60 on, centred in 950: the head's top belongs at row 125.
    assert placement.canvas_top - placement.source_top + 60 == pytest.approx(125, abs=3)
    assert (placement.source_left, placement.columns, placement.canvas_left) == (0, 256, 0)
    assert placement.canvas_top + placement.rows == 640


def test_a_view_with_next_to_no_counts_keeps_them_and_says_so() -> None:
    counts = np.zeros((1024, 256), np.float32)
    counts[100, 100] = 5
    canvas = prepare_canvas(scan(view("anterior", counts)), PaperCanvas())
    assert canvas.placements[0].gain == 1
    assert "brightness-not-reached" in {flag.code for flag in canvas.flags}


def test_missing_view_leaves_its_half_empty() -> None:
    canvas = prepare_canvas(scan(view("posterior", phantom())), PaperCanvas())
    assert not canvas.grey[:, :256].any()
    assert canvas.grey[:, 256:].any()
    assert [item.view for item in canvas.placements] == ["posterior"]


def test_both_views_share_one_row_range() -> None:
    front, back = phantom(top=60, bottom=750), phantom(top=70, bottom=760, seed=1)
    canvas = prepare_canvas(scan(view("anterior", front), view("posterior", back)), PaperCanvas())
    one, other = canvas.placements
    assert one.source_top == other.source_top
    assert one.canvas_top == other.canvas_top
    # Rows 60 to 760 together, as in the single view above.
    assert one.canvas_top - one.source_top + 60 == pytest.approx(125, abs=3)


def test_body_longer_than_the_window_is_cut_at_the_feet_and_flagged() -> None:
    canvas = prepare_canvas(scan(view("anterior", phantom(top=20, bottom=1010))), PaperCanvas())
    (placement,) = canvas.placements
    assert placement.canvas_top == 0
    assert placement.source_top == pytest.approx(20, abs=8)
    assert [flag.code for flag in canvas.flags] == ["body-cut-at-feet"]


def test_grey_is_counts_times_gain_in_the_papers_range() -> None:
    counts = phantom()
    canvas = prepare_canvas(scan(view("anterior", counts)), PaperCanvas())
    (placement,) = canvas.placements
    assert placement.gain > 1
    expected = np.minimum(counts * np.float32(placement.gain), 255)
    on_canvas = kept(canvas, "anterior")
    restored = restore(canvas, canvas.grey, "anterior", order=1)
    np.testing.assert_array_equal(restored[on_canvas], expected[on_canvas])


def test_scan_without_a_view_is_refused() -> None:
    with pytest.raises(BadInput, match="no view"):
        prepare_canvas(Scan("x", None, None), PaperCanvas())


def test_reduction_must_divide_the_canvas() -> None:
    with pytest.raises(BadSettings, match="reduce"):
        prepare_canvas(scan(view("anterior", phantom())), PaperCanvas(reduce=3))


def test_picture_without_a_body_is_flagged_not_lost() -> None:
    flat = np.full((300, 200), 5.0)
    canvas = prepare_canvas(scan(view("anterior", flat)), PaperCanvas())
    assert "body-not-found" in {flag.code for flag in canvas.flags}
    assert kept(canvas, "anterior").all()


def test_wider_frame_is_cut_around_the_body() -> None:
    wide = np.zeros((1024, 400), np.float32)
    wide[:, 120:376] = phantom()
    canvas = prepare_canvas(scan(view("anterior", wide)), PaperCanvas())
    (placement,) = canvas.placements
    assert placement.columns == 256
    assert placement.source_left == pytest.approx(120, abs=4)
    assert [flag.code for flag in canvas.flags] == ["matrix-differs"]


def test_narrower_frame_is_centred_on_the_body() -> None:
    narrow = phantom()[:, 48:208]
    canvas = prepare_canvas(scan(view("posterior", narrow)), PaperCanvas())
    (placement,) = canvas.placements
    assert placement.columns == 160
    assert placement.canvas_left == pytest.approx(256 + 48, abs=4)


def test_body_that_does_not_fit_across_is_flagged() -> None:
    wide = np.repeat(phantom(), 2, axis=1)
    wide[300:320, 20:490] = 9
    canvas = prepare_canvas(scan(view("anterior", wide)), PaperCanvas())
    assert "body-cut-at-sides" in {flag.code for flag in canvas.flags}


def test_resampled_preset_brings_another_matrix_to_the_same_canvas() -> None:
    fine = phantom()
    coarse = fine.reshape(512, 2, 128, 2).sum(axis=(1, 3))
    as_is = prepare_canvas(scan(view("anterior", fine)), ResampledCanvas())
    scaled = prepare_canvas(scan(view("anterior", coarse, (4.8, 4.8))), ResampledCanvas())
    (placement,) = scaled.placements
    assert placement.scaled_shape == (1024, 256)
    assert placement.canvas_top == pytest.approx(as_is.placements[0].canvas_top, abs=3)
    # Resampling keeps the sum of the counts, so the brightness gains agree.
    assert placement.gain == pytest.approx(as_is.placements[0].gain, rel=0.01)


def test_head_room_puts_the_head_under_a_strip_of_air_whatever_the_height() -> None:
    settings = ResampledCanvas(head_room=16)
    for bottom in (500, 760, 1000):
        canvas = prepare_canvas(scan(view("anterior", phantom(bottom=bottom))), settings)
        lit = np.flatnonzero((canvas.grey[:, :256] > canvas.grey.max() / 8).sum(axis=1) > 4)
        assert lit[0] == pytest.approx(16, abs=6)
        assert canvas.grey.shape == (640, 512)
        last_row_of_legs = min(640, 16 + bottom - 60)
        assert lit[-1] == pytest.approx(last_row_of_legs, abs=8)


def test_resampled_preset_without_spacing_fits_the_frame_width() -> None:
    (placement,) = prepare_canvas(
        scan(view("anterior", np.repeat(np.repeat(phantom(), 2, 0), 2, 1), None)),
        ResampledCanvas(),
    ).placements
    assert placement.scaled_shape == (1024, 256)


def test_resampled_preset_ignores_an_impossible_spacing() -> None:
    canvas = prepare_canvas(scan(view("anterior", phantom(), (0.0024, 0.0024))), ResampledCanvas())
    assert canvas.placements[0].scaled_shape == (1024, 256)
    assert [flag.code for flag in canvas.flags] == ["spacing-ignored"]


shapes = st.tuples(st.integers(40, 1100), st.integers(20, 400))


@st.composite
def placed_masks(draw: st.DrawFn) -> tuple[Scan, dict[ViewName, np.ndarray]]:
    """Scans of any shape and body position, with a random mask for each view."""
    shape = draw(shapes)
    top = draw(st.integers(0, shape[0] // 2))
    bottom = draw(st.integers(top + shape[0] // 4, shape[0]))
    names = draw(st.sampled_from([("anterior",), ("posterior",), ("anterior", "posterior")]))
    seed = draw(st.integers(0, 2**20))
    generator = np.random.default_rng(seed)
    views = [view(name, phantom(shape, top, bottom, seed + k)) for k, name in enumerate(names)]
    return scan(*views), {name: generator.random(shape) < 0.3 for name in names}


@settings(max_examples=40, deadline=None)
@given(placed_masks())
def test_restore_inverts_the_paper_preset(case: tuple[Scan, dict[ViewName, np.ndarray]]) -> None:
    given_scan, masks = case
    canvas = prepare_canvas(given_scan, PaperCanvas(brightness=AS_IS))
    placed = place_mask(canvas, masks)
    labels = place_labels(canvas, {name: mask * np.uint8(7) for name, mask in masks.items()})
    np.testing.assert_array_equal(labels, placed * np.uint8(7))
    for item in given_scan.views:
        on_canvas = kept(canvas, item.name)
        counts = np.where(on_canvas, item.counts, 0)
        np.testing.assert_array_equal(restore(canvas, canvas.grey, item.name, order=0), counts)
        np.testing.assert_array_equal(restore(canvas, canvas.grey, item.name, order=1), counts)
        back = restore(canvas, placed, item.name)
        np.testing.assert_array_equal(back, masks[item.name] & on_canvas)
    assert placed.sum() == sum(
        (masks[item.name] & kept(canvas, item.name)).sum() for item in given_scan.views
    )


@settings(max_examples=25, deadline=None)
@given(placed_masks(), st.sampled_from([2, 4]), st.integers(0, 2**20))
def test_restore_inverts_a_reduced_canvas_up_to_its_blocks(
    case: tuple[Scan, dict[ViewName, np.ndarray]], reduce: int, seed: int
) -> None:
    given_scan, _ = case
    canvas = prepare_canvas(given_scan, PaperCanvas(brightness=AS_IS, reduce=reduce))
    assert canvas.grey.shape == (640 // reduce, 512 // reduce)
    # Any canvas picture drawn in blocks comes back to the same blocks, however often it goes.
    blocks = np.random.default_rng(seed).random(canvas.grey.shape) < 0.5
    masks = {item.name: restore(canvas, blocks, item.name) for item in given_scan.views}
    placed = place_mask(canvas, masks)
    for item in given_scan.views:
        (placement,) = (p for p in canvas.placements if p.view == item.name)
        rows = slice(
            -(-placement.canvas_top // reduce), (placement.canvas_top + placement.rows) // reduce
        )
        columns = slice(
            -(-placement.canvas_left // reduce),
            (placement.canvas_left + placement.columns) // reduce,
        )
        np.testing.assert_array_equal(placed[rows, columns], blocks[rows, columns])


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([(512, 128, 4.8), (2048, 512, 1.2), (1024, 256, 2.26), (900, 300, 2.0)]),
    st.floats(0.9, 1.1),
    st.sampled_from([1, 2]),
    st.sampled_from([None, 0, 16]),
)
def test_resampled_blobs_come_back_in_place(
    matrix: tuple[int, int, float], stretch: float, reduce: int, head_room: int | None
) -> None:
    shape, spacing = matrix[:2], matrix[2] * stretch
    given_scan = scan(view("anterior", phantom(shape, 10, shape[0] - 10), (spacing, spacing)))
    canvas = prepare_canvas(given_scan, ResampledCanvas(reduce=reduce, head_room=head_room))
    rows, columns = np.indices(shape)
    centre = shape[0] // 4, shape[1] // 2
    radius = 8 * reduce * max(1.0, 2.4 / spacing)
    disc = np.hypot(rows - centre[0], columns - centre[1]) <= radius
    back = restore(canvas, place_mask(canvas, {"anterior": disc}), "anterior")
    assert 2 * (back & disc).sum() / (back.sum() + disc.sum()) > 0.85
    assert np.argwhere(back).mean(axis=0) == pytest.approx(centre, abs=1.0)


def test_linear_restore_does_not_bleed_between_the_views() -> None:
    both = scan(view("anterior", phantom()), view("posterior", phantom(seed=1)))
    canvas = prepare_canvas(both, PaperCanvas(reduce=4))
    picture = np.zeros(canvas.grey.shape, np.float32)
    picture[:, 64:] = 1
    assert not restore(canvas, picture, "anterior", order=1).any()
    on_canvas = kept(canvas, "posterior")
    assert (restore(canvas, picture, "posterior", order=1)[on_canvas] == 1).all()


def test_restore_refuses_a_picture_of_another_shape() -> None:
    canvas = prepare_canvas(scan(view("anterior", phantom())), PaperCanvas())
    with pytest.raises(ValueError, match="canvas"):
        restore(canvas, np.zeros((10, 10)), "anterior")
    with pytest.raises(KeyError, match="posterior"):
        restore(canvas, canvas.grey, "posterior")
