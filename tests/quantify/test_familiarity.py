"""What is far from training is flagged; thinned, brighter or cut at the legs is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.evaluate.familiar import LEAST_SCANS, LIMIT, fit_familiarity
from bonescan.ingest import find_studies, load_study
from bonescan.package import Card, Familiarity, Package
from bonescan.predict import SHIPPED_MODEL, Engine, predict_scan
from bonescan.quantify.familiarity import INPUTS, measure_input, unfamiliar
from bonescan.scan import Crop, Scan
from bonescan.simulate import write_cohort

Counts = NDArray[np.float32]

#: 5 % quantile, median and 95 % quantile of 30 simulated patients, `bonescan simulate --seed 9091`;
#: the last two lines as the shipped package has them.
USUAL = {
    "regions": (12, 12, 12),
    "skull_share": (0.094, 0.105, 0.113),
    "femur_share": (0.171, 0.188, 0.201),
    "bone_share": (0.471, 0.559, 0.717),
    "doubt": (0.054, 0.058, 0.080),
    "height_mm": (1544, 1727, 1853),
    "width_ratio": (0.268, 0.303, 0.332),
    "frame_share": (0.177, 0.237, 0.306),
    "hottest": (1.328, 1.590, 2.312),
    "spread": (0.76, 0.964, 1.138),
    "saturated": (0.0, 0.0, 0.001),
    "air": (0.019, 0.037, 0.060),
    "middle": (0.35, 0.37, 0.40),
    "beside_bones": (0.28, 0.37, 0.49),
}


@pytest.fixture(scope="module")
def card() -> Card:
    low, median, high = np.array(list(USUAL.values())).T
    least = np.array([least for _, least in INPUTS.values()])
    known = Familiarity(
        features=tuple(USUAL),
        medians=tuple(median),
        below=tuple(np.maximum(median - low, least)),
        above=tuple(np.maximum(high - median, least)),
        limit=LIMIT,
        largest=1.9,
        measured_on="30 simulated patients",
    )
    return Package.load(SHIPPED_MODEL).card.model_copy(update={"familiarity": known})


@pytest.fixture(scope="module")
def adult(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    folder = tmp_path_factory.mktemp("adult")
    write_cohort(folder, 1, 9191)
    with find_studies([folder / "dicom"]) as found:
        return load_study(found.studies[0])


def changed(scan: Scan, change: Callable[[Counts], NDArray[np.generic]]) -> Scan:
    """Apply a function to the counts of both views."""
    views = {}
    for view in scan.views:
        counts = change(view.counts).astype(np.float32)
        views[view.name] = replace(view, counts=counts, crop=Crop.whole(counts.shape))
    return replace(scan, **views)


def rows(first: float, end: float) -> Callable[[Counts], Counts]:
    return lambda counts: counts[int(first * len(counts)) : int(end * len(counts))]


def infant(counts: Counts) -> NDArray[np.float32]:
    """Shrink the body to some 70 cm, in a frame of the same size."""
    small = ndimage.zoom(counts, 0.42, order=1)
    below = len(counts) - len(small) - 100
    aside = counts.shape[1] - small.shape[1]
    return np.pad(small, ((100, below), (aside // 2, aside - aside // 2)))


def computed_tomogram(counts: Counts) -> NDArray[np.float32]:
    """Draw soft tissue of even grey with brighter bones where the scan has them."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=counts.shape), 4)
    body = ndimage.gaussian_filter(counts, 3) > 1
    bone = ndimage.gaussian_filter(counts, 2) > np.quantile(counts, 0.9)
    return np.where(body, 1000 + 100 * noise + 400 * bone, 20).astype(np.float32)


def soft_tissue(counts: Counts) -> NDArray[np.int64]:
    """Fill the body evenly, as a tracer does that bone does not take up."""
    body = ndimage.gaussian_filter(counts, 4) > 1
    return np.random.default_rng(0).poisson(8.0 * body)


FAR: dict[str, tuple[Callable[[Counts], NDArray[np.generic]], str]] = {
    "pelvis alone": (rows(0.38, 0.55), "height"),
    "head alone": (rows(0.0, 0.2), "height"),
    "infant": (infant, "height"),
    "saturated": (lambda c: np.minimum(c, np.quantile(c[c > 0], 0.85)), "highest count"),
    "tomogram": (computed_tomogram, "hottest"),
    "noise": (lambda c: np.random.default_rng(0).poisson(20, c.shape), "beside the body"),
    "inverted": (lambda c: c.max() - c, "beside the body"),
    "chest alone": (rows(0.16, 0.38), "height"),
    "legs alone": (rows(0.55, 1.0), "height"),
    "upside down": (lambda c: c[::-1].copy(), "middle of the counts"),
    "across the frame": (lambda c: np.rot90(c).copy(), "width over its height"),
    "another tracer": (soft_tissue, "beside the bones"),
    "clipped a little": (lambda c: np.minimum(c, np.quantile(c[c > 0], 0.95)), "highest count"),
    "squared": (lambda c: c**2, "upper over the lower quarter"),
}
NEAR: dict[str, Callable[[Counts], NDArray[np.generic]]] = {
    "as it is": lambda c: c,
    "a third of the counts": lambda c: np.random.default_rng(0).binomial(c.astype(int), 0.33),
    "fourfold": lambda c: 4 * c,
    "legs cut": rows(0.0, 0.75),
    "wrapped at 256": lambda c: np.mod(4 * c, 256),
    "clipped at the bladder": lambda c: np.minimum(c, np.quantile(c[c > 0], 0.995)),
    "one quarter of the counts": lambda c: np.random.default_rng(0).binomial(c.astype(int), 0.25),
    "blurred by a filter": lambda c: ndimage.gaussian_filter(c, 1.5),
}


@pytest.mark.parametrize("name", FAR)
def test_what_is_no_whole_adult_is_flagged(name: str, adult: Scan, card: Card) -> None:
    change, word = FAR[name]
    scan = changed(adult, change)
    seen = predict_scan(scan, Engine(Package(SHIPPED_MODEL, card), threads=1))
    (flag,) = unfamiliar(scan, seen, card)
    assert (flag.code, flag.severity) == ("far-from-training", "error")
    assert "unreliable" in flag.message
    assert word in flag.message


@pytest.mark.parametrize("name", NEAR)
def test_what_a_clinic_does_is_not(name: str, adult: Scan, card: Card) -> None:
    scan = changed(adult, NEAR[name])
    seen = predict_scan(scan, Engine(Package(SHIPPED_MODEL, card), threads=1))
    assert unfamiliar(scan, seen, card) == ()


def test_one_view_is_enough(adult: Scan, card: Card) -> None:
    scan = replace(adult, posterior=None)
    seen = predict_scan(scan, Engine(Package(SHIPPED_MODEL, card), threads=1))
    assert unfamiliar(scan, seen, card) == ()


def test_a_package_without_the_means_flags_nothing(adult: Scan, card: Card) -> None:
    bare = card.model_copy(update={"familiarity": None})
    scan = changed(adult, FAR["noise"][0])
    seen = predict_scan(scan, Engine(Package(SHIPPED_MODEL, card), threads=1))
    assert unfamiliar(scan, seen, bare) == ()


def test_a_model_without_bones_is_judged_by_the_picture(
    bright_package: Package, plain_scan: Scan
) -> None:
    seen = predict_scan(plain_scan, Engine(bright_package, threads=1))
    values = dict(zip(INPUTS, measure_input(plain_scan, seen), strict=True))
    assert np.isnan(values["regions"])
    assert np.isnan(values["doubt"])
    assert np.isfinite(values["height_mm"])


def test_what_is_usual_is_learned_with_a_least_spread() -> None:
    table = np.full((LEAST_SCANS, len(INPUTS)), np.nan)
    table[:, 0] = 12.0
    table[:, 5] = np.linspace(1000, 2000, LEAST_SCANS)
    found = fit_familiarity(table, "a test")
    assert found is not None
    assert found.features == ("regions", "height_mm")
    assert found.below[0] == INPUTS["regions"][1]
    assert found.medians[1] == 1500
    assert found.above[1] == pytest.approx(450)
    assert found.limit == LIMIT
    assert found.distances(np.array([[9.0, np.nan], [12.0, 3300.0]])) == pytest.approx(
        np.array([[4.0, 0.0], [0.0, 4.0]])
    )
    assert fit_familiarity(table[1:], "too few") is None


def test_the_limit_leaves_the_fits_own_scans_familiar() -> None:
    table = np.full((40, len(INPUTS)), np.nan)
    table[:, 0] = 12.0
    table[0, 0] = 6.0  # a distance of 8
    found = fit_familiarity(table, "a test")
    assert found is not None
    assert found.largest == 8
    assert found.limit == pytest.approx(8.8)
