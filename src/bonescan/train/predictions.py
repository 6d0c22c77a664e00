"""What a finished fold predicts for patients it was not trained on, kept in its run folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bonescan.errors import BadInput

#: Probabilities are kept in steps of 1 / 255.
STEPS = 255


@dataclass(frozen=True)
class Predictions:
    """Predictions and truth of N cases on canvases of H x W pixels; torch-free.

    Attributes
    ----------
    studies, patients, sets : tuple of str
        Names of each case, and its set, D1 to D4.
    parts : tuple of str
        ``validation``, ``test``, or ``healthy`` (no metastasis, and not in the training part).
    pixel_area_mm2 : (N,) float64
        Area of a canvas pixel; NaN where the scan has no pixel spacing.
    grey : (N, H, W) uint8
        The canvas, rounded, to look at.
    probability : (N, H, W) uint8
        Probability of metastasis in steps of 1 / 255.
    marked : (N, H, W) bool
        Metastasis by the network's own rule: the most probable class; 0.5 or more if binary.
    metastasis : (N, H, W) bool
        Annotated metastasis.
    regions, true_regions : (N, H, W) uint8, optional
        Which of `bonescan.config.BONES` the network sees at each pixel, and which is there, where
        it has learned them and the cases tell.
    """

    studies: tuple[str, ...]
    patients: tuple[str, ...]
    sets: tuple[str, ...]
    parts: tuple[str, ...]
    pixel_area_mm2: NDArray[np.float64]
    grey: NDArray[np.uint8]
    probability: NDArray[np.uint8]
    marked: NDArray[np.bool_]
    metastasis: NDArray[np.bool_]
    regions: NDArray[np.uint8] | None = None
    true_regions: NDArray[np.uint8] | None = None

    def of_part(self, part: str) -> Predictions:
        """Return the cases of one part."""
        chosen = [i for i, own in enumerate(self.parts) if own == part]
        return Predictions(
            tuple(self.studies[i] for i in chosen),
            tuple(self.patients[i] for i in chosen),
            tuple(self.sets[i] for i in chosen),
            tuple(self.parts[i] for i in chosen),
            self.pixel_area_mm2[chosen],
            self.grey[chosen],
            self.probability[chosen],
            self.marked[chosen],
            self.metastasis[chosen],
            None if self.regions is None else self.regions[chosen],
            None if self.true_regions is None else self.true_regions[chosen],
        )

    def save(self, path: Path) -> None:
        """Write as compressed npz, whole or not at all."""
        aside = path.with_name(f"{path.name}.part")
        bones: dict[str, Any] = {"regions": self.regions, "true_regions": self.true_regions}
        with aside.open("wb") as file:
            np.savez_compressed(
                file,
                studies=np.array(self.studies, dtype=str),
                patients=np.array(self.patients, dtype=str),
                sets=np.array(self.sets, dtype=str),
                parts=np.array(self.parts, dtype=str),
                pixel_area_mm2=self.pixel_area_mm2,
                grey=self.grey,
                probability=self.probability,
                marked=np.packbits(self.marked),
                metastasis=np.packbits(self.metastasis),
                **{name: array for name, array in bones.items() if array is not None},
            )
        os.replace(aside, path)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` wrote.

        Raises
        ------
        BadInput
            If the file is missing or damaged.
        """
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                probability = file["probability"]
                return cls(
                    studies=tuple(file["studies"].tolist()),
                    patients=tuple(file["patients"].tolist()),
                    sets=tuple(file["sets"].tolist()),
                    parts=tuple(file["parts"].tolist()),
                    pixel_area_mm2=file["pixel_area_mm2"],
                    grey=file["grey"],
                    probability=probability,
                    marked=_unpacked(file["marked"], probability.shape),
                    metastasis=_unpacked(file["metastasis"], probability.shape),
                    regions=file.get("regions"),
                    true_regions=file.get("true_regions"),
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise BadInput(
                f"{path}: cannot be read ({error}); delete its folder and train this fold again"
            ) from error


def _unpacked(bits: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
