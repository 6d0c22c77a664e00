"""Btrfly Net: an arm for each view, one body for both, and a wing out for each view.

After Sekuboyina et al., "Btrfly Net", MICCAI 2018, which joins two views of a spine so, and Shimizu
et al., IJCARS 2020 (reference [12] of the paper), who read the views of a bone scan with it. The
posterior view enters mirrored, so that the body sees the same bone in the same place twice. Parts
as in `bonescan.models.unet`: residual blocks, instance or batch norm, strided convolutions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bonescan.config.networks import Norm
from bonescan.models.blocks import Network, start_rare, upsampled
from bonescan.models.unet import ResidualBlock
from bonescan.models.views import join_views, split_views


class Wing(nn.Module):
    """One view's way in, level by level down to the body, and its way out."""

    def __init__(self, channels: Sequence[int], body: int, classes: int, norm: Norm) -> None:
        super().__init__()
        self.way_in = nn.ModuleList(
            ResidualBlock(before, filters, stride=1 if level == 0 else 2, norm=norm)
            for level, (before, filters) in enumerate(itertools.pairwise([1, *channels]))
        )
        upwards = [body, *channels[::-1]]
        self.way_out = nn.ModuleList(
            ResidualBlock(deep + skip, skip, norm=norm)
            for deep, skip in itertools.pairwise(upwards)
        )
        self.head = nn.Conv2d(channels[0], classes, 1)

    def descend(self, x: Tensor) -> list[Tensor]:
        """Return each level's map of (N, 1, H, W), large to small."""
        skips = []
        for block in self.way_in:
            x = block(x)
            skips.append(x)
        return skips

    def ascend(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return logits (N, classes, H, W) from what the body gives."""
        for block, skip in zip(self.way_out, skips[::-1], strict=True):
            x = block(torch.cat([upsampled(x), skip], dim=1))
        logits: Tensor = self.head(x)
        return logits


class Body(nn.Module):
    """The deeper levels of a U-Net, on the maps of both views together."""

    def __init__(self, inputs: int, channels: Sequence[int], norm: Norm) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            ResidualBlock(before, filters, stride=2, norm=norm)
            for before, filters in itertools.pairwise([inputs, *channels])
        )
        self.up = nn.ModuleList(
            ResidualBlock(deep + skip, skip, norm=norm)
            for deep, skip in itertools.pairwise(channels[::-1])
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, channels[0], H / 2, W / 2)."""
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([upsampled(x), skip], dim=1))
        return x


class BtrflyNet(Network):
    """``forward`` returns one output's logits, as a canvas.

    Parameters
    ----------
    classes : int
    channels : sequence of int
        Filters of each level, from the full size to the deepest; each wing has its own.
    body_levels : int
        How many of them, the deepest, are the body; the others are the wings.
    norm : {"instance", "batch"}
    metastasis_prior : float, optional
        Odds of metastasis that the untrained heads start from.
    """

    halves = 2

    def __init__(
        self,
        *,
        classes: int,
        channels: Sequence[int],
        body_levels: int = 2,
        norm: Norm = "instance",
        metastasis_prior: float | None = None,
    ) -> None:
        super().__init__()
        arms, body = channels[:-body_levels], channels[-body_levels:]
        self.multiple = 2 ** (len(channels) - 1)
        self.anterior = Wing(arms, body[0], classes, norm)
        self.posterior = Wing(arms, body[0], classes, norm)
        self.body = Body(2 * arms[-1], body, norm)
        if metastasis_prior is not None:
            for wing in (self.anterior, self.posterior):
                start_rare(wing.head, metastasis_prior)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits for ``x`` (N, 1, H, W) in [0, 1]."""
        self.check_size(x)
        anterior, posterior = split_views(x)
        front, back = self.anterior.descend(anterior), self.posterior.descend(posterior)
        seen = self.body(torch.cat([front[-1], back[-1]], dim=1))
        logits = self.anterior.ascend(seen, front), self.posterior.ascend(seen, back)
        return (join_views(*logits),)
