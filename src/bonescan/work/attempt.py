"""Do one piece of work, so that what is wrong with it is an answer and stops no other piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bonescan.errors import BonescanError, ProcessEnded

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Item(Generic[P]):
    """A piece of work with its number and what the user knows it by."""

    index: int
    piece: P
    name: str


@dataclass(frozen=True)
class Lost:
    """In the place of a result: the process ended while the piece was in it."""


def attempt(function: Callable[[P], R], piece: P, name: str) -> R | BonescanError:
    """Return what ``function`` makes of ``piece``, or the error that a user can act on.

    Parameters
    ----------
    function : callable
        Takes the piece. Errors of ours (bugs) are raised as they are.
    piece : object
    name : str
        What the user knows the piece by, for the line that says that memory ran out.
    """
    try:
        return function(piece)
    except BonescanError as error:
        return error
    except MemoryError:
        return ProcessEnded(f"{name}: memory ran out; free memory or give fewer --workers")


def ended(name: str) -> ProcessEnded:
    """Return the error for a piece whose process the system ended when it ran alone, too."""
    return ProcessEnded(
        f"{name}: the system ended its process, also when it was tried again by itself; "
        "most likely memory ran out: free memory or give fewer --workers"
    )
