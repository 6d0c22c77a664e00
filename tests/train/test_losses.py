"""The losses against values computed by hand, and against MONAI's where it has the same."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bonescan.config import (
    DiceCrossEntropyLoss,
    DiceLoss,
    FocalTverskyLoss,
    JointLoss,
    LossSettings,
)
from bonescan.models import probabilities
from bonescan.train.losses import (
    LOSSES,
    dice,
    dice_cross_entropy,
    focal_tversky,
    foreground,
    joint,
    loss_of,
)

SETTINGS: dict[str, LossSettings] = {
    "dice": DiceLoss(),
    "focal_tversky": FocalTverskyLoss(),
    "dice_cross_entropy": DiceCrossEntropyLoss(),
}


def logits_of(p: Tensor) -> Tensor:
    return p.clamp(1e-6, 1 - 1e-6).log()


def test_every_loss_is_tested() -> None:
    assert set(SETTINGS) == set(LOSSES)


def test_dice_by_hand() -> None:
    # Two canvases of two pixels, one class.
    y = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    p = torch.tensor([[[[0.5, 0.25]]], [[[1.0, 0.0]]]])
    # overlap 1.5, labels 3, probabilities 1.75, smooth 1: 1 - (3 + 1) / (3 + 1.75 + 1)
    torch.testing.assert_close(dice(p, y, DiceLoss()), torch.tensor([1 - 4 / 5.75]))


def test_focal_tversky_by_hand() -> None:
    y = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    p = torch.tensor([[[[0.5, 0.25]]], [[[1.0, 0.0]]]])
    # overlap 1.5, false positive 0.25, false negative 1.5
    index = 2.5 / (1.5 + 0.3 * 0.25 + 0.7 * 1.5 + 1)
    expected = torch.tensor([(1 - index) ** 0.75])
    torch.testing.assert_close(focal_tversky(p, y, FocalTverskyLoss()), expected)


def test_the_joint_loss_is_small_when_all_is_right_and_parts_with_what_is_wrong() -> None:
    finding = torch.tensor([[[0, 1, 2, 3]]])
    region = torch.tensor([[[0, 5, 13, 1]]])
    target = finding + 4 * region
    right = torch.full((1, 18, 1, 4), -20.0)
    for column in range(4):
        right[0, region[0, 0, column], 0, column] = 20.0
        right[0, 14 + finding[0, 0, column], 0, column] = 20.0
    settings = JointLoss(findings=0.3, regions=0.5, entropy=0.1)
    assert float(joint(right, target, settings)) < 1e-4
    missed = right.clone()
    missed[0, 14:, 0, 3] = torch.tensor([20.0, -20.0, -20.0, -20.0])
    # One of one metastatic pixel missed, smooth 1: index (0 + 1) / (0.7 + 1); entropy 40 in 1 of 4.
    expected = (1 - 1 / 1.7) ** 0.75 + 0.1 * 40 / 4
    torch.testing.assert_close(float(joint(missed, target, settings)), expected, atol=1e-4, rtol=0)
    other_bone = right.clone()
    other_bone[0, 1, 0, 3], other_bone[0, 2, 0, 3] = -20.0, 20.0
    # Skull missed (1 - 1 / 2) and cervical spine false (1 - 1 / 2), of 13; entropy 40 in 1 of 4.
    expected = 0.5 * (2 * 0.5 / 13 + 40 / 4)
    torch.testing.assert_close(
        float(joint(other_bone, target, settings)), expected, atol=1e-4, rtol=0
    )


def test_the_joint_loss_is_chosen_by_its_settings() -> None:
    logits = torch.randn(1, 18, 2, 2, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[[0, 7], [22, 55]]])
    torch.testing.assert_close(
        loss_of([logits, logits], target, JointLoss()), joint(logits, target, JointLoss())
    )


def test_dice_cross_entropy_by_hand() -> None:
    y = torch.tensor([[[[1.0, 0.0]]]])
    p = torch.tensor([[[[0.5, 0.2]]]])
    entropy = -(math.log(0.5) + math.log(0.8)) / 2
    found = dice_cross_entropy(p, y, DiceCrossEntropyLoss(weight=2.0))
    torch.testing.assert_close(found, torch.tensor([1 - 2 / 2.7 + 2 * entropy]))


def test_loss_is_the_mean_over_classes_and_over_outputs() -> None:
    target = torch.tensor([[[0, 1, 2, 2]]])
    y = foreground(target, 3)
    first, second = torch.randn(1, 3, 1, 4), torch.randn(1, 3, 1, 4)
    for settings in SETTINGS.values():
        parts = [
            LOSSES[settings.kind](probabilities(logits)[:, 1:], y, settings)
            for logits in (first, second)
        ]
        assert parts[0].shape == (2,)
        torch.testing.assert_close(
            loss_of((first, second), target, settings), torch.cat(parts).mean()
        )


def test_foreground_leaves_out_the_background_channel() -> None:
    target = torch.tensor([[[0, 1, 2]]])
    assert foreground(target, 3).tolist() == [[[[0, 1, 0]], [[0, 0, 1]]]]
    assert foreground(torch.tensor([[[0, 1, 1]]]), 1).tolist() == [[[[0, 1, 1]]]]


@pytest.mark.parametrize("kind", SETTINGS)
def test_perfect_prediction_costs_next_to_nothing(kind: str) -> None:
    target = torch.randint(0, 3, (2, 8, 8))
    perfect = 40 * torch.nn.functional.one_hot(target, 3).permute(0, 3, 1, 2).float()
    perfect.requires_grad_()
    loss = loss_of((perfect,), target, SETTINGS[kind])
    assert loss < 1e-4
    loss.backward()
    assert torch.isfinite(perfect.grad).all()


def body_with_lesion(missed: bool) -> tuple[Tensor, Tensor]:
    """A canvas with 20,000 pixels of body and 300 of metastasis; the rest is air."""
    target = torch.zeros(1, 200, 200, dtype=torch.int64)
    target[:, :, :100] = 1
    target[:, 20:35, 20:40] = 2
    predicted = target.clone()
    if missed:
        predicted[predicted == 2] = 1
    return torch.nn.functional.one_hot(predicted, 3).permute(0, 3, 1, 2).float(), target


def test_a_wholly_missed_metastasis_costs_about_half() -> None:
    p, target = body_with_lesion(missed=True)
    assert loss_of((logits_of(p),), target, DiceLoss()).item() == pytest.approx(0.5, abs=0.01)
    # One sum over both classes, as flattening gives, hides it.
    together = dice(
        p[:, 1:].reshape(1, 1, 1, -1), foreground(target, 3).reshape(1, 1, 1, -1), DiceLoss()
    )
    assert together.item() < 0.02


def test_foreground_predicted_in_air_is_punished() -> None:
    p, target = body_with_lesion(missed=False)
    air = target == 0
    worse = p.clone()
    worse[:, 0][air], worse[:, 1][air] = 0.0, 1.0
    for settings in SETTINGS.values():
        good, bad = (loss_of((logits_of(q),), target, settings) for q in (p, worse))
        assert bad > good + 0.1


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_patient_without_lesions_pushes_false_marks_down(kind: str) -> None:
    target = torch.ones(1, 16, 16, dtype=torch.int64)
    logits = torch.zeros(1, 3, 16, 16, requires_grad=True)
    loss_of((logits,), target, SETTINGS[kind]).backward()
    assert (logits.grad[:, 2] > 1e-6).all()  # descending lowers the metastasis logit


@pytest.mark.parametrize("kind", SETTINGS)
def test_background_logit_moves_only_through_the_softmax(kind: str) -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    target = torch.randint(0, 3, (1, 4, 4))
    p = probabilities(logits)
    p.retain_grad()
    LOSSES[kind](p[:, 1:], foreground(target, 3), SETTINGS[kind]).mean().backward()
    assert torch.equal(p.grad[:, 0], torch.zeros(1, 4, 4))


@pytest.mark.parametrize("alpha", [0.3, 0.5])
def test_against_monai(alpha: float) -> None:
    from monai.losses import DiceLoss as MonaiDice
    from monai.losses import TverskyLoss as MonaiTversky

    torch.manual_seed(0)
    logits = torch.randn(3, 3, 16, 16)
    target = torch.randint(0, 3, (3, 16, 16))
    options = {"include_background": False, "softmax": True, "to_onehot_y": True, "batch": True}
    smooth = {"smooth_nr": 1.0, "smooth_dr": 1.0}
    expected = MonaiDice(**options, **smooth)(logits, target[:, None])
    torch.testing.assert_close(loss_of((logits,), target, DiceLoss()), expected)
    expected = MonaiTversky(alpha=alpha, beta=1 - alpha, **options, **smooth)(
        logits, target[:, None]
    )
    plain = FocalTverskyLoss(gamma=1.0, alpha=alpha, beta=1 - alpha)
    torch.testing.assert_close(loss_of((logits,), target, plain), expected)


def test_binary_dice_against_monai() -> None:
    from monai.losses import DiceLoss as MonaiDice

    torch.manual_seed(0)
    logits = torch.randn(3, 1, 16, 16)
    target = torch.randint(0, 2, (3, 16, 16))
    expected = MonaiDice(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)(
        logits, target[:, None]
    )
    torch.testing.assert_close(loss_of((logits,), target, DiceLoss()), expected)
