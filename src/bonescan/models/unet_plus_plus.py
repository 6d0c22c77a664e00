"""U-Net++ with deep supervision: nested skip connections, MONAI's ``BasicUNetPlusPlus``.

After Zhou et al., "UNet++: A Nested U-Net Architecture", DLMIA 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bonescan.config.networks import Norm
from bonescan.models.blocks import Network, start_rare


class UNetPlusPlus(Network):
    """``forward`` returns the logits of the nested decoders, the deepest (the prediction) last.

    Parameters
    ----------
    classes : int
    views : int
        Pictures stacked as channels, each with classes of its own.
    channels : sequence of int
        Filters of the five levels, then of the last decoder.
    deep_supervision : bool
        Return all four decoders' outputs, to be trained each; else the last one alone.
    norm : {"instance", "batch"}
    metastasis_prior : float, optional
        Odds of metastasis that the untrained heads start from.
    """

    multiple = 16

    def __init__(
        self,
        *,
        classes: int,
        views: int = 1,
        channels: Sequence[int],
        deep_supervision: bool = True,
        norm: Norm = "instance",
        metastasis_prior: float | None = None,
    ) -> None:
        from monai.networks import nets  # a second or two, for those alone who ask for it

        super().__init__()
        self.net = nets.BasicUNetPlusPlus(
            spatial_dims=2,
            in_channels=views,
            out_channels=views * classes,
            features=channels,
            deep_supervision=deep_supervision,
            norm=(norm, {"affine": True}),
        )
        heads = [getattr(self.net, f"final_conv_0_{depth}") for depth in (1, 2, 3, 4)]
        if not deep_supervision:  # MONAI makes the heads all the same; nothing would train them
            for depth in (1, 2, 3):
                setattr(self.net, f"final_conv_0_{depth}", nn.Identity())
        if metastasis_prior is not None:
            for head in heads:
                start_rare(head, metastasis_prior, views)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits for ``x`` (N, views, H, W) in [0, 1]."""
        self.check_size(x)
        return tuple(self.net(x))
