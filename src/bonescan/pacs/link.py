"""An association with an archive: store an object, ask for one."""

from __future__ import annotations

import copy
import logging
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bonescan.ingest import headers
from bonescan.pacs import tls
from bonescan.pacs.archive import Archive

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event

#: What a rejected association's reason means for the user (PS3.8, table 9-21), by source and code.
_REJECTED = {
    (1, 3): "does not know our title; have it entered there, or give it with --from",
    (1, 7): "has another title; mend --to",
}
#: Refusals of an object that tell what is wrong (PS3.4, B.2.3; PS3.7, annex C).
_REFUSED = (
    (range(0xA700, 0xA800), "is out of resources"),
    (range(0xA900, 0xAA00), "finds that the object does not fit its class"),
    (range(0xC000, 0xD000), "cannot understand the object"),
    (range(0x0122, 0x0123), "does not store this class"),
    (range(0x0124, 0x0125), "does not let us store"),
)
#: Stored, though something was changed or left out.
_WARNINGS = (0xB000, 0xB006, 0xB007)

#: What an object is sent in where its own compression is not taken; every archive takes the second.
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


class NotReached(Exception):
    """No association came about, so that nothing was sent."""


class NoAnswer(Exception):
    """The archive did not answer, or went away, after something was sent."""


class Link:
    """An established association."""

    def __init__(self, association: Association, archive: Archive) -> None:
        self._association = association
        self._archive = archive

    def store(self, dataset: Dataset) -> str:
        """Send an object.

        Returns
        -------
        str
            Why the archive refused it; empty where it has it.

        Raises
        ------
        NoAnswer
            If nothing is known of it.
        """
        sent = self._encoded(dataset)
        if sent is None:
            return f"takes no {UID(dataset.SOPClassUID).name} of ours (no presentation context)"
        answer = self._answered(lambda: self._association.send_c_store(sent))
        status = int(answer.Status)
        if status == 0 or status in _WARNINGS:
            return ""
        meaning = next((says for codes, says in _REFUSED if status in codes), "refuses the object")
        comment = " ".join(headers.text(answer, "ErrorComment").split())
        return f"{meaning} (status {status:04X}{f', {comment}' if comment else ''})"

    def has(self, dataset: Dataset) -> bool:
        """Ask whether the archive has an object.

        Raises
        ------
        NoAnswer
            If it does not say.
        """
        from pynetdicom.sop_class import (  # type: ignore[attr-defined]
            StudyRootQueryRetrieveInformationModelFind as Find,
        )

        wanted = Dataset()
        wanted.QueryRetrieveLevel = "IMAGE"
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(wanted, keyword, dataset[keyword].value)
        found = False
        try:
            for answer, item in self._association.send_c_find(wanted, Find):
                if "Status" not in answer:
                    raise NoAnswer(self._silence())
                uid = "" if item is None else headers.uid(item, "SOPInstanceUID")
                found = found or uid == dataset.SOPInstanceUID
        except RuntimeError as error:  # the association is gone
            raise NoAnswer(self._silence()) from error
        return found

    def _encoded(self, dataset: Dataset) -> Dataset | None:
        """Return an object as the archive takes it: as it is, else not compressed, else None."""
        own = dataset.file_meta.TransferSyntaxUID
        plain_taken = any(self._accepts(dataset.SOPClassUID, syntax) for syntax in _PLAIN)
        if self._accepts(dataset.SOPClassUID, own) or (plain_taken and not own.is_compressed):
            return dataset  # pynetdicom makes explicit value representations implicit
        if not plain_taken:
            return None
        plain = copy.deepcopy(dataset)
        plain.decompress(generate_instance_uid=False)
        return plain

    def _accepts(self, sop_class: UID, syntax: UID | None = None) -> bool:
        return any(
            context.abstract_syntax == sop_class
            and (syntax is None or syntax in context.transfer_syntax)
            for context in self._association.accepted_contexts
        )

    def _answered(self, ask: Any) -> Dataset:
        try:
            with headers.quietly():
                answer: Dataset = ask()
        except RuntimeError as error:  # the association is gone
            raise NoAnswer(self._silence()) from error
        if "Status" not in answer:
            raise NoAnswer(self._silence())
        return answer

    def _silence(self) -> str:
        return f"did not answer within {self._archive.timeout_s:g} s or closed the connection"


def ask(archive: Archive, objects: Iterable[Dataset]) -> frozenset[str]:
    """Return the UIDs of those objects that an archive says it has.

    An association of its own is opened: an archive that lets nobody ask may end it.
    """
    found: set[str] = set()
    try:
        with connect(archive, ()) as link:
            for dataset in objects:
                if link.has(dataset):
                    found.add(str(dataset.SOPInstanceUID))
    except (NotReached, NoAnswer):
        pass  # then it has what it has said until here
    return frozenset(found)


@contextmanager
def connect(archive: Archive, objects: Iterable[Dataset]) -> Iterator[Link]:
    """Open an association for objects of these classes; without objects one for asking.

    Raises
    ------
    NotReached
        If the archive is down, too slow, or does not let us in.
    """
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import (  # type: ignore[attr-defined]
        StudyRootQueryRetrieveInformationModelFind as Find,
    )

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    _knock(archive)
    entity = AE(archive.own_title)
    entity.connection_timeout = archive.timeout_s
    entity.acse_timeout = archive.timeout_s
    entity.dimse_timeout = archive.timeout_s
    entity.network_timeout = archive.timeout_s
    classes: dict[UID, dict[UID, None]] = {}
    for dataset in objects:
        own = classes.setdefault(dataset.SOPClassUID, {})
        # A context of its own for each syntax: of several in one, an archive picks one.
        own |= dict.fromkeys((dataset.file_meta.TransferSyntaxUID, *_PLAIN))
    for sop_class, syntaxes in classes.items():
        for syntax in syntaxes:
            entity.add_requested_context(sop_class, syntax)
    if not classes:
        entity.add_requested_context(Find)
    secured = archive.tls
    opened: list[socket.socket] = []
    association = entity.associate(
        archive.host,
        archive.port,
        ae_title=archive.title,
        tls_args=None if secured is None else (secured.context, secured.name or archive.host),
        evt_handlers=[(evt.EVT_CONN_OPEN, _take_over, [archive.timeout_s, opened])],
    )
    try:
        if not association.is_established:
            raise NotReached(_why_not(association, archive))
        yield Link(association, archive)
    finally:
        if association.is_established:
            association.release()
        else:
            association.abort()
        for connection in opened:
            connection.close()


def _take_over(event: Event, timeout_s: float, opened: list[socket.socket]) -> None:
    """Do for a connection what pynetdicom does not: end a wait for bytes, and close it in the end.

    What TLS sends of its own makes pynetdicom wait for bytes of the archive's, without end; what
    the archive has closed it leaves open.
    """
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.settimeout(timeout_s)
        opened.append(connection.socket)


def _knock(archive: Archive) -> None:
    """Raise where nobody listens, or not in TLS, with the reason, which pynetdicom only logs."""
    link = _open(archive)
    if archive.tls is None:
        link.close()
    elif objection := tls.shake_hands(link, archive.tls, archive.host):
        raise NotReached(objection)


def _open(archive: Archive) -> socket.socket:
    try:
        return socket.create_connection((archive.host, archive.port), archive.timeout_s)
    except (OSError, UnicodeError) as error:  # a host name that is none breaks its encoding
        reason = getattr(error, "strerror", None) or str(error) or "no connection"
        raise NotReached(f"cannot be reached ({reason})") from error


def _why_not(association: Association, archive: Archive) -> str:
    if association.is_rejected:
        answer = association.acceptor.primitive
        source = int(getattr(answer, "result_source", 0) or 0)
        code = int(getattr(answer, "diagnostic", 0) or 0)
        return _REJECTED.get(
            (source, code), f"rejects the association (source {source}, reason {code})"
        )
    if archive.tls is not None and (
        objection := tls.afterthought(_open(archive), archive.tls, archive.host)
    ):
        return objection
    if archive.tls is None and tls.wants_tls(_open(archive)):
        return "wants TLS; give --tls, and its authority with --tls-ca"
    return "does not answer as an archive does"
