"""The files of a local validation: figures, tables, curves, and a picture of each study."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bonescan import RESEARCH_USE, __version__
from bonescan.config import LesionRule
from bonescan.evaluate.curves import draw_froc, draw_roc
from bonescan.evaluate.error_figure import draw_errors
from bonescan.evaluate.error_tables import false_mark_table, missed_table
from bonescan.evaluate.reliability import draw_reliability
from bonescan.evaluate.run_errors import Analysed
from bonescan.evaluate.sweep import Sweep
from bonescan.evaluate.validation_figures import Figures, Outcome, Validation
from bonescan.files import write_whole
from bonescan.measures.statistics import Interval
from bonescan.quantify import find_lesions
from bonescan.report.display import lay_out
from bonescan.report.figure import draw_overlay
from bonescan.scan import Provenance, Reading, Scan, ViewName, ViewReading

SCHEMA, SCHEMA_VERSION = "bonescan-validation", "1.1"

ROWS = (
    ("lesion_sensitivity", "Lesion sensitivity, all lesions together"),
    ("lesion_sensitivity_mean", "Lesion sensitivity, mean over studies"),
    ("patient_lesion_sensitivity", "Lesion sensitivity, each once, found in either view"),
    ("false_marks", "False marks a study"),
    ("false_marks_lesion_free", "False marks a lesion-free study"),
    ("pixel_precision", "Pixel precision"),
    ("pixel_sensitivity", "Pixel sensitivity"),
    ("pixel_f1", "Pixel F1"),
    ("patient_auc", "Patient AUC"),
    ("any_mark_sensitivity", "Patients with metastases that have a mark"),
    ("any_mark_specificity", "Patients without that have none"),
)

FROC_COLUMNS = (
    "method",
    "threshold",
    "lesion_sensitivity",
    "false_marks_a_study",
    "patient_lesion_sensitivity",
)

STUDY_COLUMNS = (
    "patient",
    "study",
    "metastasis",
    "annotated",
    "lesions",
    "lesions_outside_rows",
    "hits",
    "marks",
    "false_marks",
    "score",
    "hot_spot_hits",
    "hot_spot_marks",
    "hot_spot_false_marks",
    "hot_spot_score",
    "flags",
)


def write_validation(found: Validation, out: Path) -> None:
    """Write the tables and curves, all or none; those of an earlier validation are removed.

    ``roc.png`` needs patients with and without metastases, ``false_marks.csv`` simulated cases.

    Raises
    ------
    BadInput
        If a file cannot be written.
    """
    title = f"{found.card.name} {found.card.version}"
    errors = errors_of(found)
    beneath = false_mark_table(title, errors)
    record = json.dumps(metrics_record(found), indent=1, allow_nan=False)
    contents: dict[str, bytes | None] = {
        "summary.md": summary_text(found).encode(),
        "froc.csv": _froc_table(found).encode(),
        "studies.csv": _study_table(found).encode(),
        "missed.csv": missed_table(title, errors).csv().encode(),
        "false_marks.csv": None if beneath is None else beneath.csv().encode(),
        "froc.png": draw_froc(found),
        "reliability.png": draw_reliability(found.reliability, title),
        "roc.png": draw_roc(found),
        "errors.png": draw_errors(title, errors),
        "metrics.json": f"{record}\n".encode(),
    }
    for name in contents:
        (out / name).unlink(missing_ok=True)
    try:
        for name, content in contents.items():
            if content is not None:
                write_whole(out / name, content)
    except BaseException:
        for name in contents:
            (out / name).unlink(missing_ok=True)
        raise


def errors_of(found: Validation) -> dict[str, list[Analysed]]:
    """Return the errors of the model in the studies whose lesions are drawn, or that have none."""
    return {"model": [outcome.analysed for outcome in found.outcomes if outcome.annotated]}


def metrics_record(found: Validation) -> dict[str, Any]:
    """Return the content of ``metrics.json``: plain JSON types only."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE,
        "made_at": found.made_at,
        "bonescan_version": __version__,
        "model": {
            "name": found.card.name,
            "version": found.card.version,
            "sha256": found.card.sha256,
        },
        "cohort": str(found.cohort),
        "patients": len({outcome.patient for outcome in found.outcomes}),
        "studies": len(found.outcomes),
        "studies_with_metastasis": sum(outcome.metastasis for outcome in found.outcomes),
        "studies_without_annotation": sum(not outcome.annotated for outcome in found.outcomes),
        "lesions": found.lesions,
        "lesions_outside_the_models_rows": sum(outcome.beyond for outcome in found.outcomes),
        "lesion_rule": found.rule.model_dump(mode="json"),
        "match_rule": found.match.model_dump(mode="json"),
        "hot_spot_settings": found.hot_spots.model_dump(mode="json"),
        "figures": [asdict(item) for item in _columns(found)],
        "calibration": {
            "lesions_calibrated": found.reliability.calibrated,
            "candidates": len(found.reliability.lesions.true),
            "lesion_error": _interval(found.reliability.lesion_error),
            "lesion_error_if_perfect": _interval(found.reliability.lesion_perfect),
            "patient_error": _interval(found.reliability.patient_error),
            "patient_error_if_perfect": _interval(found.reliability.patient_perfect),
        },
        "proposal": {"most_false_marks": found.most_false, **found.proposal._asdict()},
        "problems": list(found.problems),
    }


def summary_text(found: Validation) -> str:
    """Return the findings as Markdown."""
    with_metastasis = sum(outcome.metastasis for outcome in found.outcomes)
    patients = len({outcome.patient for outcome in found.outcomes})
    lines = [
        f"# {found.card.name} {found.card.version} on {found.cohort}",
        "",
        f"{RESEARCH_USE}",
        "",
        f"{len(found.outcomes)} studies of {patients} patients, {with_metastasis} with metastases; "
        f"{found.lesions} lesions, each view counted by itself.",
        *_remarks(found),
        "",
        _table(_columns(found)),
        "",
        f"In brackets: 95 % intervals from drawing patients anew. {found.match} Lesions and marks "
        "are 8-connected patches in one view. The hot-spot detector marks what has a multiple of "
        "the median counts of the body; *matched* gives it the multiple that is best on these very "
        "patients without more false marks than the model's.",
        "",
        "## Calibration",
        "",
        *_calibration(found),
        "",
        "## Local threshold",
        "",
        *_proposal(found),
        "",
        "## Errors",
        "",
        *_errors(found),
    ]
    if found.problems:
        lines += ["", "## Left out", "", *(f"- {problem}" for problem in found.problems)]
    return "\n".join(lines) + "\n"


def study_picture(
    scan: Scan,
    scores: dict[ViewName, NDArray[np.float32]],
    truth: Mapping[ViewName, NDArray[np.bool_]],
    rule: LesionRule,
    path: Path,
) -> None:
    """Draw a study with the model's marks in red and the site's annotations in green."""
    found = {view.name: find_lesions(view, scores[view.name], rule) for view in scan.views}
    reading = Reading(
        study=scan.study,
        views=tuple(
            ViewReading(view.name, scores[view.name], found[view.name].mask) for view in scan.views
        ),
        lesions=tuple(lesion for view in scan.views for lesion in found[view.name].lesions),
        patient_score=0.0,
        flags=(),
        provenance=Provenance(__version__, "", "", ""),
    )
    title = f"{scan.study}: marks red, annotations green"
    picture = draw_overlay(lay_out(scan, reading), title, truth=truth)
    write_whole(path, _png(picture))


def _columns(found: Validation) -> tuple[Figures, Figures, Figures]:
    return found.model, found.floor, found.floor_matched


def _remarks(found: Validation) -> list[str]:
    """Return what a reader has to know before the table."""
    remarks = []
    beyond = sum(outcome.beyond for outcome in found.outcomes)
    if beyond:
        remarks.append(
            f"{beyond} lesions lie outside the rows that the model sees (below the knees); "
            "they count as missed by both."
        )
    bare = sum(not outcome.annotated for outcome in found.outcomes)
    if bare:
        remarks.append(
            f"{bare} studies have metastases by the table but none drawn: they count for the "
            "patient AUC only."
        )
    description = found.card.training.description
    if "simulat" in description.lower():
        remarks.append(f"The model was trained on simulated patients: {description}.")
    return remarks


def _table(columns: tuple[Figures, ...]) -> str:
    heads = [f"{item.method} (from {item.marked_from})" for item in columns]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(columns)]
    for name, label in ROWS:
        cells = " | ".join(interval_text(getattr(item, name)) for item in columns)
        lines.append(f"| {label} | {cells} |")
    return "\n".join(lines)


def interval_text(interval: Interval | None) -> str:
    """Return an interval as ``0.81 (0.70 to 0.90)``, or ``not defined``."""
    if interval is None:
        return "not defined"
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _calibration(found: Validation) -> list[str]:
    reliability = found.reliability
    own = "calibrated" if reliability.calibrated else "the network's own, not calibrated"
    return [
        f"Expected calibration error of {len(reliability.lesions.true)} candidate regions "
        f"({own}): {interval_text(reliability.lesion_error)}; of the patients' scores: "
        f"{interval_text(reliability.patient_error)}. With so few in ten bins it is above 0 for "
        "perfect probabilities too, which would show "
        f"{interval_text(reliability.lesion_perfect)} and "
        f"{interval_text(reliability.patient_perfect)}; `reliability.png` shows the bins.",
    ]


def _errors(found: Validation) -> list[str]:
    title, errors = f"{found.card.name} {found.card.version}", errors_of(found)
    beneath = false_mark_table(title, errors)
    if beneath is None:
        lines = [
            "Nothing tells what lies beneath the false marks: the cohort is not simulated.",
            "",
        ]
    else:
        lines = [beneath.markdown()]
    return [*lines, missed_table(title, errors).markdown(), "`errors.png` shows both."]


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)


def _proposal(found: Validation) -> list[str]:
    proposal = found.proposal
    if proposal.sensitivity is None:
        return ["Without annotated lesions no threshold can be proposed."]
    held_out = "not defined"
    if proposal.held_out_sensitivity is not None:
        held_out = (
            f"{proposal.held_out_sensitivity:.2f} at "
            f"{proposal.held_out_false_per_study:.2f} false marks a study"
        )
    return [
        f"The most sensitive threshold with at most {found.most_false:g} false marks a study is "
        f"**{proposal.threshold:.3g}** (the card says {found.rule.threshold:.3g}): lesion "
        f"sensitivity {proposal.sensitivity:.2f} at {proposal.false_per_study:.2f} false marks.",
        "",
        "It was chosen on these patients, so these two figures are too good. With each patient "
        f"held out and the threshold chosen on the others it is {held_out}. Confirm it on patients "
        "that had no part in it before it is used.",
    ]


def _froc_table(found: Validation) -> str:
    rows: list[tuple[object, ...]] = []
    for method, sweep in (("model", found.model_sweep), ("hot spots", found.floor_sweep)):
        for at, threshold in enumerate(sweep.thresholds):
            rows.append((method, f"{threshold:g}", *_point(sweep, at)))
    return _csv(FROC_COLUMNS, rows)


def _point(sweep: Sweep, at: int) -> tuple[str, str, str]:
    return (
        _number(sweep.sensitivity(at)),
        _number(sweep.false_per_study(at)),
        _number(sweep.patient_sensitivity(at)),
    )


def _study_table(found: Validation) -> str:
    return _csv(STUDY_COLUMNS, [_study_row(found, outcome) for outcome in found.outcomes])


def _study_row(found: Validation, outcome: Outcome) -> tuple[object, ...]:
    def at(sweep: Sweep, threshold: float) -> tuple[int, int, int]:
        index = sweep.index_of(threshold)
        counts = sweep.hits, sweep.marks, sweep.false_marks
        hits, marks, false_marks = (int(count[0, index]) for count in counts)
        return hits, marks, false_marks

    return (
        outcome.patient,
        outcome.study,
        "yes" if outcome.metastasis else "no",
        "yes" if outcome.annotated else "no",
        int(outcome.model.lesions[0]),
        outcome.beyond,
        *at(outcome.model, found.rule.threshold),
        _number(outcome.model_score),
        *at(outcome.hot_spots, found.floor.threshold),
        _number(outcome.hot_spot_score),
        ";".join(outcome.flags),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _csv(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
