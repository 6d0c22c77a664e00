"""The whole reading job for one study; it reads like the figure of the design."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bonescan.ingest import load_study
from bonescan.predict import read_scan
from bonescan.report import write_outputs

if TYPE_CHECKING:
    from bonescan.ingest import Study
    from bonescan.predict import Engine
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
    reading = read_scan(scan, engine)
    write_outputs(scan, reading, out / study.name)
    return reading
