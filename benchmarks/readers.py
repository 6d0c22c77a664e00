"""How well two simulated readers agree, and what a reader sees of the metastases.

    python benchmarks/readers.py --patients 36 --seed 5000

The first reader is the truth of `bonescan.simulate.truth`, the second `bonescan.simulate.reader`.
Prints the Dice of all pixels of all patients together (target: about 0.70), between the first and
the second reader and between two second readers; the share of metastases that are visible in at
least one view; and the marks a patient. Every patient has metastases.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from bonescan.simulate import simulate_patient
from bonescan.simulate.reader import read_view_again
from bonescan.simulate.truth import Truth

Mask = NDArray[np.bool_]


def read(truth: Truth, rng: np.random.Generator) -> Mask:
    """Draw both views again, (2, H, W)."""
    return np.stack([read_view_again(truth, view, rng) for view in range(2)])


def dice(pairs: list[tuple[Mask, Mask]]) -> float:
    """Dice of all pixels of all pairs of masks together."""
    both = sum(int((one & other).sum()) for one, other in pairs)
    return 2 * both / max(sum(int(one.sum() + other.sum()) for one, other in pairs), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=36)
    parser.add_argument("--seed", type=int, default=5000)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with_truth: list[tuple[Mask, Mask]] = []
    between: list[tuple[Mask, Mask]] = []
    visible: list[bool] = []
    marks: list[int] = []
    for index in range(options.patients):
        truth = simulate_patient(options.seed, index, metastasis=True).truth
        first, second = read(truth, rng), read(truth, rng)
        with_truth.append((truth.masks, first))
        between.append((first, second))
        visible += [any(lesion.visible) for lesion in truth.lesions]
        marks.append(sum(sum(lesion.visible) for lesion in truth.lesions))
    alone = np.median([dice([pair]) for pair in with_truth])
    low, high = np.percentile(marks, (5, 95))
    print(f"{options.patients} simulated patients with metastases, seed {options.seed}")
    print(f"Dice, first and second reader: {dice(with_truth):.3f} (median patient {alone:.3f})")
    print(f"Dice, two second readers: {dice(between):.3f}")
    print(f"metastases visible in a view or both: {np.mean(visible):.2f} of {len(visible)}")
    print(
        f"marks a patient, both views: median {np.median(marks):.0f}, 5-95 % {low:.0f}-{high:.0f}"
    )


if __name__ == "__main__":
    main()
