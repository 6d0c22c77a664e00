"""What a study is, as ``bonescan inspect`` shows it: facts and doubts, without reading lesions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bonescan.ingest.loading import load_study
from bonescan.ingest.quality import Look
from bonescan.ingest.sources import Study
from bonescan.scan import Acquisition, Flag, Identity, Scan, View


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
    file : str
        Name of the file that it comes from.
    frame : int
        Its frame, counted from 1.
    crop : tuple of int
        (top, left, height, width) in the frame, in pixels.
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
    """One study: its files, views, how it was taken, whose it is, and every doubt."""

    study: str
    files: tuple[str, ...]
    views: tuple[ViewInspection, ...]
    acquisition: Acquisition
    identity: Identity
    flags: tuple[Flag, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and text, as `json.dumps` takes them."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of a table, (name, value), in the order of a reader's questions."""
        rows = [("file", file) for file in self.files]
        rows += [(view.name, _sentence(view, self.acquisition)) for view in self.views]
        rows += _facts(self.acquisition)
        order = ("error", "warning", "info")
        ranked = sorted(self.flags, key=lambda flag: order.index(flag.severity))
        return rows + [(flag.severity, f"{flag.code}: {flag.message}") for flag in ranked]


def inspect_study(study: Study) -> Inspection:
    """Load a study and describe it.

    Parameters
    ----------
    study : Study
        From `find_studies`.

    Raises
    ------
    BadInput, NotABoneScan
        As `load_study`.
    """
    return inspect_scan(load_study(study))


def inspect_scan(scan: Scan) -> Inspection:
    """Describe a scan that is loaded."""
    return Inspection(
        study=scan.study,
        files=tuple(str(path) for path in scan.sources),
        views=tuple(_inspect_view(view) for view in scan.views),
        acquisition=scan.acquisition,
        identity=scan.identity,
        flags=scan.flags,
    )


def _inspect_view(view: View) -> ViewInspection:
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
        body_height_mm=None if height is None else float(round(height)),
    )


def _sentence(view: ViewInspection, acquisition: Acquisition) -> str:
    """Say where a view comes from, what told that it is this view, and what it measures."""
    parts = [f"{view.file} frame {view.frame}", f"recognised by {view.recognised_by}"]
    if view.looks_like is None:
        parts.append("pixels undecided")
    else:
        parts.append("pixels agree" if view.looks_like == view.name else "pixels disagree")
    parts.append(f"{view.matrix[0]} x {view.matrix[1]}")
    if view.pixel_spacing_mm:
        parts.append("{:.3g} x {:.3g} mm".format(*view.pixel_spacing_mm))
    else:
        parts.append("spacing unknown")
    if acquisition.true_counts:
        parts.append(f"{view.total / 1e6:.2f} million counts")
    parts.append(f"maximum {view.maximum:g}")
    if view.body_height_mm:
        parts.append(f"body {view.body_height_mm / 1000:.2f} m")
    return ", ".join(parts)


def _facts(acquisition: Acquisition) -> list[tuple[str, str]]:
    """Return what is known about the acquisition; what the source does not tell is left out."""
    speed, seconds = acquisition.velocity_mm_s, acquisition.duration_s
    camera = " ".join(filter(None, (acquisition.manufacturer, acquisition.camera)))
    facts = {
        "values": "counts" if acquisition.true_counts else "grey levels, not counts",
        "study date": acquisition.study_date,
        "tracer": acquisition.tracer,
        "speed": f"{speed:.2f} mm/s ({speed * 6:.0f} cm/min)" if speed else None,
        "duration": f"{seconds:.0f} s" if seconds else None,
        "camera": camera,
        "collimator": acquisition.collimator,
    }
    return [(name, value) for name, value in facts.items() if value]
