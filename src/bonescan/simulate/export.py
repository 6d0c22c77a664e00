"""What leaves the hospital: 8-bit pictures and Labelme annotations of simulated views.

Published 8-bit exports are not counts. Measured on ten pairs of BS-80K (Huang et al. 2022): each
picture is the counts times a gain of its own that brings every picture to a common sum (0.97 to
1.05 million), rounded, and wrapped modulo 256 in very hot spots. `published_picture` does that;
`label_picture` is what a physician annotates: the same gain, clipped instead of wrapped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import measure

#: Sum of grey values of one exported picture of 1024 x 256 pixels.
COMMON_SUM = 1.01e6
LABELME_VERSION = "4.5.9"
LABEL = "metastasis"


def published_picture(counts: NDArray[np.uint16], common_sum: float = COMMON_SUM) -> Any:
    """Export counts (H, W) as published data sets do: (H, W) uint8, wrapped modulo 256."""
    return np.rint(counts * _gain(counts, common_sum)).astype(np.int64).astype(np.uint8)


def label_picture(counts: NDArray[np.uint16], common_sum: float = COMMON_SUM) -> Any:
    """Export counts (H, W) for annotation: (H, W) uint8 with the common sum, clipped at 255."""
    grey = np.rint(counts * _gain(counts, common_sum))
    return np.minimum(grey, 255).astype(np.uint8)


def _gain(counts: NDArray[np.uint16], common_sum: float) -> float:
    """Gain to the common sum, for pictures of other sizes by their area."""
    total = float(counts.sum())
    return common_sum * counts.size / (1024 * 256) / total if total > 0 else 1.0


def outlines(mask: NDArray[np.bool_]) -> list[list[list[float]]]:
    """Return the closed outlines of a mask (H, W) as lists of [x, y], one per component.

    Coordinates are Labelme's: (0, 0) is the top-left corner of the top-left pixel. Holes are
    filled, as a polygon cannot have them.
    """
    padded = np.pad(mask, 1).astype(np.float32)
    polygons = []
    for contour in measure.find_contours(padded, 0.5):
        x, y = contour[:, 1] - 0.5, contour[:, 0] - 0.5
        area = float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
        points = zip(x[:-1], y[:-1], strict=True)
        if area > 0 and len(contour) > 3:  # outer outlines run one way, holes the other
            polygons.append([[round(float(a), 3), round(float(b), 3)] for a, b in points])
    return polygons


def write_annotation(
    picture: NDArray[np.uint8], masks: list[NDArray[np.bool_]], stem: Path, label: str = LABEL
) -> tuple[Path, Path]:
    """Write ``stem.png`` and ``stem.json`` (Labelme) and return both paths.

    ``masks`` holds one (H, W) mask per lesion; ``group_id`` counts them from 1.
    """
    image, annotation = stem.with_suffix(".png"), stem.with_suffix(".json")
    Image.fromarray(picture).save(image)
    shapes = [
        {
            "label": label,
            "points": points,
            "group_id": number,
            "shape_type": "polygon",
            "flags": {},
        }
        for number, mask in enumerate(masks, start=1)
        for points in outlines(mask)
    ]
    height, width = picture.shape
    record = {
        "version": LABELME_VERSION,
        "flags": {"simulated": True},
        "shapes": shapes,
        "imagePath": image.name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    annotation.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return image, annotation
