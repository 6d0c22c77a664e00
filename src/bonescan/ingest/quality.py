"""Doubts about a scan, each a `Flag` with a stable code, and the refusal of other studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from bonescan.errors import NotABoneScan
from bonescan.ingest import energy, headers
from bonescan.ingest.appearance import Appearance
from bonescan.ingest.outline import Outline, outline_of
from bonescan.ingest.resolve import GUESSED
from bonescan.scan import VIEW_NAMES, Flag, Scan, View, ViewName

#: Counts of a view below which the bone scan index becomes unreliable, and unusable.
FEW_COUNTS, TOO_FEW_COUNTS = 500_000, 200_000

#: Error of the bone scan index by counts of a view (published; see docs): counts, error.
BSI_ERROR = ((1_500_000, 0.2), (500_000, 0.57), (200_000, 4.7))

#: Customary scan speed is 10 to 15 cm/min (SNM guideline for bone scintigraphy): 2.5 mm/s.
USUAL_VELOCITY_MM_S = 2.5

#: Stature, mm, that adults and adolescents have.
STATURE_MM = (1200.0, 2200.0)

#: A plateau of this many touching pixels at the maximum means that the counter was full.
_PLATEAU_PIXELS = 6


def refuse_other_studies(scan: Scan, datasets: Sequence[Dataset]) -> None:
    """Refuse a scan that header or pixels show to be no planar whole-body bone scan.

    Raises
    ------
    NotABoneScan
        With the reason.
    """
    shown = ", ".join(str(path) for path in scan.sources)
    for dataset in datasets:
        reason = _other_tracer(dataset)
        if reason:
            raise NotABoneScan(f"{shown}: {reason}; give a planar whole-body bone scan")
    outlines = [(view, outline_of(view.counts)) for view in scan.views]
    for view, outline in outlines:
        if outline is None or not outline.looks_like_a_body:
            raise NotABoneScan(
                f"{shown}: the {view.name} view shows {_shape(outline)}, not a body from head to "
                f"feet{_image_type(datasets)}; give a planar whole-body bone scan"
            )


def _shape(outline: Outline | None) -> str:
    if outline is None:
        return "nothing that stands out"
    return (
        f"an outline of {outline.height} x {outline.width} pixels "
        f"(height over width {outline.height / outline.width:.1f})"
    )


def _image_type(datasets: Sequence[Dataset]) -> str:
    kinds = {headers.texts(dataset, "ImageType")[2:3] for dataset in datasets} - {()}
    named = ", ".join(sorted(kind[0] for kind in kinds))
    return f", and Image Type is {named}" if named else ""


def _other_tracer(dataset: Dataset) -> str | None:
    tracer, nuclide = energy.tracer_of(dataset), energy.nuclide_of(dataset)
    if tracer and energy.names_other_tracer(tracer):
        return f"the radiopharmaceutical is {tracer}, which is no bone tracer"
    if nuclide and not energy.is_technetium(nuclide):
        return f"the radionuclide is {nuclide}, not technetium-99m"
    windows = [
        energy.window_of(dataset, frame + 1)
        for frame in range(len(headers.numbers(dataset, "EnergyWindowVector")) or 1)
    ]
    if all(window.holds_photopeak is False for window in windows):
        return f"the energy window {windows[0]} does not hold technetium's 140.5 keV"
    description = " ".join(
        headers.text(dataset, keyword)
        for keyword in ("StudyDescription", "SeriesDescription", "ProtocolName")
    )
    if energy.names_other_tracer(description):
        return f"it is described as {description.strip()!r}"
    return None


def judge(
    scan: Scan, looks: Mapping[ViewName, Appearance], full_scale: float = np.inf
) -> list[Flag]:
    """Return the doubts about a scan.

    Parameters
    ----------
    scan : Scan
        As loaded.
    looks : mapping from view name to Appearance
        What the pixels of each view look like.
    full_scale : float
        The largest value that the source's pixel format can hold.
    """
    flags = _missing(scan)
    flags += _velocity(scan)
    for view in scan.views:
        flags += _recognition(view, looks.get(view.name))
        if scan.acquisition.true_counts:
            flags += _counts(view)
        flags += _saturated(view.counts, view.name)
        outline = outline_of(view.counts)
        if outline is not None:
            flags += _spacing(view, outline)
    return flags


def _missing(scan: Scan) -> list[Flag]:
    present = {view.name for view in scan.views}
    return [
        Flag("view-missing", f"there is no {name} view; lesions seen only there are missed")
        for name in VIEW_NAMES
        if name not in present
    ]


def _recognition(view: View, look: Appearance | None) -> list[Flag]:
    flags = []
    if view.recognised_by in GUESSED:
        flags.append(
            Flag(
                "view-guessed",
                f"nothing written tells which view frame {view.frame} of {view.source.name} is; "
                f"it is taken as {view.name} by its {view.recognised_by}; check that it is",
            )
        )
    if look and look.clear_view and look.clear_view != view.name:
        flags.append(
            Flag(
                "view-contradicted",
                f"the {view.name} view (by {view.recognised_by}) looks {look.clear_view}: score "
                f"{look.score:+.2f}, positive for posterior; check that views are not swapped",
            )
        )
    return flags


def _counts(view: View) -> list[Flag]:
    total = float(view.counts.sum(dtype=np.float64))
    if total >= FEW_COUNTS:
        return []
    limit, error = BSI_ERROR[1] if total >= TOO_FEW_COUNTS else BSI_ERROR[2]
    message = (
        f"the {view.name} view has {total / 1e6:.2f} million counts; below {limit / 1e6:.1f} "
        f"million the error of a bone scan index exceeds {error:g}"
    )
    return [Flag("low-counts", message, "warning" if total >= TOO_FEW_COUNTS else "error")]


def _velocity(scan: Scan) -> list[Flag]:
    velocity = scan.acquisition.velocity_mm_s
    if velocity is None or velocity <= USUAL_VELOCITY_MM_S:
        return []
    message = (
        f"the table moved at {velocity:.2f} mm/s ({velocity * 6:.0f} cm/min); 10-15 cm/min are "
        "usual, and faster scans have fewer counts and more noise"
    )
    fast = velocity > 2 * USUAL_VELOCITY_MM_S
    return [Flag("fast-scan", message, "warning" if fast else "info")]


def _saturated(counts: NDArray[np.float32], name: str) -> list[Flag]:
    top = float(counts.max())
    labels, count = ndimage.label(counts == top)
    if count == 0 or top < 32:
        return []
    largest = int(np.bincount(labels.ravel())[1:].max())
    if largest < _PLATEAU_PIXELS:
        return []
    message = (
        f"the {name} view has {largest} touching pixels at its maximum {top:g}: the hottest spot "
        "is cut off, so its uptake is not known"
    )
    return [Flag("saturated-counts", message)]


def _spacing(view: View, outline: Outline) -> list[Flag]:
    if view.pixel_spacing_mm is None:
        return [Flag("no-spacing", f"the {view.name} view has no pixel spacing", "info")]
    height = outline.height * view.pixel_spacing_mm[0]
    if STATURE_MM[0] <= height <= STATURE_MM[1]:
        return []
    message = (
        f"a pixel spacing of {view.pixel_spacing_mm[0]:g} mm makes the body {height / 1000:.2f} m "
        f"tall in the {view.name} view; areas in mm2 may be wrong"
    )
    return [Flag("implausible-spacing", message)]
