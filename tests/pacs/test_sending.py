"""Objects go to an archive once: one that is well, down, slow, strange, or that refuses some."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

from bonescan.errors import BadInput, BadSettings
from bonescan.pacs import Archive, Delivery, find_results, parse_archive, send_result

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless)
ALL = ["seg.dcm", "sr.dcm", "capture.dcm", "report.dcm"]
SR = "1.2.840.10008.5.1.4.1.1.88.33"
CLASSES = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    SR,
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.104.1",
)


@dataclass
class Keeper:
    """An archive of this test: what it has taken, and what it answers."""

    answer: Callable[[Dataset], int | Dataset] = lambda _: 0
    classes: tuple[str, ...] = ()
    syntaxes: tuple[str, ...] = SYNTAXES
    finds: bool = True
    taken: list[Dataset] = field(default_factory=list)

    def store(self, event: Any) -> int | Dataset:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.taken.append(dataset)
        return self.answer(dataset)

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        wanted = event.identifier.SOPInstanceUID
        for dataset in self.taken:
            if dataset.SOPInstanceUID == wanted:
                item = Dataset()
                item.QueryRetrieveLevel, item.SOPInstanceUID = "IMAGE", wanted
                yield 0xFF00, item

    @contextmanager
    def open(self, title: str = "KEEPER", *, strict: bool = False) -> Iterator[Archive]:
        entity = AE(title)
        entity.require_called_aet = strict
        for name in self.classes or CLASSES:
            entity.add_supported_context(name, list(self.syntaxes))
        if self.finds:
            entity.add_supported_context(Find)
        handlers = [(evt.EVT_C_STORE, self.store), (evt.EVT_C_FIND, self.find)]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        try:
            yield Archive("KEEPER", "127.0.0.1", server.socket.getsockname()[1], timeout_s=20)
        finally:
            server.shutdown()


def test_all_go_once(folder: Path) -> None:
    keeper = Keeper()
    with keeper.open() as archive:
        first = send_result(folder, archive)
        again = send_result(folder, archive)
    assert (list(first.sent), first.known, first.problems) == (ALL, (), ())
    assert (again.sent, list(again.known), again.problems) == ((), ALL, ())
    for name, dataset in zip(ALL, keeper.taken, strict=True):
        assert dataset == pydicom.dcmread(folder / name)
    record = json.loads((folder / "sent.json").read_text())
    assert (record["schema"], list(record["archives"])) == ("bonescan-sent", [str(archive)])
    assert set(record["archives"][str(archive)].values()) == {"stored"}
    assert find_results([folder.parent, folder]) == [folder]


def test_another_archive_gets_them_too_and_new_objects_go(folder: Path) -> None:
    one, two = Keeper(), Keeper()
    with one.open() as first, two.open() as second:
        send_result(folder, first)
        assert len(send_result(folder, second).sent) == 4
        changed = pydicom.dcmread(folder / "sr.dcm")
        changed.SOPInstanceUID = changed.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        changed.save_as(folder / "sr.dcm")
        assert send_result(folder, first).sent == ("sr.dcm",)
    assert (len(one.taken), len(two.taken)) == (5, 4)


def test_a_structured_report_that_is_refused_is_said_and_stops_no_other(folder: Path) -> None:
    def answer(dataset: Dataset) -> int | Dataset:
        if dataset.SOPClassUID != SR:
            return 0
        status = Dataset()
        status.Status, status.ErrorComment = 0xA900, "no template here"
        return status

    keeper = Keeper(answer)
    with keeper.open() as archive:
        done = send_result(folder, archive)
        assert list(done.sent) == ["seg.dcm", "capture.dcm", "report.dcm"]
        assert done.problems == (
            f"{folder}/sr.dcm: {archive} finds that the object does not fit its class "
            "(status A900, no template here); the file is kept",
        )
        keeper.answer = lambda _: 0
        assert send_result(folder, archive).sent == ("sr.dcm",)
    assert (folder / "sr.dcm").is_file()


def test_an_archive_that_knows_no_structured_reports(folder: Path) -> None:
    keeper = Keeper(classes=tuple(name for name in CLASSES if name != SR))
    with keeper.open() as archive:
        done = send_result(folder, archive)
    assert len(done.sent) == 3
    (line,) = done.problems
    assert "sr.dcm: " in line
    assert "takes no Comprehensive SR Storage of ours" in line


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_an_archive_without_compression_gets_the_same_picture(folder: Path, syntax: str) -> None:
    keeper = Keeper(syntaxes=(syntax,))
    with keeper.open() as archive:
        assert len(send_result(folder, archive).sent) == 4
    sent = next(item for item in keeper.taken if item.Modality == "OT")
    own = pydicom.dcmread(folder / "capture.dcm")
    assert sent.SOPInstanceUID == own.SOPInstanceUID
    assert sent.file_meta.TransferSyntaxUID == syntax
    assert (sent.pixel_array == own.pixel_array).all()


def test_a_warning_is_no_refusal(folder: Path) -> None:
    keeper = Keeper(lambda _: 0xB000)
    with keeper.open() as archive:
        assert len(send_result(folder, archive).sent) == 4


def test_an_archive_that_is_down(folder: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = send_result(folder, Archive("KEEPER", "127.0.0.1", port, timeout_s=2))
    assert (done.sent, done.known) == ((), ())
    (line,) = done.problems
    assert "cannot be reached (Connection refused)" in line
    assert "the files are kept" in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_listener_that_never_answers(folder: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        begun = time.monotonic()
        done = send_result(folder, Archive("KEEPER", "127.0.0.1", port, timeout_s=1))
        assert time.monotonic() - begun < 20
    assert "does not answer as an archive does" in done.problems[0]
    assert not (folder / "sent.json").exists()


@pytest.mark.parametrize("finds", [True, False])
def test_a_slow_archive_is_asked_before_anything_is_sent_again(folder: Path, finds: bool) -> None:
    """It takes the first object and says so too late: nobody knows whether it has it."""
    ready = threading.Event()

    def slowly(_: Dataset) -> int:
        ready.wait(30)
        return 0

    keeper = Keeper(slowly, finds=finds)
    with keeper.open() as archive:
        impatient = Archive(archive.title, archive.host, archive.port, timeout_s=1)
        done = send_result(folder, impatient)
        ready.set()
        assert done.sent == ()
        (line,) = done.problems
        assert "did not answer within 1 s" in line
        assert "seg.dcm, sr.dcm, capture.dcm, report.dcm may be missing" in line
        again = send_result(folder, archive)
    assert not again.problems
    taken = [str(item.SOPInstanceUID) for item in keeper.taken]
    if finds:
        assert list(again.known) == ["seg.dcm"]
        assert len(taken) == len(set(taken)) == 4
    else:  # it cannot tell, and gets the object under the same UID
        assert list(again.sent) == ALL
        assert (len(taken), len(set(taken))) == (5, 4)


def test_two_calls_at_once_send_once(folder: Path) -> None:
    """As where a timer starts a call while the last one waits for a slow archive."""
    begun, ready = threading.Event(), threading.Event()

    def slowly(_: Dataset) -> int:
        begun.set()
        return 0 if ready.wait(30) else 0xA700

    keeper = Keeper(slowly)
    done: list[Delivery] = []
    with keeper.open() as archive:
        first = threading.Thread(target=lambda: done.append(send_result(folder, archive)))
        first.start()
        assert begun.wait(30)
        with pytest.raises(BadInput, match="another call is sending it; wait until it has ended"):
            send_result(folder, archive)
        ready.set()
        first.join(30)
        assert list(done[0].sent) == ALL
        assert list(send_result(folder, archive).known) == ALL
    assert len(keeper.taken) == 4


def test_an_archive_that_goes_away_midway(folder: Path) -> None:
    keeper = Keeper()

    def go(event: Any) -> int:
        keeper.taken.append(event.dataset)
        if len(keeper.taken) == 2:
            event.assoc.abort()
        return 0

    keeper.store = go  # type: ignore[method-assign]
    with keeper.open() as archive:
        done = send_result(folder, archive)
        assert done.sent == ("seg.dcm",)
        assert "closed the connection; sr.dcm, capture.dcm, report.dcm may be" in done.problems[0]
        again = send_result(folder, archive)
    assert (list(again.known), list(again.sent)) == (["seg.dcm", "sr.dcm"], ALL[2:])


def test_a_wrong_title_is_told(folder: Path) -> None:
    with Keeper().open("OTHER", strict=True) as archive:
        (line,) = send_result(folder, archive).problems
    assert "has another title; mend --to" in line


def test_a_damaged_receipt_stops_the_call(folder: Path) -> None:
    (folder / "sent.json").write_text('{"archives": {"A": {"1.2": "maybe"}}}')
    keeper = Keeper()
    with keeper.open() as archive, pytest.raises(BadInput, match="not known what was sent"):
        send_result(folder, archive)
    assert keeper.taken == []


def test_pictures_have_nothing_to_send(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(BadInput, match="holds no DICOM objects"):
        send_result(tmp_path, Archive("A", "127.0.0.1", 1))
    with pytest.raises(BadInput, match="holds no results of bonescan read"):
        find_results([tmp_path / "absent"])


@pytest.mark.parametrize(
    ("text", "host", "port"), [("A B@pacs:104", "pacs", 104), ("A@[::1]:11112", "::1", 11112)]
)
def test_addresses(text: str, host: str, port: int) -> None:
    archive = parse_archive(text)
    assert (archive.host, archive.port, str(archive)) == (host, port, text)


@pytest.mark.parametrize(
    "text",
    ["", "pacs:104", "A@pacs", "A@pacs:0", "A@pacs:70000", "ä@pacs:1", "seventeen letters@p:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match=r"is no address of an archive; write TITLE@HOST:PORT"):
        parse_archive(text)
    with pytest.raises(BadSettings, match="is no application entity title"):
        parse_archive("A@pacs:104", own_title="")


def test_what_was_sent_is_what_lies_there(folder: Path) -> None:
    """The bytes of a picture survive as they are where its compression is taken."""
    keeper = Keeper()
    with keeper.open() as archive:
        send_result(folder, archive)
    capture = next(item for item in keeper.taken if item.Modality == "OT")
    assert capture.file_meta.TransferSyntaxUID == RLELossless
    own = pydicom.dcmread(BytesIO((folder / "capture.dcm").read_bytes()))
    assert capture.PixelData == own.PixelData
