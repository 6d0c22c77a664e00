"""Tables of an experiment's finished folds, beside the printed ones: CSV, Markdown, LaTeX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bonescan import RESEARCH_USE, __version__
from bonescan.errors import BadInput
from bonescan.evaluate.areas import AREAS, WHOLE
from bonescan.evaluate.averages import averages, percent, ratios, rounded
from bonescan.evaluate.comparisons import arm_table, arms_of, difference_table
from bonescan.evaluate.detail import write_curves, write_errors
from bonescan.evaluate.fold_plot import draw_folds
from bonescan.evaluate.folds import CaseScore, FoldScores, finished_folds
from bonescan.evaluate.lesion_table import lesion_table
from bonescan.evaluate.overlays import write_sheet
from bonescan.evaluate.patient_differences import patient_difference_table
from bonescan.evaluate.patient_table import patient_table
from bonescan.evaluate.result_figures import draw_masks, draw_results
from bonescan.evaluate.run_errors import KnownData, run_errors
from bonescan.evaluate.skeletons import region_scores, region_table
from bonescan.evaluate.table import Cell, Table, footer, write_table
from bonescan.experiment import Experiment, Printed
from bonescan.files import write_whole
from bonescan.measures.pixels import mean_of
from bonescan.measures.statistics import paired_difference
from bonescan.train.folder import RunFolder, write_text
from bonescan.train.predictions import Predictions

Folds = dict[str, tuple[FoldScores, ...]]
#: Tables of an experiment that its summary shows.
SHOWN = ("summary", "areas", "lesions", "froc", "patients", "regions", "comparisons", "false_marks")


def evaluate_experiments(
    experiments: Sequence[Experiment], runs: Path, out: Path, data: Path | None = None
) -> str:
    """Write the tables of experiments into a folder, and return the summary as Markdown.

    Parameters
    ----------
    experiments : sequence of Experiment
    runs : Path
        Folder of the run folders; only finished folds count.
    out : Path
        Receives, for each experiment, the tables ``<name>_summary``, ``_areas``, ``_lesions``,
        ``_froc``, ``_patients``, ``_regions``, ``_comparisons``, ``_folds``, ``_missed`` and
        ``_false_marks``, as far as its runs know of them, as ``.csv``, ``.md`` and ``.tex``,
        ``<name>_cases.csv`` and ``_boxes.csv`` (of every lesion and mark), a picture of each fold's
        test cases, ``<name>_<run>_fold<k>.png``, the pictures ``<name>_folds.png``,
        ``_results.png``, ``_masks.png``, ``_curves.png``, ``_errors.png``, and ``about.json``. With
        several experiments, or one that names comparisons, also ``all_arms`` and
        ``all_differences``, see
        `bonescan.evaluate.comparisons`, and ``all_patient_differences``, see
        `bonescan.evaluate.patient_differences`.
    data : Path, optional
        What the runs were trained on. Where it tells what lies beneath false marks, as simulated
        cohorts do, there is a table of that.

    Raises
    ------
    BadInput
        If no fold of an experiment is finished, a run folder is not whole, or was trained on other
        data.
    """
    known = KnownData(data)
    shown_text = []
    scored = []
    for experiment in experiments:
        folds = {name: finished_folds(experiment, runs, name) for name in experiment.runs}
        if experiment.floor is not None:
            folds[experiment.floor] = finished_folds(experiment, runs, experiment.floor)
        if not any(folds.values()):
            raise BadInput(
                f"{runs / experiment.name}: holds no finished fold; train {experiment.source} "
                "with these settings first"
            )
        marking = {run: own for run, own in folds.items() if _marks_metastasis(experiment, run)}
        tables = {**_pixel_tables(experiment, marking), **_whole_tables(experiment, folds, runs)}
        for kind, table in tables.items():
            write_table(table, out / f"{experiment.name}_{kind}")
        if any(marking.values()):
            scored.append((experiment, marking))
            cases = case_table(experiment, marking)
            write_text(out / f"{experiment.name}_cases.csv", cases.csv())
            _write_sheets(experiment, marking, runs, out)
            _write_figures(experiment, marking, runs, out)
            errors = {
                run: run_errors(experiment, runs, run, known) for run, own in marking.items() if own
            }
            tables |= write_errors(experiment, errors, out)
            tables |= write_curves(experiment, marking, runs, out)
        by_region = any(own.region is not None for own in experiment.printed.values())
        shown_text += [
            tables[kind].markdown()
            for kind in SHOWN
            if kind in tables and tables[kind].rows and (kind != "areas" or by_region)
        ]
        shown_text += _warnings(experiment, folds)
    if len(scored) > 1 or any(experiment.compare for experiment, _ in scored):
        arms = arms_of(scored)
        for name, table in (
            ("arms", arm_table(arms)),
            ("differences", difference_table(arms)),
            ("patient_differences", patient_difference_table(arms)),
        ):
            if table.rows:
                write_table(table, out / f"all_{name}")
                shown_text.append(table.markdown())
    write_text(out / "about.json", _about(experiments, runs))
    return "\n".join([*shown_text, footer()])


def _marks_metastasis(experiment: Experiment, run: str) -> bool:
    """Whether a run, or the floor, marks pixels of metastasis; else it knows bones or patients."""
    settings = experiment.runs.get(run)
    return settings is None or settings.mask.kind not in ("patient", "skeleton")


def _is_skeleton(experiment: Experiment, run: str) -> bool:
    return run in experiment.runs and experiment.runs[run].mask.kind == "skeleton"


def _pixel_tables(experiment: Experiment, folds: Folds) -> dict[str, Table]:
    """Return the tables of runs that mark metastasis, by the end of their files' names."""
    if not any(folds.values()):
        return {}
    return {
        "summary": summary_table(experiment, folds),
        "areas": area_table(experiment, folds),
        "lesions": lesion_table(experiment, folds),
        "comparisons": comparison_table(experiment, folds),
        "folds": fold_table(experiment, folds),
    }


def _whole_tables(experiment: Experiment, folds: Folds, runs: Path) -> dict[str, Table]:
    """Return the tables of patients and of bones, where runs know of them."""
    tables = {}
    called = {run: own for run, own in folds.items() if not _is_skeleton(experiment, run)}
    if any(called.values()):
        tables["patients"] = patient_table(experiment, called)
    own = [run for run in experiment.runs if folds[run]]
    regions = {run: found for run in own if (found := region_scores(experiment, runs, run))}
    if regions:
        tables["regions"] = region_table(experiment, regions)
    return tables


def summary_table(experiment: Experiment, folds: Folds) -> Table:
    """Pixel scores of every run in the four averages, and the printed figures.

    ``F1 of the means`` is what the paper prints as its mean: the F1 of the mean precision and the
    mean sensitivity over folds. ``mean over folds`` averages each fold's own scores, ``pooled over
    patients`` adds up all pixels, ``mean over patients`` averages each patient's own scores. A fold
    or a patient where nothing is marked has no precision and is left out of the mean of precisions.
    """
    rows: list[tuple[Cell, ...]] = []
    for run, scores in folds.items():
        if scores:
            rows += [(run, *row) for row in averages(scores)]
        if run in experiment.printed:
            rows.append((run, *_printed_row(experiment.printed[run])))
    return Table(
        f"{experiment.title}: pixels of metastasis, percent",
        ("run", "average", "folds", "precision", "sensitivity", "F1", "IoU"),
        tuple(rows),
    )


def area_table(experiment: Experiment, folds: Folds) -> Table:
    """Pixel scores of every run in each area of the body, as the paper's Table 8 lists them."""
    rows: list[tuple[Cell, ...]] = []
    for run, scores in folds.items():
        for area in (WHOLE, *AREAS) if scores else ():
            rows += [(run, area, *row) for row in averages(scores, None if area == WHOLE else area)]
        printed = experiment.printed.get(run)
        if printed is not None:
            region = printed.region or WHOLE
            rows.append((run, region, "printed", *_printed_row(printed)[1:]))
    return Table(
        f"{experiment.title}: areas of the body, pixels of metastasis, percent",
        ("run", "area", "average", "folds", "precision", "sensitivity", "F1", "IoU"),
        tuple(rows),
    )


def comparison_table(experiment: Experiment, folds: Folds) -> Table:
    """Differences of the fold F1 between the runs, paired over the folds that both finished."""
    rows: list[tuple[Cell, ...]] = []
    names = [name for name, scores in folds.items() if scores]
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            row = _compare(folds[first], folds[second])
            if row is not None:
                rows.append((f"{second} - {first}", *row))
    return Table(
        f"{experiment.title}: difference of the fold F1, points",
        (
            "runs",
            "folds",
            "mean",
            "low",
            "high",
            "corrected low",
            "corrected high",
            "folds in favour",
        ),
        tuple(rows),
    )


def fold_table(experiment: Experiment, folds: Folds) -> Table:
    """Every finished fold."""
    rows = [
        (
            run,
            fold.label,
            len({case.patient for case in fold.test}),
            *percent(*ratios(fold.pixels)),
            fold.pixels.tp,
            fold.pixels.fp,
            fold.pixels.fn,
            fold.chosen_epoch,
            "yes" if fold.collapsed else "no",
        )
        for run, scores in folds.items()
        for fold in scores
    ]
    counts = ("TP", "FP", "FN", "epoch", "collapsed")
    return Table(
        f"{experiment.title}: folds, pixels of metastasis in percent",
        ("run", "fold", "patients", "precision", "sensitivity", "F1", "IoU", *counts),
        tuple(rows),
    )


def case_table(experiment: Experiment, folds: Folds) -> Table:
    """Every test case and every case without metastasis, of every finished fold."""
    rows = [
        (run, fold.label, part, *_case_row(case))
        for run, scores in folds.items()
        for fold in scores
        for part, cases in (("test", fold.test), ("healthy", fold.healthy))
        for case in cases
    ]
    scores_of = ("TP", "FP", "FN", "precision", "sensitivity", "F1", "IoU")
    lesions_of = ("lesions", "hit", "marks", "false marks")
    return Table(
        f"{experiment.title}: cases",
        ("run", "fold", "part", "study", "patient", "set", *scores_of, *lesions_of),
        tuple(rows),
    )


def _write_sheets(experiment: Experiment, folds: Folds, runs: Path, out: Path) -> None:
    for run in experiment.runs:
        for fold in folds.get(run, ()):
            folder = RunFolder.of(runs, experiment, run, fold.fold)
            test = Predictions.load(folder.predictions).of_part("test")
            title = f"{experiment.name}, {run}, fold {fold.label}: test patients"
            write_sheet(test, title, out / f"{experiment.name}_{run}_fold{fold.fold}.png")


def _write_figures(experiment: Experiment, folds: Folds, runs: Path, out: Path) -> None:
    """Write the plot of the folds, patients with their scores, and the classes."""
    write_whole(out / f"{experiment.name}_folds.png", draw_folds(experiment, folds))
    names = [run for run in experiment.runs if folds.get(run)]
    for kind, picture in (
        ("results", draw_results(experiment, names, runs)),
        ("masks", draw_masks(experiment, runs)),
    ):
        if picture is not None:
            write_whole(out / f"{experiment.name}_{kind}.png", picture)


def _case_row(case: CaseScore) -> tuple[Cell, ...]:
    pixels, lesions = case.pixels, case.lesions
    return (
        case.study,
        case.patient,
        case.set,
        pixels.tp,
        pixels.fp,
        pixels.fn,
        *percent(*ratios(pixels)),
        lesions.lesions,
        lesions.hits,
        lesions.marks,
        lesions.false_marks,
    )


def _compare(first: Sequence[FoldScores], second: Sequence[FoldScores]) -> tuple[Cell, ...] | None:
    a = {fold.fold: fold for fold in second}
    b = {fold.fold: fold for fold in first}
    common = sorted(k for k in set(a) & set(b) if a[k].tested == b[k].tested)
    values = [(100 * (a[k].pixels.f1 or 0.0), 100 * (b[k].pixels.f1 or 0.0)) for k in common]
    tested = mean_of(len(b[k].tested) for k in common)
    trained = mean_of(b[k].training_patients for k in common)
    if not tested or not trained:
        return None
    found = paired_difference(
        [one for one, _ in values], [two for _, two in values], test_share=tested / trained
    )
    if found is None:
        return None
    ends = (found.mean, found.low, found.high, found.corrected_low, found.corrected_high)
    return (found.pairs, *(rounded(end) for end in ends), found.a_higher)


def _printed_row(printed: Printed) -> tuple[Cell, ...]:
    name = "printed" if printed.region is None else f"printed, {printed.region}"
    return (name, None, printed.precision, printed.sensitivity, printed.f1, printed.iou)


def _warnings(experiment: Experiment, folds: Folds) -> list[str]:
    lines = []
    for run, scores in folds.items():
        expected = experiment.folds
        if len(scores) < expected:
            lines.append(f"{run}: {len(scores)} of {expected} folds are finished.")
        fallen = [fold.label for fold in scores if fold.collapsed]
        if fallen:
            lines.append(f"{run}: collapsed to an empty prediction in fold {', '.join(fallen)}.")
    return [*lines, ""] if lines else []


def _about(experiments: Sequence[Experiment], runs: Path) -> str:
    tree = {
        "notice": RESEARCH_USE,
        "made_with": f"bonescan {__version__}",
        "runs": str(runs),
        "experiments": {
            experiment.name: {name: experiment.digest(name) for name in experiment.runs}
            for experiment in experiments
        },
    }
    return json.dumps(tree, indent=1) + "\n"
