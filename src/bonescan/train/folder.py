"""The folder of one fold's run: what lies in it, who may write to it, and whether it is whole.

``RUNS/<experiment>/<run>-<digest>/fold<k>/`` holds

- ``settings.json``, ``folds.json``: what is done, written before the first epoch;
- ``environment.json``: one entry for each start: program, versions, machine, data;
- ``metrics.jsonl``: one line an epoch, the same for the same settings, seed and (on a CPU) machine;
- ``last.pt``, ``best.pt``: where to go on, and the weights of the best validation F1;
- ``predictions.npz``: what the chosen checkpoint gives for patients it was not trained on;
- ``DONE``: a summary, written last.

Torch-free, so that evaluation can read it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bonescan.config import Settings
from bonescan.errors import BadInput
from bonescan.experiment import Experiment
from bonescan.files import write_whole


@dataclass(frozen=True)
class RunFolder:
    """Paths inside the folder of one fold's run."""

    path: Path

    @classmethod
    def of(cls, runs: Path, experiment: Experiment, run: str, fold: int) -> RunFolder:
        """Return the place of a fold; the name carries the digest of the run."""
        digest = experiment.digest(run)
        return cls(runs / experiment.name / f"{run}-{digest}" / f"fold{fold}")

    @property
    def settings(self) -> Path:
        """The settings as resolved."""
        return self.path / "settings.json"

    @property
    def folds(self) -> Path:
        """All folds of the experiment."""
        return self.path / "folds.json"

    @property
    def environment(self) -> Path:
        """One entry for each start."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line, one line an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def last(self) -> Path:
        """Everything that is needed to go on after the last finished epoch."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """The weights of the best validation."""
        return self.path / "best.pt"

    @property
    def predictions(self) -> Path:
        """Predictions for validation, test and healthy patients."""
        return self.path / "predictions.npz"

    @property
    def done(self) -> Path:
        """Summary; its presence says that nothing is left to do."""
        return self.path / "DONE"

    @property
    def is_done(self) -> bool:
        """Whether the run is finished and whole.

        Raises
        ------
        BadInput
            If it says that it is finished but lacks a file.
        """
        if not self.done.exists():
            return False
        self._need(self.settings, self.folds, self.metrics, self.last, self.best, self.predictions)
        return True

    def check_resumable(self) -> bool:
        """Return whether a checkpoint is there to go on from.

        Raises
        ------
        BadInput
            If files are there that only a checkpoint can have preceded.
        """
        if self.last.exists():
            self._need(self.settings, self.folds)
            if self.metrics.exists() and '"f1"' in self.metrics.read_text(encoding="utf-8"):
                self._need(self.best)  # a better validation may never come
            return True
        for path in (self.metrics, self.predictions, self.done):
            if path.exists():
                self._need(self.last)
        return False

    def read_settings(self) -> Settings:
        """Return the settings of this run.

        Raises
        ------
        BadInput
            If the file is missing or not valid.
        """
        self._need(self.settings)
        try:
            return Settings.model_validate_json(self.settings.read_text(encoding="utf-8"))
        except (ValidationError, ValueError) as error:
            raise BadInput(
                f"{self.settings}: is not a settings file of this version; train again"
            ) from error

    def require_settings(self, settings: Settings) -> None:
        """Check that the run has these settings to the last default.

        Raises
        ------
        BadInput
            If it has not: its name tells only what was set, not what the defaults were.
        """
        if self.read_settings() != settings:
            raise BadInput(
                f"{self.settings}: has other settings than the experiment file gives now "
                "(another version's defaults); evaluate it with that version or train again"
            )

    def read_starts(self) -> list[dict[str, Any]]:
        """Return the content of ``environment.json``: one entry for each start."""
        self._need(self.environment)
        starts: list[dict[str, Any]] = _json(self.environment)
        if not isinstance(starts, list) or not starts:
            raise BadInput(
                f"{self.environment}: names no start of the run; delete {self.path} and train this "
                "fold again"
            )
        return starts

    def read_summary(self) -> dict[str, Any]:
        """Return the content of ``DONE``."""
        self._need(self.done)
        summary: dict[str, Any] = _json(self.done)
        return summary

    def require_done(self) -> None:
        """Check that the fold is finished and whole.

        Raises
        ------
        BadInput
            If it is not.
        """
        if not self.is_done:
            raise BadInput(
                f"{self.path}: holds no finished fold (no DONE); name a fold folder, "
                "or start the training again to finish it"
            )

    def _need(self, *paths: Path) -> None:
        for path in paths:
            if not path.exists():
                raise BadInput(
                    f"{path}: is missing, so the run folder is not whole; "
                    f"delete {self.path} and train this fold again"
                )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(
            f"{path}: is damaged; delete its folder and train this fold again"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process; the lock goes with the process, however that ends.

    Raises
    ------
    BadInput
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadInput(
                f"{folder}: another process is training here; wait for it or choose another fold"
            ) from error
        yield


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; see `bonescan.files.write_whole`."""
    write_whole(path, text.encode())
