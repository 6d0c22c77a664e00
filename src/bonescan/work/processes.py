"""Pieces of work in processes of this machine; a process that the system ends stops no other."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from bonescan.errors import BonescanError
from bonescan.work.attempt import Item, Lost, P, R, attempt, ended


def run_in_processes(
    function: Callable[[P], R],
    pieces: Sequence[P],
    names: Sequence[str],
    workers: int,
) -> Iterator[tuple[int, R | BonescanError]]:
    """Yield each piece's number and outcome as they come, from ``workers`` processes.

    No more pieces are handed out than there are processes. Where the system ends a process (out of
    memory, for instance), the pieces then in work are tried again one at a time; one whose process
    is ended again has failed. If none is, it was their company that was too much, and the rest is
    done by half as many processes.

    Parameters
    ----------
    function : callable
        Can be pickled; takes a piece.
    pieces : sequence
        Each can be pickled, and be done twice.
    names : sequence of str
        What the user knows the pieces by.
    workers : int
    """
    waiting = deque(
        Item(index, piece, name)
        for index, (piece, name) in enumerate(zip(pieces, names, strict=True))
    )
    workers = max(1, min(workers, len(pieces)))
    while waiting:
        broken = []
        for item, outcome in _in_one_pool(function, waiting, workers):
            if isinstance(outcome, Lost):
                broken.append(item)
            else:
                yield item.index, outcome
        culprit = False
        for item in broken:
            found = _alone(function, item)
            culprit = culprit or isinstance(found, Lost)
            yield item.index, ended(item.name) if isinstance(found, Lost) else found
        if broken and not culprit:
            workers = max(1, workers // 2)


def _in_one_pool(
    function: Callable[[P], R], waiting: deque[Item[P]], workers: int
) -> Iterator[tuple[Item[P], R | BonescanError | Lost]]:
    """Take from ``waiting`` until it is empty or the pool has broken."""
    running: dict[Future[R | BonescanError], Item[P]] = {}
    whole = True
    with _pool(workers) as pool:
        while running or (waiting and whole):
            while waiting and whole and len(running) < workers:
                future = _submit(pool, function, waiting[0])
                whole = future is not None
                if future is not None:
                    running[future] = waiting.popleft()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = _result(future)
                whole = whole and not isinstance(outcome, Lost)
                yield running.pop(future), outcome


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_interrupts_to_parent,
    )


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _submit(pool: ProcessPoolExecutor, function: Callable[[P], R], item: Item[P]) -> Any:
    try:
        return pool.submit(attempt, function, item.piece, item.name)
    except BrokenProcessPool:
        return None


def _result(future: Future[R | BonescanError]) -> R | BonescanError | Lost:
    try:
        return future.result()
    except BrokenProcessPool:
        return Lost()


def _alone(function: Callable[[P], R], item: Item[P]) -> R | BonescanError | Lost:
    with _pool(1) as pool:
        return _result(pool.submit(attempt, function, item.piece, item.name))
