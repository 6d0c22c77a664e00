"""Can a small network tell simulated patches from real ones?

    python benchmarks/realism_cnn.py ../shared/real/bs80k_pairs --patients 20 --seed 0

Patches of both are cut at random from the body. Folds are by patient: a network never sees, in
training, a patient whose patches it is tested on. The simulated views pass the real pictures'
chain: counts of their range, common sum, rounding, wrap modulo 256, and JPEG with the tables of a
real file. As a check that the network can see at all, it must also tell real patches from a
simulation without blur and scatter. Prints the area under the ROC curve of both. Needs torch
(``pip install bonescan[train]``). Nothing of the real pictures is kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import nn

from bonescan.simulate.camera import Collimator, acquire
from bonescan.simulate.export import published_picture
from bonescan.simulate.patient import build_scene, draw_case, look, stream
from bonescan.simulate.vendors import draw_acquisition

COUNTS = (220e3, 560e3)
SIDE = 64
PINHOLE = Collimator("ideal", 0.01, 1000.0)


def real_views(folder: Path) -> tuple[list[list[NDArray[np.uint8]]], dict[int, list[int]]]:
    """Read all pairs, and the JPEG quantisation tables of one file."""
    patients = []
    tables: dict[int, list[int]] = {}
    for anterior in sorted(folder.glob("*_ANT.jpg")):
        files = (anterior, anterior.with_name(anterior.name.replace("_ANT", "_POST")))
        patients.append([np.asarray(Image.open(file).convert("L")) for file in files])
        tables = Image.open(anterior).quantization  # type: ignore[attr-defined]
    return patients, tables


def simulated_views(
    seed: int, index: int, tables: dict[int, list[int]], ideal: bool
) -> list[NDArray[np.uint8]]:
    """Simulate a patient without metastases and pass it through the real pictures' chain."""
    case = draw_case(seed, index, "screening", metastasis=False)
    rng = stream(seed, index, "cnn")
    counts = float(np.exp(rng.uniform(*np.log(COUNTS))))
    acquisition = draw_acquisition(rng, "screening", case.body.height_mm, counts)
    if ideal:
        camera = dataclasses.replace(
            acquisition.camera, collimator=PINHOLE, intrinsic_fwhm_mm=0.1, scatter=0.0
        )
        acquisition = dataclasses.replace(acquisition, camera=camera)
    expected = look(build_scene(case), acquisition, rng).expected
    return [_jpeg(published_picture(view), tables) for view in acquire(expected, rng)]


def _jpeg(picture: NDArray[np.uint8], tables: dict[int, list[int]]) -> NDArray[np.uint8]:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", qtables={0: tables[0]})
    return np.asarray(Image.open(packed).convert("L"))


def patches(
    views: list[NDArray[np.uint8]], number: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Cut patches whose middle lies in the body, (n, 1, SIDE, SIDE), square-root scaled."""
    cut = []
    for view in views:
        body = ndimage.gaussian_filter(view.astype(float), 4.0) > 5.0
        half = SIDE // 2
        body[:half] = body[-half:] = False
        body[:, :half] = body[:, -half:] = False
        places = np.argwhere(body)
        for row, column in places[rng.choice(len(places), number // len(views))]:
            cut.append(view[row - half : row + half, column - half : column + half])
    return np.sqrt(np.array(cut, np.float32))[:, None] / 16


def network() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 24), (24, 32), (32, 48)):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.MaxPool2d(2),
        ]  # fmt: skip
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(48, 1)
    )


def scores(
    groups: list[NDArray[np.float32]], labels: list[int], folds: int, epochs: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Score every patch by a network that has not seen its patient."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    fold_of = np.zeros(len(groups), int)
    for label in (0, 1):
        members = order.permutation([k for k, found in enumerate(labels) if found == label])
        fold_of[members] = np.arange(len(members)) % folds
    found, truth = [], []
    for fold in range(folds):
        kept = [k for k in range(len(groups)) if fold_of[k] != fold]
        x = torch.from_numpy(np.concatenate([groups[k] for k in kept]))
        y = torch.from_numpy(
            np.concatenate([np.full(len(groups[k]), labels[k], np.float32) for k in kept])
        )
        weight = (y == 0).float().mean() / (y == 1).float().mean()
        model = network()
        optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
        model.train()
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(64):
                shown = x[batch] if torch.rand(()) < 0.5 else x[batch].flip(-1)
                loss = nn.functional.binary_cross_entropy_with_logits(
                    model(shown)[:, 0], y[batch], pos_weight=weight
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        model.eval()
        with torch.no_grad():
            for k in np.flatnonzero(fold_of == fold):
                found.append(model(torch.from_numpy(groups[k]))[:, 0].numpy())
                truth.append(np.full(len(groups[k]), labels[k]))
    return np.concatenate(found), np.concatenate(truth)


def area(score: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Area under the ROC curve."""
    ranks = score.argsort().argsort() + 1.0
    positive = int(truth.sum())
    negative = len(truth) - positive
    rank_sum = float(ranks[truth == 1].sum())
    return (rank_sum - positive * (positive + 1) / 2) / (positive * negative)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--patches", type=int, default=80, help="from each patient")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    real, tables = real_views(options.real)
    real_patches = [patches(views, options.patches, rng) for views in real]
    for name, ideal in (("without blur and scatter", True), ("as it is", False)):
        made = [
            patches(simulated_views(options.seed, k, tables, ideal), options.patches, rng)
            for k in range(options.patients)
        ]
        labels = [0] * len(real_patches) + [1] * len(made)
        score, truth = scores(
            real_patches + made, labels, options.folds, options.epochs, options.seed
        )
        print(f"simulation {name}: area under the ROC curve {area(score, truth):.3f}")


if __name__ == "__main__":
    main()
