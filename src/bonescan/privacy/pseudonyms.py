"""Pseudonyms that only the holder of a key can make again: HMAC-SHA256 of what they stand for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import UID, generate_uid

from bonescan.errors import BadSettings
from bonescan.scan import Scan, View

#: Bytes of a key that is made here, and the fewest that are taken.
KEY_BYTES, LEAST_KEY_BYTES = 32, 16
#: Letters of a pseudonym: 60 bits for a patient, 40 for a study of that patient.
PATIENT_LETTERS, STUDY_LETTERS = 12, 8
#: UIDs below this root are the standard's own and name no one.
STANDARD_ROOT = "1.2.840.10008."


@dataclass(frozen=True)
class Pseudonyms:
    """Names for patients, studies and instances under one key.

    The same key gives the same names, in any call and on any machine; without the key a name tells
    nothing, and cannot be found by trying all Patient IDs either.

    Attributes
    ----------
    key : bytes
        Secret; at least 16 bytes.
    """

    key: bytes = field(repr=False)

    @classmethod
    def once(cls) -> Pseudonyms:
        """Return pseudonyms of a key that no one keeps: no one can make them again."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def patient(self, scan: Scan) -> str:
        """Name a scan's patient, for instance ``P-7K3QXM2VWAB4``.

        The name follows from the Patient ID; without one from name and birth date; without these
        from the study.
        """
        who = scan.identity
        if who.patient_id.strip():
            told = ("id", who.patient_id.strip())
        elif who.patient_name.strip(" ^") and who.birth_date:
            told = ("name", f"{who.patient_name.strip()}\n{who.birth_date}")
        else:
            told = ("study", who.study_uid or _contents(scan))
        return f"P-{self._letters(PATIENT_LETTERS, 'patient', *told)}"

    def study(self, scan: Scan) -> str:
        """Name a scan, for instance ``P-7K3QXM2VWAB4_S-4M2XQ7BA``: its patient and itself."""
        own = self._letters(STUDY_LETTERS, "study", scan.identity.study_uid, _contents(scan))
        return f"{self.patient(scan)}_S-{own}"

    def uid(self, original: str) -> UID:
        """Return the UID that stands for another one; those of the standard stay."""
        plain = original.strip(" \0")
        if not plain or plain.startswith(STANDARD_ROOT):
            return UID(plain)
        return generate_uid(entropy_srcs=["bonescan", self._digest("uid", plain).hex()])

    def _letters(self, number: int, *parts: str) -> str:
        return base64.b32encode(self._digest(*parts)).decode("ascii")[:number]

    def _digest(self, *parts: str) -> bytes:
        content = "\0".join(parts).encode(errors="surrogateescape")
        return hmac.digest(self.key, content, hashlib.sha256)


def _contents(scan: Scan) -> str:
    """Tell a scan from others of its study: its instances, or its pixels where it has none."""
    return "\n".join(f"{_instance(view)} {view.frame} {view.crop}" for view in scan.views)


def _instance(view: View) -> str:
    return view.sop_instance_uid or hashlib.sha256(view.counts.tobytes()).hexdigest()


def load_key(path: Path, out: Path) -> Pseudonyms:
    """Read a key file, or make one that only its owner can read.

    Parameters
    ----------
    path : Path
        Any text of 16 bytes or more, spaces at its ends left out.
    out : Path
        Where results go. The key must not lie there: it would travel with them.

    Raises
    ------
    BadSettings
        If the key lies among the results, is too short, or cannot be read or made.
    """
    if path.resolve().is_relative_to(out.resolve()):
        raise BadSettings(f"{path}: the key lies in the folder of the results; keep it elsewhere")
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes().strip()
    except OSError as error:
        raise BadSettings(
            f"{path}: the key cannot be read or made ({error.strerror}); check path and rights"
        ) from error
    if len(key) < LEAST_KEY_BYTES:
        raise BadSettings(
            f"{path}: a key of {len(key)} bytes can be guessed; give {LEAST_KEY_BYTES} or more, "
            "or a path where none is, and one is made"
        )
    return Pseudonyms(key)


def _make_key(path: Path) -> None:
    """Write a new key, readable by its owner alone; never over an existing file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
