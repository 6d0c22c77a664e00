"""The whole reading job: `read` for one study reads like the figure of the design."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from bonescan.errors import BadInput, BonescanError
from bonescan.ingest import Study, find_studies, load_study
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.quantify.followup import FollowUp, Visit, compare_visits
from bonescan.report import note_missing_objects, write_outputs
from bonescan.report.followup import write_followup
from bonescan.report.stored import is_result, load_results
from bonescan.scan import Reading


def read(study: Study, engine: Engine, out: Path) -> Reading:
    """Read one study and file its results.

    Parameters
    ----------
    study : Study
        Files that belong together, from `bonescan.ingest.find_studies`.
    engine : Engine
        A loaded model package.
    out : Path
        Folder that receives ``out/<study>/``; see the reference page of the outputs.

    Raises
    ------
    BadInput
        If the study cannot be read or is no whole-body bone scan; nothing is written then.
    """
    scan = load_study(study)
    reading = note_missing_objects(scan, read_scan(scan, engine))
    write_outputs(scan, reading, out / study.name)
    return reading


def read_all(
    studies: Sequence[Study], package: Package, out: Path, *, workers: int = 1
) -> Iterator[Reading | BonescanError]:
    """Read studies, in ``workers`` processes, and yield for each its reading or what was wrong.

    Results come in the order of ``studies``; one that cannot be read stops no other.
    """
    if workers == 1 or len(studies) < 2:
        engine = Engine(package)
        yield from (_attempt(study, engine, out) for study in studies)
        return
    with ProcessPoolExecutor(
        min(workers, len(studies)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(package, out),
    ) as pool:
        yield from pool.map(_attempt_in_worker, studies)


def _attempt(study: Study, engine: Engine, out: Path) -> Reading | BonescanError:
    try:
        return read(study, engine, out)
    except BonescanError as error:
        return error


_worker: tuple[Engine, Path]


def _start_worker(package: Package, out: Path) -> None:
    global _worker
    _worker = (Engine(package, threads=1), out)


def _attempt_in_worker(study: Study) -> Reading | BonescanError:
    return _attempt(study, *_worker)


def compare(
    paths: Sequence[Path], package: Package, out: Path, *, different_patients: bool = False
) -> FollowUp:
    """Compare scans of one patient and file what changed.

    Parameters
    ----------
    paths : sequence of Path
        In the order of time: result folders of `bonescan read`, or scans, which are read first and
        filed under ``out``.
    package : Package
        Reads the scans.
    out : Path
        Receives ``compare.json``, ``compare.csv``, ``timeline.png`` and ``compare.html``.
    different_patients : bool
        Compare although the identities differ.

    Raises
    ------
    BadInput
        If a path holds no scan or several, or the scans cannot be compared; no comparison is
        written then.
    """
    visits = [_visit(path, number, package, out) for number, path in enumerate(paths, start=1)]
    followup = compare_visits(visits, different_patients=different_patients)
    write_followup(followup, out)
    return followup


def _visit(path: Path, number: int, package: Package, out: Path) -> Visit:
    if is_result(path):
        return Visit(*load_results(path))
    with find_studies([path]) as found:
        if found.failures:
            raise BadInput(found.failures[0].reason)
        if len(found.studies) != 1:
            raise BadInput(
                f"{path}: holds {len(found.studies)} studies; name one study for each scan"
            )
        study = replace(found.studies[0], name=f"{number}-{found.studies[0].name}")
        scan = load_study(study)
        reading = note_missing_objects(scan, read_scan(scan, Engine(package)))
        write_outputs(scan, reading, out / study.name)
    return Visit(scan, reading)
