"""sent.json: which objects of a result folder which archive has, so that none is sent twice."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bonescan.errors import BadInput
from bonescan.files import write_whole
from bonescan.pacs.archive import Archive

SENT = "sent.json"
SCHEMA, SCHEMA_VERSION = "bonescan-sent", "1.0"
#: ``asked``: it was sent, and no answer has come; the archive may have it or not.
State = Literal["stored", "asked"]
_STATES: tuple[State, ...] = ("stored", "asked")


@dataclass
class Receipt:
    """What became of the objects of one folder, by archive and SOP Instance UID.

    It is written before an object is sent and after each answer, so that a call that ends midway,
    however it ends, leaves what is known.
    """

    path: Path
    states: dict[str, dict[str, State]]

    @classmethod
    def load(cls, folder: Path) -> Receipt:
        """Read a folder's receipt; an empty one where there is none.

        Raises
        ------
        BadInput
            If it is damaged: then nobody knows what was sent.
        """
        path = folder / SENT
        try:
            record = json.loads(path.read_bytes())
            states = {
                str(archive): {
                    str(uid): _STATES[_STATES.index(state)] for uid, state in own.items()
                }
                for archive, own in record["archives"].items()
            }
        except FileNotFoundError:
            return cls(path, {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadInput(
                f"{path}: cannot be read, so that it is not known what was sent; look into the "
                "archive, then remove the file to send all objects"
            ) from error
        return cls(path, states)

    def state(self, archive: Archive, uid: str) -> State | None:
        """Tell what is known of an object; None where it was not sent."""
        return self.states.get(str(archive), {}).get(uid)

    def note(self, archive: Archive, uid: str, state: State | None) -> None:
        """Keep what is known of an object, on disk, too."""
        own = self.states.setdefault(str(archive), {})
        own.pop(uid, None)
        if state is not None:
            own[uid] = state
        record = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "archives": self.states}
        write_whole(self.path, (json.dumps(record, indent=1) + "\n").encode())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other calls from sending the same folder at the same time.

    The system ends the lock with the process, however that ends. Windows locks no folder: there
    nothing is kept from anyone.

    Raises
    ------
    BadInput
        If another call is at it.
    """
    if os.name == "nt":
        yield
        return
    fcntl = importlib.import_module("fcntl")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BadInput(f"{folder}: another call is sending it; wait until it has ended") from error
    try:
        yield
    finally:
        os.close(handle)
