"""The errors of finished folds, with what the prepared data tells of simulated cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bonescan.config import CanvasSettings
from bonescan.errors import BadInput
from bonescan.evaluate.beneath import Known
from bonescan.evaluate.errors import CaseErrors, view_errors
from bonescan.evaluate.finished import finished
from bonescan.evaluate.halves import halves_of, smallest_mark
from bonescan.evaluate.known import known_halves
from bonescan.experiment import Experiment
from bonescan.prepare import PreparedData
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions


@dataclass(frozen=True)
class Analysed:
    """The errors of one reading of a case; ``metastasis`` says whether any is annotated."""

    patient: str
    metastasis: bool
    errors: CaseErrors


class KnownCases:
    """What prepared data tells of its cases; each is read once."""

    def __init__(self, data: PreparedData | None) -> None:
        self._data = data
        self._cases = {} if data is None else {case.study: case for case in data.cases}
        self._known: dict[str, tuple[Known | None, ...]] = {}

    def of(self, study: str) -> tuple[Known | None, ...]:
        """Return what is known of the anterior and of the posterior half; None where nothing is."""
        if study not in self._known:
            case = self._cases.get(study)
            self._known[study] = (None, None) if case is None else known_halves(case)
        return self._known[study]

    def check(self, folder: RunFolder) -> None:
        """Refuse a fold that was trained on other data.

        Raises
        ------
        BadInput
            If it was.
        """
        if self._data is not None and folder.read_starts()[-1]["data"] != self._data.digest:
            raise BadInput(
                f"{folder.path}: was trained on other data than {self._data.folder}; name the data "
                "of this run"
            )


class KnownData:
    """A folder of prepared data, or none, with what it tells of the cases on each canvas."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[CanvasSettings, KnownCases] = {}

    def on(self, canvas: CanvasSettings) -> KnownCases:
        """Return what is known of the cases on a canvas."""
        if canvas not in self._known:
            data = None if self._folder is None else PreparedData.on(self._folder, canvas)
            self._known[canvas] = KnownCases(data)
        return self._known[canvas]


def run_errors(experiment: Experiment, runs: Path, run: str, data: KnownData) -> list[Analysed]:
    """Return every reading of a test or healthy case by a finished fold of a run, or of the floor.

    Raises
    ------
    BadInput
        If a fold was trained on other data.
    """
    found: list[Analysed] = []
    for done in finished(experiment, runs, run):
        known = data.on(done.canvas)
        known.check(done.folder)
        for part in ("test", "healthy"):
            found += analyse(done.predictions.of_part(part), done.canvas.reduce, known)
    return found


def analyse(predictions: Predictions, reduce: int, known: KnownCases) -> list[Analysed]:
    """Return the errors of each case."""
    return [
        Analysed(
            predictions.patients[at],
            bool(predictions.metastasis[at].any()),
            _case_errors(predictions, at, reduce, known.of(study)),
        )
        for at, study in enumerate(predictions.studies)
    ]


def _case_errors(
    predictions: Predictions, at: int, reduce: int, known: Sequence[Known | None]
) -> CaseErrors:
    area = float(predictions.pixel_area_mm2[at])
    halves = halves_of(
        predictions.marked[at], predictions.metastasis[at], smallest_mark(area, reduce)
    )
    found = CaseErrors()
    for half, told in zip(halves, known, strict=True):
        found += view_errors(
            half.marks,
            half.lesions,
            half.matching,
            predictions.grey[at][:, half.columns].astype(np.float32),
            None if np.isnan(area) else float(np.sqrt(area)),
            told,
        )
    return found
