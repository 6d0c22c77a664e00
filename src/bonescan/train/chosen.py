"""The network that stands for a finished fold: its best checkpoint, or its last one."""

from __future__ import annotations

import json

from bonescan.config import Settings
from bonescan.models import Network, build_model
from bonescan.train.checkpoints import load_checkpoint
from bonescan.train.folder import RunFolder


def chosen_network(folder: RunFolder, settings: Settings) -> tuple[Network, int]:
    """Return the network of the checkpoint that the settings choose, on the CPU, and its epoch."""
    network = build_model(settings.model, len(settings.classes))
    if settings.training.checkpoint == "best":
        state = load_checkpoint(folder.best)
        weights, epoch = state["weights"], int(state["epoch"])
    else:
        state = load_checkpoint(folder.last)
        weights = state["network"] if state["average"] is None else state["average"]
        epoch = len(json.loads(state["progress"])["records"])
    network.load_state_dict(weights)
    return network.eval(), epoch
