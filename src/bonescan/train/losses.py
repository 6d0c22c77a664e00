"""The paper's two losses (section 3.7, equations 1 and 2) and one more, by their ``kind``.

Per class, summed over the whole batch before the ratio, then the mean over the classes
non-metastatic and metastasis and over the network's outputs. Background has no loss of its own:
its *channel* is left out, not its pixels, so that foreground predicted in air still counts. Sums
over the batch, with a smooth of 1, give a patient without lesions a gradient; one sum over both
classes would let the large one hide a wholly missed metastasis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bonescan.config import (
    BONES,
    FINDINGS,
    DiceCrossEntropyLoss,
    DiceLoss,
    FocalTverskyLoss,
    JointLoss,
    LossSettings,
)
from bonescan.models import probabilities

#: Smallest 1 - Tversky index: the power's gradient is infinite at 0.
FLOOR = 1e-7


def dice(p: Tensor, y: Tensor, settings: DiceLoss) -> Tensor:
    """Return the Dice loss of each class, (C,), for (N, C, H, W) probabilities and labels."""
    overlap = _total(y * p)
    s = settings.smooth
    return 1 - (2 * overlap + s) / (_total(y) + _total(p) + s)


def focal_tversky(p: Tensor, y: Tensor, settings: FocalTverskyLoss) -> Tensor:
    """Return the focal Tversky loss of each class, (C,); see `dice` for the arguments.

    ``alpha`` weighs false positives, ``beta`` false negatives; the power ``gamma`` is taken per
    class.
    """
    overlap = _total(y * p)
    false_positive = _total((1 - y) * p)
    false_negative = _total(y * (1 - p))
    s = settings.smooth
    index = (overlap + s) / (
        overlap + settings.alpha * false_positive + settings.beta * false_negative + s
    )
    return (1 - index).clamp_min(FLOOR) ** settings.gamma


def dice_cross_entropy(p: Tensor, y: Tensor, settings: DiceCrossEntropyLoss) -> Tensor:
    """Return Dice loss plus weighted binary cross-entropy of each class, (C,); see `dice`."""
    entropy = functional.binary_cross_entropy(p, y, reduction="none").mean(dim=(0, 2, 3))
    return dice(p, y, DiceLoss(smooth=settings.smooth)) + settings.weight * entropy


LOSSES: dict[str, Callable[[Tensor, Tensor, Any], Tensor]] = {
    "dice": dice,
    "focal_tversky": focal_tversky,
    "dice_cross_entropy": dice_cross_entropy,
}


def loss_of(outputs: Sequence[Tensor], target: Tensor, settings: LossSettings) -> Tensor:
    """Return the loss of a batch as a scalar.

    Parameters
    ----------
    outputs : sequence of (N, classes, H, W) logits
        Every output of the network; each is compared with the target, and the mean is taken.
    target : (N, H, W) int64
        Class indices; with one class, 1 is metastasis and 0 is not.
    settings : LossSettings
        Which loss, and its numbers.
    """
    if isinstance(settings, JointLoss):
        return torch.stack([joint(logits.float(), target, settings) for logits in outputs]).mean()
    classes = outputs[0].shape[1]
    y = foreground(target, classes)
    per_output = [
        LOSSES[settings.kind](_without_background(probabilities(logits.float())), y, settings)
        for logits in outputs
    ]
    return torch.stack(per_output).mean()


def joint(logits: Tensor, target: Tensor, settings: JointLoss) -> Tensor:
    """Return the loss of a joint reader as a scalar.

    Parameters
    ----------
    logits : (N, 18, H, W)
        Channels as `bonescan.config.BONES` and then `bonescan.config.FINDINGS`.
    target : (N, H, W) int64
        ``finding + 4 * region``, see `bonescan.masks.joint.joint_labels`.
    settings : JointLoss
    """
    bones, findings = torch.split(logits, [len(BONES), len(FINDINGS)], dim=1)
    finding, region = target % len(FINDINGS), target // len(FINDINGS)
    tversky = focal_tversky(
        torch.softmax(findings, dim=1)[:, 1:],
        foreground(finding, len(FINDINGS)),
        FocalTverskyLoss(
            gamma=settings.gamma,
            alpha=settings.alpha,
            beta=settings.beta,
            smooth=settings.smooth,
        ),
    )
    overlap = dice(
        torch.softmax(bones, dim=1)[:, 1:],
        foreground(region, len(BONES)),
        DiceLoss(smooth=settings.smooth),
    )
    skeleton = overlap.mean() + functional.cross_entropy(bones, region)
    others = settings.findings * tversky[:-1].mean()
    others = others + settings.entropy * functional.cross_entropy(findings, finding)
    return tversky[-1] + others + settings.regions * skeleton


def foreground(target: Tensor, classes: int) -> Tensor:
    """Return (N, C, H, W) float labels of every class but background, C = max(1, classes - 1)."""
    wanted = torch.arange(1, max(2, classes), device=target.device)
    return (target[:, None] == wanted[None, :, None, None]).float()


def _without_background(p: Tensor) -> Tensor:
    return p if p.shape[1] == 1 else p[:, 1:]


def _total(x: Tensor) -> Tensor:
    return x.sum(dim=(0, 2, 3))
