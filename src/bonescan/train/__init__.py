"""Training: folds, augmentation, losses, the loop, run folders, export.

`run_experiment` needs torch, which is imported on its first use; `bonescan.train.folder` and
`bonescan.train.predictions` do not, so that evaluation works on a core installation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bonescan.train.experiment import run_experiment

__all__ = ["run_experiment"]


def __getattr__(name: str) -> Any:
    if name == "run_experiment":
        from bonescan.train.experiment import run_experiment

        return run_experiment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
