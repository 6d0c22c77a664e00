"""The finished folds of a run, or of the floor, with what each says of its patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bonescan.config import CanvasSettings
from bonescan.evaluate.floor import detect
from bonescan.experiment import Experiment
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions


@dataclass(frozen=True)
class FinishedFold:
    """One finished fold.

    ``predictions`` are those of the network, or of the floor on the same canvases; ``folder`` is
    where these lie. The other attributes are those of `bonescan.evaluate.folds.FoldScores`.
    """

    fold: int
    folder: RunFolder
    canvas: CanvasSettings
    predictions: Predictions
    training_patients: int
    chosen_epoch: int
    collapsed: bool
    site: str

    @property
    def label(self) -> str:
        """How tables and plots name the fold: by its site, or by its number."""
        return self.site or str(self.fold)


def finished(experiment: Experiment, runs: Path, run: str) -> Iterator[FinishedFold]:
    """Yield the finished folds of a run, or of the experiment's floor, one at a time.

    The floor judges the canvases of the first run that has finished a fold. One that is not
    finished is left out.

    Raises
    ------
    BadInput
        If a folder says that it is finished but is not whole, or was trained by a version whose
        defaults are others.
    """
    sources = [run] if run in experiment.runs else list(experiment.runs)
    for fold in range(experiment.folds):
        for source in sources:
            folder = RunFolder.of(runs, experiment, source, fold)
            if folder.is_done:
                folder.require_settings(experiment.runs[source])
                done = _finished(folder, experiment.runs[source].canvas, fold)
                yield done if source == run else _floor(done)
                break


def _finished(folder: RunFolder, canvas: CanvasSettings, fold: int) -> FinishedFold:
    summary = folder.read_summary()
    return FinishedFold(
        fold=fold,
        folder=folder,
        canvas=canvas,
        predictions=Predictions.load(folder.predictions),
        training_patients=summary["train_positives"] + summary["train_negatives"],
        chosen_epoch=summary["chosen_epoch"],
        collapsed=summary["collapsed"],
        site=summary.get("site", ""),
    )


def _floor(done: FinishedFold) -> FinishedFold:
    """Return the same fold with the detector in the network's place."""
    detected = detect(done.predictions, done.canvas)
    return replace(
        done,
        predictions=detected,
        chosen_epoch=0,
        collapsed=not detected.of_part("validation").marked.any(),
    )
