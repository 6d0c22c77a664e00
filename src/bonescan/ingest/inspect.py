"""What a study is, as ``bonescan inspect`` shows it: facts and doubts, without reading lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bonescan.errors import BadInput
from bonescan.ingest.loading import load_study
from bonescan.ingest.quality import Look
from bonescan.ingest.sources import Failure, Study
from bonescan.ingest.studies import FoundStudies
from bonescan.scan import Acquisition, Flag, Identity, Scan, View

#: Column titles of `rows_of`.
COLUMNS = ("study", "view", "recognised by", "matrix", "spacing", "counts", "body", "flags")


@dataclass(frozen=True)
class ViewInspection:
    """One view of a study.

    Attributes
    ----------
    name : str
        ``anterior`` or ``posterior``.
    recognised_by : str
        What decided which view it is.
    looks_like : str or None
        Which view the pixels alone speak for; None where they are unclear.
    pixel_score : float or None
        The pixels' vote, positive for posterior; None where no body was measured.
    file, frame
        Where it comes from; the frame counts from 1.
    crop : tuple of int
        (top, left, height, width) in its frame.
    matrix : (int, int)
        Rows and columns.
    pixel_spacing_mm : (float, float) or None
        Row and column spacing.
    total, maximum : float
        Sum and maximum of the values: counts, or grey levels of a picture.
    body_height_mm : float or None
        From the body's outline and the spacing.
    """

    name: str
    recognised_by: str
    looks_like: str | None
    pixel_score: float | None
    file: str
    frame: int
    crop: tuple[int, int, int, int]
    matrix: tuple[int, int]
    pixel_spacing_mm: tuple[float, float] | None
    total: float
    maximum: float
    body_height_mm: float | None


@dataclass(frozen=True)
class Inspection:
    """One study, or the reason why it cannot be read (``refused``, then without views)."""

    study: str
    files: tuple[str, ...]
    views: tuple[ViewInspection, ...] = ()
    acquisition: Acquisition | None = None
    identity: Identity | None = None
    flags: tuple[Flag, ...] = ()
    refused: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and text, as `json.dumps` takes them."""
        return asdict(self)


def inspect_study(study: Study) -> Inspection:
    """Load a study and describe it; a refusal is part of the description.

    Parameters
    ----------
    study : Study
        From `find_studies`.
    """
    try:
        scan = load_study(study)
    except BadInput as error:
        files = tuple(str(path) for path in study.origins)
        return Inspection(study.name, files, flags=study.flags, refused=str(error))
    return inspect_scan(scan)


def inspect_scan(scan: Scan) -> Inspection:
    """Describe a scan that is loaded."""
    return Inspection(
        study=scan.study,
        files=tuple(str(path) for path in scan.sources),
        views=tuple(_view(view) for view in scan.views),
        acquisition=scan.acquisition,
        identity=scan.identity,
        flags=scan.flags,
    )


def inspect_all(found: FoundStudies) -> tuple[tuple[Inspection, ...], tuple[Failure, ...]]:
    """Describe every study found; failures are those of finding and of loading together."""
    inspections = tuple(inspect_study(study) for study in found.studies)
    refused = tuple(
        Failure(Path(item.files[0]), item.refused) for item in inspections if item.refused
    )
    return inspections, found.failures + refused


def _view(view: View) -> ViewInspection:
    look = Look.at(view)
    spacing, outline, crop = view.pixel_spacing_mm, look.outline, view.crop
    score = look.appearance.score
    height = outline.height * spacing[0] if outline and spacing else None
    return ViewInspection(
        name=view.name,
        recognised_by=view.recognised_by,
        looks_like=look.appearance.view,
        pixel_score=None if score is None else round(score, 3),
        file=view.source.name,
        frame=view.frame,
        crop=(crop.top, crop.left, crop.height, crop.width),
        matrix=(int(view.counts.shape[0]), int(view.counts.shape[1])),
        pixel_spacing_mm=spacing,
        total=round(float(view.counts.sum(dtype=np.float64)), 3),
        maximum=float(view.counts.max()),
        body_height_mm=None if height is None else round(height),
    )


def rows_of(inspections: Sequence[Inspection]) -> list[tuple[str, ...]]:
    """Return the rows of a table, one a view (or refusal), under `COLUMNS`.

    A study's flags stand in the row of its first view, those that matter most first.
    """
    rows: list[tuple[str, ...]] = []
    for item in inspections:
        if item.refused:
            rows.append((item.study, "refused", "", "", "", "", "", item.refused))
        for number, view in enumerate(item.views):
            shown = _flag_codes(item.flags) if number == 0 else ""
            true_counts = item.acquisition is not None and item.acquisition.true_counts
            rows.append((item.study if number == 0 else "", *_cells(view, true_counts), shown))
    return rows


def _cells(view: ViewInspection, true_counts: bool) -> tuple[str, ...]:
    spacing = view.pixel_spacing_mm
    return (
        view.name,
        view.recognised_by,
        f"{view.matrix[0]} x {view.matrix[1]}",
        f"{spacing[0]:.3g} x {spacing[1]:.3g} mm" if spacing else "unknown",
        f"{view.total / 1e6:.2f} M" if true_counts else "no counts",
        f"{view.body_height_mm / 1000:.2f} m" if view.body_height_mm else "",
    )


def _flag_codes(flags: Sequence[Flag]) -> str:
    order = {"error": 0, "warning": 1, "info": 2}
    ranked = sorted(flags, key=lambda flag: order[flag.severity])
    return ", ".join(dict.fromkeys(flag.code for flag in ranked))
