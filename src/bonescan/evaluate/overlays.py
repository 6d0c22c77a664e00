"""Pictures of a fold's test patients: what was found, what was missed, what was marked wrongly."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.segmentation import find_boundaries

from bonescan import RESEARCH_USE
from bonescan.train.predictions import Predictions

FOUND, WRONG, MISSED = (0, 130, 60), (210, 30, 30), (30, 80, 220)
COLUMNS = 5
CAPTION = 14
#: Grey value of the canvas that is shown black; the display is inverse.
BLACK = 100.0


def overlay(
    grey: NDArray[np.uint8], marked: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Draw marks and lesions on an inverse grey canvas.

    Parameters
    ----------
    grey : (H, W) uint8
        Canvas, anterior view left.
    marked, truth : (H, W) bool

    Returns
    -------
    (H, W, 3) uint8
        Outlines: green where a mark and a lesion agree, red for what is marked outside lesions,
        blue for what is not marked of lesions.
    """
    base = 255 * (1 - np.sqrt(np.clip(grey / BLACK, 0, 1)))
    picture = np.repeat(base.astype(np.uint8)[:, :, None], 3, axis=2)
    areas = ((truth & ~marked, MISSED), (marked & ~truth, WRONG), (marked & truth, FOUND))
    for area, colour in areas:
        picture[find_boundaries(area, mode="inner")] = colour
    return picture


def write_sheet(test: Predictions, title: str, path: Path) -> None:
    """Write one picture with the overlays of all test cases, each under its name."""
    height, width = test.grey.shape[1:]
    rows = -(-len(test.studies) // COLUMNS)
    size = (COLUMNS * width, 2 * CAPTION + rows * (height + CAPTION))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 1), f"{title}. Anterior left (R on the left), posterior right.", fill="black")
    x = 2
    for words, colour in (("found", FOUND), ("marked wrongly", WRONG), ("missed", MISSED)):
        draw.text((x, 1 + CAPTION), words, fill=colour)
        x += 10 + int(draw.textlength(words))
    draw.text((x, 1 + CAPTION), RESEARCH_USE, fill="black")
    for i, study in enumerate(test.studies):
        left, top = i % COLUMNS * width, 2 * CAPTION + i // COLUMNS * (height + CAPTION)
        draw.text((left + 2, top + 1), study, fill="black")
        tile = overlay(test.grey[i], test.marked[i], test.metastasis[i])
        sheet.paste(Image.fromarray(tile), (left, top + CAPTION))
    aside = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(aside, format="PNG")
    os.replace(aside, path)
