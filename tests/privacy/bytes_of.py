"""All that a file's bytes say: as they are, unpacked, decoded, and what a PDF's fonts hide."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
from PIL import Image

ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


def layers(content: bytes, name: str = "") -> Iterator[bytes]:
    """Yield the content and all that is packed inside it."""
    yield content
    if content.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(content)) as picture:
            yield repr(picture.info).encode()
    if content.startswith(b"%PDF"):
        yield from _pdf(content)
    if content.startswith(b"{"):  # JSON may spell letters as numbers
        yield json.dumps(json.loads(content), ensure_ascii=False).encode()
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for member in packed.namelist():
                yield member.encode()
                yield from layers(packed.read(member))
    if content[128:132] == b"DICM":
        for element in pydicom.dcmread(io.BytesIO(content)).iterall():
            if element.VR in ("OB", "OW", "UN") and element.keyword != "PixelData":
                yield from layers(bytes(element.value))
            else:
                yield str(element.value).encode()
    for found in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content):
        yield from layers(base64.b64decode(found))


def _pdf(content: bytes) -> Iterator[bytes]:
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\n?endstream", content, re.DOTALL):
        for packed in (stream, _ascii85(stream)):
            try:
                yield zlib.decompress(packed)
            except zlib.error:
                continue
    if shutil.which("pdftotext"):
        done = subprocess.run(
            ["pdftotext", "-layout", "-", "-"], input=content, capture_output=True, check=True
        )
        yield done.stdout


def _ascii85(stream: bytes) -> bytes:
    try:
        return base64.a85decode(stream.strip().removesuffix(b"~>"))
    except ValueError:
        return b""


class Said:
    """All that the files below a folder say, their names included."""

    def __init__(self, folder: Path) -> None:
        self.files = {
            str(path.relative_to(folder)): b"\n".join(
                layer.lower()
                for layer in (
                    str(path.relative_to(folder)).encode(errors="replace"),
                    *(layers(path.read_bytes()) if path.is_file() else ()),
                )
            )
            for path in sorted(folder.rglob("*"))
        }

    def by(self, secret: str) -> set[str]:
        """Return the files that tell a secret, in any usual encoding, in whatever case."""
        forms = [secret.lower().encode(encoding) for encoding in ENCODINGS]
        return {
            Path(name).name
            for name, content in self.files.items()
            if any(form in content for form in forms)
        }
