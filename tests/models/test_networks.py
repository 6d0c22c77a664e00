"""Every registered network keeps the same contract."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from bonescan.config import FocalTverskyLoss
from bonescan.config.networks import (
    DoubleUNetSettings,
    ModelSettings,
    UNet3PlusSettings,
    UNetSettings,
)
from bonescan.errors import BadSettings
from bonescan.models import BUILDERS, Network, build_model, probabilities
from bonescan.runtime.quiet import import_openvino
from bonescan.train.checkpoints import load_checkpoint, save_atomically
from bonescan.train.export import write_onnx
from bonescan.train.losses import loss_of

#: A small variant of each kind; a network without one fails `test_every_kind_has_a_variant`.
SMALL: dict[str, dict[str, object]] = {
    "double_unet": {"width": 0.125},
    "unet": {"channels": [4, 6, 8]},
    "res_unet": {"channels": [4, 6, 8]},
    "attention_unet": {"channels": [4, 6, 8]},
    "unet_plus_plus": {"channels": [4, 4, 6, 6, 8, 4]},
    "unet3_plus": {"channels": [4, 6, 8], "skip_channels": 4},
    "swin_unetr": {"feature_size": 12, "depths": [1, 1, 1, 1], "heads": [1, 2, 2, 4]},
    "btrfly": {"channels": [4, 6, 8]},
    "stacked_views": {"network": {"kind": "unet", "channels": [4, 6, 8]}},
    "patient_classifier": {"channels": [4, 6, 8]},
    "view_aggregation": {"network": {"kind": "unet", "channels": [4, 6, 8]}},
}
#: Networks that MONAI builds with einops, which `monai[einops]` brings.
NEEDS = {"swin_unetr": "einops"}
#: A size that all of them take, small and not square.
SIZE = (64, 128)
#: The paper's canvas, in full and block-averaged.
CANVASES = [(640 // reduce, 512 // reduce) for reduce in (1, 2, 4, 8, 16)]


#: Kinds whose normalisation is a setting.
NORMED = ("unet", "res_unet", "unet_plus_plus", "swin_unetr", "btrfly")


def marked(kind: str, *values: object) -> object:
    """Return a parameter set that is skipped where a library is missing."""
    library = NEEDS.get(kind)
    missing = library is not None and importlib.util.find_spec(library) is None
    marks = [pytest.mark.skip(reason=f"{library} is not installed")] if missing else []
    return pytest.param(kind, *values, marks=marks, id="-".join(map(str, (kind, *values))))


KINDS = [marked(kind) for kind in SMALL]
VARIANTS = [marked(kind, classes) for kind in SMALL for classes in (1, 3)]


def small(kind: str) -> ModelSettings:
    tree = {"kind": kind, **SMALL[kind]}
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(tree)
    return settings


def build(kind: str, classes: int, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build_model(small(kind), classes)


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


@pytest.mark.parametrize("kind", KINDS)
def test_reading_does_not_depend_on_the_rest_of_the_batch(kind: str) -> None:
    network = build(kind, 3).eval()
    x = torch.rand(3, 1, *SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(network(x)[-1][1:2], network(x[1:2])[-1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "norm"), [marked(kind, norm) for kind in NORMED for norm in ("instance", "batch")]
)
def test_maps_are_normalised_as_asked_and_so_exported(kind: str, norm: str, tmp_path: Path) -> None:
    tree = {"kind": kind, **SMALL[kind], "norm": norm}
    network = build_model(TypeAdapter(ModelSettings).validate_python(tree), 3)
    layers = list(network.modules())
    found = {
        name
        for name, layer in (("instance", nn.InstanceNorm2d), ("batch", nn.BatchNorm2d))
        if any(isinstance(one, layer) for one in layers)
    }
    assert found == {norm}
    network(torch.rand(2, 1, *SIZE))  # batch statistics that are not those of the start
    write_onnx(network.eval(), SIZE, tmp_path / "network.onnx")  # refuses what is not equal


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_does_not_divide_is_refused(kind: str) -> None:
    network = build(kind, 3)
    with pytest.raises(ValueError, match=f"63 x 128 pixels.* {network.multiple}"):
        network(torch.rand(2, 1, 63, 128))


@pytest.mark.parametrize("kind", KINDS)
def test_canvases_are_taken_or_refused_before_training(kind: str) -> None:
    network = build(kind, 3).eval()
    taken = [size for size in CANVASES if network.fits(*size)]
    assert CANVASES[:3] == taken[:3]  # the paper's, and the small ones
    with torch.inference_mode():
        for size in CANVASES[2:]:
            if network.fits(*size):
                assert network(torch.rand(1, 1, *size))[-1].shape == (1, 3, *size)
            else:
                with pytest.raises(ValueError, match="needs multiples of"):
                    network(torch.rand(1, 1, *size))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_training_is_deterministic_and_survives_a_file(kind: str, tmp_path: Path) -> None:
    x, target = torch.rand(2, 1, *SIZE), torch.randint(0, 3, (2, *SIZE))

    def step(network: Network) -> Network:
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
        loss_of(network.train()(x), target, FocalTverskyLoss()).backward()
        optimiser.step()
        return network

    once, twice = step(build(kind, 3)), step(build(kind, 3))
    before = build(kind, 3).state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in once.state_dict().items())
    save_atomically({"weights": once.state_dict()}, tmp_path / "network.pt")
    saved = load_checkpoint(tmp_path / "network.pt")["weights"]
    for name, value in twice.state_dict().items():
        assert torch.equal(saved[name], value), name
    read = build(kind, 3, seed=1)
    read.load_state_dict(saved)
    with torch.inference_mode():
        assert torch.equal(read.eval()(x)[-1], once.eval()(x)[-1])


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bonescan.models.swin_unetr.find_spec", lambda _: None)
    with pytest.raises(BadSettings, match=r"swin_unetr needs einops, which is not installed; "):
        build("swin_unetr", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_no_network_drops_pixels_within_a_point_convolution(kind: str) -> None:
    """Whose gradient oneDNN gets wrong (`test_channels_last.py`)."""
    for name, layer in build(kind, 3).named_modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (1, 1):
            assert layer.stride == (1, 1), f"{name}: drop rows and columns before it"


@pytest.mark.parametrize("kind", KINDS)
def test_settings_survive_a_file(kind: str) -> None:
    settings = small(kind)
    again = TypeAdapter(ModelSettings).validate_json(settings.model_dump_json())
    assert again == settings


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


@pytest.mark.parametrize(
    ("settings", "published"),
    [
        # Our protocol of the paper; Huang et al., ICASSP 2020, Table 1, in millions.
        (DoubleUNetSettings(), 29_290_406),
        (
            UNet3PlusSettings(attention="none", deep_supervision=False),
            pytest.approx(26.97e6, rel=1e-3),
        ),
    ],
)
def test_full_size_has_the_published_number_of_parameters(
    settings: ModelSettings, published: float
) -> None:
    with torch.device("meta"):
        network = build_model(settings, 3)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == published


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
