"""A process that the system ends while it writes leaves nothing behind, under pseudonyms, too."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bonescan import pipeline
from bonescan.errors import ProcessEnded
from bonescan.ingest import find_studies
from bonescan.package import Package
from bonescan.privacy import Pseudonyms
from bonescan.simulate import write_cohort
from bonescan.work.attempt import ended

#: Does a piece of work in a process that is killed when its results are moved into their place.
KILLED = """
import os, pickle, signal, sys
from pathlib import Path

Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
function, piece = pickle.load(open(sys.argv[1], "rb"))
function(piece)
"""


@pytest.mark.parametrize("pseudonyms", [None, Pseudonyms(b"sixteen bytes it")])
def test_what_a_killed_process_was_writing_is_removed(
    tmp_path: Path,
    bright_package: Package,
    monkeypatch: pytest.MonkeyPatch,
    pseudonyms: Pseudonyms | None,
) -> None:
    write_cohort(tmp_path / "in", 1, 11)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    left: list[str] = []

    def killed(
        job: Callable[[Any], Any], pieces: Sequence[Any], *, name: Callable[[Any], str], **_: Any
    ) -> Iterator[tuple[int, ProcessEnded]]:
        (tmp_path / "work").write_bytes(pickle.dumps((job, pieces[0])))
        words = [sys.executable, "-c", KILLED, str(tmp_path / "work")]
        environment = {**os.environ, "TMPDIR": tempfile.gettempdir()}
        done = subprocess.run(words, check=False, env=environment)
        assert done.returncode == -9
        left.extend(path.name for folder in (out, temporary) for path in folder.iterdir())
        yield 0, ended(name(pieces[0]))

    out = tmp_path / "out"
    monkeypatch.setattr(pipeline, "run_pieces", killed)
    with find_studies([tmp_path / "in" / "dicom"]) as found:
        options = pipeline.ReadOptions(pseudonyms=pseudonyms)
        (outcome,) = pipeline.read_all(found.studies, bright_package, out, options=options)
    assert isinstance(outcome, ProcessEnded)
    assert len(left) == (1 if pseudonyms is None else 2)  # the results, and copies of the sources
    assert not any("sim0001" in name for name in left)
    assert not list(out.iterdir())
    assert not list(temporary.iterdir())
