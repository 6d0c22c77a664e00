"""Can a small network tell simulated patches from real ones, and by which part of the body?

    python benchmarks/realism_cnn.py ../shared/real/bs80k_pairs --patients 20 --seed 777

REAL is a folder of 8-bit pairs ``<id>_ANT.jpg`` and ``<id>_POST.jpg``. Two trainings, each in folds
by patient: real against a simulation without blur and scatter, which shows that the network can
see; and real against the simulation. Both come from the same bodies. So that it sees the patient
and not how the file was made, each simulated patient passes the measured chain of a real one - its
counts, gain, sum, threshold, rounding, wrap and JPEG - and sits in the fold of that one; patches of
both are cut from each part of the body alike, none from air or a border. Prints the area under the
ROC curve of patches, of pairs of patients in one fold, with its 95 % interval over patients; then
the same by part of the body. ``--sheet`` saves the patches that fooled it least and most: that
sheet shows real patients, so keep it out of the repository. Needs torch.
"""

from __future__ import annotations

import argparse
import dataclasses
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from bonescan.simulate.camera import Collimator
from bonescan.simulate.patient import build_scene, draw_case, look, stream
from bonescan.simulate.vendors import draw_acquisition
from realism_chain import Chain, read_pair
from realism_patches import PARTS, SIDE, VIEWS, Patient, Picture, Place, draw, every_part

FOLDS = 5
BATCH = 64
RATE = 5e-3
#: Patches of each part of each view that are scored.
SCORED = 6
RESAMPLES = 2000
WINDOW_TOP = 130.0
PINHOLE = Collimator("ideal", 0.01, 1000.0)
KINDS = ("without blur and scatter", "as it is")


@dataclasses.dataclass(frozen=True)
class Scores:
    """Every scored patch: where it was cut, what the network said of it, and the patch."""

    places: list[Place]
    logits: NDArray[np.float64]
    patches: list[Picture]


def simulated_pictures(seed: int, index: int, chains: list[Chain]) -> dict[str, list[Picture]]:
    """Simulate one patient without metastases with an ideal camera and with a true one."""
    case = draw_case(seed, index, "screening", metastasis=False)
    acquisition = draw_acquisition(
        stream(seed, index, "scan"), "screening", case.body.height_mm, chains[0].counts
    )
    ideal = dataclasses.replace(
        acquisition.camera, collimator=PINHOLE, intrinsic_fwhm_mm=0.1, scatter=0.0
    )
    scene = build_scene(case)
    made = {}
    for kind, camera in zip(KINDS, (ideal, acquisition.camera), strict=True):
        rng = stream(seed, index, "look")
        seen = look(scene, dataclasses.replace(acquisition, camera=camera), rng).expected
        made[kind] = [chain.picture(v, rng) for chain, v in zip(chains, seen, strict=True)]
    return made


def network() -> nn.Module:
    """Four convolutions: patches (N, 1, SIDE, SIDE) to logits (N, 1), high where simulated."""
    layers: list[nn.Module] = []
    for inputs, outputs, kernel, stride in (
        (1, 16, 5, 2), (16, 32, 3, 2), (32, 48, 3, 2), (48, 64, 3, 1),
    ):  # fmt: skip
        layers += [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 1)
    )


def batch_of(patches: list[Picture]) -> torch.Tensor:
    """Square roots, whose Poisson noise is even: (N, 1, SIDE, SIDE) float32."""
    return torch.from_numpy(np.sqrt(np.array(patches, np.float32))[:, None] / 8)


def train(patients: list[Patient], steps: int, seed: int) -> nn.Module:
    """Train on batches that are half real, half simulated, drawn anew at each step."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    classes = [[p for p in patients if p.simulated == simulated] for simulated in (False, True)]
    truth = torch.repeat_interleave(torch.tensor([0.0, 1.0]), BATCH // 2)
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    model.train()
    for _ in range(steps):
        shown = batch_of([patch for kind in classes for patch in draw(kind, BATCH // 2, rng)])
        loss = nn.functional.binary_cross_entropy_with_logits(model(shown)[:, 0], truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rate.step()
    return model.eval()


def scored_fold(patients: list[Patient], steps: int, seed: int, fold: int) -> Scores:
    """Score patches of the patients of one fold by a network that has not seen them."""
    torch.set_num_threads(1)
    model = train([p for p in patients if p.fold != fold], steps, seed + fold)
    places: list[Place] = []
    logits: list[NDArray[np.float64]] = []
    patches: list[Picture] = []
    for patient in (p for p in patients if p.fold == fold):
        where, cut = every_part(patient, SCORED, np.random.default_rng(patient.number))
        with torch.no_grad():
            logits.append(model(batch_of(cut))[:, 0].double().numpy())
        places += where
        patches += cut
    return Scores(places, np.concatenate(logits), patches)


def held_out(patients: list[Patient], steps: int, seed: int, pool: ProcessPoolExecutor) -> Scores:
    """Score patches of every patient by a network that has not seen that patient."""
    found = list(pool.map(partial(scored_fold, patients, steps, seed), range(FOLDS)))
    return Scores(
        [place for scores in found for place in scores.places],
        np.concatenate([scores.logits for scores in found]),
        [patch for scores in found for patch in scores.patches],
    )


def wins(
    scores: Scores, patients: list[Patient], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count, for each real (row) and simulated patient (column) of one fold, pairs of patches.

    Returns how many pairs there are, and in how many the simulated patch has the higher score.
    """
    of = np.array([place.patient for place in scores.places])
    pairs, won = (np.zeros((len(patients), len(patients))) for _ in range(2))
    for real in (p for p in patients if not p.simulated):
        low = scores.logits[chosen & (of == real.number)][:, None]
        for made in (p for p in patients if p.simulated and p.fold == real.fold):
            high = scores.logits[chosen & (of == made.number)]
            pairs[real.number, made.number] = low.size * high.size
            won[real.number, made.number] = (high > low).sum() + (high == low).sum() / 2
    return pairs, won


def area(
    pairs: NDArray[np.float64], won: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> float:
    """Area under the ROC curve, each patient counted as often as its weight says."""
    weights = 1.0 if weight is None else np.outer(weight, weight)
    return float((weights * won).sum() / (weights * pairs).sum())


def interval(
    pairs: NDArray[np.float64], won: NDArray[np.float64], patients: list[Patient], seed: int
) -> tuple[float, float]:
    """95 % bootstrap interval over patients, real and simulated ones drawn apart."""
    rng = np.random.default_rng(seed)
    kinds = [[p.number for p in patients if p.simulated == made] for made in (False, True)]
    areas = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        weight = np.bincount(drawn, minlength=len(patients)).astype(float)
        if (np.outer(weight, weight) * pairs).any():
            areas.append(area(pairs, won, weight))
    low, high = np.percentile(areas, (2.5, 97.5))
    return float(low), float(high)


def by_part(scores: Scores, patients: list[Patient]) -> str:
    """Table of the areas by part of the body and view."""
    lines = ["| part | anterior | posterior |", "|---|---|---|"]
    for part, name in enumerate(PARTS):
        areas = []
        for view in range(len(VIEWS)):
            chosen = np.array([p.part == part and p.view == view for p in scores.places])
            areas.append(f"{area(*wins(scores, patients, chosen)):.2f}")
        lines.append(f"| {name} | {' | '.join(areas)} |")
    return "\n".join(lines)


def sheet(scores: Scores, patients: list[Patient], columns: int = 4) -> NDArray[np.uint8]:
    """Lay out, for each part and view: simulated that gave themselves away | real | that fooled."""
    made = np.array([patients[place.patient].simulated for place in scores.places])
    blank = np.full((SIDE + 2, SIDE + 2), 255, np.uint8)
    rows = []
    for part in range(len(PARTS)):
        for view in range(len(VIEWS)):
            here = np.array([p.part == part and p.view == view for p in scores.places])
            shown, ranks = [], [np.flatnonzero(here & made), np.flatnonzero(here & ~made)]
            by_score = ranks[0][np.argsort(scores.logits[ranks[0]])]
            for group in (by_score[::-1][:columns], ranks[1][:: max(len(ranks[1]) // columns, 1)],
                          by_score[:columns]):  # fmt: skip
                tiles = [_tile(scores.patches[k]) for k in group[:columns]]
                shown += tiles + [blank] * (columns + 1 - len(tiles))
            rows.append(np.hstack(shown))
    laid: NDArray[np.uint8] = np.vstack(rows).repeat(2, 0).repeat(2, 1)
    return laid


def _tile(patch: Picture) -> NDArray[np.uint8]:
    grey = 255 * (1 - np.clip(patch / max(WINDOW_TOP / 2, float(np.percentile(patch, 99))), 0, 1))
    return np.pad(grey.astype(np.uint8), 1, constant_values=255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=777)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--sheet", type=Path, help="where to save patches, real ones among them")
    options = parser.parse_args()
    real = [read_pair(file) for file in sorted(options.real.glob("*_ANT.jpg"))]
    donors = [k % len(real) for k in range(options.patients)]
    chains = [real[donor][1] for donor in donors]
    with ProcessPoolExecutor(options.workers) as pool:
        made = list(
            pool.map(partial(simulated_pictures, options.seed), range(options.patients), chains)
        )
        for kind in KINDS:
            patients = [Patient(k, False, k % FOLDS, views) for k, (views, _) in enumerate(real)]
            for donor, pictures in zip(donors, made, strict=True):
                patients.append(Patient(len(patients), True, donor % FOLDS, pictures[kind]))
            scores = held_out(patients, options.steps, options.seed, pool)
            pairs, won = wins(scores, patients, np.ones(len(scores.places), bool))
            low, high = interval(pairs, won, patients, options.seed)
            print(f"simulation {kind}: area under the ROC curve {area(pairs, won):.3f} ", end="")
            print(f"({low:.3f} to {high:.3f})")
            print(by_part(scores, patients), flush=True)
    if options.sheet:
        Image.fromarray(sheet(scores, patients)).save(options.sheet)


if __name__ == "__main__":
    main()
