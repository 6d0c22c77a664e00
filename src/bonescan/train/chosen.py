"""The network that stands for a finished fold: its best checkpoint, or its last one."""

from __future__ import annotations

import json

from bonescan.config import Settings
from bonescan.errors import BadInput
from bonescan.models import Network, build_model
from bonescan.train.checkpoints import load_checkpoint
from bonescan.train.folder import RunFolder


def chosen_network(folder: RunFolder, settings: Settings) -> tuple[Network, int]:
    """Return the network of the checkpoint that the settings choose, on the CPU, and its epoch.

    Raises
    ------
    BadInput
        If the checkpoint cannot be read or is that of another network.
    """
    network = build_model(settings.model, len(settings.classes))
    path = folder.best if settings.training.checkpoint == "best" else folder.last
    state = load_checkpoint(path)
    try:
        if path == folder.best:
            weights, epoch = state["weights"], int(state["epoch"])
        else:
            weights = state["network"] if state["average"] is None else state["average"]
            epoch = len(json.loads(state["progress"])["records"])
        network.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"{path}: is the checkpoint of another network than {folder.settings} names; delete "
            f"{folder.path} and train this fold again"
        ) from error
    return network.eval(), epoch
