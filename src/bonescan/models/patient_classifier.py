"""One answer for a patient from both views: does this scan show metastasis?

The systems of references [34-37] of the paper classify scans. Here one encoder reads the anterior
and the mirrored posterior view, with the parts of `bonescan.models.unet`; means and maxima of its
deepest maps, of each view, give one logit for each class. It is returned as a canvas of that one
value, so that folds, losses, checkpoints and predictions are those of every other network.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bonescan.models.blocks import Network
from bonescan.models.unet import ResidualBlock
from bonescan.models.views import split_views


class PatientClassifier(Network):
    """``forward`` returns one output's logits, the same at every pixel of a canvas.

    Parameters
    ----------
    classes : int
    channels : sequence of int
        Filters of the encoder's levels, from the full size to the deepest.
    dropout : float
        Share of the pooled features that a training step leaves out.
    """

    halves = 2

    def __init__(self, *, classes: int, channels: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        self.encoder = nn.Sequential(
            *(
                ResidualBlock(before, filters, stride=1 if level == 0 else 2)
                for level, (before, filters) in enumerate(itertools.pairwise([1, *channels]))
            )
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * channels[-1], classes)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits for ``x`` (N, 1, H, W) in [0, 1]."""
        self.check_size(x)
        maps = [self.encoder(view) for view in split_views(x)]
        pooled = [pool for one in maps for pool in (one.mean(dim=(2, 3)), one.amax(dim=(2, 3)))]
        logits = self.head(self.dropout(torch.cat(pooled, dim=1)))
        return (logits[:, :, None, None].expand(-1, -1, *x.shape[-2:]),)
