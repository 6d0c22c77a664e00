"""Write docs/reference-cli.md from the help texts; a test checks that it is current.

Run: ``python docs/make_reference.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VERBS = (
    "read", "inspect", "compare", "send",
    "simulate", "prepare", "train", "evaluate", "show", "export",
)  # fmt: skip
PAGE = Path(__file__).with_name("reference-cli.md")


def help_text(*arguments: str) -> str:
    """Return the help of a command, for a terminal 80 columns wide."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "bonescan", *arguments, "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.strip()


def reference() -> str:
    """Return the whole page."""
    parts = [
        "# Command line reference\n",
        "Made from the help texts by `python docs/make_reference.py`.\n",
        "Exit codes: 0 done; 1 some inputs failed (each named, the others done); 2 the call was "
        "wrong. What is written: [reference-result.md](reference-result.md).\n",
    ]
    for verb in VERBS:
        parts.append(f"## bonescan {verb}\n\n```\n{help_text(verb)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
