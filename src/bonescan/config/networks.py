"""Settings of the networks. The paper's own comes first; the others are those of its Table 8."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from bonescan.config.base import Frozen

Rare = Annotated[float | None, Field(gt=0, lt=1)]
"""Odds of metastasis that an untrained head starts from; None leaves them as they come."""


Levels = Annotated[tuple[PositiveInt, ...], Field(min_length=2)]
"""Filters of each level, from the full size to the deepest."""

Norm = Literal["instance", "batch"]
"""How maps are normalised: each canvas by itself, or by the statistics of the training batches, of
at least two canvases each."""


class DoubleUNetSettings(Frozen):
    """The modified Double U-Net (section 3.6, Figure 4). ``width`` scales every filter count."""

    kind: Literal["double_unet"] = "double_unet"
    width: float = Field(default=1.0, gt=0)
    gate: Literal["elementwise", "metastasis", "foreground"] = "elementwise"
    batch_norm_momentum: float = Field(default=0.01, gt=0, le=1)
    metastasis_prior: float | None = Field(default=None, gt=0, lt=1)
    """Odds of metastasis that both untrained heads start from, as `UNetSettings` has it.

    None is the paper's recipe: even odds. Long runs at the paper's learning rate learn from there;
    short ones with few steps tend to fall back to marking nothing."""


class UNetSettings(Frozen):
    """A small residual U-Net, for tests and the shipped model."""

    kind: Literal["unet"] = "unet"
    channels: Levels = (16, 32, 64, 96, 128)
    norm: Norm = "instance"
    compress: Literal["none", "sqrt"] = "none"
    """What the network does to grey values first: a square root evens out Poisson noise."""
    metastasis_prior: float = Field(default=0.01, gt=0, lt=1)
    """Odds of metastasis that the untrained head starts from. At even odds the few metastatic
    pixels drown in false positives and an overlap loss has next to no gradient for them."""


class ResUNetSettings(Frozen):
    """ResU-Net of Table 8 [20]: MONAI's ``UNet`` with residual units."""

    kind: Literal["res_unet"] = "res_unet"
    channels: Levels = (32, 64, 128, 256, 512)
    residual_units: int = Field(default=2, ge=1)
    norm: Norm = "instance"
    metastasis_prior: Rare = 0.01


class AttentionUNetSettings(Frozen):
    """Attention U-Net of Table 8 [21]: MONAI's ``AttentionUnet``."""

    kind: Literal["attention_unet"] = "attention_unet"
    channels: Levels = (32, 64, 128, 256, 512)
    metastasis_prior: Rare = 0.01


class UNetPlusPlusSettings(Frozen):
    """U-Net++ with deep supervision of Table 8 [16]: MONAI's ``BasicUNetPlusPlus``.

    ``channels`` are those of the five levels, then that of the last decoder.
    """

    kind: Literal["unet_plus_plus"] = "unet_plus_plus"
    channels: Annotated[Levels, Field(min_length=6, max_length=6)] = (32, 32, 64, 128, 256, 32)
    deep_supervision: bool = True
    norm: Norm = "instance"
    metastasis_prior: Rare = 0.01


class UNet3PlusSettings(Frozen):
    """UNet 3+ with attention of Table 8 [22]; ``channels`` are the filters of its levels.

    ``skip_channels`` is what each full-scale connection is brought to. ``attention`` follows each
    decoder: ``cbam`` weighs channels, then pixels.
    """

    kind: Literal["unet3_plus"] = "unet3_plus"
    channels: Levels = (64, 128, 256, 512, 1024)
    skip_channels: int = Field(default=64, ge=1)
    attention: Literal["none", "cbam"] = "cbam"
    deep_supervision: bool = True
    metastasis_prior: Rare = 0.01


class SwinUNETRSettings(Frozen):
    """Swin Transformer of Table 8 [23]: MONAI's ``SwinUNETR`` in two dimensions.

    ``feature_size`` is a multiple of 12; stage k has ``2^k feature_size`` channels, which its
    ``heads`` divide.
    """

    kind: Literal["swin_unetr"] = "swin_unetr"
    feature_size: int = Field(default=24, ge=12, multiple_of=12)
    depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (2, 2, 2, 2)
    heads: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (3, 6, 12, 24)
    window: int = Field(default=7, ge=2)
    norm: Norm = "instance"
    metastasis_prior: Rare = 0.01

    @model_validator(mode="after")
    def _heads_divide(self) -> SwinUNETRSettings:
        for stage, heads in enumerate(self.heads):
            if self.feature_size * 2**stage % heads:
                raise ValueError(
                    f"{heads} heads do not divide the {self.feature_size * 2**stage} channels of "
                    f"stage {stage}"
                )
        return self


class BtrflySettings(Frozen):
    """Btrfly Net [12]: an arm for each view and one body; ``channels`` are those of the levels.

    The deepest ``body_levels`` of them are the body, which sees both views.
    """

    kind: Literal["btrfly"] = "btrfly"
    channels: Levels = (16, 32, 64, 96, 128)
    body_levels: int = Field(default=2, ge=1)
    norm: Norm = "instance"
    metastasis_prior: Rare = 0.01

    @model_validator(mode="after")
    def _arms_are_left(self) -> BtrflySettings:
        if self.body_levels >= len(self.channels):
            raise ValueError("body_levels must be fewer than channels, so that arms are left")
        return self


StackableSettings = Annotated[
    UNetSettings
    | ResUNetSettings
    | AttentionUNetSettings
    | UNetPlusPlusSettings
    | UNet3PlusSettings
    | SwinUNETRSettings,
    Field(discriminator="kind"),
]
"""Networks that take any number of views as channels."""


class StackedViewsSettings(Frozen):
    """A network on a volume of both views [14]: two channels, the posterior view mirrored."""

    kind: Literal["stacked_views"] = "stacked_views"
    network: StackableSettings = UNetSettings()


class ViewAggregationSettings(Frozen):
    """A network on the mean of anterior and mirrored posterior view [16].

    It marks both views alike.
    """

    kind: Literal["view_aggregation"] = "view_aggregation"
    network: StackableSettings | DoubleUNetSettings = Field(
        default=UNetPlusPlusSettings(), discriminator="kind"
    )


class PatientClassifierSettings(Frozen):
    """A two-view classifier of patients [34-37], for `bonescan.config.PatientMask`.

    ``channels`` are the filters of its levels.
    """

    kind: Literal["patient_classifier"] = "patient_classifier"
    channels: Levels = (16, 32, 64, 96, 128)
    dropout: float = Field(default=0.2, ge=0, lt=1)


ModelSettings = Annotated[
    DoubleUNetSettings
    | UNetSettings
    | ResUNetSettings
    | AttentionUNetSettings
    | UNetPlusPlusSettings
    | UNet3PlusSettings
    | SwinUNETRSettings
    | BtrflySettings
    | StackedViewsSettings
    | ViewAggregationSettings
    | PatientClassifierSettings,
    Field(discriminator="kind"),
]
