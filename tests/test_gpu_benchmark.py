"""The benchmark for GPUs runs to its table where there is none, on the processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu.py"
TINY = "--size 64 64 --width 0.125 --batches 2 --rounds 1 --matrix 64"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_a_row_tells_speed_peak_and_where_the_time_goes() -> None:
    done = run("--device", "cpu", *TINY.split())
    assert done.returncode == 0, done.stderr
    row = [cell.strip() for cell in done.stdout.splitlines()[-1].strip("|").split("|")]
    batch, images, flops, peak, _, arithmetic, idle = row
    assert batch == "2"
    assert float(images) > 0
    assert float(flops) >= 0
    assert float(peak.rstrip("%")) > 0
    assert 0 < float(arithmetic.rstrip("%")) < 100
    assert 0 <= float(idle.rstrip("%")) < 100


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_one_line() -> None:
    done = run(*TINY.split())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("gpu.py: torch sees no GPU here")
