"""Follow-up on disk: compare.json, compare.csv, timeline.png, one page as HTML and as PDF."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bonescan import __version__
from bonescan.files import write_whole
from bonescan.quantify.followup import Finding, FollowUp
from bonescan.quantify.tracks import Track, size_of
from bonescan.report import texts
from bonescan.report.followup_page import render_page
from bonescan.report.followup_pdf import render_followup_pdf
from bonescan.report.followup_sheet import compose_followup, view_of
from bonescan.report.followup_texts import summary
from bonescan.report.followup_timeline import draw_timeline

RECORD, TABLE, TIMELINE = "compare.json", "compare.csv", "timeline.png"
PAGE, PDF = "compare.html", "compare.pdf"
SCHEMA = "bonescan-compare"
SCHEMA_VERSION = "1.0"
COLUMNS = (
    "finding",
    "view",
    "track",
    "visit",
    "study",
    "study_date",
    "status",
    "marks",
    "region",
    "side",
    "area_mm2",
    "uptake_ratio",
    "row",
    "column",
    "notice",
)


def write_followup(followup: FollowUp, folder: Path) -> tuple[Path, ...]:
    """Write a comparison into a folder, made if need be; ``compare.json`` comes last.

    Returns
    -------
    tuple of Path
        The timeline, the page as HTML and as PDF, the table and the record.

    Raises
    ------
    BadInput
        If a file cannot be written.
    """
    timeline = draw_timeline(followup)
    sheet = compose_followup(followup)
    files = {
        TIMELINE: timeline,
        PAGE: render_page(sheet, timeline).encode(errors="replace"),
        PDF: render_followup_pdf(sheet, timeline),
        TABLE: _table(followup).encode(errors="replace"),
        RECORD: (json.dumps(followup_record(followup), indent=1, allow_nan=False) + "\n").encode(),
    }
    for name, content in files.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in files)


def followup_record(followup: FollowUp) -> dict[str, Any]:
    """Return the content of ``compare.json``: plain JSON types."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "notice": texts.RESEARCH_USE,
        "bonescan_version": __version__,
        "summary": summary(followup),
        "patient": asdict(followup.visits[0].scan.identity),
        "rule": followup.rule.model_dump(mode="json"),
        "visits": [_visit(followup, number) for number in range(len(followup.visits))],
        "steps": [
            {
                "earlier": step.earlier + 1,
                "later": step.later + 1,
                "findings": step.counts,
                "index": asdict(step.index),
            }
            for step in followup.steps
        ],
        "index": asdict(followup.overall),
        "progression": {
            **asdict(followup.progression),
            "visit": None if followup.progression.visit is None else followup.progression.visit + 1,
        },
        "findings": [_finding(followup, finding) for finding in followup.findings],
        "flags": [asdict(flag) for flag in followup.flags],
    }


def _visit(followup: FollowUp, number: int) -> dict[str, Any]:
    visit, maps = followup.visits[number], followup.registrations[number]
    return {
        "visit": number + 1,
        "study": visit.scan.study,
        "study_date": None if visit.day is None else visit.day.isoformat(),
        "study_uid": visit.scan.identity.study_uid,
        "marks": len(visit.reading.lesions),
        "findings": sum(finding.seen_at(number) for finding in followup.findings),
        "lesion_area_mm2": visit.area_mm2,
        "index": None if visit.reading.index is None else visit.reading.index.whole,
        "model": _model(followup, number),
        "flags": [asdict(flag) for flag in visit.reading.flags],
        "registration": {
            name: {
                "matrix": found.matrix.round(6).tolist(),
                "shift_mm": found.shift.round(3).tolist(),
                "correlation": round(found.correlation, 4),
            }
            for name, found in maps.items()
        },
    }


def _model(followup: FollowUp, number: int) -> str:
    made = followup.visits[number].reading.provenance
    return f"{made.model_name} {made.model_version}"


def _finding(followup: FollowUp, finding: Finding) -> dict[str, Any]:
    return {
        "finding": finding.number,
        "statuses": list(finding.statuses),
        "views": [
            {"view": track.view, "track": track.number, "visits": _visits_of(followup, track)}
            for track in finding.tracks
        ],
    }


def _visits_of(followup: FollowUp, track: Track) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, lesions in enumerate(track.seen):
        view = view_of(followup, number, track.view)
        size = size_of(lesions, view) if lesions and view is not None else None
        place = track.places[number]
        found.append(
            {
                "visit": number + 1,
                "status": track.statuses[number],
                "marks": [lesion.number for lesion in lesions],
                "area_mm2": None
                if size is None or view is None or view.pixel_spacing_mm is None
                else round(size.area_mm2, 3),
                "uptake_ratio": None if size is None else round(size.uptake, 3),
                "place": None if place is None else [round(value, 2) for value in place],
            }
        )
    return found


def _table(followup: FollowUp) -> str:
    """Return one row for each finding, view and visit."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for finding in followup.findings:
        for track in finding.tracks:
            known = next(lesions[0] for lesions in track.seen if lesions)
            for item in _visits_of(followup, track):
                visit = followup.visits[item["visit"] - 1]
                place = item["place"] or ("", "")
                writer.writerow(
                    [
                        finding.number,
                        track.view,
                        track.number,
                        item["visit"],
                        visit.scan.study,
                        "" if visit.day is None else visit.day.isoformat(),
                        item["status"],
                        ";".join(str(number) for number in item["marks"]),
                        known.region,
                        known.side,
                        "" if item["area_mm2"] is None else f"{item['area_mm2']:.3f}",
                        "" if item["uptake_ratio"] is None else f"{item['uptake_ratio']:.3f}",
                        *place,
                        texts.RESEARCH_USE,
                    ]
                )
    return buffer.getvalue()
