"""ResU-Net: a U-Net whose levels are residual units, MONAI's ``UNet``.

After Zhang et al., "Road Extraction by Deep Residual U-Net", IEEE GRSL 2018, and Kerfoot et al.,
STACOM 2018, whose form MONAI has: strided convolutions, instance norm (or batch
norm, as the former has), PReLU.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bonescan.config.networks import Norm
from bonescan.models.blocks import Network, last_convolution, start_rare


class ResUNet(Network):
    """``forward`` returns one output's logits; one level for each of ``channels``.

    Parameters
    ----------
    classes : int
    views : int
        Pictures stacked as channels, each with classes of its own.
    channels : sequence of int
        Filters of each level, from the full size to the deepest.
    residual_units : int
        Convolutions in each residual unit of the encoder.
    norm : {"instance", "batch"}
    metastasis_prior : float, optional
        Odds of metastasis that the untrained head starts from.
    """

    def __init__(
        self,
        *,
        classes: int,
        views: int = 1,
        channels: Sequence[int],
        residual_units: int = 2,
        norm: Norm = "instance",
        metastasis_prior: float | None = None,
    ) -> None:
        from monai.networks import nets  # a second or two, for those alone who ask for it

        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        self.net = nets.UNet(
            spatial_dims=2,
            in_channels=views,
            out_channels=views * classes,
            channels=channels,
            strides=(2,) * (len(channels) - 1),
            num_res_units=residual_units,
            norm=norm,
        )
        if metastasis_prior is not None:
            start_rare(last_convolution(self.net), metastasis_prior, views)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits for ``x`` (N, views, H, W) in [0, 1]."""
        self.check_size(x)
        return (self.net(x),)
