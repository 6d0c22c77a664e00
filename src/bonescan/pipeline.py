"""The whole reading job: `read` for one study reads like the figure of the design."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bonescan.errors import BadInput, BonescanError
from bonescan.ingest import Study, find_studies, load_study
from bonescan.ingest.marks import read_marks
from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.privacy import (
    Pseudonyms,
    anonymise_followup,
    anonymised,
    cover_visits,
    covering,
)
from bonescan.quantify import read_scan
from bonescan.quantify.followup import FollowUp, Visit, compare_visits
from bonescan.quantify.weights import Weights
from bonescan.report import ASIDE, note_missing_objects, remove_leftovers, write_outputs
from bonescan.report.followup import write_followup
from bonescan.report.stored import is_result, load_results
from bonescan.scan import Reading, Scan
from bonescan.work import EngineName, in_order, run_pieces


@dataclass(frozen=True)
class ReadOptions:
    """What a user may ask of a reading.

    Attributes
    ----------
    marks : tuple of Path
        Files of a reader whose marks take the place of the model's (`bonescan.ingest.marks`).
    weights : Weights or None
        Of the bone scan index; the shipped table without it.
    seg_regions : bool
        Put the skeletal regions into ``seg.dcm``, too.
    pseudonyms : Pseudonyms or None
        With these, what is written carries no identity, and ``<study>`` is a pseudonym.
    """

    marks: tuple[Path, ...] = ()
    weights: Weights | None = None
    seg_regions: bool = False
    pseudonyms: Pseudonyms | None = None


def read(
    study: Study,
    engine: Engine,
    out: Path,
    options: ReadOptions | None = None,
    *,
    aside: str = ASIDE,
) -> Reading:
    """Read one study and file its results.

    Parameters
    ----------
    study : Study
        Files that belong together, from `bonescan.ingest.find_studies`.
    engine : Engine
        A loaded model package.
    out : Path
        Folder that receives ``out/<study>/``; see the reference page of the outputs.
    options : ReadOptions, optional
        The defaults without it.
    aside : str
        What the names of folders begin with while they are being written.

    Raises
    ------
    BadInput
        If the study cannot be read or is no whole-body bone scan, or marks do not belong to it;
        nothing is written then.
    """
    options = options or ReadOptions()
    scan = load_study(study)
    return _file(scan, _read_scan(scan, engine, options), out, options, aside=aside)


def _read_scan(scan: Scan, engine: Engine, options: ReadOptions) -> Reading:
    marks = read_marks(options.marks, scan) if options.marks else None
    reading = read_scan(scan, engine, weights=options.weights, marks=marks)
    return note_missing_objects(scan, reading)


def _file(
    scan: Scan,
    reading: Reading,
    out: Path,
    options: ReadOptions,
    *,
    prefix: str = "",
    aside: str = ASIDE,
) -> Reading:
    """Write a reading's folder, under pseudonyms where there are any, and return what it holds."""
    regions = options.seg_regions
    if options.pseudonyms is None:
        folder = out / f"{prefix}{scan.study}"
        write_outputs(scan, reading, folder, seg_regions=regions, aside=aside)
        return reading
    with anonymised(scan, reading, options.pseudonyms, aside) as (hidden, told):
        folder = out / f"{prefix}{hidden.study}"
        write_outputs(hidden, told, folder, seg_regions=regions, with_sources=True, aside=aside)
    return told


def read_all(
    studies: Sequence[Study],
    package: Package,
    out: Path,
    *,
    workers: int | None = None,
    engine: EngineName = "local",
    options: ReadOptions | None = None,
) -> Iterator[Reading | BonescanError]:
    """Read studies and yield for each its reading or what was wrong with it.

    Results come in the order of ``studies``; one that cannot be read, or whose process the system
    ends, stops no other.

    Parameters
    ----------
    studies : sequence of Study
    package : Package
    out : Path
        As for `read`.
    workers : int, optional
        Studies at work at a time; see `bonescan.work.run_pieces`.
    engine : {"local", "ray"}
        Where: in processes of this machine, or on a Ray cluster.
    options : ReadOptions, optional
        The same for all studies.
    """
    here = engine == "local" and ((workers or 1) == 1 or len(studies) < 2)
    threads = None if here else 1
    aside = f".{secrets.token_hex(4)}."  # of this call alone, and tells nothing of a patient
    job = partial(
        _read_one, package=package, out=out, threads=threads, options=options, aside=aside
    )
    try:
        yield from in_order(run_pieces(job, studies, name=_shown, workers=workers, engine=engine))
    finally:  # a process that the system ends leaves what it was writing
        for folder in (out, Path(tempfile.gettempdir())):
            remove_leftovers(folder, aside)


def _read_one(
    study: Study,
    *,
    package: Package,
    out: Path,
    threads: int | None,
    options: ReadOptions | None,
    aside: str,
) -> Reading:
    """Read a study in whatever process this is; a process compiles the network once."""
    return read(study, Engine(package, threads=threads), out, options, aside=aside)


def _shown(study: Study) -> str:
    return str(study.origins[0])


def compare(
    paths: Sequence[Path],
    package: Package,
    out: Path,
    *,
    different_patients: bool = False,
    pseudonyms: Pseudonyms | None = None,
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
        Receives ``compare.json``, ``compare.csv``, ``timeline.png``, ``compare.html`` and
        ``compare.pdf``.
    different_patients : bool
        Compare although the identities differ.
    pseudonyms : Pseudonyms, optional
        With these, what is written carries no identity.

    Raises
    ------
    BadInput
        If a path holds no scan or several, or the scans cannot be compared; no comparison is
        written then.
    """
    visits = [
        _visit(path, number, package, out, pseudonyms) for number, path in enumerate(paths, start=1)
    ]
    with covering(None if pseudonyms is None else cover_visits(visits, pseudonyms)):
        followup = compare_visits(visits, different_patients=different_patients)
    if pseudonyms is not None:
        followup = anonymise_followup(followup, pseudonyms)
    write_followup(followup, out)
    return followup


def _visit(
    path: Path, number: int, package: Package, out: Path, pseudonyms: Pseudonyms | None
) -> Visit:
    if is_result(path):
        return Visit(*load_results(path))
    with find_studies([path]) as found:
        if found.failures:
            raise BadInput(found.failures[0].reason)
        if len(found.studies) != 1:
            raise BadInput(
                f"{path}: holds {len(found.studies)} studies; name one study for each scan"
            )
        prefix = f"{number}-"
        if pseudonyms is None:
            study, prefix = replace(found.studies[0], name=prefix + found.studies[0].name), ""
        else:
            study = found.studies[0]
        scan = load_study(study)
        options = ReadOptions(pseudonyms=pseudonyms)
        reading = _read_scan(scan, Engine(package), options)
        _file(scan, reading, out, options, prefix=prefix)
    return Visit(scan, reading)
