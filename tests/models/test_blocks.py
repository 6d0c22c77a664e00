"""Parts of networks: probabilities over groups of classes."""

from __future__ import annotations

import torch

from bonescan.models import probabilities


def test_groups_sum_to_one_and_metastasis_needs_bone_nearby() -> None:
    logits = torch.full((1, 18, 1, 12), -20.0)
    logits[0, 0] = 20.0  # no bone
    logits[0, 0, 0, 2], logits[0, 4, 0, 2] = -20.0, 20.0  # but for column 2
    logits[0, 17] = 20.0  # metastasis everywhere
    p = probabilities(logits, (14, 4))
    torch.testing.assert_close(p[0, :14].sum(dim=0), torch.ones(1, 12))
    expected = torch.tensor([[1.0] * 5 + [0.0] * 7])
    torch.testing.assert_close(p[0, -1], expected, atol=1e-6, rtol=0)


def test_without_groups_all_classes_exclude_one_another() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(probabilities(logits, (3,)), torch.softmax(logits, dim=1))
