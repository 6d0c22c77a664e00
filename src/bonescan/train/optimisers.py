"""Optimisers, by their ``kind`` in the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn, optim

from bonescan.config.learning import Adam, AdamW, OptimiserSettings, RAdam, Sgd


def build_optimiser(network: nn.Module, settings: OptimiserSettings) -> optim.Optimizer:
    """Return the optimiser of all parameters of a network that are to be trained."""
    return OPTIMISERS[settings.kind](network, settings)


def _adam(network: nn.Module, settings: Adam) -> optim.Optimizer:
    return optim.Adam(network.parameters(), lr=settings.learning_rate)


def _adamw(network: nn.Module, settings: AdamW) -> optim.Optimizer:
    return optim.AdamW(decaying(network, settings.weight_decay), lr=settings.learning_rate)


def _sgd(network: nn.Module, settings: Sgd) -> optim.Optimizer:
    return optim.SGD(
        decaying(network, settings.weight_decay),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov and settings.momentum > 0,
    )


def _radam(network: nn.Module, settings: RAdam) -> optim.Optimizer:
    return optim.RAdam(network.parameters(), lr=settings.learning_rate)


OPTIMISERS: dict[str, Callable[[nn.Module, Any], optim.Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
    "radam": _radam,
}


def decaying(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters in two groups: weights that decay; biases and norms that do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
