"""Collect input files from paths, folders and zips; zips are unpacked safely and temporarily."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bonescan.errors import BadInput
from bonescan.ingest.sources import Failure

#: Limits on what a zip may unpack to: bytes in all, files, and bytes per packed byte.
MAX_UNPACKED_BYTES, MAX_MEMBERS, MAX_RATIO = 8 * 2**30, 100_000, 300

#: Up to this size a zip's ratio does not matter: blank pictures pack very well.
_SMALL_BYTES = 128 * 2**20

_CHUNK = 2**20

#: Folders and files that operating systems leave behind.
_CLUTTER = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini", "dicomdir", ".git"}


@dataclass(frozen=True)
class InputFile:
    """A file to look at: where it lies, how the user knows it, and whether the user named it."""

    path: Path
    origin: Path
    named: bool


def collect(
    paths: Sequence[Path], stack: ExitStack
) -> tuple[tuple[InputFile, ...], tuple[Failure, ...]]:
    """List the files below paths, each once, sorted; zips are unpacked below a temporary folder.

    Parameters
    ----------
    paths : sequence of Path
        Files, folders and zips.
    stack : ExitStack
        Removes the temporary folders when it is closed.
    """
    found: dict[Path, InputFile] = {}
    failures: list[Failure] = []
    for path in paths:
        try:
            listed = list(_below(path, stack, failures))
        except BadInput as error:
            failures.append(Failure(path, str(error)))
            continue
        except OSError as error:
            failures.append(Failure(path, f"{path}: cannot be read ({error.strerror})"))
            continue
        for item in listed:
            key = item.path.resolve()
            if key not in found or item.named:
                found[key] = item
    return tuple(sorted(found.values(), key=lambda item: str(item.origin))), tuple(failures)


def _below(path: Path, stack: ExitStack, failures: list[Failure]) -> Iterator[InputFile]:
    if path.is_dir():
        members = [item for item in sorted(path.rglob("*")) if _is_wanted(item, path)]
        closed = [item for item in (path, *members) if item.is_dir() and not _may_enter(item)]
        failures += [
            Failure(folder, f"{folder}: the folder cannot be opened; check its rights")
            for folder in closed
        ]
        files = [item for item in members if item.is_file()]
        if not files and not closed:
            raise BadInput(f"{path}: the folder holds no files; give the folder of a study")
        for file in files:
            if is_zip(file):
                try:
                    yield from _unpacked(file, file, stack)
                except BadInput as error:
                    failures.append(Failure(file, str(error)))
            else:
                yield InputFile(file, file, named=False)
    elif not path.exists():
        raise BadInput(f"{path}: no such file or folder; check the path")
    elif not path.is_file():
        raise BadInput(f"{path}: neither a file nor a folder; give a study's file")
    elif is_zip(path):
        yield from _unpacked(path, path, stack)
    else:
        yield InputFile(path, path, named=True)


def _may_enter(folder: Path) -> bool:
    """Tell whether a folder's files can be listed; `Path.rglob` passes over one that cannot."""
    return os.access(folder, os.R_OK | os.X_OK)


def _is_wanted(path: Path, root: Path) -> bool:
    return not any(
        part.casefold() in _CLUTTER or part.startswith("._")
        for part in path.relative_to(root).parts
    )


def is_zip(path: Path) -> bool:
    """Tell from its first bytes whether a file is a zip."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:  # reported when the file is described
        return False


def _unpacked(path: Path, origin: Path, stack: ExitStack) -> Iterator[InputFile]:
    """Unpack a zip into a temporary folder and list its files, named below the zip's path."""
    folder = Path(tempfile.mkdtemp(prefix="bonescan-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    unpack(path, folder)
    files = [
        file for file in sorted(folder.rglob("*")) if file.is_file() and _is_wanted(file, folder)
    ]
    if not files:
        raise BadInput(f"{path}: the zip holds no files; pack the study again")
    for file in files:
        yield InputFile(file, origin / file.relative_to(folder), named=False)


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip into a folder, or refuse all of it.

    Raises
    ------
    BadInput
        If a member would land outside the folder, is a link or encrypted, if the zip unpacks to
        more than a batch of studies can hold, or is damaged, or the disk is full.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            targets = [_target(path, member, folder) for member in members]
            _check_sizes(path, members)
            budget = MAX_UNPACKED_BYTES
            for member, target in zip(members, targets, strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                budget -= _copy(archive, member, target, budget, path)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadInput(f"{path}: the zip is damaged or cut off; pack it again") from error
    except NotImplementedError as error:
        raise BadInput(f"{path}: its compression is not supported; pack it as plain zip") from error
    except RuntimeError as error:  # zipfile's answer to a missing password
        raise BadInput(f"{path}: the zip is encrypted; unpack it first") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "a member's name is not usable"
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = f"free space below {folder.parent} or set TMPDIR" if full else "unpack it yourself"
        raise BadInput(f"{path}: cannot be unpacked ({reason}); {remedy}") from error


def _target(path: Path, member: zipfile.ZipInfo, folder: Path) -> Path:
    """Return where a member goes, refusing names that lead out of the folder."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    mode = member.external_attr >> 16
    escapes = name.is_absolute() or ".." in name.parts or bool(re.match("[A-Za-z]:", str(name)))
    if escapes or stat.S_ISLNK(mode):
        raise BadInput(
            f"{path}: member {member.filename[:80]!r} would leave the folder it is unpacked to; "
            "do not trust this zip"
        )
    if member.flag_bits & 1:
        raise BadInput(f"{path}: the zip is encrypted; unpack it first")
    return folder.joinpath(*name.parts)


def _check_sizes(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    packed = max(1, path.stat().st_size)
    if (
        unpacked > MAX_UNPACKED_BYTES
        or len(members) > MAX_MEMBERS
        or (unpacked > _SMALL_BYTES and unpacked > MAX_RATIO * packed)
    ):
        raise BadInput(
            f"{path}: unpacks to {unpacked / 2**20:.0f} MiB in {len(members)} files from "
            f"{packed / 2**20:.1f} MiB, more than studies do; give smaller zips or a folder"
        )


def _copy(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: int, path: Path
) -> int:
    """Copy a member, counting what really comes out; its header may lie about the size."""
    written = 0
    with archive.open(member) as source, target.open("xb") as out:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > min(budget, member.file_size):
                raise BadInput(
                    f"{path}: member {member.filename[:80]!r} is larger than the zip says; "
                    "do not trust this zip"
                )
            out.write(chunk)
    return written
