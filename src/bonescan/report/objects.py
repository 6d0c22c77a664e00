"""The DICOM objects of a reading together: segmentation, measurements, picture, report."""

from __future__ import annotations

from PIL import Image

from bonescan.report.origin import trace_origin
from bonescan.scan import Reading, Scan

#: Every name that `write_objects` may use.
OBJECTS = ("seg.dcm", "seg-posterior.dcm", "sr.dcm", "capture.dcm", "report.dcm")


def write_objects(
    scan: Scan,
    reading: Reading,
    picture: Image.Image,
    pdf: bytes | None = None,
    *,
    regions: bool = False,
) -> dict[str, bytes]:
    """Return the DICOM objects of a reading by file name.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study, whose files must still be there, and what was read off it.
    picture : Image
        The overlay.
    pdf : bytes, optional
        The report; without it there is no ``report.dcm``.
    regions : bool
        Put the skeletal regions into ``seg.dcm``, too.

    Returns
    -------
    dict from file name to bytes
        Empty where the scan has no DICOM identity (`bonescan.report.origin.identity_flag`).
    """
    origin = trace_origin(scan, reading)
    if origin is None:
        return {}
    from bonescan.report.capture import write_capture
    from bonescan.report.document import write_document
    from bonescan.report.seg import write_seg
    from bonescan.report.sr import write_sr

    files = write_seg(scan, reading, origin, regions=regions)
    files["sr.dcm"] = write_sr(scan, reading, origin)
    files["capture.dcm"] = write_capture(scan, picture, origin)
    if pdf is not None:
        files["report.dcm"] = write_document(pdf, origin)
    return files
