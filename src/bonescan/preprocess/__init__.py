"""From a `Scan` to the network's `Canvas`, and back (section 3.3)."""

from bonescan.preprocess.canvas import prepare_canvas
from bonescan.preprocess.mapping import (
    kept,
    place_labels,
    place_mask,
    place_point,
    placement_of,
    restore,
)

__all__ = [
    "kept",
    "place_labels",
    "place_mask",
    "place_point",
    "placement_of",
    "prepare_canvas",
    "restore",
]
