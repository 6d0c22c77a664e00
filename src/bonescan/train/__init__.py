"""Training: folds, augmentation, losses, the loop, run folders, export.

`run_experiment` needs torch, which is imported on its first use; `bonescan.train.folder` and
`bonescan.train.predictions` do not, so that evaluation works on a core installation.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bonescan.train.experiment import run_experiment

__all__ = ["run_experiment"]

# Threads of OpenMP that wait for others keep their cores busy by default. Where other programs want
# these cores too, they hold up the very thread that they wait for (docs/speed.md); so they sleep.
# It counts only where torch has not been loaded yet, and what the user has set stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    if name == "run_experiment":
        from bonescan.train.experiment import run_experiment

        return run_experiment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
