"""Attention U-Net: gates on the skip connections, MONAI's ``AttentionUnet``.

After Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018. Batch
norm, so that a training batch holds at least two canvases.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bonescan.models.blocks import Network, last_convolution, start_rare


class AttentionUNet(Network):
    """``forward`` returns one output's logits; one level for each of ``channels``.

    Parameters
    ----------
    classes : int
    views : int
        Pictures stacked as channels, each with classes of its own.
    channels : sequence of int
        Filters of each level, from the full size to the deepest.
    metastasis_prior : float, optional
        Odds of metastasis that the untrained head starts from.
    """

    def __init__(
        self,
        *,
        classes: int,
        views: int = 1,
        channels: Sequence[int],
        metastasis_prior: float | None = None,
    ) -> None:
        from monai.networks import nets  # a second or two, for those alone who ask for it

        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        self.net = nets.AttentionUnet(
            spatial_dims=2,
            in_channels=views,
            out_channels=views * classes,
            channels=channels,
            strides=(2,) * (len(channels) - 1),
        )
        if metastasis_prior is not None:
            start_rare(last_convolution(self.net), metastasis_prior, views)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits for ``x`` (N, views, H, W) in [0, 1]."""
        self.check_size(x)
        return (self.net(x),)
