"""lesions.csv and regions.csv: the lesions, and the skeletal regions of each view, one a row."""

from __future__ import annotations

import csv
import io

from bonescan.report import texts
from bonescan.scan import Reading

LESION_COLUMNS = (
    "study",
    "view",
    "number",
    "side",
    "region",
    "area_mm2",
    "area_pixels",
    "max_counts",
    "mean_counts",
    "uptake_ratio",
    "region_share",
    "region_ratio",
    "mirror_ratio",
    "match",
    "probability",
    "marked_by",
    "centroid_row",
    "centroid_column",
    "top",
    "left",
    "bottom",
    "right",
    "model",
    "notice",
)

REGION_COLUMNS = (
    "study",
    "view",
    "region",
    "area_mm2",
    "area_pixels",
    "lesion_area_mm2",
    "lesion_pixels",
    "share",
    "median_counts",
    "cut",
    "marked_by",
    "model",
    "notice",
)


def lesion_table(reading: Reading) -> str:
    """Return the lesions as CSV, one a row; only the heading where there are none."""
    marked_by = {view.view: view.marked_by for view in reading.views}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(LESION_COLUMNS)
    for lesion in reading.lesions:
        writer.writerow(
            [
                reading.study,
                lesion.view,
                lesion.number,
                lesion.side,
                lesion.region,
                _number(lesion.area_mm2, 3),
                lesion.area_pixels,
                f"{lesion.max_counts:.3f}",
                f"{lesion.mean_counts:.3f}",
                f"{lesion.uptake_ratio:.3f}",
                _number(lesion.region_share, 6),
                _number(lesion.region_ratio, 3),
                _number(lesion.mirror_ratio, 3),
                "" if lesion.match is None else lesion.match,
                f"{lesion.probability:.6f}",
                marked_by[lesion.view],
                f"{lesion.centroid[0]:.3f}",
                f"{lesion.centroid[1]:.3f}",
                *lesion.box,
                _model(reading),
                texts.RESEARCH_USE,
            ]
        )
    return buffer.getvalue()


def region_table(reading: Reading) -> str:
    """Return the skeletal regions as CSV, one row for each view that shows one."""
    marked_by = {view.view: view.marked_by for view in reading.views}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(REGION_COLUMNS)
    for region in reading.regions:
        writer.writerow(
            [
                reading.study,
                region.view,
                region.region,
                _number(region.area_mm2, 3),
                region.area_pixels,
                _number(region.lesion_area_mm2, 3),
                region.lesion_pixels,
                f"{region.share:.6f}",
                _number(region.median_counts, 3),
                "yes" if region.cut else "no",
                marked_by[region.view],
                _model(reading),
                texts.RESEARCH_USE,
            ]
        )
    return buffer.getvalue()


def _model(reading: Reading) -> str:
    return f"{reading.provenance.model_name} {reading.provenance.model_version}"


def _number(value: float | None, digits: int) -> str:
    """Return a number, or an empty field where it could not be told."""
    return "" if value is None else f"{value:.{digits}f}"
