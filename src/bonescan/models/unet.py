"""A small residual U-Net with instance normalisation: trains on a CPU, reads in milliseconds.

Departures from the textbook U-Net (Ronneberger et al., MICCAI 2015): residual blocks, instance
norm (each canvas is normalised by itself, so reading does not depend on the batches of training;
batch norm is a setting), leaky ReLU, strided convolutions in place of pooling, bilinear upsampling.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bonescan.config.networks import Norm
from bonescan.models.blocks import Network, normalisation, start_rare, upsampled

LEAK = 0.01


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions beside a shortcut; ``stride`` 2 halves the size.

    The shortcut drops rows and columns first and then convolves 1x1, which is the same as a 1x1
    convolution with a stride. oneDNN 3.12 (torch 2.13) writes past its memory in the weight
    gradient of that one, channels last with fewer inputs than a vector is wide (16 under AVX-512,
    8 under AVX2): https://github.com/uxlfoundation/oneDNN/issues/6035.
    """

    def __init__(self, inputs: int, filters: int, stride: int = 1, norm: Norm = "instance") -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv2d(inputs, filters, 3, stride=stride, padding=1, bias=False)
        self.first_norm = normalisation(norm, filters)
        self.second = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.second_norm = normalisation(norm, filters)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == filters
            else nn.Conv2d(inputs, filters, 1, bias=False)
        )
        self.activation = nn.LeakyReLU(LEAK)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, filters, H / stride, W / stride)."""
        y = self.activation(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y)) + self.shortcut(x[..., :: self.stride, :: self.stride])
        activated: Tensor = self.activation(y)
        return activated


class UNet(Network):
    """A U-Net with one level for each of ``channels``; ``forward`` returns one output's logits.

    The last class is metastasis; the head starts it at the odds ``metastasis_prior`` against each
    other class (Lin et al., ICCV 2017, section 4.1, for the idea).
    """

    def __init__(
        self,
        *,
        classes: int,
        views: int = 1,
        channels: Sequence[int],
        metastasis_prior: float = 0.01,
        compress: str = "none",
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        self.compress = compress
        self.multiple = 2 ** (len(channels) - 1)
        inputs = [views, *channels[:-1]]
        self.encoder = nn.ModuleList(
            ResidualBlock(before, filters, stride=1 if level == 0 else 2, norm=norm)
            for level, (before, filters) in enumerate(zip(inputs, channels, strict=True))
        )
        upwards = list(channels[::-1])
        self.decoder = nn.ModuleList(
            ResidualBlock(deep + skip, skip, norm=norm)
            for deep, skip in itertools.pairwise(upwards)
        )
        self.head = nn.Conv2d(channels[0], views * classes, 1)
        start_rare(self.head, metastasis_prior, views)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits for ``x`` (N, views, H, W) in [0, 1]."""
        self.check_size(x)
        if self.compress == "sqrt":
            x = torch.sqrt(x.clamp_min(0))
        skips: list[Tensor] = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        for block, skip in zip(self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat([upsampled(x), skip], dim=1))
        return (self.head(x),)
