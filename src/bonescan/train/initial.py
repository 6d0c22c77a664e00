"""Where a run's first weights come from: chance, a file that the user holds, or another run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bonescan.config import InitSettings
from bonescan.errors import BadInput, BadSettings
from bonescan.models import DoubleUNet, Network
from bonescan.package import Package, sha256_of
from bonescan.train.checkpoints import load_checkpoint


def initialise(
    network: Network, settings: InitSettings, transferred: Mapping[str, Tensor] | None = None
) -> None:
    """Fill a freshly built network as the settings say; ``fresh`` leaves it as it is.

    ``transferred`` are the weights for the init kind ``transfer``.

    Raises
    ------
    BadInput
        If the file cannot be read or its weights have other shapes.
    BadSettings
        If VGG19 weights are given to a network without a VGG19 encoder, or ``transfer`` is asked
        for without weights.
    """
    if settings.kind == "package":
        load_package_weights(network, settings.path)
    elif settings.kind == "vgg19":
        if not isinstance(network, DoubleUNet):
            raise BadSettings("init.kind: vgg19 weights fit the model double_unet only")
        load_vgg19_weights(network, settings.path)
    elif settings.kind == "transfer":
        if transferred is None:
            raise BadSettings(
                "init.kind: transfer takes the weights of another run; "
                'add needs.pretraining = "file.run"'
            )
        network.load_state_dict(transferred)


def told_start(settings: InitSettings, needed: Mapping[str, str]) -> str | None:
    """Return in words where the first weights come from; None where they were drawn.

    ``needed`` are digests of the runs that this one needs, as `bonescan.train.needs` gives them.

    Raises
    ------
    BadInput
        If the package or the file cannot be read.
    """
    if settings.kind == "package":
        package = Package.load(settings.path)
        card = package.card
        return f"model package {card.name} {card.version}, weights SHA-256 {card.weights_sha256}"
    if settings.kind == "vgg19":
        try:
            return f"VGG19 weights, SHA-256 {sha256_of(settings.path)}"
        except OSError as error:
            raise BadInput(
                f"{settings.path}: cannot be read ({error}); name a file of torchvision-style "
                "VGG19 weights"
            ) from error
    if settings.kind == "transfer" and "pretraining" in needed:
        return f"the same fold of the pre-training, digest {needed['pretraining']}"
    return None


def load_package_weights(network: Network, folder: Path) -> None:
    """Start from the weights of a model package; every tensor must fit."""
    package = Package.load(folder)
    weights = load_file(package.weights_path)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BadInput(
            f"{package.weights_path}: holds a {package.card.model.kind} with "
            f"{len(package.card.classes)} classes, which does not fit these settings; "
            "set model and mask as in the package's card"
        ) from error


def load_vgg19_weights(network: DoubleUNet, path: Path) -> None:
    """Fill the first encoder from torchvision-style weights (``features.N.weight``, ``.bias``).

    The classifier's weights, where the file has them, are left out; so are batch-norm variants.
    """
    weights = _read_weights(path)
    numbers = sorted(
        int(found.group(1))
        for found in (re.fullmatch(r"features\.(\d+)\.weight", name) for name in weights)
        if found
    )
    convolutions = network.encoder1.convolutions
    if len(numbers) != len(convolutions):
        raise BadInput(
            f"{path}: holds {len(numbers)} features.N.weight, VGG19 has {len(convolutions)}; "
            "give torchvision-style VGG19 weights without batch norm"
        )
    for number, convolution in zip(numbers, convolutions, strict=True):
        weight, bias = (weights.get(f"features.{number}.{part}") for part in ("weight", "bias"))
        if weight is None or bias is None:
            raise BadInput(
                f"{path}: features.{number}.bias is missing; give torchvision-style VGG19 weights "
                "with their biases"
            )
        if weight.shape != convolution.weight.shape:
            raise BadInput(
                f"{path}: features.{number}.weight has shape {tuple(weight.shape)}, needed is "
                f"{tuple(convolution.weight.shape)}; set model.width to 1 and give VGG19 weights"
            )
        with torch.no_grad():
            convolution.weight.copy_(weight)
            assert convolution.bias is not None
            convolution.bias.copy_(bias)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return load_checkpoint(path, "name a file of torchvision-style VGG19 weights")
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInput(
            f"{path}: cannot be read as safetensors ({error}); check the path"
        ) from error
    return weights
