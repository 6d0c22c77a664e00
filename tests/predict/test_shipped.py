"""The shipped model: whole, small, honest about what it is, and better than no learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bonescan.evaluate.validation import validate_package
from bonescan.ingest import find_studies, load_study
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.quantify import read_scan
from bonescan.simulate import write_cohort

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shipped() -> Package:
    return Package.load(SHIPPED_MODEL)


def test_it_is_small_and_says_what_it_is(shipped: Package) -> None:
    assert sum(path.stat().st_size for path in SHIPPED_MODEL.iterdir()) < 10e6
    assert "simulated" in shipped.card.training.description
    assert "Research use only" in shipped.card.notice


def test_the_model_page_is_about_this_model(shipped: Package) -> None:
    assert shipped.card.sha256 in (ROOT / "docs" / "model.md").read_text(encoding="utf-8")


def test_on_unseen_simulated_patients_it_beats_hot_spots(shipped: Package, tmp_path: Path) -> None:
    """A small repetition of what docs/model.md measures on more patients."""
    write_cohort(tmp_path / "cohort", 10, 20261)
    found = validate_package(shipped, tmp_path / "cohort", tmp_path / "out", pictures=False)
    ours, floor = found.model, found.floor
    assert ours.lesion_sensitivity.value >= 0.5
    assert ours.false_marks.value <= 2
    assert ours.lesion_sensitivity.value > floor.lesion_sensitivity.value


def test_real_scans_are_read_without_marks_in_air(shipped: Package, real: Path) -> None:
    engine = Engine(shipped)
    with find_studies([real / "bs80k_pairs", real / "nm1"]) as found:
        studies = [load_study(study) for study in found.studies]
    assert len(studies) == 11
    for scan in studies:
        reading = read_scan(scan, engine)
        for view, own in zip(scan.views, reading.views, strict=True):
            marked = own.mask > 0
            air = view.counts <= np.percentile(view.counts, 40)
            assert not (marked & air).sum() > 0.2 * max(1, marked.sum()), scan.study
