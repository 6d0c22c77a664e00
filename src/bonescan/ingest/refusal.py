"""Refuse what opens as an image but is no planar whole-body bone scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset

from bonescan.errors import NotABoneScan
from bonescan.ingest import energy, headers
from bonescan.ingest.outline import Outline
from bonescan.ingest.tiles import bodies_in, shows_a_column_of_bodies
from bonescan.scan import Scan, ViewName

#: An outline this many times as wide as high may be a body on its side.
_LYING = 2.0


def refuse_other_studies(
    scan: Scan, outlines: Mapping[ViewName, Outline | None], datasets: Sequence[Dataset]
) -> None:
    """Refuse a scan that header or pixels show to be no planar whole-body bone scan.

    The header refuses by its tracer, nuclide, energy window or description; the pixels by an
    outline that is not a body from head to feet. Image Type alone refuses nothing: whole-body scans
    are stored as STATIC, too.

    Parameters
    ----------
    scan : Scan
        As loaded.
    outlines : mapping from view name to Outline
        What stands out of the air in each view.
    datasets : sequence of Dataset
        The files' headers.

    Raises
    ------
    NotABoneScan
        With the reason; also if a view shows several bodies, as frames that hold both views do
        where `bonescan.ingest.tiles` could not part them.
    """
    shown = ", ".join(str(path) for path in scan.sources)
    for dataset in datasets:
        reason = _other_tracer(dataset)
        if reason:
            raise NotABoneScan(f"{shown}: {reason}; give a planar whole-body bone scan")
    for view in scan.views:
        if len(bodies_in(view.counts)) > 1 or shows_a_column_of_bodies(view.counts):
            raise NotABoneScan(
                f"{shown}: the {view.name} view shows several outlines, not one body"
                f"{_image_type(datasets)}; give a planar whole-body bone scan with each view in a "
                "frame or a file of its own"
            )
        outline = outlines.get(view.name)
        if outline is None or not outline.looks_like_a_body:
            if outline is not None and outline.width > _LYING * outline.height:
                raise NotABoneScan(
                    f"{shown}: the {view.name} view is {outline.width} pixels wide and only "
                    f"{outline.height} high; if it is a body on its side, export it upright"
                )
            raise NotABoneScan(
                f"{shown}: the {view.name} view shows {_shape(outline)}, not a body from head to "
                f"feet{_image_type(datasets)}; give a planar whole-body bone scan"
            )


def _shape(outline: Outline | None) -> str:
    if outline is None:
        return "nothing that stands out"
    return (
        f"an outline of {outline.height} x {outline.width} pixels, "
        f"{outline.filled:.0%} of it filled"
    )


def _image_type(datasets: Sequence[Dataset]) -> str:
    kinds = {headers.texts(dataset, "ImageType")[2:3] for dataset in datasets} - {()}
    named = ", ".join(sorted(kind[0] for kind in kinds))
    return f", and Image Type is {named}" if named else ""


def _other_tracer(dataset: Dataset) -> str | None:
    """Return what in the header speaks of another tracer, or None."""
    tracer, nuclide = energy.tracer_of(dataset), energy.nuclide_of(dataset)
    if tracer and energy.names_other_tracer(tracer):
        return f"the radiopharmaceutical is {tracer}, which is no bone tracer"
    if nuclide and not energy.is_technetium(nuclide):
        return f"the radionuclide is {nuclide}, not technetium-99m"
    frames = len(headers.numbers(dataset, "EnergyWindowVector")) or 1
    windows = [energy.window_of(dataset, frame + 1) for frame in range(frames)]
    if all(window.holds_photopeak is False for window in windows):
        return f"the energy window {windows[0]} does not hold technetium's 140.5 keV"
    description = " ".join(
        headers.text(dataset, keyword)
        for keyword in ("StudyDescription", "SeriesDescription", "ProtocolName")
    ).strip()
    if energy.names_other_tracer(description):
        return f"it is described as {description!r}"
    return None
