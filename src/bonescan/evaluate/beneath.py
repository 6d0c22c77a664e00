"""What lies beneath a mark: a benign finding, tracer outside of bone, plain bone, air.

Only simulated cases tell. A finding lies beneath a mark if they share at least `OVERLAP_SHARE` of
the smaller of the two, as a lesion would be hit; of several, the one that shares most pixels. A
focus too faint to be drawn counts where its centre lies on the mark. Otherwise it is what most of
the mark's pixels show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonescan.evaluate.matching import OVERLAP_SHARE
from bonescan.ingest.truth import Foci, Focus
from bonescan.scan import OTHER_BONE, REGIONS
from bonescan.simulate.truth import KINDS, OUTSIDE_BONE

BENIGN, OUTSIDE, COLD = KINDS
METASTASIS, PLAIN, SOFT, AIR = "metastasis", "plain bone", "soft tissue", "air"
#: What may lie beneath a mark, in the order of tables.
GROUPS = (METASTASIS, BENIGN, OUTSIDE, COLD, PLAIN, SOFT, AIR)
ILL_MATCHED, FAINT = "annotated, too little overlap", "too faint to be annotated"
FILLED = "kidney or bladder"
_OUTSIDE_CODE = 1 + KINDS.index(OUTSIDE)
_BONES = tuple(name.replace("_", " ") for name in (*REGIONS, "other bone"))


class Place(NamedTuple):
    """Where the centre of a focus lies in a picture."""

    row: int
    column: int


@dataclass(frozen=True)
class Known:
    """What is known of one view, or of one half of a canvas.

    Attributes
    ----------
    metastasis, benign : (H, W) uint8
        The number of the metastasis, of the finding, in each pixel.
    kinds, regions : (H, W) uint8
        As in `bonescan.simulate.truth.Truth`.
    foci : Foci
    faint : tuple of (Place, Focus)
        Metastases and findings that have no mask here.
    """

    metastasis: NDArray[np.uint8]
    benign: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    foci: Foci
    faint: tuple[tuple[Place, Focus], ...] = ()


@dataclass(frozen=True)
class Beneath:
    """What lies beneath a mark: its group, of `GROUPS`, its name, and the number of the finding."""

    group: str
    what: str
    finding: int | None = None


def beneath(mark: NDArray[np.bool_], body: NDArray[np.bool_], known: Known) -> Beneath:
    """Tell what lies beneath a false mark.

    Parameters
    ----------
    mark : (H, W) bool
        One at least.
    body : (H, W) bool
        Where the body is.
    known : Known
    """
    shared = [
        *_shared(mark, known.metastasis, known.foci.lesions),
        *_shared(mark, known.benign, known.foci.findings),
    ]
    if shared:
        return _named(max(shared, key=lambda pair: pair[0])[1], faint=False)
    for place, focus in known.faint:
        if mark[place]:
            return _named(focus, faint=True)
    return _plain(mark, body, known)


def group_of(focus: Focus) -> str:
    """Return the group of a focus."""
    if focus.category == METASTASIS:
        return METASTASIS
    if focus.category in OUTSIDE_BONE:
        return OUTSIDE
    return COLD if focus.contrast < 1 else BENIGN


def _shared(
    mark: NDArray[np.bool_], numbers: NDArray[np.uint8], foci: Sequence[Focus]
) -> list[tuple[int, Focus]]:
    """Return the foci that belong to a mark, each with the pixels they share."""
    here = np.bincount(numbers[mark], minlength=256)
    sizes = np.bincount(numbers.ravel(), minlength=256)
    size = int(mark.sum())
    return [
        (int(here[focus.number]), focus)
        for focus in foci
        if focus.number < 256
        and here[focus.number]
        and here[focus.number] >= OVERLAP_SHARE * min(size, sizes[focus.number])
    ]


def _named(focus: Focus, *, faint: bool) -> Beneath:
    group = group_of(focus)
    if group == METASTASIS:
        return Beneath(group, FAINT if faint else ILL_MATCHED)
    return Beneath(group, focus.category, focus.number)


def _plain(mark: NDArray[np.bool_], body: NDArray[np.bool_], known: Known) -> Beneath:
    """Return what most of a mark's pixels show, where there is no finding."""
    codes = np.where(known.regions[mark] > 0, known.regions[mark], 100 + body[mark])
    filled = (known.kinds[mark] == _OUTSIDE_CODE) & (known.benign[mark] == 0)
    codes = np.where(filled, 200, codes)
    values, counts = np.unique(codes, return_counts=True)
    code = int(values[counts.argmax()])
    if code == 200:
        return Beneath(OUTSIDE, FILLED)
    if code <= OTHER_BONE:
        return Beneath(PLAIN, _BONES[code - 1])
    return Beneath(SOFT if code == 101 else AIR, "")
