"""report.dcm: the report's PDF as an Encapsulated PDF object."""

from __future__ import annotations

from pydicom.sequence import Sequence as Items
from pydicom.uid import EncapsulatedPDFStorage

from bonescan.report import codes
from bonescan.report.origin import Origin, is_anonymised, new_object, reference, to_bytes

SERIES_NUMBER = 9504
TITLE = "Draft report of a bone scan (research use only)"


def write_document(pdf: bytes, origin: Origin) -> bytes:
    """Return a PDF as an Encapsulated PDF object.

    Parameters
    ----------
    pdf : bytes
        Content of the PDF file. An object's value has even length: where the PDF's is odd, one
        zero byte follows it and Encapsulated Document Length tells the true one.
    origin : Origin
        The source instances.

    Returns
    -------
    bytes
        Content of a DICOM file (Encapsulated PDF Storage, PS3.3 A.45.1).
    """
    document = new_object(origin, "document", EncapsulatedPDFStorage)
    document.Modality, document.SeriesNumber = "DOC", SERIES_NUMBER
    document.SeriesDescription = "bonescan draft report (research use only)"
    document.ConversionType = "WSD"
    document.AcquisitionDateTime = None
    document.BurnedInAnnotation = "NO" if is_anonymised(origin) else "YES"
    document.DocumentTitle = TITLE
    document.ConceptNameCodeSequence = Items([codes.code_item(codes.IMAGING_REPORT)])
    document.VerificationFlag = "UNVERIFIED"
    document.SourceInstanceSequence = Items([reference(header) for header in origin.instances])
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return to_bytes(document)
