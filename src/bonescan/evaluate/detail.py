"""What stands beside the tables of pixels: FROC, ROC, boxes and errors of an experiment's runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bonescan.evaluate.error_figure import draw_errors
from bonescan.evaluate.error_tables import false_mark_table, missed_table
from bonescan.evaluate.finished import finished
from bonescan.evaluate.folds import FoldScores
from bonescan.evaluate.run_curves import (
    BOX_COLUMNS,
    box_rows,
    draw_curves,
    floor_curve,
    froc_table,
    lesion_curve,
)
from bonescan.evaluate.run_errors import Analysed
from bonescan.evaluate.table import Cell, Table, write_table
from bonescan.experiment import Experiment
from bonescan.files import write_whole
from bonescan.train.folder import write_text


def write_curves(
    experiment: Experiment, folds: Mapping[str, tuple[FoldScores, ...]], runs: Path, out: Path
) -> dict[str, Table]:
    """Write FROC, ROC and boxes of each run and the floor; return the FROC as a table."""
    curves = {}
    boxes: list[tuple[Cell, ...]] = []
    for run in (run for run, own in folds.items() if own):
        tests = []
        for done in finished(experiment, runs, run):
            tests.append(done.predictions.of_part("test"))
            reduce = done.canvas.reduce
            boxes += box_rows(run, done.label, tests[-1], reduce)
        curve_of = lesion_curve if run in experiment.runs else floor_curve
        curves[run] = curve_of(tests, reduce)
    title = f"{experiment.title}: boxes"
    write_text(out / f"{experiment.name}_boxes.csv", Table(title, BOX_COLUMNS, tuple(boxes)).csv())
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
