"""Networks, by their ``kind`` in the settings. A new one is a file here and a line in `BUILDERS`.

Only this package and `bonescan.train` import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bonescan.config import DoubleUNetSettings, ModelSettings, UNetSettings
from bonescan.models.blocks import Network, probabilities
from bonescan.models.double_unet import DoubleUNet
from bonescan.models.unet import UNet

__all__ = ["BUILDERS", "DoubleUNet", "Network", "UNet", "build_model", "probabilities"]


def _double_unet(settings: DoubleUNetSettings, classes: int) -> Network:
    return DoubleUNet(
        classes=classes,
        width=settings.width,
        gate=settings.gate,
        momentum=settings.batch_norm_momentum,
        metastasis_prior=settings.metastasis_prior,
    )


def _unet(settings: UNetSettings, classes: int) -> Network:
    return UNet(
        classes=classes,
        channels=settings.channels,
        metastasis_prior=settings.metastasis_prior,
        compress=settings.compress,
    )


BUILDERS: dict[str, Callable[[Any, int], Network]] = {
    "double_unet": _double_unet,
    "unet": _unet,
}


def build_model(settings: ModelSettings, classes: int) -> Network:
    """Build a network with ``classes`` output channels, weights drawn from torch's generator."""
    return BUILDERS[settings.kind](settings, classes)
