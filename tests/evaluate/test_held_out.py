"""Which patients calibrate a package: none that the run trained or tests on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import PaperCanvas, Settings
from bonescan.errors import BadInput
from bonescan.evaluate.calibrating import calibrate_package
from bonescan.evaluate.held_out import read_held_out
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify.candidates import FEATURES
from bonescan.quantify.familiarity import INPUTS
from bonescan.simulate import write_cohort
from bonescan.train.folder import RunFolder
from bonescan.train.folds import Fold, folds_to_json


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, 4, 515)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A fold that trained on the first patient and tests on the last."""
    folder = RunFolder(tmp_path / "fold0")
    folder.path.mkdir()
    name = "SIM-515-000{}".format
    fold = Fold(0, (name(1),), (name(2),), (name(4),))
    folder.folds.write_text(folds_to_json((fold,)))
    folder.settings.write_text(Settings(canvas=PaperCanvas(reduce=4)).model_dump_json())
    folder.environment.write_text(json.dumps([{"description": "a test's cohort"}]))
    for path in (folder.metrics, folder.last, folder.best, folder.predictions):
        path.touch()
    folder.done.write_text(json.dumps({"fold": 0}))
    return folder


def test_patients_of_the_training_take_no_part(
    bright_package: Package, run: RunFolder, cohort: Path
) -> None:
    told: list[tuple[int, int]] = []
    engine = Engine(bright_package, threads=1)
    studies = read_held_out(engine, run, [cohort], 0.1, lambda *done: told.append(done))
    # The third patient is unknown to the run, as one of a further cohort would be.
    assert [(study.patient[-1], study.part) for study in studies] == [
        ("2", "fit"),
        ("3", "fit"),
        ("4", "test"),
    ]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    for study in studies:
        assert study.features.shape == (len(study.hits), len(FEATURES))
        assert study.inputs.shape == (len(INPUTS),)
        assert (study.lesions > 0) <= study.metastasis
        assert len(frozenset().union(*study.hits)) <= study.lesions


def test_cohorts_that_cannot_calibrate_are_refused(
    bright_package: Package, run: RunFolder, cohort: Path
) -> None:
    engine = Engine(bright_package, threads=1)
    with pytest.raises(BadInput, match="name each cohort once"):
        read_held_out(engine, run, [cohort, cohort], 0.1)
    run.folds.write_text(
        folds_to_json(
            (Fold(0, tuple(f"SIM-515-000{i}" for i in (1, 2, 3)), (), ("SIM-515-0004",)),)
        )
    )
    with pytest.raises(BadInput, match="neither trained nor tests on"):
        read_held_out(engine, run, [cohort], 0.1)


def test_what_was_decided_stands_on_the_card(
    bright_package: Package, run: RunFolder, cohort: Path, tmp_path: Path
) -> None:
    shutil.copytree(bright_package.folder, tmp_path / "model")
    package = Package.load(tmp_path / "model")
    found, remarks = calibrate_package(package, run.path, [cohort])
    assert remarks
    assert found.card.sha256 == package.card.sha256
    if found.card.lesions is None:
        assert "too few" in remarks[0]
        assert found.card.threshold == package.card.threshold
    else:
        assert "2 held-out patients" in found.card.lesions.fitted_on
        assert found.card.threshold.chosen_on == found.card.lesions.fitted_on.partition(";")[0]
    assert found.card.familiarity is None  # two scans do not tell what is usual
    assert np.isfinite(found.card.threshold.value)
