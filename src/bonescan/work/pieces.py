"""Run independent pieces of work, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bonescan.errors import BonescanError
from bonescan.work.attempt import P, R, attempt
from bonescan.work.processes import run_in_processes


def run_pieces(
    function: Callable[[P], R],
    pieces: Sequence[P],
    *,
    name: Callable[[P], str],
    workers: int = 1,
) -> Iterator[tuple[int, R | BonescanError]]:
    """Yield the number and the outcome of each piece of work, in the order in which they are done.

    A piece that fails stops no other: its outcome is the `BonescanError` that says why. Any other
    exception is a bug and is raised.

    Parameters
    ----------
    function : callable
        Takes a piece. It and the pieces can be pickled, and a piece can be done twice: what a
        process left unfinished is begun again.
    pieces : sequence
    name : callable
        Gives what the user knows a piece by.
    workers : int
        Processes; with one, the work is done in this process.
    """
    names = [name(piece) for piece in pieces]
    if workers <= 1 or len(pieces) < 2:
        for index, piece in enumerate(pieces):
            yield index, attempt(function, piece, names[index])
    else:
        yield from run_in_processes(function, pieces, names, workers)


def in_order(outcomes: Iterable[tuple[int, R]]) -> Iterator[R]:
    """Yield outcomes by their number, each as soon as those before it are there.

    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, R] = {}
    following = 0
    for index, outcome in outcomes:
        early[index] = outcome
        while following in early:
            yield early.pop(following)
            following += 1
