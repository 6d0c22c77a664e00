"""The Double U-Net against the figures of its specification."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bonescan.config import Vgg19Init
from bonescan.errors import BadInput, BadSettings
from bonescan.models import DoubleUNet, UNet
from bonescan.models.blocks import AtrousPyramid, SqueezeExcite, upsampled
from bonescan.models.double_unet import VGG19, VggEncoder
from bonescan.train.initial import initialise


@pytest.mark.parametrize(("classes", "parameters"), [(1, 29_290_274), (3, 29_290_406)])
def test_full_size_has_the_published_number_of_parameters(classes: int, parameters: int) -> None:
    with torch.device("meta"):
        network = DoubleUNet(classes=classes)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == parameters
    statistics = [b for name, b in network.named_buffers() if "num_batches" not in name]
    assert sum(b.numel() for b in statistics) == 7_296


def test_full_size_shapes_on_the_papers_canvas() -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        network = DoubleUNet(classes=3).eval()
        for name, module in network.named_modules():
            if isinstance(module, nn.Sequential | AtrousPyramid):
                module.register_forward_hook(
                    lambda _, inputs, output, name=name: shapes.update(
                        {f"{name} in": tuple(inputs[0].shape), name: tuple(output.shape)}
                    )
                )
        outputs = network(torch.empty(4, 1, 640, 512))
    assert [tuple(o.shape) for o in outputs] == [(4, 3, 640, 512)] * 2
    for level, (filters, _) in enumerate(VGG19):
        assert shapes[f"encoder1.blocks.{level}"] == (4, filters, 640 >> level, 512 >> level)
    assert shapes["pyramid1"] == shapes["pyramid2"] == (4, 64, 40, 32)
    assert [shapes[f"encoder2.blocks.{k}"][1] for k in range(4)] == [32, 64, 128, 256]
    assert [shapes[f"decoder1.blocks.{k}"][1] for k in range(4)] == [256, 128, 64, 32]
    assert [shapes[f"decoder2.blocks.{k} in"][1] for k in range(4)] == [832, 640, 320, 160]
    assert shapes["decoder2.blocks.3"] == (4, 32, 640, 512)


def test_the_second_network_has_its_own_encoder_and_pyramid() -> None:
    network = DoubleUNet(classes=3, width=0.125)
    one = {id(p) for p in (*network.encoder1.parameters(), *network.pyramid1.parameters())}
    two = {id(p) for p in (*network.encoder2.parameters(), *network.pyramid2.parameters())}
    assert not one & two


def test_batch_norm_has_the_originals_numbers() -> None:
    network = DoubleUNet(classes=3, width=0.125, momentum=0.1)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.1)}
    assert not [m for m in network.encoder1.modules() if isinstance(m, nn.BatchNorm2d)]


def test_he_initialisation_keeps_the_signal_through_the_vgg_encoder() -> None:
    torch.manual_seed(0)
    encoder = VggEncoder(0.25)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        kept = [output.std() for output in encoder(x)]
        for layer in encoder.convolutions:
            layer.reset_parameters()
        lost = [output.std() for output in encoder(x)]
    assert kept[-1] > 0.2 * kept[0]
    assert lost[-1] < 0.02 * kept[-1]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [("elementwise", [0.2, 0.3, 0.5]), ("metastasis", [0.5] * 3), ("foreground", [0.8] * 3)],
)
def test_gate_multiplies_the_picture(gate: str, expected: list[float]) -> None:
    network = DoubleUNet(classes=3, width=0.125, gate=gate).eval()
    shares = torch.tensor([0.2, 0.3, 0.5])
    nn.init.zeros_(network.head1.weight)
    with torch.no_grad():
        network.head1.bias.copy_(shares.log())
    seen = []
    network.encoder2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        network(x)
    torch.testing.assert_close(seen[0], x * torch.tensor(expected)[None, :, None, None])


def test_gate_passes_the_gradient_of_output_2_to_the_first_network() -> None:
    network = DoubleUNet(classes=3, width=0.125)
    network(torch.rand(2, 1, 32, 32))[1].square().mean().backward()
    assert network.head1.weight.grad is not None
    assert network.head1.weight.grad.abs().max() > 0


def test_squeeze_excite_by_hand() -> None:
    block = SqueezeExcite(8)
    nn.init.constant_(block.squeeze.weight, 0.25)
    nn.init.constant_(block.excite.weight, 2.0)
    x = torch.full((1, 8, 2, 2), 3.0)
    # mean 3 in 8 channels, times 0.25, summed: 6; times 2: 12
    torch.testing.assert_close(block(x), x * torch.sigmoid(torch.tensor(12.0)))


def test_pyramid_sees_the_mean_of_the_whole_picture() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(2, 3, momentum=0.1).eval()
    x = torch.zeros(1, 2, 64, 64)
    far = x.clone()
    far[0, 0, 63, 63] = 1000.0
    with torch.no_grad():
        change = pyramid.pooled(far.mean((2, 3), keepdim=True)) - pyramid.pooled(
            x.mean((2, 3), keepdim=True)
        )
        assert change.abs().max() > 0
        assert (pyramid(far) - pyramid(x))[0, :, 0, 0].abs().max() > 0
    biased = [m for m in pyramid.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
    assert biased == [pyramid.pooled[0]]
    assert [m[0].dilation for m in pyramid.atrous] == [(6, 6), (12, 12), (18, 18)]


def test_upsampling_does_not_align_corners() -> None:
    row = upsampled(torch.tensor([[[[0.0, 4.0]]]]))[0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([0.0, 1.0, 3.0, 4.0]))


def vgg19_file(path: Path, width: float = 1.0) -> dict[str, torch.Tensor]:
    """Write random weights under torchvision's names, with a classifier."""
    torch.manual_seed(3)
    weights = {}
    number, last = 0, 3
    for layer_filters, convolutions in VGG19:
        for _ in range(convolutions):
            inputs, last = last, round(layer_filters * width)
            weights[f"features.{number}.weight"] = torch.randn(last, inputs, 3, 3)
            weights[f"features.{number}.bias"] = torch.randn(last)
            number += 2
        number += 1
    weights["classifier.0.weight"] = torch.zeros(2, 2)
    torch.save(weights, path)
    return weights


def test_held_vgg19_weights_fill_the_first_encoder_in_order(tmp_path: Path) -> None:
    weights = vgg19_file(tmp_path / "vgg19.pth", 0.125)
    network = DoubleUNet(classes=3, width=0.125)
    before = network.encoder2.blocks[0][0].weight.clone()
    initialise(network, Vgg19Init(path=tmp_path / "vgg19.pth"))
    convolutions = network.encoder1.convolutions
    assert torch.equal(convolutions[0].weight, weights["features.0.weight"])
    assert torch.equal(convolutions[4].bias, weights["features.10.bias"])
    assert torch.equal(convolutions[-1].weight, weights["features.34.weight"])
    assert torch.equal(network.encoder2.blocks[0][0].weight, before)


def test_vgg19_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    vgg19_file(tmp_path / "vgg19.pth", 0.125)
    init = Vgg19Init(path=tmp_path / "vgg19.pth")
    with pytest.raises(BadInput, match=r"features.0.weight has shape \(8, 3, 3, 3\)"):
        initialise(DoubleUNet(classes=3, width=0.25), init)
    with pytest.raises(BadSettings, match="double_unet only"):
        initialise(UNet(classes=3, channels=(4, 8)), init)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"holds 1 features\.N\.weight"):
        initialise(DoubleUNet(classes=3, width=0.125), Vgg19Init(path=tmp_path / "other.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(BadInput, match=r"text\.pth: cannot be read.*; name a file of torchvision"):
        initialise(DoubleUNet(classes=3, width=0.125), Vgg19Init(path=tmp_path / "text.pth"))
    torch.save(torch.zeros(2), tmp_path / "tensor.pth")
    with pytest.raises(BadInput, match=r"tensor\.pth: holds no named weights"):
        initialise(DoubleUNet(classes=3, width=0.125), Vgg19Init(path=tmp_path / "tensor.pth"))
    weights = vgg19_file(tmp_path / "vgg19.pth", 0.125)
    del weights["features.5.bias"]
    torch.save(weights, tmp_path / "vgg19.pth")
    with pytest.raises(BadInput, match=r"features\.5\.bias is missing"):
        initialise(DoubleUNet(classes=3, width=0.125), init)
