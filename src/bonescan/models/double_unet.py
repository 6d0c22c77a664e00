"""The modified Double U-Net of Cheng et al., *Diagnostics* 2023, 13, 3042 (section 3.6, Figure 4).

After Jha et al., "DoubleU-Net", IEEE CBMS 2020. Two U-Nets in a row: the first, on a VGG19 encoder,
gives ``output 1``; its probabilities gate the picture that enters the second, whose decoder sees
the skips of both encoders and gives ``output 2``, the prediction. Choices where ports differ: the
gate is an elementwise product, the pooled branch of the pyramid takes the mean of the whole
picture, upsampling does not align corners, and the second network has its own encoder.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from bonescan.models.blocks import (
    AtrousPyramid,
    ConvBlock,
    Network,
    probabilities,
    start_rare,
    upsampled,
)

#: Filters and number of convolutions of each VGG19 block (Simonyan and Zisserman, ICLR 2015).
VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
ENCODER_FILTERS = (32, 64, 128, 256)
DECODER_FILTERS = (256, 128, 64, 32)
PYRAMID_FILTERS = 64
PICTURE_CHANNELS = 3

Gate = Literal["elementwise", "metastasis", "foreground"]


class VggEncoder(nn.Module):
    """The convolutions of VGG19, without batch norm, with He initialisation."""

    def __init__(self, width: float) -> None:
        super().__init__()
        blocks = []
        inputs = PICTURE_CHANNELS
        for filters, convolutions in VGG19:
            layers: list[nn.Module] = []
            for _ in range(convolutions):
                layers += [nn.Conv2d(inputs, scaled(filters, width), 3, padding=1), nn.ReLU()]
                inputs = scaled(filters, width)
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.apply(_he_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the output of each block, at 1, 1/2, 1/4, 1/8 and 1/16 of the size."""
        outputs: list[Tensor] = []
        for block in self.blocks:
            x = block(functional.max_pool2d(x, 2) if outputs else x)
            outputs.append(x)
        return outputs

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The 16 convolutions from first to last."""
        return [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)]


class Encoder(nn.Module):
    """The second network's encoder: conv blocks, a skip before each 2x2 max pool."""

    def __init__(self, width: float, momentum: float) -> None:
        super().__init__()
        inputs = PICTURE_CHANNELS
        blocks = []
        for filters in ENCODER_FILTERS:
            blocks.append(ConvBlock(inputs, scaled(filters, width), momentum=momentum))
            inputs = scaled(filters, width)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four skips, then the pooled output of the last block."""
        outputs: list[Tensor] = []
        for block in self.blocks:
            outputs.append(block(x))
            x = functional.max_pool2d(outputs[-1], 2)
        return [*outputs, x]


class Decoder(nn.Module):
    """Four steps of: upsample, concatenate the skips of that size, conv block."""

    def __init__(self, inputs: int, skips: list[int], width: float, momentum: float) -> None:
        super().__init__()
        blocks = []
        for filters, skip in zip(DECODER_FILTERS, skips, strict=True):
            blocks.append(ConvBlock(inputs + skip, scaled(filters, width), momentum=momentum))
            inputs = scaled(filters, width)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, *skips: list[Tensor]) -> Tensor:
        """Decode ``x``; each of ``skips`` lists one encoder's outputs from large to small."""
        for level, block in enumerate(self.blocks):
            sized = [outputs[3 - level] for outputs in skips]
            x = block(torch.cat([upsampled(x), *sized], dim=1))
        return x


class DoubleUNet(Network):
    """The modified Double U-Net; ``forward`` returns the logits (output 1, output 2).

    Parameters
    ----------
    classes : int
        1 for binary training, 3 for background, non-metastatic and metastasis.
    width : float
        Scales every filter count; 1 is the paper's: 29,290,274 trainable parameters with one
        class, 29,290,406 with three.
    gate : {"elementwise", "metastasis", "foreground"}
        What multiplies the picture between both networks. ``elementwise``: the three-channel
        softmax meets the grey picture repeated three times; ``metastasis``: the probability of
        metastasis on all three; ``foreground``: one minus the probability of background. One class
        has one probability, which all three settings use.
    momentum : float
        Of batch norm, in PyTorch's sense (weight of the new batch).
    metastasis_prior : float, optional
        Odds of metastasis that both untrained heads start from; None leaves them at even odds.
    """

    multiple = 16

    def __init__(
        self,
        *,
        classes: int,
        width: float = 1.0,
        gate: Gate = "elementwise",
        momentum: float = 0.01,
        metastasis_prior: float | None = None,
    ) -> None:
        super().__init__()
        if classes not in (1, 3):
            raise ValueError(f"the Double U-Net has 1 or 3 classes, not {classes}")
        self.gate = gate
        pyramid = scaled(PYRAMID_FILTERS, width)
        vgg_skips = [scaled(filters, width) for filters, _ in VGG19[3::-1]]
        own_skips = [scaled(filters, width) for filters in ENCODER_FILTERS[::-1]]
        both_skips = [one + two for one, two in zip(vgg_skips, own_skips, strict=True)]
        last = scaled(DECODER_FILTERS[-1], width)

        self.encoder1 = VggEncoder(width)
        self.pyramid1 = AtrousPyramid(scaled(VGG19[-1][0], width), pyramid, momentum=momentum)
        self.decoder1 = Decoder(pyramid, vgg_skips, width, momentum)
        self.head1 = nn.Conv2d(last, classes, 1)
        self.encoder2 = Encoder(width, momentum)
        self.pyramid2 = AtrousPyramid(
            scaled(ENCODER_FILTERS[-1], width), pyramid, momentum=momentum
        )
        self.decoder2 = Decoder(pyramid, both_skips, width, momentum)
        self.head2 = nn.Conv2d(last, classes, 1)
        if metastasis_prior is not None:
            for head in (self.head1, self.head2):
                start_rare(head, metastasis_prior)
        # Channels last: the same numbers, a training step a third faster on a CPU, and what a GPU's
        # half-precision units want (`benchmarks/step.py`).
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of both outputs for ``x`` (N, 1, H, W) in [0, 1]."""
        self.check_size(x)
        picture = x.repeat(1, PICTURE_CHANNELS, 1, 1)
        *skips1, deepest = self.encoder1(picture)
        output1 = self.head1(self.decoder1(self.pyramid1(deepest), skips1))
        *skips2, deepest = self.encoder2(picture * self._gate(output1))
        output2 = self.head2(self.decoder2(self.pyramid2(deepest), skips1, skips2))
        return output1, output2

    def _gate(self, output1: Tensor) -> Tensor:
        share = probabilities(output1)
        if share.shape[1] == 1 or self.gate == "elementwise":
            return share
        return share[:, 2:3] if self.gate == "metastasis" else 1 - share[:, 0:1]


def scaled(filters: int, width: float) -> int:
    """Return a filter count scaled by ``width``, at least 1."""
    return max(1, round(filters * width))


def _he_initialise(layer: nn.Module) -> None:
    """He initialisation: the default one shrinks the signal about 180-fold by block 5."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
