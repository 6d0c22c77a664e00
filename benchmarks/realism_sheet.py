"""Real pairs above simulated ones at the same grey scale, to find what gives the latter away.

    python benchmarks/realism_sheet.py ../shared/real/bs80k_pairs sheet.png --patients 10 --seed 3

REAL is a folder of 8-bit pairs ``<id>_ANT.jpg`` and ``<id>_POST.jpg``. The simulated views pass
the same chain (common sum, rounding, wrap modulo 256). The sheet shows real patients, so keep it
out of the repository.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bonescan.simulate import simulate_patient
from bonescan.simulate.export import published_picture

WINDOW_TOP = 130.0


def real_pairs(folder: Path, number: int) -> list[NDArray[np.uint8]]:
    """Read the first pairs, each as one (1024, 512) picture."""
    pairs = []
    for anterior in sorted(folder.glob("*_ANT.jpg"))[:number]:
        files = (anterior, anterior.with_name(anterior.name.replace("_ANT", "_POST")))
        pairs.append(np.hstack([np.asarray(Image.open(f).convert("L")) for f in files]))
    return pairs


def simulated_pairs(
    seed: int, number: int, first: int, preset: str, clean: bool, counts: float | None
) -> list[NDArray[np.uint8]]:
    """Simulate pairs, exported as published data sets are."""
    pairs = []
    for index in range(first, first + number):
        options = {"cancer": "breast", "metastasis": False} if clean else {}
        patient = simulate_patient(seed, index, preset=preset, counts=counts, **options)
        pairs.append(np.hstack([published_picture(view) for view in patient.counts]))
    return pairs


def inverse_grey(pairs: list[NDArray[np.uint8]], rows: int) -> NDArray[np.uint8]:
    """Lay pairs side by side in inverse grey."""
    wide = np.hstack([pair[:rows] for pair in pairs]).astype(float)
    grey: NDArray[np.uint8] = (255 * (1 - np.clip(wide / WINDOW_TOP, 0, 1))).astype(np.uint8)
    return grey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", default="screening")
    parser.add_argument("--clean", action="store_true", help="patients without metastases")
    parser.add_argument("--counts", type=float, help="of the anterior view; as drawn without it")
    parser.add_argument("--rows", type=int, default=780)
    parser.add_argument("--scale", type=int, default=1)
    options = parser.parse_args()
    real = real_pairs(options.real, options.patients)
    simulated = simulated_pairs(
        options.seed, options.patients, options.first, options.preset, options.clean, options.counts
    )
    rows = [inverse_grey(pairs, options.rows) for pairs in (real, simulated) if pairs]
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(r, ((0, 0), (0, width - r.shape[1])), constant_values=255) for r in rows]
    sheet = np.vstack(rows).repeat(options.scale, 0).repeat(options.scale, 1)
    Image.fromarray(sheet).save(options.sheet)
    print(f"{options.sheet}: {len(real)} real pairs above {len(simulated)} simulated ones")


if __name__ == "__main__":
    main()
