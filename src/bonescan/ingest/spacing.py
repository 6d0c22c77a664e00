"""Pixel spacing: where the header tells it, and whether a camera and a body can have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from bonescan.ingest import headers, views
from bonescan.ingest.outline import Outline, cut_sides
from bonescan.scan import Flag, View, ViewName

#: Pixel spacings, mm, that a whole-body camera's matrix can have; real ones have 1 to 5.
SPACING_MM = (0.2, 20.0)

#: Row and column spacing, or the spacings of both views, may differ by this factor: a camera
#: samples both directions alike, and rounding (a table speed, a zoom) stays below it.
UNEQUAL = 1.05

#: Stature, mm, of the patients that bone scans for metastases are made of.
STATURE_MM = (1200.0, 2200.0)


@dataclass(frozen=True)
class Spacing:
    """Row and column spacing in mm, None where nothing usable is stated, and what was not used."""

    mm: tuple[float, float] | None = None
    flags: tuple[Flag, ...] = ()


def stated_spacing(dataset: Dataset) -> Spacing:
    """Return the spacing of the first attribute that has a usable one.

    In this order: Pixel Spacing, then for pictures of other kinds Imager Pixel Spacing and Nominal
    Scanned Pixel Spacing, the Pixel Measures of enhanced objects, and GE's field of view over the
    matrix, (0011,xx57), where it gives square pixels. An attribute that is missing, empty or 0
    says nothing; one that no camera can have is passed over with a flag.
    """
    flags: list[Flag] = []
    for name, found in _candidates(dataset):
        if not any(found):
            continue
        if len(found) == 2 and all(SPACING_MM[0] <= value <= SPACING_MM[1] for value in found):
            return Spacing((found[0], found[1]), tuple(flags))
        shown = " x ".join(f"{value:g}" for value in found)
        message = (
            f"{name} of {shown} mm is none that a whole-body camera has "
            f"({SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm, rows and columns) and is not used"
        )
        flags.append(Flag("implausible-spacing", message))
    return Spacing(None, tuple(flags))


def _candidates(dataset: Dataset) -> list[tuple[str, tuple[float, ...]]]:
    found = [
        (name, headers.numbers(dataset, name.replace(" ", "")))
        for name in ("Pixel Spacing", "Imager Pixel Spacing", "Nominal Scanned Pixel Spacing")
    ]
    found += [
        ("Pixel Spacing of the Pixel Measures", headers.numbers(measure, "PixelSpacing"))
        for group in headers.items(dataset, "SharedFunctionalGroupsSequence")
        for measure in headers.items(group, "PixelMeasuresSequence")
    ]
    return [*found, ("Field of view over matrix", _ge_spacing(dataset))]


def _ge_spacing(dataset: Dataset) -> tuple[float, ...]:
    fields = headers.private_texts(dataset, 0x0011, 0x57, views.GE)
    rows, columns = headers.positive(dataset, "Rows"), headers.positive(dataset, "Columns")
    try:
        across, along = float(fields[0]), float(fields[1])
    except (IndexError, ValueError):
        return ()
    if not rows or not columns:
        return ()
    spacing = (along / rows, across / columns)
    square = abs(spacing[0] - spacing[1]) <= 0.02 * spacing[1]
    return spacing if square else ()


def spacing_flags(
    seen: Sequence[View], outlines: Mapping[ViewName, Outline | None], *, refused: bool
) -> list[Flag]:
    """Return the doubts about the spacing of a scan's views.

    Parameters
    ----------
    seen : sequence of View
    outlines : mapping from view name to Outline
        The body in each view.
    refused : bool
        A stated spacing was not used.
    """
    flags = _unknown(seen, refused=refused) + _unlike(seen)
    for view in seen:
        outline = outlines[view.name]
        flags += _oblong(view)
        if outline is not None:
            flags += _stature(view, outline)
    return flags


def _unknown(seen: Sequence[View], *, refused: bool) -> list[Flag]:
    names = [view.name for view in seen if view.pixel_spacing_mm is None]
    if not names:
        return []
    shown = " and ".join(names)
    what = "No usable pixel spacing is stated" if refused else "No pixel spacing is known"
    return [Flag("no-spacing", f"{what} ({shown}), so areas are in pixels only", "info")]


def _oblong(view: View) -> list[Flag]:
    if view.pixel_spacing_mm is None or not _differ(*view.pixel_spacing_mm):
        return []
    message = (
        "Row and column spacing of the {name} view differ, {0:g} and {1:g} mm; a camera's pixels "
        "are square, so lengths and areas in mm may be wrong"
    ).format(*view.pixel_spacing_mm, name=view.name)
    return [Flag("implausible-spacing", message)]


def _unlike(seen: Sequence[View]) -> list[Flag]:
    """Compare the views' spacings; where they differ, frames of one field of view may, too."""
    known = [
        (view.pixel_spacing_mm[0], view.pixel_spacing_mm[0] * view.counts.shape[0])
        for view in seen
        if view.pixel_spacing_mm is not None
    ]
    if len(known) < 2:
        return []
    (front, front_field), (back, back_field) = known
    if not (_differ(front, back) and _differ(front_field, back_field)):
        return []
    message = (
        f"The views' pixel spacings differ, {front:g} mm from the front and {back:g} mm from "
        "behind, and so do their fields of view; one of them may be wrong"
    )
    return [Flag("implausible-spacing", message)]


def _differ(first: float, second: float) -> bool:
    return max(first, second) > UNEQUAL * min(first, second)


def _stature(view: View, outline: Outline) -> list[Flag]:
    if view.pixel_spacing_mm is None:
        return []
    height = outline.height * view.pixel_spacing_mm[0]
    cut = cut_sides(view.counts, outline)
    too_small = height < STATURE_MM[0] and not ("top" in cut or "bottom" in cut)
    if not too_small and height <= STATURE_MM[1]:
        return []
    message = (
        f"A pixel spacing of {view.pixel_spacing_mm[0]:g} mm makes the body {height / 1000:.2f} m "
        f"tall in the {view.name} view; areas in mm2 may be wrong"
    )
    return [Flag("implausible-spacing", message)]
