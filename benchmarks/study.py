"""Time one warm study from DICOM to all outputs, its stages, and a reference in the same run.

The reference is gzip of the study's own pixels (level 6), so that a ratio can be compared between
machines. Targets on two cores: under 1 s for the study, under 50 ms of it for preprocessing.

Run: ``python benchmarks/study.py``.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bonescan.ingest import find_studies, load_study
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.preprocess import prepare_canvas
from bonescan.quantify import read_scan
from bonescan.report import write_outputs
from bonescan.simulate import write_cohort

ROUNDS = 9

#: The stages that make up a study, from a path on the command line to its last file.
STUDY = ("find", "load", "read (preprocess included)", "write")


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    engine = Engine(Package.load(SHIPPED_MODEL))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cohort(folder / "cohort", 1, 7)
        with find_studies([folder / "cohort" / "dicom"]) as found:
            (study,) = found.studies
            scan = load_study(study)
            reading = read_scan(scan, engine)
            pixels = b"".join(view.counts.tobytes() for view in scan.views)
            stages: dict[str, Callable[[], object]] = {
                "find": lambda: find_studies([folder / "cohort" / "dicom"]).close(),
                "load": lambda: load_study(study),
                "preprocess": lambda: prepare_canvas(scan, engine.package.card.canvas),
                "read (preprocess included)": lambda: read_scan(scan, engine),
                "write": lambda: write_outputs(scan, reading, folder / "out"),
                "reference": lambda: zlib.compress(pixels, 6),
            }
            seconds: dict[str, list[float]] = {stage: [] for stage in stages}
            for _ in range(ROUNDS + 1):  # in turn; the first round warms up
                for stage, function in stages.items():
                    seconds[stage].append(timed(function))
    middle = {stage: median(values[1:]) for stage, values in seconds.items()}
    total = sum(middle[stage] for stage in STUDY)
    for stage, value in [*middle.items(), ("study", total)]:
        ratio = value / middle["reference"]
        print(f"{stage:28s} {1000 * value:7.1f} ms   {ratio:6.2f} of the reference")


if __name__ == "__main__":
    main()
