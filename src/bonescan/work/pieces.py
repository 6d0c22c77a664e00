"""Run independent pieces of work: in this process, in several, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bonescan.errors import BonescanError
from bonescan.work.attempt import P, R, attempt
from bonescan.work.processes import run_in_processes

#: Where pieces of work are done: on this machine, or on Ray.
EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Share:
    """What one piece of work takes of a Ray cluster.

    Attributes
    ----------
    cpus : int
        CPU cores; all of a machine's where none has as many.
    gpu : bool
        One GPU, where the cluster has any.
    """

    cpus: int = 1
    gpu: bool = False


def run_pieces(
    function: Callable[[P], R],
    pieces: Sequence[P],
    *,
    name: Callable[[P], str],
    workers: int | None = None,
    engine: EngineName = "local",
    share: Share | None = None,
    tick: Callable[[], None] | None = None,
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
    workers : int, optional
        Pieces at work at a time. Local: without it, or with one, the work is done in this process.
        Ray: without it as many as the cluster has room for.
    engine : {"local", "ray"}
        Ray is the cluster that the environment names in RAY_ADDRESS, or one of our own on this
        machine; see `bonescan.work.cluster`.
    share : Share, optional
        What a piece takes of a Ray cluster; one CPU without it.
    tick : callable, optional
        Called about once a second while Ray works, so that the caller can show progress.

    Raises
    ------
    BadSettings
        If Ray is asked for and is not installed, cannot be reached or cannot start.
    """
    names = [name(piece) for piece in pieces]
    if engine == "ray":
        from bonescan.work.cluster import run_on_ray

        yield from run_on_ray(function, pieces, names, workers, share or Share(), tick)
    elif (workers or 1) == 1 or len(pieces) < 2:
        for index, piece in enumerate(pieces):
            yield index, attempt(function, piece, names[index])
    else:
        yield from run_in_processes(function, pieces, names, workers or 1)


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
