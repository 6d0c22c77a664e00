"""Bladder and injection site: found where they are, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bonescan.config import PaperCanvas, Suppress
from bonescan.preprocess import prepare_canvas
from bonescan.preprocess.suppress import BLADDER, INJECTION_SITE, suppressed
from bonescan.scan import Crop, Flag, Scan, View, ViewName

#: Head to feet of the made-up body: rows 60 to 810, midline at column 128.
TOP, HEIGHT, MIDDLE = 60, 750, 128
#: Where things lie: (row, column in the anterior view).
PLACES = {
    "bladder": (400, 128),
    "elbow": (325, 210),
    "sacrum": (390, 128),
    "hip": (425, 175),
    "pubis": (440, 140),
    "chest": (220, 150),
}


def body() -> np.ndarray:
    """Expected counts of trunk, spine, arms and legs, from the front as from behind."""
    rate = np.full((1024, 256), 0.01)
    middle = MIDDLE
    rate[TOP : TOP + 80, middle - 22 : middle + 22] = 6
    rate[TOP + 80 : 460, middle - 55 : middle + 55] = 3
    rate[TOP + 60 : 400, middle - 8 : middle + 8] = 20
    rate[360:440, middle - 50 : middle - 30] = rate[360:440, middle + 30 : middle + 50] = 15
    for side in (-1, 1):
        arm, leg = middle + side * 82, middle + side * 30
        rate[170:440, arm - 8 : arm + 8] = 3
        rate[440 : TOP + HEIGHT, leg - 16 : leg + 16] = 4
    return rate


def scan_with(front: dict[str, float], back: dict[str, float], size: float = 9.0) -> Scan:
    """Return a scan with round foci of so many counts at their middle."""
    views = []
    for seed, (name, foci) in enumerate({"anterior": front, "posterior": back}.items()):
        rate = body()
        rows, columns = np.mgrid[:1024, :256]
        for place, height in foci.items():
            row, column = PLACES[place]
            column = column if name == "anterior" else 2 * MIDDLE - column
            radius = size if place == "bladder" else 5.0
            rate += height * (np.hypot(rows - row, columns - column) < radius)
        counts = np.random.default_rng(seed).poisson(gaussian_filter(rate, 1.5))
        views.append(view(name, counts))  # type: ignore[arg-type]
    return Scan("x", *views)


def view(name: ViewName, counts: np.ndarray) -> View:
    return View(name, counts.astype(np.float32), (2.4, 2.4), "x.dcm", Crop.whole((1024, 256)))  # type: ignore[arg-type]


def codes(flags: tuple[Flag, ...]) -> list[str]:
    return [flag.code for flag in flags]


def test_full_bladder_is_replaced_by_what_is_around_and_said() -> None:
    scan = scan_with({"bladder": 150}, {"bladder": 60})
    changed, masks, flags = suppressed(scan, Suppress())
    assert codes(flags) == ["counts-suppressed", "counts-suppressed"]
    assert "taken for the bladder" in flags[0].message
    for old, new in zip(scan.views, changed.views, strict=True):
        mask = masks[old.name] > 0
        assert set(np.unique(masks[old.name])) == {0, BLADDER}
        assert mask[395:406, 123:134].all()
        assert mask.sum() < 900
        np.testing.assert_array_equal(new.counts[~mask], old.counts[~mask])
        assert new.counts[mask].max() < 25
        assert new.counts[mask].min() > 1


def test_injection_site_is_replaced_on_its_side_only() -> None:
    scan = scan_with({"elbow": 200}, {"elbow": 90})
    changed, masks, flags = suppressed(scan, Suppress())
    assert codes(flags) == ["counts-suppressed", "counts-suppressed"]
    assert "taken for the injection site" in flags[0].message
    row, column = PLACES["elbow"]
    assert masks["anterior"][row, column] == INJECTION_SITE
    assert masks["posterior"][row, 2 * MIDDLE - column] == INJECTION_SITE
    assert not masks["anterior"][:, :190].any()
    assert changed.anterior is not None
    assert changed.anterior.counts[masks["anterior"] > 0].max() < 10


@pytest.mark.parametrize(
    ("front", "back", "why"),
    [
        ({}, {}, "nothing is hot"),
        ({"bladder": 6}, {"bladder": 2}, "an empty bladder is no brighter than bone"),
        ({"sacrum": 60}, {"sacrum": 150}, "brighter from behind: the sacrum"),
        ({"hip": 200}, {"hip": 200}, "off the midline"),
        ({"pubis": 150}, {"pubis": 80}, "off the midline, and small"),
        ({"chest": 300}, {"chest": 300}, "a rib"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_it_does_nothing_where(front: dict[str, float], back: dict[str, float], why: str) -> None:
    scan = scan_with(front, back)
    changed, masks, flags = suppressed(scan, Suppress())
    assert changed is scan, why
    assert not masks
    assert not flags


def test_both_elbows_are_worn_joints() -> None:
    scan = scan_with({"elbow": 100}, {})
    assert scan.anterior is not None
    both = scan.anterior.counts + scan.anterior.counts[:, ::-1]
    _, masks, _ = suppressed(replace(scan, anterior=view("anterior", both)), Suppress())
    assert not masks


def test_either_can_be_left_alone() -> None:
    scan = scan_with({"bladder": 150, "elbow": 200}, {"bladder": 60})
    both, no_bladder, no_site = (
        suppressed(scan, settings)[1]["anterior"]
        for settings in (Suppress(), Suppress(bladder=0), Suppress(injection_site=0))
    )
    assert set(np.unique(both)) == {0, BLADDER, INJECTION_SITE}
    assert set(np.unique(no_bladder)) == {0, INJECTION_SITE}
    assert set(np.unique(no_site)) == {0, BLADDER}


def test_bladder_of_an_anterior_view_alone() -> None:
    scan = replace(scan_with({"bladder": 150}, {}), posterior=None)
    _, masks, _ = suppressed(scan, Suppress())
    assert list(masks) == ["anterior"]


def test_nothing_is_sought_in_a_body_that_the_frame_cuts() -> None:
    scan = scan_with({"bladder": 150}, {"bladder": 60})
    cut = [view(item.name, item.counts[:700]) for item in scan.views]
    changed, masks, flags = suppressed(Scan("x", *cut), Suppress())
    assert codes(flags) == ["not-suppressed", "not-suppressed"]
    assert not masks
    assert [item.counts.shape for item in changed.views] == [(700, 256)] * 2


def test_canvas_has_the_masks_and_the_gain_of_what_is_left() -> None:
    scan = scan_with({"bladder": 2000}, {"bladder": 200}, size=14.0)
    plain = prepare_canvas(scan, PaperCanvas())
    clean = prepare_canvas(scan, PaperCanvas(suppress=Suppress()))
    assert not plain.suppressed
    assert set(clean.suppressed) == {"anterior", "posterior"}
    assert clean.suppressed["anterior"].shape == (1024, 256)
    # A full bladder takes part of the mean; without it the body gets brighter.
    assert clean.placements[0].gain > plain.placements[0].gain
    assert "counts-suppressed" in codes(clean.flags)
