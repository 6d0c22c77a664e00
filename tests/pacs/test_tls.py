"""Objects go to archives that speak TLS; where it does not come about, one line says why."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from pynetdicom import AE, evt
from typer.testing import CliRunner

from bonescan.cli import app
from bonescan.errors import BadSettings
from bonescan.pacs import Archive, open_tls, send_result

ALL = ["seg.dcm", "sr.dcm", "capture.dcm", "report.dcm"]


@dataclass(frozen=True)
class Papers:
    """PEM files: two authorities, what the first has signed for an archive and for us."""

    authority: Path
    stranger: Path
    archive: Path
    elsewhere: Path
    own: Path
    forged: Path


@pytest.fixture(scope="session")
def papers(certify: Callable[..., Path]) -> Papers:
    authority, stranger = certify("authority"), certify("stranger")
    return Papers(
        authority,
        stranger,
        certify("archive", signer=authority),
        certify("elsewhere", signer=authority, name="DNS:pacs.example.org"),
        certify("own", signer=authority, name="DNS:reader"),
        certify("forged", signer=stranger, name="DNS:reader"),
    )


@dataclass
class Listener:
    """An archive that speaks TLS, or not, and keeps the file names' UIDs it was sent."""

    taken: list[str] = field(default_factory=list)

    @contextmanager
    def open(
        self, folder: Path, certificate: Path | None, *, known: Path | None = None
    ) -> Iterator[int]:
        context = None
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=known)
            context.load_cert_chain(certificate)
            context.verify_mode = ssl.CERT_REQUIRED if known else ssl.CERT_NONE
        entity = AE("KEEPER")
        for name in ALL:
            entity.add_supported_context(
                pydicom.dcmread(folder / name).SOPClassUID, [ExplicitVRLittleEndian, RLELossless]
            )
        server = entity.start_server(
            ("127.0.0.1", 0),
            block=False,
            ssl_context=context,
            evt_handlers=[(evt.EVT_C_STORE, self.store)],
        )
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()

    def store(self, event: Any) -> int:
        self.taken.append(str(event.request.AffectedSOPInstanceUID))
        return 0


def refused(folder: Path, archive: Archive) -> str:
    """Send to an archive that must not get anything; return the one line that says why."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = send_result(folder, archive)
    assert (done.sent, done.known) == ((), ())
    (line,) = done.problems
    assert "nothing was sent and the files are kept" in line
    assert "\n" not in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return line


def at(port: int, **tls: Any) -> Archive:
    secured = open_tls(**tls) if tls else None
    return Archive("KEEPER", "127.0.0.1", port, timeout_s=10, tls=secured)


def test_all_go_once_under_tls(folder: Path, papers: Papers) -> None:
    listener = Listener()
    with listener.open(folder, papers.archive, known=papers.authority) as port:
        archive = at(port, authority=papers.authority, certificate=papers.own)
        first, again = send_result(folder, archive), send_result(folder, archive)
    assert (list(first.sent), first.problems) == (ALL, ())
    assert (again.sent, list(again.known), again.problems) == ((), ALL, ())
    assert len(listener.taken) == len(set(listener.taken)) == 4


def test_what_stands_against_a_certificate_is_said(folder: Path, papers: Papers) -> None:
    """Then all of it goes, once, when it is mended."""
    listener = Listener()
    with listener.open(folder, papers.elsewhere) as port:
        line = refused(folder, at(port, authority=papers.stranger))
        assert "shows a certificate that we do not trust" in line
        assert "give its authority with --tls-ca" in line
        line = refused(folder, at(port, authority=papers.authority))
        assert "give the name that it has with --tls-name" in line
        mended = at(port, authority=papers.authority, name="pacs.example.org")
        assert list(send_result(folder, mended).sent) == ALL
    assert len(listener.taken) == 4


@pytest.mark.parametrize("shown", [None, "forged"])
def test_a_certificate_that_the_archive_does_not_know(
    folder: Path, papers: Papers, shown: str | None
) -> None:
    listener = Listener()
    certificate = papers.forged if shown else None
    with listener.open(folder, papers.archive, known=papers.authority) as port:
        line = refused(folder, at(port, authority=papers.authority, certificate=certificate))
    assert "does not take our certificate" in line
    assert "give one that it knows with --tls-certificate" in line
    assert listener.taken == []


def test_plain_text_to_an_archive_in_tls(folder: Path, papers: Papers) -> None:
    listener = Listener()
    with listener.open(folder, papers.archive, known=papers.authority) as port:
        line = refused(folder, at(port))
    assert "wants TLS; give --tls, and its authority with --tls-ca" in line
    assert listener.taken == []


def test_tls_to_an_archive_in_plain_text(folder: Path, papers: Papers) -> None:
    listener = Listener()
    with listener.open(folder, None) as port:
        line = refused(folder, at(port, authority=papers.authority))
        assert "does not answer in TLS" in line
        assert "give the port where it does, or leave TLS out" in line
        assert list(send_result(folder, at(port)).sent) == ALL
    assert len(listener.taken) == 4


def test_an_archive_that_shakes_hands_and_says_no_more(folder: Path, papers: Papers) -> None:
    """TLS 1.3 sends tickets after the handshake: a wait for more bytes must have an end."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(papers.archive)
    opened: list[socket.socket] = []

    def serve(mute: socket.socket) -> None:
        while True:
            try:
                opened.append(context.wrap_socket(mute.accept()[0], server_side=True))
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as mute:
        threading.Thread(target=serve, args=[mute], daemon=True).start()
        archive = at(mute.getsockname()[1], authority=papers.authority)
        begun = time.monotonic()
        line = refused(folder, replace(archive, timeout_s=1))
        took = time.monotonic() - begun
        mute.shutdown(socket.SHUT_RDWR)
    for connection in opened:
        connection.close()
    assert "does not answer as an archive does" in line
    assert took < 30


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"authority": "absent"}, "--tls-ca absent: cannot be read (No such file or directory)"),
        ({"authority": "empty"}, "--tls-ca empty: holds no certificate"),
        ({"key": "own"}, "--tls-key: is a key without certificate"),
        ({"certificate": "empty"}, "--tls-certificate empty: "),
        ({"certificate": "own", "key": "stranger"}, "is not the key of --tls-certificate"),
        ({"certificate": "own", "key": "locked"}, "or needs its passphrase in BONESCAN_TLS_PASS"),
    ],
)
def test_files_that_do_not_do(
    options: dict[str, str],
    says: str,
    papers: Papers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("")
    Path("own").write_bytes(papers.own.read_bytes())
    Path("stranger").write_bytes(papers.stranger.read_bytes())
    lock(papers.own, Path("locked"))
    with pytest.raises(BadSettings) as caught:
        open_tls(**{name: Path(value) for name, value in options.items()})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def lock(key: Path, locked: Path) -> None:
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:open sesame"]
    subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)


def test_a_locked_key_opens_with_its_passphrase(
    papers: Papers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(papers.own, tmp_path / "locked")
    monkeypatch.setenv("BONESCAN_TLS_PASSPHRASE", "open sesame")
    assert open_tls(certificate=papers.own, key=tmp_path / "locked").name is None


def test_the_command_sends_under_tls(folder: Path, papers: Papers) -> None:
    listener, run = Listener(), CliRunner()
    with listener.open(folder, papers.archive, known=papers.authority) as port:
        call = ["send", str(folder), "--to", f"KEEPER@127.0.0.1:{port}", "--tls-ca"]
        call += [str(papers.authority), "--tls-certificate", str(papers.own)]
        done = run.invoke(app, call)
    assert done.exit_code == 0, done.output
    assert "4 sent to KEEPER@127.0.0.1" in done.output
    assert len(listener.taken) == 4


@pytest.mark.acceptance
def test_orthanc_takes_them_under_tls(
    folder: Path,
    papers: Papers,
    start_orthanc: Callable[..., AbstractContextManager[tuple[int, str]]],
) -> None:
    """By the command: without our certificate nothing, with it each object once."""
    run, own = CliRunner(), ["--tls-certificate", str(papers.own)]
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(papers.archive),
        "DicomTlsPrivateKey": str(papers.archive),
        "DicomTlsTrustedCertificates": str(papers.authority),
        "DicomTlsRemoteCertificateRequired": True,
    }
    with start_orthanc(**settings) as (port, address):
        call = ["send", str(folder), "--to", f"ARCHIVE@127.0.0.1:{port}"]
        clear = run.invoke(app, call)
        call += ["--tls", "--tls-ca", str(papers.authority)]
        unknown = run.invoke(app, call)
        before = instances(address)
        first, again = run.invoke(app, [*call, *own]), run.invoke(app, [*call, *own])
        after = instances(address)
    assert clear.exit_code != 0
    assert "wants TLS" in clear.output
    assert unknown.exit_code != 0
    assert "does not take our certificate" in unknown.output
    assert before == []
    assert first.exit_code == 0, first.output
    assert "4 sent to ARCHIVE@127.0.0.1" in first.output
    assert again.exit_code == 0, again.output
    assert sorted(after) == sorted(str(pydicom.dcmread(folder / n).SOPInstanceUID) for n in ALL)


def instances(address: str) -> list[str]:
    """Return the SOP Instance UIDs that an Orthanc has."""
    with urllib.request.urlopen(f"{address}/instances?expand") as answer:
        return [item["MainDicomTags"]["SOPInstanceUID"] for item in json.load(answer)]


@pytest.mark.acceptance
def test_dcmtk_takes_them_under_tls(folder: Path, papers: Papers, tmp_path: Path) -> None:
    storescp = shutil.which("storescp", path=os.defpath)  # pynetdicom has a program of that name
    if storescp is None:
        pytest.skip("storescp is not installed")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    taken = tmp_path / "taken"
    taken.mkdir()
    command = [storescp, "--output-directory", str(taken), "+xa", "--enable-tls"]
    command += [str(papers.archive), str(papers.archive), "--add-cert-file", str(papers.authority)]
    server = subprocess.Popen([*command, "--require-peer-cert", str(port)])
    try:
        wait_for(port)
        own = {"authority": papers.authority, "certificate": papers.own}
        assert "does not take our certificate" in refused(
            folder, at(port, authority=papers.authority, certificate=papers.forged)
        )
        assert "wants TLS" in refused(folder, at(port))
        assert list(send_result(folder, at(port, **own)).sent) == ALL
    finally:
        server.terminate()
        server.wait(30)
    uids = {str(pydicom.dcmread(path).SOPInstanceUID) for path in taken.iterdir()}
    assert uids == {str(pydicom.dcmread(folder / name).SOPInstanceUID) for name in ALL}


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("nobody listens")
