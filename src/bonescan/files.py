"""Write files whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bonescan.errors import BadInput


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that it is never half there; folders are made.

    Raises
    ------
    BadInput
        If the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        reason = error.strerror or "write error"
        raise BadInput(f"{path}: cannot be written ({reason}); free or change the disk") from error
    finally:
        _remove(aside)


def remove_leftovers(path: Path) -> None:
    """Remove what a process that the system ended while it wrote ``path`` has left beside it."""
    aside = re.compile(rf"\.{re.escape(path.name)}\.\d+")
    for other in path.parent.glob(".*"):
        if aside.fullmatch(other.name):
            _remove(other)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # its folder is no folder: nothing was written
        return
