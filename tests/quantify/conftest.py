"""A skeleton of rectangles in both views, for tests that count pixels by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bonescan.scan import OTHER_BONE, REGIONS, VIEW_NAMES, Crop, Scan, View, ViewName

#: Rows and columns of each region from the front, as slices' ends; the picture is 240 x 101.
BLOCKS: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "skull": ((10, 34, 38, 63),),
    "cervical_spine": ((34, 46, 46, 55),),
    "thoracic_spine": ((46, 84, 46, 55),),
    "lumbar_spine": ((84, 104, 45, 56),),
    "sacrum": ((104, 116, 43, 58),),
    "ribs": ((52, 90, 26, 46), (52, 90, 55, 75)),
    "sternum": ((54, 74, 48, 53),),
    "clavicles": ((46, 50, 26, 44), (46, 50, 57, 75)),
    "scapulae": ((52, 66, 16, 25), (52, 66, 76, 85)),
    "humeri": ((52, 90, 6, 12), (52, 90, 89, 95)),
    "pelvis": ((104, 130, 28, 43), (104, 130, 58, 73)),
    "femora": ((132, 190, 30, 40), (132, 190, 61, 71)),
}
SHAPE = (240, 101)


def value(region: str) -> int:
    return REGIONS.index(region) + 1


def block_map(view: ViewName) -> NDArray[np.uint8]:
    """Regions of one view; the tibiae are other bones, the sternum shows from the front only."""
    regions = np.zeros(SHAPE, np.uint8)
    for name, blocks in BLOCKS.items():
        if (view, name) == ("posterior", "sternum"):
            continue
        for top, bottom, left, right in blocks:
            regions[top:bottom, left:right] = value(name)
    regions[192:230, 32:38] = regions[192:230, 63:69] = OTHER_BONE
    return regions


@pytest.fixture
def block_regions() -> dict[ViewName, NDArray[np.uint8]]:
    return {name: block_map(name) for name in VIEW_NAMES}


@pytest.fixture
def block_scan() -> Scan:
    """5 counts in every pixel of the body, 100 on bone; 5 x 5 mm pixels."""
    views = []
    for frame, name in enumerate(VIEW_NAMES, start=1):
        counts = np.zeros(SHAPE, np.float32)
        counts[8:232, 4:97] = 5
        counts[block_map(name) > 0] = 100
        views.append(
            View(name, counts, (5.0, 5.0), Path("block.dcm"), Crop.whole(SHAPE), frame=frame)
        )
    return Scan("block", *views)
