"""Every registered network keeps the same contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from bonescan.config import DoubleUNetSettings, ModelSettings, UNetSettings
from bonescan.models import BUILDERS, build_model, probabilities
from bonescan.runtime.quiet import import_openvino
from bonescan.train.export import write_onnx

#: A small variant of each kind; a network without one fails `test_every_kind_has_a_variant`.
SMALL: dict[str, dict[str, object]] = {
    "double_unet": {"kind": "double_unet", "width": 0.125},
    "unet": {"kind": "unet", "channels": [4, 6, 8]},
}
VARIANTS = [(kind, classes) for kind in SMALL for classes in (1, 3)]
SIZE = (32, 48)


def build(kind: str, classes: int, seed: int = 0) -> torch.nn.Module:
    settings = TypeAdapter(ModelSettings).validate_python(SMALL[kind])
    torch.manual_seed(seed)
    return build_model(settings, classes)


def test_every_kind_has_a_variant() -> None:
    assert set(SMALL) == set(BUILDERS)


@pytest.mark.parametrize(("kind", "classes"), VARIANTS)
def test_outputs_are_logits_of_the_canvas_size(kind: str, classes: int) -> None:
    network = build(kind, classes)
    outputs = network(torch.rand(2, 1, *SIZE))
    assert isinstance(outputs, tuple)
    assert {tuple(output.shape) for output in outputs} == {(2, classes, *SIZE)}
    shares = probabilities(outputs[-1])
    assert shares.min() >= 0
    assert shares.max() <= 1
    if classes > 1:
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, *SIZE))


@pytest.mark.parametrize(("kind", "classes"), VARIANTS)
def test_every_parameter_gets_a_gradient(kind: str, classes: int) -> None:
    network = build(kind, classes)
    # Squared, because the logits' own sum has no gradient behind a normalisation.
    sum((output**2).mean() for output in network(torch.rand(2, 1, *SIZE))).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert not without
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(("kind", "classes"), VARIANTS)
def test_same_seed_same_network_and_weights_carry_over(kind: str, classes: int) -> None:
    x = torch.rand(2, 1, *SIZE)
    one, two, other = (build(kind, classes, seed).eval() for seed in (0, 0, 1))
    with torch.inference_mode():
        expected = one(x)[-1]
        assert torch.equal(two(x)[-1], expected)
        assert not torch.equal(other(x)[-1], expected)
        other.load_state_dict(one.state_dict())
        assert torch.equal(other(x)[-1], expected)


@pytest.mark.parametrize("kind", SMALL)
def test_reading_does_not_depend_on_the_rest_of_the_batch(kind: str) -> None:
    network = build(kind, 3).eval()
    x = torch.rand(3, 1, *SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(network(x)[-1][1:2], network(x[1:2])[-1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", SMALL)
def test_a_size_that_does_not_divide_is_refused(kind: str) -> None:
    network = build(kind, 3)
    with pytest.raises(ValueError, match=f"31 x 48 pixels.* {network.multiple}"):
        network(torch.rand(2, 1, 31, 48))


@pytest.mark.parametrize(("kind", "classes"), VARIANTS)
def test_onnx_under_openvino_agrees_for_any_batch(kind: str, classes: int, tmp_path: Path) -> None:
    network = build(kind, classes)
    with torch.no_grad():  # batch-norm statistics away from their start
        for _ in range(3):
            network(torch.rand(4, 1, *SIZE))
    write_onnx(network, SIZE, tmp_path / "model.onnx")
    compiled = (
        import_openvino()
        .Core()
        .compile_model(tmp_path / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    for number in (1, 3):
        x = torch.rand(number, 1, *SIZE)
        with torch.inference_mode():
            expected = probabilities(network.eval()(x)[-1]).numpy()
        np.testing.assert_allclose(compiled(x.numpy())[0], expected, atol=1e-4)


def test_untrained_unet_starts_from_rare_metastasis() -> None:
    torch.manual_seed(0)
    network = build_model(UNetSettings(channels=(8, 16), metastasis_prior=0.01), 3)
    with torch.no_grad():
        logits = network(torch.zeros(1, 1, 32, 32))[-1]
    odds = (logits[:, -1:] - logits[:, :-1]).exp()
    assert torch.allclose(odds, torch.tensor(0.01), rtol=1e-3)


@pytest.mark.parametrize("classes", [1, 3])
def test_double_unet_starts_from_rare_metastasis_only_if_asked(classes: int) -> None:
    def odds(prior: float | None) -> list[torch.Tensor]:
        torch.manual_seed(0)
        settings = DoubleUNetSettings(width=0.125, metastasis_prior=prior)
        with torch.no_grad():
            outputs = build_model(settings, classes).eval()(torch.rand(1, 1, *SIZE))
        if classes == 1:
            return [logits.exp() for logits in outputs]
        return [(logits[:, -1] - logits[:, 1]).exp() for logits in outputs]

    for even, rare in zip(odds(None), odds(0.01), strict=True):
        assert 0.1 < float(even.median()) < 10
        assert 0.001 < float(rare.median()) < 0.1
