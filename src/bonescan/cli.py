"""The command line: parse, call, print. Each command imports its stage when it runs."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from bonescan import RESEARCH_USE
from bonescan.console import complain, print_reading, progress

if TYPE_CHECKING:
    from bonescan.privacy import Pseudonyms

app = typer.Typer(
    name="bonescan",
    help=f"Open, offline reading of planar whole-body bone scans. {RESEARCH_USE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Said of an option or argument without content.
_EMPTY = "is empty; give a value, or leave it out"

#: Exit code after Ctrl-C.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; an error that the user can act on is one line and exit code 2."""
    from bonescan.errors import BonescanError

    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name need not be text: show it anyway
        sys.stdout.reconfigure(errors="backslashreplace")
    _refuse_empty(sys.argv[1:])
    try:
        code = app(prog_name="bonescan", standalone_mode=False)
    except BonescanError as error:
        _fail(str(error))
    except OSError as error:
        where = error.filename or "input or output"
        _fail(f"{where}: {error.strerror or error}; check the path, its rights and the disk")
    except Exception as error:
        _fail_call(error)
    if code == _INTERRUPTED:
        _fail("interrupted; start the same command again to go on", code=_INTERRUPTED)
    sys.exit(code)


def _refuse_empty(words: Sequence[str]) -> None:
    """End a call with an empty word: as a path it would mean the folder that one happens to be in.

    A shell makes one of a variable that is not set: ``--model "$MODEL"``.
    """
    for before, word in pairwise(("", *words)):
        if not word.strip():
            _fail(f"{before if before.startswith('-') else 'an argument'}: {_EMPTY}")
        if word.startswith("--") and word.endswith("="):
            _fail(f"{word[:-1]}: {_EMPTY}")


def _fail_call(error: Exception) -> NoReturn:
    """End after a call that the parser refuses; anything else is our own error and goes on."""
    message = getattr(error, "format_message", None)
    if message is None:
        raise error
    if "\n" in message():  # the help, where no command was given
        error.show()  # type: ignore[attr-defined]
        sys.exit(2)
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "bonescan"
    _fail(f"{message().rstrip('.')}; see {command} --help")


def _fail(message: str, code: int = 2) -> NoReturn:
    complain([message])
    sys.exit(code)


def _show_version(wanted: bool) -> None:
    if wanted:
        from bonescan import __version__

        print(f"bonescan {__version__}. {RESEARCH_USE}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


# --- reading ------------------------------------------------------------------------------------

Paths = Annotated[
    list[Path],
    # What cannot be read is one failure among the others, not a wrong call.
    typer.Argument(metavar="PATH", readable=False, help="DICOM files, folders, zips or pictures."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes to use.")]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="Where: this machine, or Ray (the cluster in RAY_ADDRESS, or one of its own)."
    ),
]
Anonymize = Annotated[
    bool,
    typer.Option("--anonymize", help="Write and say nothing that tells who the patient is."),
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Key of the pseudonyms; made if there is none. The same key gives the same "
        "pseudonyms; without one they are of this call alone.",
    ),
]


@app.command()
def read(
    paths: Paths,
    out: Annotated[Path, typer.Option(help="Folder for the results, one folder a study.")],
    model: Annotated[
        Path | None,
        typer.Option(help="Model package; the shipped one without it."),
    ] = None,
    marks: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Marks of a reader in place of the model's, for one study: an edited seg.dcm, "
            "or, for each view, a Labelme file or a PNG mask. May be given twice.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Table of bone weights for the index (TOML); Spiers 1968 without it."),
    ] = None,
    seg_regions: Annotated[
        bool,
        typer.Option("--seg-regions", help="Put the skeletal regions into seg.dcm, too."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Studies at a time: 1 without it; on Ray, what there is room for."
        ),
    ] = None,
    engine: Engine = "local",
    anonymize: Anonymize = False,
    key: Key = None,
) -> None:
    """Read bone scans: metastasis masks, lesion list and a draft report for each study."""
    from rich.console import Console

    from bonescan import pipeline
    from bonescan.errors import BadSettings, BonescanError
    from bonescan.ingest import find_studies
    from bonescan.ingest.marks import split_view
    from bonescan.package import Package
    from bonescan.predict import SHIPPED_MODEL
    from bonescan.privacy import cover_inputs, covering
    from bonescan.quantify.weights import load_weights

    package = Package.load(model or SHIPPED_MODEL)
    bone_weights = load_weights(weights) if weights else None
    _check_folder(out)
    pseudonyms = _pseudonyms(anonymize, key, out)
    named = [*paths, *(split_view(path)[0] for path in marks or ())]
    cover = cover_inputs(named) if pseudonyms else None
    options = pipeline.ReadOptions(tuple(marks or ()), bone_weights, seg_regions, pseudonyms)
    console = Console(soft_wrap=True)
    with covering(cover), find_studies(paths) as found:
        failures = [failure.reason for failure in found.failures]
        if marks and len(found.studies) > 1:
            raise BadSettings(
                f"{paths[0]}: holds {len(found.studies)} studies; --marks goes with one study"
            )
        results = pipeline.read_all(
            found.studies, package, out, workers=workers, engine=engine, options=options
        )
        for result in results:
            if isinstance(result, BonescanError):
                failures.append(str(result))
            else:
                print_reading(console, result, out / result.study)
    if not found.studies and not failures:
        failures.append(f"{paths[0]}: holds no DICOM file and no picture; name another path")
    if cover is not None:
        failures = [cover.line(failure) for failure in failures]
    complain(failures)
    console.print(RESEARCH_USE)
    raise typer.Exit(1 if failures else 0)


def _pseudonyms(anonymize: bool, key: Path | None, out: Path) -> Pseudonyms | None:
    """Return the pseudonyms to write under; None to write what the source says."""
    from bonescan.errors import BadSettings
    from bonescan.privacy import Pseudonyms, load_key

    if not anonymize:
        if key is not None:
            raise BadSettings("--key: makes pseudonyms, which nothing asks for; add --anonymize")
        return None
    return Pseudonyms.once() if key is None else load_key(key, out)


def _check_folder(out: Path) -> None:
    """Refuse a folder for results that is a file, or lies below one, before any work is done."""
    from bonescan.errors import BadSettings

    nearest = next((path for path in (out, *out.absolute().parents) if path.exists()), out)
    if nearest.exists() and not nearest.is_dir():
        raise BadSettings(f"{nearest}: is a file where results should go; name a folder")


@app.command()
def inspect(
    paths: Paths,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Tell what a file or folder holds: views, counts, speed, spacing, quality flags."""
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bonescan.errors import BonescanError
    from bonescan.ingest import find_studies, inspect_study

    failures: list[str] = []
    reports = []
    with find_studies(paths) as found:
        failures += [failure.reason for failure in found.failures]
        skipped = [item.reason for item in found.skipped]
        for study in found.studies:
            try:
                reports.append(inspect_study(study))
            except BonescanError as error:
                failures.append(str(error))
    if as_json:
        print(json.dumps([report.to_json() for report in reports], indent=2))
    else:
        console = Console(soft_wrap=True)
        for report in reports:
            table = Table(title=Text(report.study), show_header=False)
            for name, value in report.rows():
                table.add_row(name, Text(value))
            console.print(table)
        for reason in skipped:
            console.print(f"passed over: {reason}", markup=False)
    complain(failures)
    raise typer.Exit(1 if failures else 0)


@app.command()
def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="EARLIER LATER [MORE]...",
            help="Result folders of `bonescan read`, or scans, in the order of time.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the comparison.")],
    model: Annotated[
        Path | None, typer.Option(help="Model package for scans; the shipped one without it.")
    ] = None,
    different_patients: Annotated[
        bool,
        typer.Option("--different-patients", help="Compare although the identities differ."),
    ] = False,
    anonymize: Anonymize = False,
    key: Key = None,
) -> None:
    """Follow up one patient: lesions new, gone, grown or faded, and the change of the index."""
    from bonescan import pipeline
    from bonescan.console import print_followup
    from bonescan.package import Package
    from bonescan.predict import SHIPPED_MODEL
    from bonescan.privacy import cover_inputs, covering

    _check_folder(out)
    package = Package.load(model or SHIPPED_MODEL)
    pseudonyms = _pseudonyms(anonymize, key, out)
    with covering(cover_inputs(paths) if pseudonyms else None):
        followup = pipeline.compare(
            paths,
            package,
            out,
            different_patients=different_patients,
            pseudonyms=pseudonyms,
        )
    print_followup(followup)
    print(f"page: {out / 'compare.html'}\n{RESEARCH_USE}")


@app.command()
def send(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...", help="What `bonescan read` wrote: its --out, or one study."
        ),
    ],
    to: Annotated[str, typer.Option(metavar="TITLE@HOST:PORT", help="The archive (PACS).")],
    own_title: Annotated[
        str, typer.Option("--from", metavar="TITLE", help="Our application entity title.")
    ] = "BONESCAN",
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds that the archive gets for each answer.")
    ] = 30,
) -> None:
    """Send DICOM objects of results to an archive by C-STORE, each once."""
    from bonescan import pacs
    from bonescan.errors import BonescanError

    archive = pacs.parse_archive(to, own_title=own_title, timeout_s=timeout)
    failures: list[str] = []
    for folder in pacs.find_results(paths):
        try:
            delivery = pacs.send_result(folder, archive)
        except BonescanError as error:
            failures.append(str(error))
            continue
        failures += delivery.problems
        known = f", {len(delivery.known)} were there already" if delivery.known else ""
        print(f"{folder}: {len(delivery.sent)} sent to {archive}{known}")
    complain(failures)
    print(RESEARCH_USE)
    raise typer.Exit(1 if failures else 0)


# --- training data ------------------------------------------------------------------------------

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT.toml", help="Experiment file (TOML).")
]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="A.B=C", help="Override a setting of every run.")
]
Scale = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="SETTINGS.toml",
        help="Settings laid over every run, before --set: a scale, for instance.",
    ),
]


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

    _check_folder(folder)
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

    _check_folder(out)
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


# --- training and evaluation --------------------------------------------------------------------


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

    _check_folder(out)
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
        package = export_run(run, out, name=name, threshold=threshold)
    else:
        with progress("calibrating") as report:
            package, remarks = export_calibrated(
                run,
                out,
                cohort,
                name=name,
                threshold=threshold,
                most_false=false_marks,
                progress=report,
            )
        for remark in remarks:
            print(remark)
    print(f"{out}: {package.card.name} {package.card.version}, sha256 {package.card.sha256}")
