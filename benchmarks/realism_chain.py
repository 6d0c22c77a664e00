"""The 8-bit chain of published pictures, measured on them, for simulated counts to pass through.

A published picture of a scan is no longer its counts: each pixel is the counts times a gain that
brings the picture to a common sum, rounded, wrapped modulo 256 and packed as JPEG. All of it can be
read off the picture: the grey values form a comb whose spacing is the gain, the sum over the gain
is the number of counts, and the file tells its quantisation tables. In some patients single counts
are missing altogether, as a lower threshold leaves them. A simulated view that passes the chain of
a real one differs from it in nothing but the patient and the physics.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Gains that are looked for, in grey levels a count; finer than the comb can tell.
GAINS = np.arange(1.2, 4.6, 0.002)
#: Grey values whose histogram shows the comb.
LEVELS = 100
Tables = dict[int, list[int]]


@dataclass(frozen=True)
class Chain:
    """What made one picture of counts: its gain, its sum, its lower threshold and its JPEG.

    ``least`` is the least number of counts that a pixel keeps: 1, or 2 where single ones are lost.
    """

    gain: float
    total: float
    least: int
    tables: Tables | None = None

    @property
    def counts(self) -> float:
        """Counts of the view that the picture was made of."""
        return self.total / self.gain

    def picture(self, expected: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Acquire noise-free counts (H, W), scaled to this chain's own, and export them."""
        scaled = expected.astype(float)
        for _ in range(8):  # what the threshold takes depends on how much there is
            lost = scaled * np.exp(-scaled) if self.least > 1 else 0.0
            scaled *= self.counts / (scaled - lost).sum()
        counts = rng.poisson(scaled)
        counts[counts < self.least] = 0
        grey = np.rint(counts * (self.total / counts.sum())).astype(np.int64).astype(np.uint8)
        return grey if self.tables is None else _jpeg(grey, self.tables)


def measure_chain(picture: NDArray[np.uint8], tables: Tables | None = None) -> Chain:
    """Find the chain that made an 8-bit picture (H, W) of counts."""
    histogram = np.bincount(picture.ravel(), minlength=256)[:LEVELS].astype(float)
    histogram[0] = 0
    gain = float(GAINS[np.argmax([_comb(histogram, gain) for gain in GAINS])])
    one, two = (histogram[round(n * gain)] for n in (1, 2))
    return Chain(gain, float(picture.sum()), 2 if one < two / 2 else 1, tables)


def read_pair(anterior: Path) -> tuple[list[NDArray[np.uint8]], list[Chain]]:
    """Read ``<id>_ANT.jpg`` and its ``<id>_POST.jpg``, and measure the chain of each."""
    pictures, chains = [], []
    for file in (anterior, anterior.with_name(anterior.name.replace("_ANT", "_POST"))):
        with Image.open(file) as image:
            tables: Tables | None = getattr(image, "quantization", None)
            pictures.append(np.asarray(image.convert("L")))
        chains.append(measure_chain(pictures[-1], tables))
    return pictures, chains


def _comb(histogram: NDArray[np.float64], gain: float) -> float:
    """Share of the pixels on the levels that a gain allows, less that of the levels themselves."""
    levels = np.rint(np.arange(1, LEVELS) * gain).astype(int)
    levels = levels[levels < LEVELS]
    return float(histogram[levels].sum() / histogram.sum() - len(levels) / (LEVELS - 1))


def _jpeg(picture: NDArray[np.uint8], tables: Tables) -> NDArray[np.uint8]:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", qtables={0: tables[0]})
    return np.asarray(Image.open(packed).convert("L"))
