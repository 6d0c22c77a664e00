"""Time `bonescan --help` against starting Python alone; medians and their ratio in one run.

Target: under 0.4 s. Run: ``python benchmarks/help.py``.
"""

from __future__ import annotations

import subprocess
import sys
import time

ROUNDS = 9


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    ours, bare = [], []
    for _ in range(ROUNDS):  # in turn, so that a drift of the machine meets both
        ours.append(seconds(["-m", "bonescan", "--help"]))
        bare.append(seconds(["-c", "pass"]))
    middle = ROUNDS // 2
    help_s, python_s = sorted(ours)[middle], sorted(bare)[middle]
    print(f"bonescan --help {help_s:.3f} s, Python alone {python_s:.3f} s, ", end="")
    print(f"ratio {help_s / python_s:.1f} (medians of {ROUNDS})")


if __name__ == "__main__":
    main()
