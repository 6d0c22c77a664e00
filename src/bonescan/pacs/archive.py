"""Where an archive is: its application entity title, host and port."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bonescan.errors import BadSettings
from bonescan.pacs.tls import Tls

#: TITLE@HOST:PORT; a title has up to 16 characters without a backslash (PS3.5, 6.2), and here no @.
_ADDRESS = re.compile(
    r"(?P<title>[^@\\]{1,16})@(?P<host>\[[0-9a-fA-F:.]+\]|[^@:\[\]]+):(?P<port>\d+)"
)
_TITLE = re.compile(r"[ -\[\]-~]{1,16}")


@dataclass(frozen=True)
class Archive:
    """An archive, and how it is talked to.

    Attributes
    ----------
    title : str
        Its application entity title.
    host : str
    port : int
    own_title : str
        The title that we call from; many archives take objects from titles that they know alone.
    timeout_s : float
        Seconds that it gets for the connection, and for each answer.
    tls : Tls or None
        None where it is talked to in the clear.
    """

    title: str
    host: str
    port: int
    own_title: str = "BONESCAN"
    timeout_s: float = 30.0
    tls: Tls | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.title}@{host}:{self.port}"


def parse_archive(
    text: str, *, own_title: str = "BONESCAN", timeout_s: float = 30.0, tls: Tls | None = None
) -> Archive:
    """Read an archive's address.

    Parameters
    ----------
    text : str
        ``TITLE@HOST:PORT``, for instance ``ARCHIVE@pacs.example.org:104``.
    own_title : str
    timeout_s : float
    tls : Tls, optional

    Raises
    ------
    BadSettings
        If it is no address, or a title no title.

    >>> parse_archive("ARCHIVE@[::1]:104").host
    '::1'
    """
    found = _ADDRESS.fullmatch(text.strip())
    if not found or not 0 < int(found["port"]) < 2**16 or not _is_title(found["title"]):
        raise BadSettings(
            f"--to {text}: is no address of an archive; write TITLE@HOST:PORT, "
            "for instance ARCHIVE@pacs.example.org:104"
        )
    if not _is_title(own_title):
        raise BadSettings(
            f"--from {own_title}: is no application entity title; give 1 to 16 ASCII characters"
        )
    host = found["host"].strip("[]")
    return Archive(
        found["title"].strip(), host, int(found["port"]), own_title.strip(), timeout_s, tls
    )


def _is_title(text: str) -> bool:
    return bool(text.strip()) and _TITLE.fullmatch(text) is not None
