"""Commands of a reader: read, inspect, compare, send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bonescan import RESEARCH_USE
from bonescan.cli.app import app
from bonescan.cli.options import Engine, check_folder
from bonescan.console import complain, print_reading

if TYPE_CHECKING:
    from bonescan.privacy import Pseudonyms


Paths = Annotated[
    list[Path],
    # What cannot be read is one failure among the others, not a wrong call.
    typer.Argument(metavar="PATH", readable=False, help="DICOM files, folders, zips or pictures."),
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
    check_folder(out)
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

    check_folder(out)
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
    tls: Annotated[
        bool, typer.Option("--tls", help="Encrypt; each --tls-... option does so, too.")
    ] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Authority to trust; those of the system without it."),
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Our certificate, where it asks for one.")
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Its private key, where it is a file of its own."),
    ] = None,
    tls_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name in the archive's certificate, if not its HOST."),
    ] = None,
) -> None:
    """Send DICOM objects of results to an archive by C-STORE, each once."""
    from bonescan import pacs
    from bonescan.errors import BonescanError

    secured = None
    if tls or tls_ca or tls_certificate or tls_key or tls_name:
        secured = pacs.open_tls(
            authority=tls_ca, certificate=tls_certificate, key=tls_key, name=tls_name
        )
    archive = pacs.parse_archive(to, own_title=own_title, timeout_s=timeout, tls=secured)
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
