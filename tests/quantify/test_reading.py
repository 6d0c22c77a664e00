"""A scan becomes a reading: marks where the hot spot is, doubts where there are any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import LesionRule, ResampledCanvas
from bonescan.errors import BadInput
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.quantify.reading import MANY_MARKS, patient_score
from bonescan.scan import Flag, Scan, View


@pytest.fixture
def engine(bright_package: Package) -> Engine:
    return Engine(bright_package, threads=1)


def _with(scan: Scan, counts: np.ndarray, name: str = "anterior") -> Scan:
    view = next(view for view in scan.views if view.name == name)
    return replace(scan, **{name: replace(view, counts=counts)})


def _anterior(scan: Scan) -> View:
    assert scan.anterior is not None
    return scan.anterior


def test_the_hot_spot_is_found_in_both_views(engine: Engine, plain_scan: Scan) -> None:
    reading = read_scan(plain_scan, engine)
    found = [(lesion.view, lesion.box, lesion.side) for lesion in reading.lesions]
    assert found == [
        ("anterior", (300, 150, 307, 157), "L"),
        ("posterior", (300, 99, 307, 106), "L"),
    ]
    assert reading.patient_score > 0.99
    assert reading.provenance.model_sha256 == engine.package.card.sha256
    assert reading.provenance.settings["lesions"]["threshold"] == 0.5


def test_what_was_not_read_is_said(engine: Engine, plain_scan: Scan) -> None:
    reading = read_scan(plain_scan, engine)
    (flag,) = [flag for flag in reading.flags if flag.code == "partly-read"]
    for view in reading.views:
        assert view.read_rows is not None
        assert f"rows {view.read_rows[0] + 1} to {view.read_rows[1]} of 1024" in flag.message
        assert not view.probability[view.read_rows[1] :].any()


def test_one_view_is_read_alone(engine: Engine, plain_scan: Scan) -> None:
    reading = read_scan(replace(plain_scan, posterior=None), engine)
    assert [view.view for view in reading.views] == ["anterior"]
    assert [lesion.view for lesion in reading.lesions] == ["anterior"]


def test_no_view_is_an_error(engine: Engine, plain_scan: Scan) -> None:
    with pytest.raises(BadInput, match="no view"):
        read_scan(replace(plain_scan, anterior=None, posterior=None), engine)


def test_an_empty_view_is_flagged_and_has_no_marks(engine: Engine, plain_scan: Scan) -> None:
    reading = read_scan(_with(plain_scan, np.zeros((1024, 256), np.float32)), engine)
    assert [lesion.view for lesion in reading.lesions] == ["posterior"]
    assert "view-empty" in {flag.code for flag in reading.flags}


def test_flags_of_the_scan_come_along_gravest_first(engine: Engine, plain_scan: Scan) -> None:
    flags = (Flag("a", "A.", "info"), Flag("b", "B.", "error"), Flag("a", "A.", "info"))
    codes = [flag.code for flag in read_scan(replace(plain_scan, flags=flags), engine).flags]
    assert codes[0] == "b"
    assert codes.count("a") == 1


def test_many_marks_are_doubted(engine: Engine, plain_scan: Scan) -> None:
    counts = _anterior(plain_scan).counts.copy()
    counts[150:510:12, 80:170:12] = 200
    counts[151:511:12, 80:170:12] = 200
    rule = LesionRule(min_area_mm2=0)
    reading = read_scan(_with(plain_scan, counts), engine, rule=rule)
    assert sum(lesion.view == "anterior" for lesion in reading.lesions) > MANY_MARKS
    assert "many-marks" in {flag.code for flag in reading.flags}


def test_marks_over_the_body_are_doubted(engine: Engine, plain_scan: Scan) -> None:
    rows, columns = np.mgrid[0:1024, 0:256]
    counts = np.zeros((1024, 256), np.float32)
    counts[(rows > 100) & (rows < 900) & (columns > 120) & (columns < 140)] = 200
    reading = read_scan(_with(plain_scan, counts), engine)
    assert "marks-cover-body" in {flag.code for flag in reading.flags}


@pytest.mark.parametrize("description", ["1000 simulated patients", "Simulated cohort, seed 3"])
def test_a_model_from_simulated_patients_says_so(
    bright_package: Package, plain_scan: Scan, description: str
) -> None:
    training = bright_package.card.training.model_copy(update={"description": description})
    card = bright_package.card.model_copy(update={"training": training})
    reading = read_scan(plain_scan, Engine(replace(bright_package, card=card)))
    assert "model-simulated-training" in {flag.code for flag in reading.flags}


def test_resampled_canvas_finds_the_same_spot(bright_package: Package, plain_scan: Scan) -> None:
    card = bright_package.card.model_copy(update={"canvas": ResampledCanvas(spacing_mm=2.0)})
    reading = read_scan(plain_scan, Engine(replace(bright_package, card=card)))
    assert len(reading.lesions) == 2
    for lesion, centre in zip(reading.lesions, ((303.5, 153.5), (303.5, 102.5)), strict=True):
        assert lesion.centroid == pytest.approx(centre, abs=0.7)


def test_the_same_scan_gives_the_same_reading(engine: Engine, plain_scan: Scan) -> None:
    first, second = (read_scan(plain_scan, engine) for _ in range(2))
    assert first.lesions == second.lesions
    assert np.array_equal(first.views[0].probability, second.views[0].probability)


def test_patient_score_is_a_patch_not_a_pixel() -> None:
    picture = np.zeros((9, 9), np.float32)
    picture[4, 4] = 0.9
    assert patient_score([picture]) == pytest.approx(0.1)
    assert patient_score([]) == 0


def test_real_scans_are_read(real: Path, engine: Engine) -> None:
    from bonescan.ingest import find_studies, load_study

    with find_studies([real / "nm1", real / "bs80k_pairs"]) as found:
        readings = [read_scan(load_study(study), engine) for study in found.studies]
    assert len(readings) == 11
    for reading in readings:
        for view in reading.views:
            assert view.mask.shape == view.probability.shape
            assert view.probability.max() <= 1
