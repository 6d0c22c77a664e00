"""What stands beside the tables of pixels: FROC, ROC, boxes and errors of an experiment's runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bonescan.evaluate.error_figure import draw_errors
from bonescan.evaluate.error_tables import false_mark_table, missed_table
from bonescan.evaluate.folds import FoldScores
from bonescan.evaluate.run_curves import (
    box_table,
    draw_curves,
    froc_table,
    lesion_curve,
    run_tests,
)
from bonescan.evaluate.run_errors import Analysed
from bonescan.evaluate.table import Cell, Table, write_table
from bonescan.experiment import Experiment
from bonescan.files import write_whole
from bonescan.train.folder import write_text


def write_curves(
    experiment: Experiment, folds: Mapping[str, tuple[FoldScores, ...]], runs: Path, out: Path
) -> dict[str, Table]:
    """Write FROC, ROC and the boxes of each run; return the FROC as a table, to be shown."""
    curves = {}
    boxes: tuple[tuple[Cell, ...], ...] = ()
    columns: tuple[str, ...] = ()
    for run in experiment.runs:
        if folds.get(run):
            tests = run_tests(experiment, runs, run)
            own = box_table(experiment, run, tests)
            columns, boxes = own.columns, (*boxes, *own.rows)
            curves[run] = lesion_curve(
                [test for _, test in tests], experiment.runs[run].canvas.reduce
            )
    title = f"{experiment.title}: boxes"
    write_text(out / f"{experiment.name}_boxes.csv", Table(title, columns, boxes).csv())
    picture = draw_curves(experiment, curves, folds)
    if picture is not None:
        write_whole(out / f"{experiment.name}_curves.png", picture)
    table = froc_table(experiment, curves)
    write_table(table, out / f"{experiment.name}_froc")
    return {"froc": table}


def write_errors(
    experiment: Experiment, errors: Mapping[str, Sequence[Analysed]], out: Path
) -> dict[str, Table]:
    """Write tables and picture of errors; return what lies beneath false marks, to be shown."""
    beneath = false_mark_table(experiment.title, errors)
    write_table(missed_table(experiment.title, errors), out / f"{experiment.name}_missed")
    if beneath is not None:
        write_table(beneath, out / f"{experiment.name}_false_marks")
    picture = draw_errors(experiment.title, errors)
    if picture is not None:
        write_whole(out / f"{experiment.name}_errors.png", picture)
    return {} if beneath is None else {"false_marks": beneath}
