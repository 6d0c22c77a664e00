"""Does the simulator cover real scans? Statistics of pictures, real against simulated.

    python benchmarks/realism.py ../shared/real/bs80k_pairs --patients 40 --seed 0

REAL is a folder of 8-bit pairs ``<id>_ANT.jpg`` and ``<id>_POST.jpg``. Each simulated pair passes
the measured 8-bit chain of a real one, its counts among it (see `realism_chain`). For each
statistic the table tells the real range, the simulated 5-95 % range, and how many of the real
values lie in the latter. All are found from the picture alone, by the same rules for both. Nothing
of the real pictures is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.simulate import simulate_patient
from realism_chain import Chain, read_pair

Picture = NDArray[np.float64]


class Pair:
    """Both views of one patient, smoothed, with a ruler from the head (0) to the feet (1)."""

    def __init__(self, anterior: Picture, posterior: Picture) -> None:
        self.raw = (anterior, posterior)
        self.smooth = tuple(ndimage.gaussian_filter(view, 2.5) for view in self.raw)
        broad = [ndimage.gaussian_filter(view, 4.0) for view in self.raw]
        self.body = tuple(view > 3.0 for view in broad)
        rows = [np.flatnonzero((view > 6.0).any(axis=1)) for view in broad]
        self.top = tuple(int(r[0]) for r in rows)
        self.height = tuple(int(r[-1] - r[0]) for r in rows)
        self.middle = tuple(self._middle(view) for view in range(2))

    def _middle(self, view: int) -> int:
        trunk = self.band(view, 0.22, 0.38).mean(axis=0)
        return int(np.argmax(ndimage.gaussian_filter1d(trunk, 3.0)[90:170])) + 90

    def row(self, view: int, share: float) -> int:
        return self.top[view] + int(share * self.height[view])

    def band(self, view: int, upper: float, lower: float) -> Picture:
        return self.smooth[view][self.row(view, upper) : self.row(view, lower)]

    def spine(self, view: int, upper: float, lower: float) -> float:
        middle = self.middle[view]
        return float(np.median(self.band(view, upper, lower)[:, middle - 3 : middle + 4]))

    def beside(self, view: int, upper: float, lower: float, near: int, far: int) -> Picture:
        middle = self.middle[view]
        rows = self.band(view, upper, lower)
        return np.concatenate(
            [
                rows[:, middle - far : middle - near].ravel(),
                rows[:, middle + near : middle + far].ravel(),
            ]
        )

    def limbs(self, view: int, upper: float, lower: float) -> float:
        rows, middle = self.band(view, upper, lower), self.middle[view]
        return float(np.median(np.r_[rows[:, :middle].max(axis=1), rows[:, middle:].max(axis=1)]))


def noise(pair: Pair) -> float:
    """Variance over mean of what is not smooth, in dim parts of the body (posterior)."""
    picture, smooth = pair.raw[1], pair.smooth[1]
    step = picture[:, 1:] - picture[:, :-1]
    dim = (smooth[:, 1:] > 4) & (smooth[:, 1:] < 25)
    return float((step[dim] ** 2).mean() / 2 / smooth[:, 1:][dim].mean())


def spectrum(low: float, high: float) -> Callable[[Pair], float]:
    """Log10 of the radial power between two frequencies (cycles a pixel), posterior trunk."""

    def power(pair: Pair) -> float:
        top = pair.row(1, 0.16)
        middle = pair.middle[1]
        trunk = pair.raw[1][top : top + 192, max(middle - 64, 0) : middle + 64]
        window = np.outer(np.hanning(trunk.shape[0]), np.hanning(trunk.shape[1]))
        bands = np.abs(np.fft.fft2((trunk - trunk.mean()) * window)) ** 2
        fy, fx = (np.fft.fftfreq(n) for n in trunk.shape)
        radius = np.hypot(fy[:, None], fx[None, :])
        floor = bands[radius > 0.42].mean()  # noise is white
        return float(np.log10(max(bands[(radius >= low) & (radius < high)].mean() - floor, 1.0)))

    return power


def edge(pair: Pair) -> float:
    """Rows from 10 to 90 % of the skull's upper edge, anterior, at the middle of the head."""
    head = pair.raw[0][pair.top[0] - 8 : pair.top[0] + 30]
    columns = pair.smooth[0][pair.row(0, 0.02) : pair.row(0, 0.06)].sum(axis=0)
    middle = round((columns * np.arange(len(columns))).sum() / columns.sum())
    profile = ndimage.gaussian_filter1d(head[:, middle - 7 : middle + 8].mean(axis=1), 0.6)
    top = int(profile[:24].argmax())
    rise = profile[: top + 1] / profile[top]
    places = [
        float(np.interp(share, np.maximum.accumulate(rise), np.arange(top + 1)))
        for share in (0.1, 0.9)
    ]
    return places[1] - places[0]


def quantile(view: int, share: float) -> Callable[[Pair], float]:
    return lambda pair: float(np.percentile(pair.smooth[view][pair.body[view]], share))


def lumbar(pair: Pair, view: int = 1) -> float:
    return pair.spine(view, 0.35, 0.39)


def flank(pair: Pair) -> float:
    return float(np.median(pair.beside(1, 0.355, 0.38, 28, 42)))


def sacroiliac(pair: Pair) -> float:
    middle = pair.middle[1]
    return float(np.percentile(pair.band(1, 0.40, 0.46)[:, middle - 30 : middle + 30], 97))


def ribs(pair: Pair, share: float) -> float:
    return float(np.percentile(pair.beside(1, 0.20, 0.30, 20, 50), share))


def kidney(pair: Pair) -> float:
    return float(np.percentile(pair.beside(1, 0.31, 0.35, 14, 34), 75))


def knee(pair: Pair) -> float:
    rows = pair.band(0, 0.68, 0.75)
    return float(np.percentile(rows[rows > 4], 95))


def skull(pair: Pair) -> float:
    middle = pair.middle[1]
    return float(np.median(pair.band(1, 0.02, 0.09)[:, middle - 25 : middle + 25]))


def sternum(pair: Pair) -> float:
    middle = pair.middle[0]
    return float(np.percentile(pair.band(0, 0.19, 0.27)[:, middle - 5 : middle + 6], 75))


STATISTICS: dict[str, Callable[[Pair], float]] = {
    "body, anterior, median": quantile(0, 50),
    "body, anterior, 90 %": quantile(0, 90),
    "body, anterior, 99 %": quantile(0, 99),
    "body, posterior, median": quantile(1, 50),
    "body, posterior, 90 %": quantile(1, 90),
    "body, posterior, 99 %": quantile(1, 99),
    "lumbar spine : flank": lambda p: lumbar(p) / flank(p),
    "lumbar : thoracic spine": lambda p: lumbar(p) / p.spine(1, 0.24, 0.30),
    "lumbar spine, anterior : posterior": lambda p: lumbar(p, 0) / lumbar(p),
    "sacroiliac joints : spine": lambda p: sacroiliac(p) / lumbar(p),
    "ribs : spine": lambda p: ribs(p, 90) / p.spine(1, 0.24, 0.30),
    "between ribs : ribs": lambda p: ribs(p, 10) / ribs(p, 90),
    "kidney : spine": lambda p: kidney(p) / lumbar(p),
    "femoral shaft : spine": lambda p: p.limbs(1, 0.55, 0.62) / lumbar(p),
    "knee : spine": lambda p: knee(p) / lumbar(p),
    "skull : spine": lambda p: skull(p) / lumbar(p),
    "sternum : spine": lambda p: sternum(p) / lumbar(p),
    "noise, variance : mean": noise,
    "power, 0.02-0.05 / pixel": spectrum(0.02, 0.05),
    "power, 0.05-0.10 / pixel": spectrum(0.05, 0.10),
    "power, 0.10-0.18 / pixel": spectrum(0.10, 0.18),
    "edge of the skull, pixels": edge,
}


def simulated_pairs(seed: int, number: int, chains: list[list[Chain]]) -> list[Pair]:
    pairs = []
    rng = np.random.default_rng(seed)
    for index in range(number):
        chain = chains[index % len(chains)]
        patient = simulate_patient(seed, index, metastasis=False, counts=chain[0].counts)
        views = [c.picture(v, rng) for c, v in zip(chain, patient.truth.expected, strict=True)]
        pairs.append(Pair(*(view.astype(float) for view in views)))
    return pairs


def table(real: list[Pair], simulated: list[Pair]) -> str:
    lines = [
        "| statistic | real, least to most | median | simulated, 5-95 % | median | real inside |",
        "|---|---|---|---|---|---|",
    ]
    for name, statistic in STATISTICS.items():
        found = np.array([statistic(pair) for pair in real])
        made = np.array([statistic(pair) for pair in simulated])
        low, high = np.percentile(made, (5, 95))
        inside = int(((found >= low) & (found <= high)).sum())
        lines.append(
            f"| {name} | {found.min():.3g} to {found.max():.3g} | {np.median(found):.3g} "
            f"| {low:.3g} to {high:.3g} | {np.median(made):.3g} | {inside} of {len(found)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    read = [read_pair(anterior) for anterior in sorted(options.real.glob("*_ANT.jpg"))]
    real = [Pair(*(view.astype(float) for view in views)) for views, _ in read]
    simulated = simulated_pairs(options.seed, options.patients, [chain for _, chain in read])
    print(table(real, simulated))


if __name__ == "__main__":
    main()
