"""Checkpoint files: written whole or not at all, read without running anything they contain."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from bonescan.errors import BadInput, BonescanError


def save_atomically(content: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint aside and rename it.

    Raises
    ------
    BonescanError
        If it cannot be written, for instance to a full disk; nothing half-written stays.
    """
    aside = path.with_name(f"{path.name}.part")
    try:
        with aside.open("wb") as file:
            torch.save(dict(content), file)
        os.replace(aside, path)
    except (OSError, RuntimeError) as error:
        aside.unlink(missing_ok=True)
        raise BonescanError(
            f"{path}: cannot be written ({error}); free some disk space and start again, "
            "training goes on from its last checkpoint"
        ) from error


def load_checkpoint(
    path: Path, remedy: str = "delete its folder and train again"
) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; ``remedy`` is what to do where it cannot be read.

    Raises
    ------
    BadInput
        If it cannot be read or holds no dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as a checkpoint; {remedy}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: holds no named weights; {remedy}")
    return content


def random_states() -> dict[str, Any]:
    """Return the states of torch's generators (data order and augmentation use none of them)."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_states(states: Mapping[str, Any]) -> None:
    """Set the states of torch's generators."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def on_cpu(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict whose tensors are contiguous and on the CPU."""
    return {name: value.detach().cpu().contiguous() for name, value in weights.items()}
