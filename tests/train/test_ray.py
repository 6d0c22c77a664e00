"""Fold runs on a real Ray of our own learn what they learn here, bit by bit."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bonescan.prepare import PreparedData

EXPERIMENT = """
[base]
canvas = { kind = "paper", reduce = 16 }
model = { kind = "unet", channels = [4, 8] }
training = { epochs = 2, folds = 3, batch = 3 }
[run.binary]
mask = { kind = "none" }
[run.mined]
mask = { kind = "mined" }
needs = { baseline = "binary" }
"""


def trained(folder: Path, data: PreparedData, place: str, *options: str) -> dict[Path, bytes]:
    """Train one fold by the command line; return the metrics of all that it trained."""
    command = ["-m", "bonescan", "train", "one.toml", "--data", str(data.folder), "--runs", place]
    result = subprocess.run(
        [sys.executable, *command, "--run", "mined", "--fold", "1", *options],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    runs = folder / place
    done = [path.parent for path in runs.rglob("DONE")]
    return {one.relative_to(runs): (one / "metrics.jsonl").read_bytes() for one in done}


@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")
def test_ray_trains_what_this_machine_trains(tiny_data: PreparedData, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(EXPERIMENT)
    here = trained(tmp_path, tiny_data, "here", "--shard", "1/1")
    assert len(here) == 2  # the baseline was trained before
    assert trained(tmp_path, tiny_data, "there", "--engine", "ray") == here
