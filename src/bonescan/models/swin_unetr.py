"""Swin Transformer with a U-shaped decoder, MONAI's ``SwinUNETR`` in two dimensions.

After Hatamizadeh et al., "Swin UNETR", BrainLes 2021; Liu et al., "Swin Transformer", ICCV 2021.
Self-attention within windows that shift from layer to layer, on patches of 2 x 2 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from torch import Tensor

from bonescan.config.networks import Norm
from bonescan.errors import BadSettings
from bonescan.models.blocks import Network, last_convolution, start_rare


class SwinUNETR(Network):
    """``forward`` returns one output's logits.

    Parameters
    ----------
    classes : int
    views : int
        Pictures stacked as channels, each with classes of its own.
    feature_size : int
        Channels of the first stage, a multiple of 12; each later stage has twice as many.
    depths, heads : sequence of four int
        Layers and attention heads of each stage.
    window : int
        Side of a window in patches.
    norm : {"instance", "batch"}
        Of the convolutions around the transformer, which has layer norm.
    metastasis_prior : float, optional
        Odds of metastasis that the untrained head starts from.
    """

    multiple = 32

    def __init__(
        self,
        *,
        classes: int,
        views: int = 1,
        feature_size: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int = 7,
        norm: Norm = "instance",
        metastasis_prior: float | None = None,
    ) -> None:
        if find_spec("einops") is None:  # MONAI would say so in the first step only
            raise BadSettings(
                "model.kind: swin_unetr needs einops, which is not installed; "
                "install bonescan[train] again"
            )
        from monai.networks import nets  # a second or two, for those alone who ask for it

        super().__init__()
        self.net = nets.SwinUNETR(
            in_channels=views,
            out_channels=views * classes,
            spatial_dims=2,
            feature_size=feature_size,
            depths=depths,
            num_heads=heads,
            window_size=window,
            norm_name=norm,
        )
        if metastasis_prior is not None:
            start_rare(last_convolution(self.net), metastasis_prior, views)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits for ``x`` (N, views, H, W) in [0, 1]."""
        self.check_size(x)
        return (self.net(x),)
