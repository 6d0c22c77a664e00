"""UNet 3+ with attention: every decoder sees every scale.

After Huang et al., "UNet 3+: A Full-Scale Connected UNet for Medical Image Segmentation", ICASSP
2020, with its deep supervision and without its classification branch. The attention is the
convolutional block attention module of Woo et al., "CBAM", ECCV 2018, behind each decoder; which
one reference [22] of the paper has is not known to us.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bonescan.models.blocks import Network, start_rare

#: Channels over hidden units of the attention over channels (Woo et al., section 3).
REDUCTION = 16
#: Side of the convolution of the attention over pixels.
PIXEL_KERNEL = 7


def convolved(inputs: int, filters: int) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()
    )


class Attention(nn.Module):
    """Weights in (0, 1) for each channel, then for each pixel, from means and maxima."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.channels = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.pixels = nn.Conv2d(2, 1, PIXEL_KERNEL, padding=PIXEL_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) weighted."""
        weight = self.channels(x.mean(dim=(2, 3))) + self.channels(x.amax(dim=(2, 3)))
        x = x * torch.sigmoid(weight)[:, :, None, None]
        seen = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        weighted: Tensor = x * torch.sigmoid(self.pixels(seen))
        return weighted


class FullScaleDecoder(nn.Module):
    """Bring every scale to one size and ``skip_channels`` each, concatenate, convolve, attend.

    Larger maps are max-pooled down, smaller ones upsampled, before their convolution.
    """

    def __init__(self, inputs: Sequence[int], skip_channels: int, attention: str) -> None:
        super().__init__()
        fused = skip_channels * len(inputs)
        self.skips = nn.ModuleList(convolved(channels, skip_channels) for channels in inputs)
        self.fuse = convolved(fused, fused)
        self.attention = Attention(fused) if attention == "cbam" else nn.Identity()

    def forward(self, scales: Sequence[Tensor], level: int) -> Tensor:
        """Return (N, C, H / 2^level, W / 2^level) from one map for each level, large to small."""
        parts = [
            skip(resized(x, level - source))
            for source, (skip, x) in enumerate(zip(self.skips, scales, strict=True))
        ]
        attended: Tensor = self.attention(self.fuse(torch.cat(parts, dim=1)))
        return attended


def resized(x: Tensor, halvings: int) -> Tensor:
    """Halve the size so often by max pooling; double it, bilinear, where negative."""
    if halvings > 0:
        return functional.max_pool2d(x, 2**halvings)
    if halvings < 0:
        factor = 2**-halvings
        return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    return x


class UNet3Plus(Network):
    """``forward`` returns one output's logits for each level, the full size (the prediction) last.

    Parameters
    ----------
    classes : int
    views : int
        Pictures stacked as channels, each with classes of its own.
    channels : sequence of int
        Filters of each level, from the full size to the deepest; the original's are 64, 128, 256,
        512, 1024.
    skip_channels : int
        Filters of each full-scale connection; the original's are 64.
    attention : {"none", "cbam"}
    deep_supervision : bool
        Return the outputs of all levels, brought to full size, to be trained each; else one.
    metastasis_prior : float, optional
        Odds of metastasis that the untrained heads start from.
    """

    def __init__(
        self,
        *,
        classes: int,
        views: int = 1,
        channels: Sequence[int],
        skip_channels: int = 64,
        attention: str = "cbam",
        deep_supervision: bool = True,
        metastasis_prior: float | None = None,
    ) -> None:
        super().__init__()
        levels = len(channels)
        self.multiple = 2 ** (levels - 1)
        self.encoder = nn.ModuleList(
            nn.Sequential(convolved(before, filters), convolved(filters, filters))
            for before, filters in itertools.pairwise([views, *channels])
        )
        fused = skip_channels * levels
        # Decoder of level k sees the encoder of levels 0 to k, the decoders below, and the bottom.
        self.decoders = nn.ModuleList(
            FullScaleDecoder(
                [*channels[: level + 1], *[fused] * (levels - level - 2), channels[-1]],
                skip_channels,
                attention,
            )
            for level in range(levels - 1)
        )
        sources = [fused] * (levels - 1) + [channels[-1]]
        supervised = sources if deep_supervision else sources[:1]
        self.heads = nn.ModuleList(
            nn.Conv2d(source, views * classes, 3, padding=1) for source in supervised
        )
        self.apply(_he_initialise)
        if metastasis_prior is not None:
            for head in self.heads:
                assert isinstance(head, nn.Conv2d)
                start_rare(head, metastasis_prior, views)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return (N, views * classes, H, W) logits for ``x`` (N, views, H, W) in [0, 1]."""
        self.check_size(x)
        scales: list[Tensor] = []
        for block in self.encoder:
            x = block(functional.max_pool2d(x, 2) if scales else x)
            scales.append(x)
        for level in range(len(scales) - 2, -1, -1):  # a decoder takes its encoder's place
            scales[level] = self.decoders[level](scales, level)
        outputs = [
            resized(head(scale), -level)
            for level, (head, scale) in enumerate(zip(self.heads, scales, strict=False))
        ]
        return tuple(outputs[::-1])


def _he_initialise(layer: nn.Module) -> None:
    """He initialisation, as the original's."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
