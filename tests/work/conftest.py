"""A module of pieces of work that processes can import, as they import the program."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

PIECES = '''
import os
import signal
from pathlib import Path

from bonescan.errors import BadInput


def double(number):
    return 2 * number


def work(piece):
    """Do what a piece is called: a number is doubled, the rest goes wrong in its own way."""
    if piece == "bad":
        raise BadInput("bad: is bad; mend it")
    if piece == "bug":
        raise ZeroDivisionError("a bug")
    if piece == "huge":
        bytearray(2**62)
    if piece == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(piece, Path):  # deadly once
        if not piece.exists():
            piece.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "second time"
    return 2 * piece
'''


@pytest.fixture
def pieces_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with the function ``work``, which can end its process as the system would."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "pieces_of_work.py").write_text(PIECES)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "pieces_of_work", raising=False)
    return importlib.import_module("pieces_of_work")
