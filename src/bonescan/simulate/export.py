"""What leaves the hospital: 8-bit pictures and Labelme annotations of simulated views.

Published 8-bit exports are not counts. Measured on ten pairs of BS-80K (Huang et al. 2022): each
picture is the counts times a gain of its own that brings every picture to a common sum (0.97 to
1.05 million), rounded, and wrapped modulo 256 in very hot spots; in three of the ten, single counts
are missing. `published_picture` does that; `label_picture` is what a physician annotates: the same
gain, clipped instead of wrapped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bonescan.ingest.labelme import write_labelme

#: Sum of grey values of one exported picture of 1024 x 256 pixels.
COMMON_SUM = 1.01e6
LABEL = "metastasis"


def published_picture(
    counts: NDArray[np.uint16], common_sum: float = COMMON_SUM, least: int = 1
) -> Any:
    """Export counts (H, W) as published data sets do: (H, W) uint8, wrapped modulo 256.

    Pixels of fewer than ``least`` counts are empty.
    """
    counts = np.where(counts < least, 0, counts).astype(counts.dtype)
    return np.rint(counts * _gain(counts, common_sum)).astype(np.int64).astype(np.uint8)


def write_pictures(counts: NDArray[np.uint16], stem: Path, least: int = 1) -> tuple[Path, Path]:
    """Write both views (2, H, W) as ``stem_ANT.png`` and ``stem_POST.png``; returns both paths.

    Pixels of fewer than ``least`` counts are empty.
    """
    paths = stem.with_name(f"{stem.name}_ANT.png"), stem.with_name(f"{stem.name}_POST.png")
    for path, view in zip(paths, counts, strict=True):
        Image.fromarray(published_picture(view, least=least)).save(path)
    return paths


def label_picture(counts: NDArray[np.uint16], common_sum: float = COMMON_SUM) -> Any:
    """Export counts (H, W) for annotation: (H, W) uint8 with the common sum, clipped at 255."""
    grey = np.rint(counts * _gain(counts, common_sum))
    return np.minimum(grey, 255).astype(np.uint8)


def _gain(counts: NDArray[np.uint16], common_sum: float) -> float:
    """Gain to the common sum, for pictures of other sizes by their area."""
    total = float(counts.sum())
    return common_sum * counts.size / (1024 * 256) / total if total > 0 else 1.0


def write_annotation(
    picture: NDArray[np.uint8], lesions: NDArray[np.integer[Any]], stem: Path, label: str = LABEL
) -> tuple[Path, Path]:
    """Write ``stem.png`` and ``stem.json`` (Labelme) and return both paths.

    ``lesions`` (H, W) holds 0, or the number of the mark that a pixel belongs to.
    """
    image, annotation = stem.with_suffix(".png"), stem.with_suffix(".json")
    Image.fromarray(picture).save(image)
    write_labelme(annotation, lesions, image.name, label=label)
    return image, annotation
