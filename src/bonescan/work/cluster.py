"""Pieces of work on Ray: on the cluster that RAY_ADDRESS names, or on one of our own.

Our own lives on this machine for as long as the work takes: it listens on the loopback address
only, asks for a token that is made up for it, has no dashboard and reports no usage to anybody.
On a cluster, folders given to the program must lie on a disk that all its machines share, under the
same path, and every machine needs the same version of bonescan.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import secrets
import shutil
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bonescan import __version__
from bonescan.errors import BadInput, BadSettings, BonescanError
from bonescan.work.attempt import Item, Lost, P, R, attempt, ended

if TYPE_CHECKING:
    from bonescan.work.pieces import Share

#: Ray's sockets lie below its temporary folder, and a socket's path may have 107 bytes (104 on
#: macOS), of which Ray's own names take some 65.
_LONGEST_FOLDER = 26

#: Bytes of shared memory of our own cluster: outcomes are small, and containers have little of it.
_OBJECT_STORE = 128 * 2**20

#: How often Ray may be late with its start: it gives itself 30 seconds.
_STARTS = 3

#: Ray prints nothing of its own.
_QUIET = {"log_to_driver": False, "configure_logging": False}

#: Seconds between two looks at what is done.
_TICK = 1.0

#: Seconds that a cluster may take to answer.
_PATIENCE = 10.0


@dataclass(frozen=True)
class _Caller:
    """Who asked for the work: the folder of its relative paths, its version, its modules."""

    folder: str
    version: str
    modules: tuple[str, ...]


def run_on_ray(
    function: Callable[[P], R],
    pieces: Sequence[P],
    names: Sequence[str],
    workers: int | None,
    share: Share,
    tick: Callable[[], None] | None,
) -> Iterator[tuple[int, R | BonescanError]]:
    """Yield each piece's number and outcome as they come.

    A piece whose process is ended (out of memory, a machine switched off) is tried again once, by
    itself, when the others are done; see `bonescan.work.run_pieces` for the parameters.
    """
    waiting = deque(
        Item(index, piece, name)
        for index, (piece, name) in enumerate(zip(pieces, names, strict=True))
    )
    if not waiting:
        return
    with _connected(workers) as ray:
        submit = _submitter(ray, function, share)
        at_once = workers or 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        lost: deque[Item[P]] = deque()
        for item, outcome in _outcomes(ray, submit, waiting, at_once, tick):
            if isinstance(outcome, Lost):
                lost.append(item)
            else:
                yield item.index, outcome
        for item, outcome in _outcomes(ray, submit, lost, 1, tick):
            yield item.index, ended(item.name) if isinstance(outcome, Lost) else outcome


def _outcomes(
    ray: Any,
    submit: Callable[[Item[P]], Any],
    waiting: deque[Item[P]],
    at_once: int,
    tick: Callable[[], None] | None,
) -> Iterator[tuple[Item[P], Any]]:
    """Hand out items, no more than ``at_once`` at a time, and yield them with what came of them."""
    running: dict[Any, Item[P]] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            item = waiting.popleft()
            running[submit(item)] = item
        done, _ = ray.wait(list(running), timeout=_TICK)
        for reference in done:
            yield running.pop(reference), _outcome(ray, reference)
        if tick:
            tick()


def _outcome(ray: Any, reference: Any) -> Any:
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except (
        errors.WorkerCrashedError,
        errors.OutOfMemoryError,
        errors.NodeDiedError,
        errors.LocalRayletDiedError,
        errors.ObjectLostError,
    ):
        return Lost()
    except errors.RayTaskError as error:
        if isinstance(error.cause, ModuleNotFoundError):
            raise BadSettings(
                f"--engine ray: {error.cause.name} is missing on a machine of the cluster; install "
                f"bonescan {__version__} on all of them"
            ) from None
        raise error.cause from None


def _submitter(ray: Any, function: Callable[[P], R], share: Share) -> Callable[[Item[P]], Any]:
    """Return a function that hands an item to Ray and returns the reference to its outcome."""
    largest = max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"])
    has_gpu = ray.cluster_resources().get("GPU", 0) >= 1
    task = ray.remote(_do).options(
        num_cpus=max(1, min(share.cpus, largest)),
        num_gpus=1 if share.gpu and has_gpu else 0,
        max_retries=0,
    )
    caller = _Caller(os.getcwd(), __version__, tuple(filter(None, sys.path)))
    return lambda item: task.remote(pickle.dumps((function, item.piece)), item.name, caller)


def _do(work: bytes, name: str, caller: _Caller) -> Any:
    """Do a piece on a machine of the cluster, with the caller's folder and modules."""
    machine = platform.node()
    if caller.version != __version__:
        return BadSettings(
            f"--engine ray: {machine} has bonescan {__version__}, here it is {caller.version}; "
            "install the same version on all machines of the cluster"
        )
    try:
        os.chdir(caller.folder)
    except OSError:
        return BadInput(
            f"{caller.folder}: is not there on {machine}; work in a folder that all machines of "
            "the cluster share"
        )
    sys.path += [path for path in caller.modules if path not in sys.path]
    function, piece = pickle.loads(work)
    return attempt(function, piece, name)


# --- connecting ---------------------------------------------------------------------------------


@contextmanager
def _connected(workers: int | None) -> Iterator[Any]:
    """Connect to the cluster in RAY_ADDRESS, or start one here; yields Ray."""
    address = os.environ.get("RAY_ADDRESS")
    ray = _import_ray(own=not address)
    if ray.is_initialized():  # the caller's own connection is used, and left as it is
        yield ray
        return
    folder = None if address else tempfile.mkdtemp(prefix="ray-", dir=_short_folder())
    try:
        if address:
            _join(ray, address)
        else:
            _start(ray, str(folder), workers)
        yield ray
    finally:
        _stop(ray, folder)


def _join(ray: Any, address: str) -> None:
    try:
        _knock(address)
        ray.init(**_QUIET)
    except Exception as error:  # Ray gives reasons of many types
        raise BadSettings(
            f"RAY_ADDRESS {address}: no Ray cluster can be reached there ({_reason(error)}); "
            "start it, set RAY_AUTH_MODE=token if it asks for one, or unset RAY_ADDRESS to work on "
            "this machine"
        ) from error


def _start(ray: Any, folder: str, workers: int | None) -> None:
    """Start Ray here; on a busy machine it may be late, and is then tried again."""
    for left in reversed(range(_STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=workers or _cpus(),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                _temp_dir=folder,
                **_QUIET,
            )
        except Exception as error:
            ray.shutdown()
            if not left:
                raise BadSettings(
                    f"--engine ray: Ray cannot start here ({_reason(error)}); leave --engine out "
                    "to work without it"
                ) from error
        else:
            return


def _cpus() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _stop(ray: Any, folder: str | None) -> None:
    ray.shutdown()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself would end this process after half a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _import_ray(*, own: bool) -> Any:
    """Import Ray, set up to be quiet and, where the cluster is our own, to keep to itself."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # nothing of Ray's own goes to standard output
    }
    if own:
        # No "cluster" in Ray's sense: then all its parts listen on 127.0.0.1 alone, on Linux, too.
        settings["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Ray asks for a token by default, and would keep one in the user's home.
        settings["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise BadSettings(
            "--engine ray: Ray is not installed; install it with: pip install bonescan[cluster]"
        ) from error
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    return ray


def _short_folder() -> str:
    """Return where Ray's folder can lie without its sockets' paths getting too long."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST_FOLDER else "/tmp"
