"""Parts that several networks are built from. Shapes: N batch, C channels, H rows, W columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bonescan.config.networks import Norm

#: Batch-norm epsilon of the Keras original of the Double U-Net (PyTorch's own is 1e-5).
BATCH_NORM_EPS = 1e-3
#: Canvas pixels about a bone in which a metastasis of it may still be seen.
REACH = 2


def normalisation(norm: Norm, filters: int) -> nn.Module:
    """Return the layer that normalises ``filters`` maps and then scales and shifts each."""
    if norm == "batch":
        return nn.BatchNorm2d(filters)
    return nn.InstanceNorm2d(filters, affine=True)


class Network(nn.Module):
    """What every segmentation network here is.

    ``forward(x)`` takes (N, 1, H, W) float32 grey values in [0, 1], H and W multiples of
    ``multiple``, and returns a tuple of logits, each (N, classes, H, W); the last one is the
    prediction, the others are there to be trained as well. One class means a sigmoid, more a
    softmax, over each group of classes by itself. Metastasis is the last class.

    A network that takes the canvas apart has ``halves`` 2, and W / 2 is such a multiple. One that
    takes ``views`` pictures as channels, (N, views, H, W), returns (N, views * classes, H, W).
    """

    multiple: int = 1
    halves: int = 1

    def fits(self, height: int, width: int) -> bool:
        """Whether the network can take a canvas of this size."""
        return not (height % self.multiple or width % (self.halves * self.multiple))

    @property
    def sizes(self) -> str:
        """What H and W must be multiples of, in words."""
        if self.halves == 1:
            return f"{self.multiple}"
        return f"{self.multiple} rows and {self.halves * self.multiple} columns"

    def check_size(self, x: Tensor) -> None:
        """Raise ValueError if H or W is not a multiple of what it has to be."""
        height, width = x.shape[-2:]
        if not self.fits(height, width):
            raise ValueError(
                f"canvas of {height} x {width} pixels; this network needs multiples of {self.sizes}"
            )


def probabilities(logits: Tensor, groups: Sequence[int] = ()) -> Tensor:
    """Turn (N, classes, H, W) logits into probabilities: sigmoid for one class, else softmax.

    ``groups`` are the numbers of classes that exclude one another; all of them by default. With
    two groups, the first are bones with ``no bone`` at their head, and metastasis (the last class)
    counts only as far as there is bone within `REACH` pixels: tracer on skin or clothes is none.
    """
    if logits.shape[1] == 1:
        return torch.sigmoid(logits)
    if len(groups) < 2:
        return torch.softmax(logits, dim=1)
    bones, findings = (
        torch.softmax(part, dim=1) for part in torch.split(logits, list(groups), dim=1)
    )
    near_bone = functional.max_pool2d(1 - bones[:, :1], 2 * REACH + 1, stride=1, padding=REACH)
    return torch.cat([bones, findings[:, :-1], findings[:, -1:] * near_bone], dim=1)


def upsampled(x: Tensor) -> Tensor:
    """Double H and W, bilinear, pixel edges aligned (``align_corners=False``).

    Behind a concatenation, the gradient comes as a slice of all channels, which torch would bring
    into its default layout and back. One copy, in the layout of ``x``, takes a fifth of that time.
    """
    y = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    if y.requires_grad and y.is_contiguous(memory_format=torch.channels_last):
        y.register_hook(  # type: ignore[no-untyped-call]
            lambda slope: slope.contiguous(memory_format=torch.channels_last)
        )
    return y


@torch.no_grad()
def start_rare(head: nn.Conv2d, odds: float, views: int = 1) -> None:
    """Set a head's bias so that its last class, metastasis, starts at these odds to each other.

    With several views, the last class of each. After Lin et al., ICCV 2017, section 4.1.
    """
    assert head.bias is not None
    head.bias.zero_()
    head.bias.view(views, -1)[:, -1] = math.log(odds)


def last_convolution(network: nn.Module) -> nn.Conv2d:
    """Return the convolution that was added last: the head of a network from a library."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][-1]


class SqueezeExcite(nn.Module):
    """Channel gate from the channel means, without bias (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, ratio: int = 8) -> None:
        super().__init__()
        hidden = max(1, channels // ratio)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) with each channel scaled by a factor in (0, 1)."""
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * gate[:, :, None, None]


class ConvBlock(nn.Sequential):
    """(3x3 convolution with bias, batch norm, ReLU) twice, then squeeze-excite."""

    def __init__(self, inputs: int, filters: int, *, momentum: float) -> None:
        super().__init__(
            nn.Conv2d(inputs, filters, 3, padding=1),
            nn.BatchNorm2d(filters, eps=BATCH_NORM_EPS, momentum=momentum),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1),
            nn.BatchNorm2d(filters, eps=BATCH_NORM_EPS, momentum=momentum),
            nn.ReLU(),
            SqueezeExcite(filters),
        )


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: global mean, 1x1, and 3x3 at dilations 6, 12, 18.

    The five branches are concatenated in that order and merged by a 1x1 convolution. Only the
    branch of the global mean has a bias. A training batch of one cannot be normalised there.
    """

    def __init__(self, inputs: int, filters: int, *, momentum: float) -> None:
        super().__init__()

        def normalised(convolution: nn.Conv2d) -> nn.Sequential:
            norm = nn.BatchNorm2d(filters, eps=BATCH_NORM_EPS, momentum=momentum)
            return nn.Sequential(convolution, norm, nn.ReLU())

        self.pooled = normalised(nn.Conv2d(inputs, filters, 1))
        self.point = normalised(nn.Conv2d(inputs, filters, 1, bias=False))
        self.atrous = nn.ModuleList(
            normalised(nn.Conv2d(inputs, filters, 3, padding=rate, dilation=rate, bias=False))
            for rate in (6, 12, 18)
        )
        self.merge = normalised(nn.Conv2d(5 * filters, filters, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, filters, H, W)."""
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        branches = [pooled, self.point(x), *(branch(x) for branch in self.atrous)]
        merged: Tensor = self.merge(torch.cat(branches, dim=1))
        return merged
