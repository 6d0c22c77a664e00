"""result.json: everything that was found, machine-readable (docs/reference-result.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonescan.report import texts
from bonescan.report.display import Panel
from bonescan.scan import LEFT_EDGE_SIDE, BoneScanIndex, Lesion, Reading, Scan, View

SCHEMA = "bonescan-result"
#: Raised in its first part when a reader of the old form would go wrong.
SCHEMA_VERSION = "1.4"
#: Highest value of a 16-bit picture.
MOST_STORED = 65535


def result_record(
    scan: Scan, reading: Reading, panels: tuple[Panel, ...], outputs: list[str]
) -> dict[str, Any]:
    """Return the content of ``result.json``.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study and what was read off it.
    panels : tuple of Panel
        For the grey windows that the pictures use.
    outputs : list of str
        Names of the files written beside it.

    Returns
    -------
    dict
        Plain JSON types only, no pixel arrays.
    """
    black = {panel.name: panel.black for panel in panels}
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "notice": texts.RESEARCH_USE,
        "study": scan.study,
        "summary": texts.summary(reading),
        "patient": asdict(scan.identity),
        "acquisition": asdict(scan.acquisition),
        "sources": [path.name for path in scan.sources],
        "views": {
            view.name: _view(view, reading, black[view.name], outputs) for view in scan.views
        },
        "lesions": [_lesion(lesion) for lesion in reading.lesions],
        "lesion_count": len(reading.lesions),
        "patient_lesions": reading.patient_lesions,
        "regions": [_rounded(asdict(measure)) for measure in reading.regions],
        "index": None if reading.index is None else _index(reading.index),
        "patient_score": round(reading.patient_score, 6),
        "flags": [asdict(flag) for flag in reading.flags],
        "provenance": asdict(reading.provenance),
        "outputs": outputs,
    }


def _view(view: View, reading: Reading, black: float, outputs: list[str]) -> dict[str, Any]:
    lesions = [lesion for lesion in reading.lesions if lesion.view == view.name]
    area = view.pixel_area_mm2
    pixels = sum(lesion.area_pixels for lesion in lesions)
    seen = next(item for item in reading.views if item.view == view.name)
    rows, columns = seen.read_rows, seen.read_columns
    mask, taken_out = f"{view.name}_lesions.png", f"{view.name}_suppressed.png"
    return {
        "source": view.source.name,
        "sop_instance_uid": view.sop_instance_uid,
        "sop_class_uid": view.sop_class_uid,
        "frame": view.frame,
        "crop": asdict(view.crop),
        "shape": list(view.counts.shape),
        "pixel_spacing_mm": None if view.pixel_spacing_mm is None else list(view.pixel_spacing_mm),
        "recognised_by": view.recognised_by,
        "left_edge_side": LEFT_EDGE_SIDE[view.name],
        "total_counts": float(view.counts.sum(dtype=float)),
        "counts_gain": counts_gain(view.counts),
        "display_black": black,
        "read_rows": [0, view.counts.shape[0]] if rows is None else list(rows),
        "read_columns": [0, view.counts.shape[1]] if columns is None else list(columns),
        "skeleton": seen.regions is not None,
        "marked_by": seen.marked_by,
        "mask": mask if mask in outputs else None,
        "suppressed": taken_out if taken_out in outputs else None,
        "suppressed_pixels": 0 if seen.suppressed is None else int((seen.suppressed > 0).sum()),
        "lesion_count": len(lesions),
        "lesion_area_pixels": pixels,
        "lesion_area_mm2": None if area is None else round(pixels * area, 3),
    }


def counts_gain(counts: NDArray[np.float32]) -> float:
    """Return the factor by which counts are stored: 1, less only where 16 bits do not hold them."""
    highest = float(counts.max(initial=0))
    return 1.0 if highest <= MOST_STORED else MOST_STORED / highest


def stored_counts(counts: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return counts (H, W) as they are stored: times the gain, rounded, uint16."""
    return np.asarray(np.rint(counts * counts_gain(counts)), np.uint16)


def _index(index: BoneScanIndex) -> dict[str, Any]:
    return _rounded(asdict(index)) | {"regions": [_rounded(asdict(item)) for item in index.regions]}


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    """Round the fractions of a record to six digits."""
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in record.items()
    }


def _lesion(lesion: Lesion) -> dict[str, Any]:
    record = asdict(lesion)
    for name in ("area_mm2", "max_counts", "mean_counts", "uptake_ratio"):
        if record[name] is not None:
            record[name] = round(record[name], 3)
    for name in ("probability", "region_share", "region_ratio", "mirror_ratio"):
        if record[name] is not None:
            record[name] = round(record[name], 6)
    record["centroid"] = [round(value, 3) for value in lesion.centroid]
    return record
