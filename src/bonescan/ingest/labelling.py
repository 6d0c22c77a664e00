"""8-bit pictures to annotate in Labelme, which cannot show more, with the intensity mapping."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bonescan import RESEARCH_USE, __version__
from bonescan.files import write_whole
from bonescan.scan import View

WHITE = 255
#: Share of the pixels with counts that stays below white: skeleton in range, bladder saturated.
SATURATED_BEYOND = 0.995


@dataclass(frozen=True)
class IntensityMapping:
    """How counts become 8-bit grey: min(255, round(gain counts)), or 255 less that if inverted."""

    gain: float
    inverted: bool = False

    def to_grey(self, counts: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return (H, W) uint8 for counts (H, W)."""
        grey = np.minimum(np.rint(counts * self.gain), WHITE).astype(np.uint8)
        return np.asarray(WHITE - grey if self.inverted else grey, np.uint8)

    def to_counts(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return counts for grey values: within 0.5 / gain below white, a lower bound at white."""
        straight = (WHITE - grey) if self.inverted else grey
        return np.asarray(straight / np.float32(self.gain), np.float32)


def default_mapping(counts: NDArray[np.float32], *, inverted: bool = False) -> IntensityMapping:
    """Choose a gain that keeps all but the hottest 0.5 % of the pixels with counts in range."""
    seen = counts[counts > 0]
    top = float(np.quantile(seen, SATURATED_BEYOND)) if seen.size else 0.0
    return IntensityMapping(WHITE / top if top > 0 else 1.0, inverted)


def export_for_labelme(
    view: View,
    folder: Path,
    *,
    stem: str | None = None,
    mapping: IntensityMapping | None = None,
) -> Path:
    """Write a view as a PNG for Labelme.

    Parameters
    ----------
    view : View
        The view; its pixels keep their places, so annotations need no mapping back.
    folder : Path
        Where to write ``<stem>.png`` and ``<stem>.intensity.json``.
    stem : str, optional
        Without it ``<source stem>_<view name>``, which tells `read_cohort` the view.
    mapping : IntensityMapping, optional
        Without it `default_mapping`.

    Returns
    -------
    Path
        The PNG. Beside it, the JSON tells the gain, the formula there and back, and the source.

    Raises
    ------
    BadInput
        If a file cannot be written.
    """
    mapping = mapping or default_mapping(view.counts)
    stem = stem or f"{view.source.stem}_{view.name}"
    packed = io.BytesIO()
    Image.fromarray(mapping.to_grey(view.counts)).save(packed, "PNG")
    text = json.dumps(_sidecar(view, mapping), indent=1)
    write_whole(folder / f"{stem}.intensity.json", f"{text}\n".encode())
    write_whole(folder / f"{stem}.png", packed.getvalue())
    return folder / f"{stem}.png"


def _sidecar(view: View, mapping: IntensityMapping) -> dict[str, Any]:
    straight = "255 - grey" if mapping.inverted else "grey"
    value = "min(255, round(gain * counts))"
    return {
        "made_with": f"bonescan {__version__}",
        "notice": RESEARCH_USE,
        "view": view.name,
        "source": view.source.name,
        "sop_instance_uid": view.sop_instance_uid,
        "frame": view.frame,
        "gain": mapping.gain,
        "inverted": mapping.inverted,
        "grey": f"255 - {value}" if mapping.inverted else value,
        "counts": f"({straight}) / gain, within {0.5 / mapping.gain:.4g}; "
        f"at least {WHITE / mapping.gain:.4g} where saturated",
        "saturated_pixels": int((np.rint(view.counts * mapping.gain) > WHITE).sum()),
    }
