"""Both views of a canvas in one frame: the posterior view mirrored, as if seen from the front.

A canvas shows the anterior view in its left half and the posterior view in its right half, as seen
from behind. Mirrored, a bone of the posterior view lies where it lies in the anterior one. Two ways
to use that with any network, as fixed layers before and behind it, so that folds, canvases, losses
and figures stay the same as without:

- **stacked** (reference [14] of the paper, a volume of both views): two input channels, and
  classes for each view;
- **aggregated** (reference [16]): the mean of both as one picture. What is marked in it is marked
  in both views; each view's own annotation judges it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bonescan.models.blocks import Network


def split_views(canvas: Tensor) -> tuple[Tensor, Tensor]:
    """Return the anterior half and the mirrored posterior half of (N, C, H, W)."""
    anterior, posterior = torch.chunk(canvas, 2, dim=3)
    return anterior, posterior.flip(3)


def join_views(anterior: Tensor, posterior: Tensor) -> Tensor:
    """Put an anterior and a mirrored posterior view on one canvas; undoes `split_views`."""
    return torch.cat([anterior, posterior.flip(3)], dim=3)


class _OnBothViews(Network):
    """A network that is handed both views, taken apart from the canvas."""

    halves = 2

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.multiple = network.multiple


class StackedViews(_OnBothViews):
    """A network on both views as channels; ``forward`` returns what it returns, as canvases.

    Parameters
    ----------
    network : Network
        Built for two views.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits for ``x`` (N, 1, H, W) in [0, 1]."""
        self.check_size(x)
        outputs = self.network(torch.cat(split_views(x), dim=1))
        return tuple(join_views(*torch.chunk(logits, 2, dim=1)) for logits in outputs)


class ViewAggregation(_OnBothViews):
    """A network on the mean of both views; ``forward`` returns what it returns, as canvases.

    Parameters
    ----------
    network : Network
        Built for one view.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits for ``x`` (N, 1, H, W) in [0, 1], alike in both views."""
        self.check_size(x)
        anterior, posterior = split_views(x)
        outputs = self.network((anterior + posterior) / 2)
        return tuple(join_views(logits, logits) for logits in outputs)
