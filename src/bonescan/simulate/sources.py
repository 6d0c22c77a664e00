"""Local sources of activity: a block of the patient's volume, and how to shape one.

Metastases and benign foci are both built from these, so that they differ only in where they sit,
how they look and how hot they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Activity per voxel of a (z, y, x) block whose first voxel is ``start`` of the volume."""

    start: tuple[int, int, int]
    activity: Array

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where the block lies in the volume."""
        z, y, x = (slice(a, a + n) for a, n in zip(self.start, self.activity.shape, strict=True))
        return z, y, x

    def add_to(self, volume: Array) -> None:
        """Add the block to a volume, in place."""
        volume[self.slices] += self.activity


@dataclass(frozen=True)
class Focus:
    """Something hot or cold that is not normal uptake, as it was put into the patient.

    Attributes
    ----------
    category : str
        ``metastasis``, or what it is instead (see `bonescan.simulate.benign.CATEGORIES`).
    kind : str
        How it looks: ``sclerotic``, ``lytic``, ``mixed``, ``cold centre``, or the finding's name.
    region, side : str
        One of the 12 skeletal regions, or ``other``; ``R``, ``L`` or ``M`` for the midline.
    position_mm : (float, float, float)
        Centre (x, y, z): x from the patient's right, y from the front, z from the top of the head.
    size_mm : float
        Largest diameter as asked; the bulges of a lesion make it longer (15 % in the median), and
        its bone cuts it short.
    contrast : float
        Uptake as asked, over that of the normal tissue where it sits; below 1 is cold.
    source : Block
        Activity that it adds to the normal one (negative where it takes away).
    density : Block or None
        Linear attenuation that it adds, per mm (metal).
    """

    category: str
    kind: str
    region: str
    side: str
    position_mm: tuple[float, float, float]
    size_mm: float
    contrast: float
    source: Block
    density: Block | None = None
    lesion: int = 0

    def faded(self, share: float) -> Focus:
        """Return the focus with this share of its uptake above the normal one left."""
        return replace(
            self,
            contrast=round(1 + (self.contrast - 1) * share, 2),
            source=Block(self.source.start, self.source.activity * np.float32(share)),
        )


def box_around(
    centre: NDArray[np.float64], reach: float, shape: tuple[int, ...]
) -> tuple[slice, slice, slice]:
    """Return the slices within ``reach`` voxels of ``centre`` (z, y, x), cut to ``shape``."""
    low = np.maximum(np.floor(centre - reach).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach).astype(int) + 1, shape)
    low = np.minimum(low, np.array(shape) - 1)
    high = np.maximum(high, low + 1)
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def blob(
    box: tuple[slice, slice, slice],
    centre: NDArray[np.float64],
    radii: NDArray[np.float64],
    rng: np.random.Generator,
    irregularity: float = 0.3,
    softness: float = 0.18,
    turned: bool = True,
) -> tuple[Array, Array]:
    """Shape an irregular ellipsoid on a grid.

    Parameters
    ----------
    box : three slices
        The voxels to fill, (z, y, x).
    centre, radii : (3,) float
        In voxels.
    irregularity : float
        Relative amplitude of the bulges of the surface.
    softness : float
        Relative width of the surface.
    turned : bool
        Whether the axes point at random.

    Returns
    -------
    inside : float32
        1 inside, 0 outside, soft between.
    depth : float32
        Relative distance from the centre, bulges included: 0 at the centre, 1 on the surface.
    """
    axes = np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij", sparse=False)
    offset = np.stack([a - c for a, c in zip(axes, centre, strict=True)], axis=-1)
    if turned:
        turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        offset = offset @ turn
    scaled = offset / np.maximum(radii, 0.5)
    distance = np.linalg.norm(scaled, axis=-1)
    bulges = np.zeros_like(distance)
    for wave in range(5):
        direction = rng.standard_normal(3) * (1.2 + 0.6 * wave)
        bulges += np.cos(scaled @ direction + rng.uniform(0, 2 * np.pi)) / (1 + 0.5 * wave)
    depth = distance * (1 + irregularity * bulges / 2.5)
    inside = 1 / (1 + np.exp(np.clip((depth - 1) / softness, -30, 30)))
    return inside.astype(np.float32), depth.astype(np.float32)
