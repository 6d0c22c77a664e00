"""Patches of whole-body pictures, cut evenly from the parts of the body, real or simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Edge of a patch, pixels: about 15 cm.
SIDE = 64
#: Parts of the body by the share of its height at which each begins, from the head down.
PARTS = {
    "head": 0.0, "shoulders": 0.13, "chest": 0.22, "waist": 0.33,
    "pelvis": 0.42, "thighs": 0.52, "knees": 0.66, "shins and feet": 0.80,
}  # fmt: skip
VIEWS = ("anterior", "posterior")
#: Least smoothed grey value of a patch's middle, of a body that is brought to a common sum.
LEAST_GREY = 5.0

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Place:
    """Where a patch was cut: patient, view (0 anterior), part of the body."""

    patient: int
    view: int
    part: int


class Patient:
    """Both pictures of a patient, with the middles that patches may have in each part."""

    def __init__(self, number: int, simulated: bool, fold: int, pictures: list[Picture]) -> None:
        self.number, self.simulated, self.fold = number, simulated, fold
        self.pictures = pictures
        self._middles = [_middles(picture) for picture in pictures]

    def cut(self, view: int, part: int, rng: np.random.Generator) -> Picture | None:
        """Cut one patch at random; none where the part has no room for one."""
        middles = self._middles[view][part]
        if not len(middles):
            return None
        row, column = middles[rng.integers(len(middles))] - SIDE // 2
        return self.pictures[view][row : row + SIDE, column : column + SIDE]


def draw(patients: list[Patient], number: int, rng: np.random.Generator) -> list[Picture]:
    """Draw patches: patient, view and part each at even chances, mirrored in half of the cases."""
    drawn: list[Picture] = []
    while len(drawn) < number:
        patient = patients[rng.integers(len(patients))]
        patch = patient.cut(int(rng.integers(2)), int(rng.integers(len(PARTS))), rng)
        if patch is not None:
            drawn.append(patch[:, ::-1] if rng.random() < 0.5 else patch)
    return drawn


def every_part(
    patient: Patient, number: int, rng: np.random.Generator
) -> tuple[list[Place], list[Picture]]:
    """Cut a number of patches from each part of each view."""
    places, patches = [], []
    for view in range(2):
        for part in range(len(PARTS)):
            cut = [patient.cut(view, part, rng) for _ in range(number)]
            found = [patch for patch in cut if patch is not None]
            places += [Place(patient.number, view, part)] * len(found)
            patches += found
    return places, patches


def _middles(picture: Picture) -> list[NDArray[np.intp]]:
    """Middles (row, column) of patches that lie in the picture, for each part of the body."""
    smooth = ndimage.gaussian_filter(picture.astype(np.float32), 4.0)
    rows = np.flatnonzero((smooth > LEAST_GREY).any(axis=1))
    body, half = smooth > LEAST_GREY, SIDE // 2
    body[:half] = body[-half:] = False
    body[:, :half] = body[:, -half:] = False
    places = np.argwhere(body)
    share = (places[:, 0] - rows[0]) / (rows[-1] - rows[0])
    part = np.searchsorted(list(PARTS.values()), share, side="right") - 1
    return [places[part == number] for number in range(len(PARTS))]
