"""The files of an agreement of two raters: figures, tables, and the Bland-Altman plot."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bonescan import RESEARCH_USE, __version__
from bonescan.evaluate.agreement import Agreement, FourFold
from bonescan.evaluate.agreement_plot import draw_bland_altman
from bonescan.evaluate.matching import OVERLAP_SHARE
from bonescan.evaluate.table import Cell, Table
from bonescan.evaluate.validation_report import interval_text
from bonescan.files import write_whole
from bonescan.quantify.bsi import REPEATABILITY_BAND

SCHEMA, SCHEMA_VERSION = "bonescan-agreement", "1.0"
PLOT = "bland_altman.png"

KAPPA_NOTE = (
    "Kappa corrects agreement for chance, and for that needs cases in which both say no. Lesions "
    "have none: nobody counts the places without a lesion. Hence two figures, each with its unit. "
    "**Cells**: each skeletal region in each view, and the rest of the view, is one case, yes "
    "where a rater has a lesion there; Cohen's kappa. It does not see two lesions in one region, "
    "nor that two raters mark different places of it. **Lesions**: those of A and of B are paired "
    f"one to one where they share at least {OVERLAP_SHARE:.0%} of the smaller one; the "
    "free-response kappa 2 both / (2 both + only A + only B) is what Cohen's tends to as the "
    "places without a lesion become many (Carpentier et al., BMC Med. Res. Methodol. 17, 2017, "
    "62). A lesion that shows in both views counts in each; one that the other rater draws as two "
    "pairs once."
)


def write_agreement(found: Agreement, out: Path) -> None:
    """Write tables, plot and text, and ``agreement.json`` last.

    ``bland_altman.png`` needs three pairs of indices; an earlier one is removed otherwise.

    Raises
    ------
    BadInput
        If a file cannot be written.
    """
    write_whole(out / "agreement.md", summary_text(found).encode(errors="replace"))
    for name, table in (
        ("studies.csv", study_table(found)),
        ("lesions.csv", lesion_table(found)),
        ("cells.csv", cell_table(found)),
    ):
        write_whole(out / name, table.csv().encode(errors="replace"))
    if found.limits is None:
        (out / PLOT).unlink(missing_ok=True)
    else:
        write_whole(out / PLOT, draw_bland_altman(found.indices, found.limits, _names(found)))
    record = json.dumps(agreement_record(found), indent=1, allow_nan=False)
    write_whole(out / "agreement.json", f"{record}\n".encode())


def _names(found: Agreement) -> tuple[str, str]:
    return found.a.path.name or str(found.a.path), found.b.path.name or str(found.b.path)


def agreement_record(found: Agreement) -> dict[str, Any]:
    """Return the content of ``agreement.json``: plain JSON types only."""
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE,
        "made_at": found.made_at,
        "bonescan_version": __version__,
        "a": str(found.a),
        "b": str(found.b),
        "studies": len(found.studies),
        "patients": _fourfold(found.patients),
        "patient_kappa": _interval(found.patient_kappa),
        "cells": {f"{view} {region}": _fourfold(c) for (view, region), c in found.cells.items()},
        "cell_kappa": _interval(found.cell_kappa),
        "lesions": dict(zip(("both", "only_a", "only_b"), _lesions(found), strict=True)),
        "lesion_kappa": _interval(found.lesion_kappa),
        "overlap_share": OVERLAP_SHARE,
        "dice": _interval(found.dice),
        "dice_pooled": _interval(found.dice_pooled),
        "index_pairs": [list(pair) for pair in found.indices],
        "index_limits": None if found.limits is None else asdict(found.limits),
        "problems": list(found.problems),
    }


def _interval(interval: Any) -> dict[str, Any] | None:
    return None if interval is None else asdict(interval)


def _fourfold(counted: FourFold) -> dict[str, Any]:
    return {**asdict(counted), "kappa": counted.kappa, "agreement": counted.agreement}


def _lesions(found: Agreement) -> tuple[int, ...]:
    return tuple(np.sum([study.lesion_counts for study in found.studies], axis=0).tolist())


# --- tables -------------------------------------------------------------------------------------


def study_table(found: Agreement) -> Table:
    """Return one row a study."""
    rows: list[tuple[Cell, ...]] = []
    for study in found.studies:
        a, b = study.a, study.b
        both, only_a, only_b = study.lesion_counts
        difference = None if a.index is None or b.index is None else b.index - a.index
        rows.append(
            (
                study.patient,
                a.study,
                b.study,
                len(a.lesions),
                len(b.lesions),
                both,
                only_a,
                only_b,
                *FourFold.of(list(study.cells.values())).counts,
                study.dice,
                a.index,
                b.index,
                difference,
            )
        )
    columns = (
        "patient", "study_a", "study_b", "lesions_a", "lesions_b", "lesions_both",
        "lesions_only_a", "lesions_only_b", "cells_both", "cells_only_a", "cells_only_b",
        "cells_neither", "dice", "index_a", "index_b", "index_difference",
    )  # fmt: skip
    return Table("Studies", columns, tuple(rows))


def lesion_table(found: Agreement) -> Table:
    """Return one row a lesion of A, of B, or of both."""
    columns = (
        "patient", "study_a", "view", "number_a", "number_b", "region_a", "region_b", "overlap",
    )  # fmt: skip
    rows = tuple(
        (
            study.patient,
            study.a.study,
            item.view,
            item.a,
            item.b,
            item.region_a,
            item.region_b,
            item.overlap,
        )
        for study in found.studies
        for item in study.lesions
    )
    return Table("Lesions", columns, rows)


def cell_table(found: Agreement) -> Table:
    """Return one row a cell: a region in a view."""
    rows = tuple(
        (view, region.replace("_", " "), *counted.counts, counted.kappa)
        for (view, region), counted in found.cells.items()
    )
    columns = ("view", "region", "both", "only A", "only B", "neither", "kappa")
    return Table("Cells: studies by region and view", columns, rows)


# --- text ---------------------------------------------------------------------------------------


def summary_text(found: Agreement) -> str:
    """Return the findings as Markdown."""
    patients = sum(found.patients.counts)
    both, only_a, only_b = _lesions(found)
    lines = [
        "# Agreement of two raters",
        "",
        RESEARCH_USE,
        "",
        f"- A: {found.a}",
        f"- B: {found.b}",
        f"- In common: {len(found.studies)} scans of {patients} patients, told by their pixels.",
        "",
        "| | both | only A | only B | neither | kappa or Dice (95 % interval) |",
        "|---|---:|---:|---:|---:|---:|",
        _row("Patients with any lesion", found.patients, interval_text(found.patient_kappa)),
        _row(
            "Cells with a lesion (region in a view)", _all(found), interval_text(found.cell_kappa)
        ),
        f"| Lesions, free response | {both} | {only_a} | {only_b} | – "
        f"| {interval_text(found.lesion_kappa)} |",
        f"| Dice of the masks, mean over studies | | | | | {interval_text(found.dice)} |",
        f"| Dice of the masks, all pixels together | | | | | {interval_text(found.dice_pooled)} |",
        "",
        *_remarks(found),
        KAPPA_NOTE,
        "",
        "## Bone scan index",
        "",
        *_index(found),
        "",
        cell_table(found).markdown(),
    ]
    if found.problems:
        lines += ["## Left out", "", *(f"- {problem}" for problem in found.problems)]
    return "\n".join(lines) + "\n"


def _all(found: Agreement) -> FourFold:
    counts = np.array([counted.counts for counted in found.cells.values()] or [(0, 0, 0, 0)])
    return FourFold(*counts.sum(axis=0).tolist())


def _row(name: str, counted: FourFold, figure: str) -> str:
    return f"| {name} | {' | '.join(str(count) for count in counted.counts)} | {figure} |"


def _remarks(found: Agreement) -> list[str]:
    said = ["Intervals come from drawing patients anew."]
    empty = sum(study.dice is None for study in found.studies)
    if empty:
        said.append(f"{empty} studies in which neither marks anything have no Dice.")
    if found.patient_kappa is None:
        said.append("Both say the same of every patient, so that kappa is not defined.")
    bare = sum(not study.cells for study in found.studies)
    if bare:
        said.append(f"{bare} studies without a skeleton in either judgement have no cells.")
    return [" ".join(said), ""]


def _index(found: Agreement) -> list[str]:
    limits, pairs = found.limits, len(found.indices)
    without = len(found.studies) - pairs
    missing = f" {without} studies without an index by both are left out." if without else ""
    if limits is None:
        return [f"{pairs} pairs of indices are too few for limits of agreement.{missing}"]
    slope = (
        ""
        if limits.slope is None
        else " Limits take the difference as alike for small and large indices; here it changes "
        f"by {limits.slope:.2f} for each percent point."
    )
    patients = len({study.patient for study in found.studies})
    several = (
        " Some patients have several studies; the intervals take studies as independent."
        if patients < len(found.studies)
        else ""
    )
    return [
        f"Whole skeleton, B - A, {pairs} studies: bias {_pm(limits.bias, limits.bias_half)}, 95 % "
        f"limits of agreement {_pm(limits.low, limits.limit_half)} and "
        f"{_pm(limits.high, limits.limit_half)} percent points (Bland and Altman 1999; in brackets "
        f"95 % intervals, Student's t).{slope} Repeat scans of one patient differ within ± "
        f"{REPEATABILITY_BAND:g}.{missing}{several}",
        "",
        f"![Bland-Altman plot]({PLOT})",
    ]


def _pm(value: float, half: float) -> str:
    return f"{value:.2f} ({value - half:.2f} to {value + half:.2f})"
