"""Training keeps the memory of freed tensors, unless the user has set malloc otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from bonescan.train.memory import CHOICES

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")

#: Pages that the system clears while a tensor of 128 MiB is made and freed eight times.
PROGRAM = """
import resource, torch
from lightning_fabric import Fabric
from bonescan.config import Settings
from bonescan.config.networks import UNetSettings
from bonescan.train.loop import Learner
Learner(Settings(model=UNetSettings(channels=(2, 2))), Fabric(accelerator="cpu", devices=1))
for _ in range(4):
    torch.ones(2**25)  # the first may find no block that fits
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(2**25)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(**environment: str) -> int:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*CHOICES, "GLIBC_TUNABLES")
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


#: Those of one of the eight tensors, if pages are as large as Linux makes them.
LEAST = 2**27 // 2**21


def test_large_tensors_take_memory_that_is_there() -> None:
    assert pages() < LEAST


def test_what_the_user_has_set_stands() -> None:
    assert pages(MALLOC_MMAP_THRESHOLD_="131072") >= 8 * LEAST
