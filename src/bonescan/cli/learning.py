"""Commands of a researcher: from patients to canvases, runs, tables and a model package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bonescan import RESEARCH_USE
from bonescan.cli.app import app
from bonescan.cli.options import (
    Engine,
    ExperimentFile,
    Overrides,
    Scale,
    Workers,
    check_folder,
)
from bonescan.console import complain, progress


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder for the cohort.")],
    patients: Annotated[
        int | None,
        typer.Option(min=1, help="How many; the preset `paper` has its own number."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same patients.")] = 0,
    preset: Annotated[
        Literal["screening", "paper", "followup", "elsewhere"], typer.Option(help="Kind of cohort.")
    ] = "screening",
    workers: Workers = 1,
    pictures: Annotated[
        bool,
        typer.Option("--pictures", help="8-bit picture pairs in place of DICOM."),
    ] = False,
) -> None:
    """Simulate patients: DICOM, Labelme marks, truth and cohort.csv."""
    from bonescan.simulate import write_cohort

    check_folder(folder)
    with progress("simulating") as report:
        failures = write_cohort(
            folder,
            patients,
            seed,
            preset=preset,
            pictures=pictures,
            workers=workers,
            progress=report,
        )
    complain(failures)
    print(f"{folder}: simulated cohort (no real patients). {RESEARCH_USE}")
    raise typer.Exit(1 if failures else 0)


@app.command()
def prepare(
    cohorts: Annotated[
        list[Path],
        typer.Argument(
            metavar="COHORT...", help="Folder with cohort.csv, or the file itself; one a centre."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for canvases, labels and picture sheets.")],
    experiment: Annotated[
        Path | None,
        typer.Option(
            help="Experiment file whose canvas is used; the paper's canvas without it. Where its "
            "runs have several, each gets a folder in OUT."
        ),
    ] = None,
    settings: Scale = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    workers: Workers = 1,
) -> None:
    """Turn DICOM and Labelme marks into canvases and labels, with sheets to look at."""
    from bonescan.config import Settings
    from bonescan.errors import BadSettings
    from bonescan.experiment import load_experiment
    from bonescan.prepare import folders_of, prepare_cohort

    check_folder(out)
    runs = {"": Settings()}
    if experiment is not None:
        runs = load_experiment(experiment, overrides, settings).runs
    elif settings is not None or overrides:
        raise BadSettings("--settings and --set: go with an experiment; add --experiment")
    failures: dict[str, None] = {}  # what fails on one canvas mostly fails on all, and is said once
    folders = folders_of(out, runs)
    for folder, chosen in folders.items():
        with progress(f"preparing {folder.name}" if len(folders) > 1 else "preparing") as report:
            failed = prepare_cohort(
                cohorts,
                folder,
                chosen.canvas,
                labels=chosen.labels,
                workers=workers,
                progress=report,
            )
        failures |= dict.fromkeys(failed)
    complain(list(failures))
    for sheets in (folder / "sheets" for folder in folders):
        if sheets.is_dir():
            print(f"look at {sheets} before you train on {out}")
    raise typer.Exit(1 if failures else 0)


@app.command()
def train(
    experiment: ExperimentFile,
    data: Annotated[Path, typer.Option(help="Folder made by `bonescan prepare`.")],
    runs: Annotated[Path, typer.Option(help="Folder for the run folders.")],
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None,
    fold: Annotated[
        int | None,
        typer.Option(min=0, help="Only this fold, counted from 0."),
    ] = None,
    settings: Scale = None,
    overrides: Overrides = [],  # noqa: B006
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only the I-th of N equal parts, counted from 1."),
    ] = None,
    engine: Engine = "local",
) -> None:
    """Train the runs and folds of an experiment; start it again and it goes on."""
    from bonescan.errors import FoldsFailed
    from bonescan.experiment import load_experiment
    from bonescan.train import run_experiment

    loaded = load_experiment(experiment, overrides, settings)
    try:
        run_experiment(loaded, data, runs, run=run, fold=fold, shard=shard, engine=engine)
    except FoldsFailed as error:
        complain(error.reasons)
        raise typer.Exit(1) from None


@app.command()
def search(
    experiment: ExperimentFile,
    data: Annotated[Path, typer.Option(help="Folder made by `bonescan prepare`.")],
    runs: Annotated[Path, typer.Option(help="Folder for the run folders.")],
    over: Annotated[
        list[str],
        typer.Option(
            metavar="A.B=RANGE",
            help="A setting and what it may be: log(1e-4,1e-2), uniform(0,1), int(2,8) or "
            "choice(x,y). Repeat it.",
        ),
    ],
    trials: Annotated[int, typer.Option(min=1, help="How many settings to try, all in all.")] = 20,
    run: Annotated[
        str | None, typer.Option(help="The run to improve; may be left out where there is one.")
    ] = None,
    fold: Annotated[int, typer.Option(min=0, help="Its validation patients judge.")] = 0,
    settings: Scale = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Search settings that are best on the validation patients of a fold; needs bonescan[search].

    Test patients are never predicted. Start it again and it goes on; the best settings are written
    to best.toml for `bonescan train --settings`.
    """
    from bonescan.train.search import search_settings

    found = search_settings(
        experiment,
        data,
        runs,
        over,
        trials=trials,
        run=run,
        fold=fold,
        settings=settings,
        overrides=overrides,
    )
    print(found)


@app.command()
def evaluate(
    experiments: Annotated[
        list[Path] | None,
        typer.Argument(help="Experiment files whose runs are evaluated."),
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder of the run folders.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for tables and plots.")] = Path("evaluation"),
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data that the runs were trained on: tells what lies beneath false marks, where "
            "it is simulated."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Model package to validate; the shipped one without it."),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(help="Annotated cohort to validate the package on."),
    ] = None,
    agreement: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B",
            help="Two raters: each a folder of results of `bonescan read`, or a cohort with "
            "Labelme marks.",
        ),
    ] = None,
    settings: Scale = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Evaluate experiments (never trains), validate a model package, or compare two raters."""
    from bonescan.errors import BadSettings

    check_folder(out)
    if data is not None and not experiments:
        raise BadSettings("--data: goes with experiment files and --runs; add them")
    if agreement is not None:
        if experiments or runs or cohort:
            raise BadSettings("give --agreement A B without experiment files, --runs and --cohort")
        _agree(agreement, model, out)
    elif cohort is not None:
        if experiments or runs:
            raise BadSettings("give either experiment files with --runs, or --cohort; not both")
        _validate(model, cohort, out)
    elif experiments and runs is not None:
        from bonescan.evaluate.tables import evaluate_experiments
        from bonescan.experiment import load_experiment

        loaded = [load_experiment(path, overrides, settings) for path in experiments]
        print(evaluate_experiments(loaded, runs, out, data))
    else:
        raise BadSettings("give experiment files with --runs, --cohort, or --agreement A B")


def _agree(raters: tuple[Path, Path], model: Path | None, out: Path) -> None:
    from bonescan.evaluate.agreement import measure_agreement
    from bonescan.package import Package
    from bonescan.predict import SHIPPED_MODEL

    with progress("comparing") as report:
        found = measure_agreement(
            *raters, Package.load(model or SHIPPED_MODEL), out, progress=report
        )
    print(found)
    complain(found.problems)
    raise typer.Exit(1 if found.problems else 0)


def _validate(model: Path | None, cohort: Path, out: Path) -> None:
    from bonescan.evaluate.validation import validate_package
    from bonescan.package import Package
    from bonescan.predict import SHIPPED_MODEL

    with progress("validating") as report:
        summary = validate_package(
            Package.load(model or SHIPPED_MODEL), cohort, out, progress=report
        )
    print(summary)
    complain(summary.problems)
    raise typer.Exit(1 if summary.problems else 0)


@app.command()
def show(
    experiment: ExperimentFile,
    settings: Scale = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Print the settings of every run as resolved."""
    import json

    from bonescan.experiment import load_experiment

    loaded = load_experiment(experiment, overrides, settings)
    resolved = {name: own.model_dump(mode="json") for name, own in loaded.runs.items()}
    print(json.dumps({"title": loaded.title, "paper": loaded.paper, "runs": resolved}, indent=2))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Finished run folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the model package.")],
    name: Annotated[str | None, typer.Option(help="Name of the model on its card.")] = None,
    version: Annotated[str, typer.Option(help="Version of the model on its card.")] = "1",
    false_marks: Annotated[
        float, typer.Option(help="False marks a validation patient that the threshold may cost.")
    ] = 1.0,
    cohort: Annotated[
        list[Path] | None,
        typer.Option(
            help="What the run's data was prepared from; calibrates on its validation patients. "
            "Repeat it to add patients that the run does not know."
        ),
    ] = None,
) -> None:
    """Turn a trained run into a model package that `bonescan read --model` takes.

    With --cohort, lesions and patients get calibrated probabilities.
    """
    from bonescan.evaluate.calibrating import export_calibrated
    from bonescan.evaluate.operating import lesion_threshold
    from bonescan.train.export import export_run

    threshold = lesion_threshold(run, most_false=false_marks)
    if not cohort:
        package = export_run(run, out, name=name, version=version, threshold=threshold)
    else:
        with progress("calibrating") as report:
            package, remarks = export_calibrated(
                run,
                out,
                cohort,
                name=name,
                version=version,
                threshold=threshold,
                most_false=false_marks,
                progress=report,
            )
        for remark in remarks:
            print(remark)
    print(f"{out}: {package.card.name} {package.card.version}, sha256 {package.card.sha256}")
