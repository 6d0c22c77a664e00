"""Send the DICOM objects of a result folder to an archive: C-STORE, and C-FIND where in doubt.

An object is sent once to an archive. Where no answer has come the archive may have it or not: the
next call asks it by C-FIND (PS3.4, C) and sends only what it has not. An archive that cannot be
asked gets the object again, under the same SOP Instance UID, so that it is kept once there, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from bonescan.errors import BadInput
from bonescan.ingest import headers
from bonescan.pacs.archive import Archive
from bonescan.pacs.link import NoAnswer, NotReached, ask, connect
from bonescan.pacs.receipt import Receipt, alone
from bonescan.report.objects import OBJECTS
from bonescan.report.outputs import RESULT


@dataclass(frozen=True)
class Delivery:
    """What became of one result folder.

    Attributes
    ----------
    folder : Path
    sent : tuple of str
        File names that the archive has taken now.
    known : tuple of str
        Those that it had already; they were not sent.
    problems : tuple of str
        One line for each object that it has not, or for all of them.
    """

    folder: Path
    sent: tuple[str, ...]
    known: tuple[str, ...]
    problems: tuple[str, ...]


def find_results(paths: Iterable[Path]) -> list[Path]:
    """Return the result folders of `bonescan read` among paths and one level below, each once.

    Raises
    ------
    BadInput
        If a path holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted(path.iterdir()) if path.is_dir() else []
        here = [folder for folder in (path, *below) if (folder / RESULT).is_file()]
        if not here:
            raise BadInput(f"{path}: holds no results of bonescan read; name its output folder")
        found |= dict.fromkeys(here)
    return list(found)


def send_result(folder: Path, archive: Archive) -> Delivery:
    """Send the objects of one result folder that an archive does not have.

    Parameters
    ----------
    folder : Path
        Of `bonescan read`. Receives ``sent.json``; nothing else in it changes.
    archive : Archive

    Returns
    -------
    Delivery
        Also where the archive is down, slow or refuses an object: its ``problems`` say so.

    Raises
    ------
    BadInput
        If the folder holds no DICOM object, one or the receipt is damaged, or another call is
        sending it; nothing is sent then.
    """
    with alone(folder):
        return _send(folder, archive)


def _send(folder: Path, archive: Archive) -> Delivery:
    objects = _objects(folder)
    receipt = Receipt.load(folder)
    uids = {name: str(found.SOPInstanceUID) for name, found in objects.items()}
    known = [name for name in objects if receipt.state(archive, uids[name]) == "stored"]
    waiting = {name: found for name, found in objects.items() if name not in known}
    sent: list[str] = []
    problems: list[str] = []
    if not waiting:
        return Delivery(folder, (), tuple(known), ())
    doubtful = [name for name in waiting if receipt.state(archive, uids[name]) == "asked"]
    there = ask(archive, [waiting[name] for name in doubtful]) if doubtful else frozenset()
    for name in [name for name in doubtful if uids[name] in there]:
        receipt.note(archive, uids[name], "stored")
        known.append(name)
        del waiting[name]
    if not waiting:
        return Delivery(folder, (), tuple(known), ())
    try:
        with connect(archive, waiting.values()) as link:
            for name, found in waiting.items():
                receipt.note(archive, uids[name], "asked")
                refusal = link.store(found)
                receipt.note(archive, uids[name], None if refusal else "stored")
                if refusal:
                    problems.append(f"{folder / name}: {archive} {refusal}; the file is kept")
                else:
                    sent.append(name)
    except NotReached as error:
        problems.append(
            f"{folder}: {archive} {error}; nothing was sent and the files are kept, "
            "send again when it is mended"
        )
    except NoAnswer as error:
        left = [name for name in waiting if name not in (*sent, *known)]
        problems.append(
            f"{folder}: {archive} {error}; {', '.join(left)} may be missing there, the files are "
            "kept: send again, what it has is not sent twice"
        )
    return Delivery(folder, tuple(sent), tuple(known), tuple(problems))


def _objects(folder: Path) -> dict[str, Dataset]:
    """Read the folder's objects by file name."""
    paths = [folder / name for name in OBJECTS if (folder / name).is_file()]
    if not paths:
        raise BadInput(
            f"{folder}: holds no DICOM objects, as it is with pictures; nothing can be sent"
        )
    found = {}
    for path in paths:
        dataset = headers.read_dataset(path)
        if not headers.uid(dataset, "SOPInstanceUID"):
            raise BadInput(f"{path}: SOP Instance UID is missing; read the scan again")
        found[path.name] = dataset
    return found
