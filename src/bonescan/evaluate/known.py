"""What a simulated case tells of its views, in their geometry or on the halves of its canvas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bonescan.errors import BadInput
from bonescan.evaluate.beneath import Known, Place
from bonescan.ingest.truth import CaseTruth, Foci, Focus
from bonescan.prepare import PreparedCase
from bonescan.preprocess import place_point
from bonescan.scan import VIEW_NAMES, Placement, View

#: Pictures that tell what lies where.
PICTURES = ("metastasis", "benign", "kinds", "regions")


def known_view(truth: CaseTruth, view: View) -> Known | None:
    """Return what is known of a view; None where its pictures are not all there.

    Raises
    ------
    BadInput
        If they are of another size than the view.
    """
    if not set(PICTURES) <= set(truth.pictures):
        return None
    number = VIEW_NAMES.index(view.name)
    pictures = {name: truth.pictures[name][number] for name in PICTURES}
    if pictures["metastasis"].shape != view.counts.shape:
        raise BadInput(f"{view.source}: its truth is of another size; simulate the cohort again")
    return Known(
        **pictures,
        foci=truth.foci,
        faint=_faint(number, truth.foci, pictures, lambda row, column: (int(row), int(column))),
    )


def known_halves(case: PreparedCase) -> tuple[Known | None, Known | None]:
    """Return what is known of the anterior and the posterior half of a canvas."""
    foci = case.record.foci
    if foci is None or not {f"truth_{name}" for name in PICTURES} <= set(case.record.layers):
        return (None, None)
    layers = {name: np.split(case.layer(f"truth_{name}"), 2, axis=1) for name in PICTURES}
    anterior, posterior = (
        _half(case, number, foci, {name: halves[number] for name, halves in layers.items()})
        for number in range(len(VIEW_NAMES))
    )
    return anterior, posterior


def _half(
    case: PreparedCase, number: int, foci: Foci, pictures: dict[str, NDArray[np.uint8]]
) -> Known:
    left = number * pictures["metastasis"].shape[1]
    placements = [place for place in case.record.placements if place.view == VIEW_NAMES[number]]

    def place(row: float, column: float) -> tuple[int, int] | None:
        for record in placements:
            at = place_point(Placement(**record.model_dump()), case.record.reduce, row, column)
            return None if at is None else (at[0], at[1] - left)
        return None

    return Known(**pictures, foci=foci, faint=_faint(number, foci, pictures, place))


def _faint(
    number: int,
    foci: Foci,
    pictures: dict[str, NDArray[np.uint8]],
    place: Callable[[float, float], tuple[int, int] | None],
) -> tuple[tuple[Place, Focus], ...]:
    """Return the foci that have no mask in a view, with the place of their centre."""
    height, width = pictures["metastasis"].shape
    found = []
    for name, own in (("metastasis", foci.lesions), ("benign", foci.findings)):
        shown = set(np.unique(pictures[name]).tolist())
        for focus in own:
            at = None if focus.number in shown else place(*focus.pixel[number])
            if at is not None and 0 <= at[0] < height and 0 <= at[1] < width:
                found.append((Place(*at), focus))
    return tuple(found)
