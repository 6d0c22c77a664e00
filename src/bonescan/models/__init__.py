"""Networks, by their ``kind`` in the settings. A new one is a file here and a line in `BUILDERS`.

Only this package and `bonescan.train` import torch.
"""

from __future__ import annotations

from collections.abc import Callable

from bonescan.config.networks import (
    DoubleUNetSettings,
    ModelSettings,
    StackedViewsSettings,
    ViewAggregationSettings,
)
from bonescan.models.attention_unet import AttentionUNet
from bonescan.models.blocks import Network, probabilities
from bonescan.models.btrfly import BtrflyNet
from bonescan.models.double_unet import DoubleUNet
from bonescan.models.patient_classifier import PatientClassifier
from bonescan.models.res_unet import ResUNet
from bonescan.models.swin_unetr import SwinUNETR
from bonescan.models.unet import UNet
from bonescan.models.unet3_plus import UNet3Plus
from bonescan.models.unet_plus_plus import UNetPlusPlus
from bonescan.models.views import StackedViews, ViewAggregation

__all__ = ["BUILDERS", "DoubleUNet", "Network", "UNet", "build_model", "probabilities"]

Builder = Callable[..., Network]


def _named(network: Callable[..., Network]) -> Builder:
    """Build a network whose arguments are named as its settings are."""
    return lambda settings, classes, **views: network(
        classes=classes, **views, **settings.model_dump(exclude={"kind"})
    )


def _double_unet(settings: DoubleUNetSettings, classes: int) -> Network:
    return DoubleUNet(
        classes=classes,
        width=settings.width,
        gate=settings.gate,
        momentum=settings.batch_norm_momentum,
        metastasis_prior=settings.metastasis_prior,
    )


def _stacked_views(settings: StackedViewsSettings, classes: int) -> Network:
    return StackedViews(BUILDERS[settings.network.kind](settings.network, classes, views=2))


def _view_aggregation(settings: ViewAggregationSettings, classes: int) -> Network:
    return ViewAggregation(BUILDERS[settings.network.kind](settings.network, classes))


BUILDERS: dict[str, Builder] = {
    "double_unet": _double_unet,
    "unet": _named(UNet),
    "res_unet": _named(ResUNet),
    "attention_unet": _named(AttentionUNet),
    "unet_plus_plus": _named(UNetPlusPlus),
    "unet3_plus": _named(UNet3Plus),
    "swin_unetr": _named(SwinUNETR),
    "btrfly": _named(BtrflyNet),
    "stacked_views": _stacked_views,
    "view_aggregation": _view_aggregation,
    "patient_classifier": _named(PatientClassifier),
}


def build_model(settings: ModelSettings, classes: int) -> Network:
    """Build a network with ``classes`` output channels, weights drawn from torch's generator."""
    return BUILDERS[settings.kind](settings, classes)
