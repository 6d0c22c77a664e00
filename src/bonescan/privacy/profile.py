"""A DICOM header by the Basic Application Level Confidentiality Profile (PS3.15, Annex E).

The table of the profile comes from the library dicom-anonymizer, in the edition `TABLE`, as do the
dummy values and the removal of private attributes. Ours is what the library leaves open or does
otherwise: it makes random UIDs, writes dates of the year 1 in place of none, and does not look into
sequences that stay.

Choices where the table leaves one: what may be removed is removed (X, X/Z, X/D, X/Z/D), what may be
empty is empty (Z, Z/D). Image objects that `bonescan.ingest` takes stay valid by that: none of them
requires a removed attribute (PS3.3, A.5 and A.8).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, partial

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from bonescan import __version__
from bonescan.errors import BadInput
from bonescan.ingest import headers
from bonescan.privacy.messages import Cover
from bonescan.privacy.pseudonyms import Pseudonyms

#: Edition of the standard whose table is used.
TABLE = "dicomfields_2026c"
METHOD = f"bonescan {__version__}, PS3.15 2026c Table E.1-1"

#: Group and element; for repeating groups the library's tuples have two masks more.
Tag = tuple[int, int]
Action = Callable[[Dataset, Tag], None]

#: Free text, in which a name may stand wherever it does not belong.
_FREE_TEXT = {"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}


def deidentify(source: Dataset, pseudonyms: Pseudonyms, patient: str, cover: Cover) -> FileDataset:
    """Return a copy of an image object that does not tell whose it is.

    Parameters
    ----------
    source : Dataset
        With its pixels, which stay as they are; compressed ones are decoded, because compressed
        streams can carry comments.
    pseudonyms : Pseudonyms
        For UIDs, in sequences as well; those of the standard stay.
    patient : str
        Stands in Patient's Name and Patient ID.
    cover : Cover
        What identifies the patient; free text that still holds it after the profile is emptied.

    Returns
    -------
    FileDataset
        With fresh file meta information, Explicit VR Little Endian unless the source is big-endian.

    Raises
    ------
    BadInput
        If the object cannot be treated; the message does not name it.
    """
    try:
        with headers.quietly():
            found = copy.deepcopy(source)
            syntax = _decoded(found)
            _treat(found, _rules(pseudonyms))
            _empty_leftovers(found, cover)
            _declare(found, patient)
            return _as_file(found, syntax)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"the header cannot be freed of identity ({type(error).__name__}); "
            "export the study again, or anonymise it in the archive"
        ) from error


def _decoded(dataset: Dataset) -> UID:
    """Decode compressed pixels; return the transfer syntax to write."""
    meta = getattr(dataset, "file_meta", None)
    syntax = UID(str(meta.get("TransferSyntaxUID", ""))) if meta is not None else UID("")
    if syntax == ExplicitVRBigEndian:
        return syntax
    if syntax and syntax.is_compressed and not syntax.is_deflated:
        dataset.decompress(generate_instance_uid=False)
    return ExplicitVRLittleEndian


def _treat(dataset: Dataset, rules: dict[Tag, Action]) -> None:
    """Apply the rules to a data set and to every item of the sequences that stay."""
    from dicomanonymizer import anonymize_dataset

    anonymize_dataset(dataset, base_rules_gen=lambda: dict(rules), delete_private_tags=True)
    for element in list(dataset):
        # Overlays lose their data by the profile, and what describes them is free text. Elements
        # unknown to the dictionary (UN) cannot be judged.
        if 0x6000 <= element.tag.group <= 0x60FF or element.VR == "UN":
            del dataset[element.tag]
        elif element.VR == "SQ":
            for item in element.value:
                _treat(item, rules)


def _rules(pseudonyms: Pseudonyms) -> dict[Tag, Action]:
    replace_uid = partial(_replace_uid, pseudonyms)
    ours: dict[str, Action] = {"X": _remove, "Z": _empty, "U": replace_uid}
    return {tag: ours.get(kind[0], action) for tag, (kind, action) in _table().items()}


@cache
def _table() -> dict[Tag, tuple[str, Action]]:
    """Return for each tag the table's code (X, Z, D, U, X/Z, ...) and the library's action."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
    from dicomanonymizer.simpledicomanonymizer import initialize_actions

    groups = dicom_anonymization_database_selector(TABLE)
    actions = initialize_actions(TABLE)
    codes = {
        tag: name.removesuffix("_TAGS")
        for name, tags in groups.items()
        if name != "ALL_TAGS"
        for tag in tags
    }
    return {tag: (code, actions[tag]) for tag, code in codes.items()}


def _remove(dataset: Dataset, tag: Tag) -> None:
    if tag in dataset:
        del dataset[tag]


def _empty(dataset: Dataset, tag: Tag) -> None:
    if tag in dataset:
        dataset[tag].clear()


def _replace_uid(pseudonyms: Pseudonyms, dataset: Dataset, tag: Tag) -> None:
    if tag not in dataset:
        return
    element = dataset[tag]
    uids = [pseudonyms.uid(str(uid)) for uid in headers.values(dataset, element.keyword)]
    element.value = uids[0] if len(uids) == 1 else uids


def _empty_leftovers(dataset: Dataset, cover: Cover) -> None:
    """Empty free text that still names the patient; meanings of standard codes name no one."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _empty_leftovers(item, cover)
        elif element.VR in _FREE_TEXT and element.keyword != "CodeMeaning":
            told = " ".join(headers.texts(dataset, element.keyword))
            if cover.hides(told):
                element.clear()


def _declare(dataset: Dataset, patient: str) -> None:
    """State the pseudonym, and what was done (PS3.15, E.1.1)."""
    dataset.PatientName = dataset.PatientID = patient
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    profile = Dataset()
    profile.CodeValue, profile.CodingSchemeDesignator = "113100", "DCM"
    profile.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.DeidentificationMethodCodeSequence = Items([profile])


def _as_file(dataset: Dataset, syntax: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    meta.TransferSyntaxUID = syntax
    big = syntax == ExplicitVRBigEndian
    return FileDataset(
        "",
        dataset,
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=False,
        is_little_endian=not big,
    )
