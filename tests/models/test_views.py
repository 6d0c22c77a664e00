"""Networks that take both views of a canvas apart."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from bonescan.config.networks import ModelSettings
from bonescan.models import Network, build_model
from bonescan.models.views import join_views, split_views

PLAIN = {"kind": "unet", "channels": [4, 6, 8]}
BTRFLY = {"kind": "btrfly", "channels": [4, 6, 8], "body_levels": 1}
STACKED = {"kind": "stacked_views", "network": PLAIN}
AGGREGATED = {"kind": "view_aggregation", "network": PLAIN}


def build(tree: dict[str, object]) -> Network:
    torch.manual_seed(0)
    return build_model(TypeAdapter(ModelSettings).validate_python(tree), 3).eval()


def canvas(anterior: torch.Tensor, posterior: torch.Tensor) -> torch.Tensor:
    """Both as seen from the front."""
    return torch.cat([anterior, posterior.flip(-1)], dim=-1)[None, None]


def test_join_undoes_split() -> None:
    x = torch.rand(2, 3, 4, 10)
    assert torch.equal(join_views(*split_views(x)), x)


def test_the_posterior_view_is_mirrored_into_the_anterior_ones_frame() -> None:
    body = torch.rand(4, 6)
    anterior, posterior = split_views(canvas(body, body))
    assert torch.equal(anterior, posterior)
    assert torch.equal(anterior[0, 0], body)


@pytest.mark.parametrize("tree", [BTRFLY, STACKED], ids=["btrfly", "stacked_views"])
def test_each_view_is_seen_by_the_marks_of_the_other(tree: dict[str, object]) -> None:
    network = build(tree)
    for side, other in ((slice(0, 32), slice(32, 64)), (slice(32, 64), slice(0, 32))):
        x = torch.rand(1, 1, 32, 64)
        x.requires_grad_()
        (network(x)[-1][..., side] ** 2).mean().backward()
        assert x.grad is not None
        assert x.grad[..., other].abs().max() > 0


def test_aggregation_marks_both_views_alike_whichever_is_hot() -> None:
    network = build(AGGREGATED)
    one, two = torch.rand(32, 32), torch.rand(32, 32)
    with torch.inference_mode():
        first, second = network(canvas(one, two))[-1], network(canvas(two, one))[-1]
    anterior, posterior = split_views(first)
    assert torch.equal(anterior, posterior)
    torch.testing.assert_close(first, second)


def test_the_views_of_a_stack_start_rare_each() -> None:
    network = build({"kind": "stacked_views", "network": {**PLAIN, "metastasis_prior": 0.01}})
    with torch.no_grad():
        logits = network(torch.zeros(1, 1, 32, 64))[-1]
    odds = (logits[:, -1:] - logits[:, :-1]).exp()
    assert torch.allclose(odds, torch.tensor(0.01), rtol=1e-3)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"kind": "stacked_views", "network": {"kind": "double_unet"}}, "double_unet"),
        ({"kind": "stacked_views", "network": STACKED}, "stacked_views"),
        ({"kind": "btrfly", "channels": [4, 8], "body_levels": 2}, "so that arms are left"),
        ({"kind": "swin_unetr", "heads": [5, 6, 12, 24]}, "5 heads do not divide the 24"),
        ({"kind": "swin_unetr", "feature_size": 20}, "multiple of 12"),
        ({"kind": "res_unet", "channels": [4]}, "at least 2"),
    ],
)
def test_settings_that_no_network_can_have_are_refused(tree: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TypeAdapter(ModelSettings).validate_python(tree)
