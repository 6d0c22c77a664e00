"""capture.dcm: the overlay as an RGB Secondary Capture, which every viewer shows."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from PIL import Image
from pydicom.sequence import Sequence as Items
from pydicom.uid import RLELossless

from bonescan import RESEARCH_USE
from bonescan.ingest import headers
from bonescan.report import codes
from bonescan.report.origin import (
    Origin,
    carry_identity,
    frame_reference,
    is_anonymised,
    sign,
    to_bytes,
)
from bonescan.scan import Scan

SERIES_NUMBER = 9503


def write_capture(scan: Scan, picture: Image.Image, origin: Origin) -> bytes:
    """Return a picture of a reading as a Secondary Capture object.

    Parameters
    ----------
    scan : Scan
        The study that the picture shows.
    picture : Image
        RGB, for instance from `bonescan.report.figure.draw_overlay`. It has both views in it, so
        that the object states no patient orientation; ANT, POST, L and R stand in the picture.
    origin : Origin
        The source instances.

    Returns
    -------
    bytes
        Content of a DICOM file (Secondary Capture Image Storage, PS3.3 A.8), RLE Lossless: half
        the size or less, and decoded without a codec's library.
    """
    with headers.quietly():
        capture = SCImage.from_ref_dataset(
            origin.header,
            pixel_array=np.asarray(picture.convert("RGB")),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            series_instance_uid=origin.uid("capture", "series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=origin.uid("capture", "instance"),
            instance_number=1,
            manufacturer="bonescan",
            patient_orientation=("L", "F"),
        )
        # GDCM's encoder, which pydicom takes first, ends the process where pictures are small; its
        # own is in Python and takes half a second.
        capture.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    capture.PatientOrientation, capture.BodyPartExamined = None, "WHOLEBODY"
    capture.SeriesDescription = "bonescan overlay (research use only)"
    capture.DerivationDescription = f"Both views in inverse grey with marks. {RESEARCH_USE}"[:1024]
    capture.BurnedInAnnotation = "NO" if is_anonymised(origin) else "YES"  # the study's name
    carry_identity(capture, origin)
    capture.SourceImageSequence = Items()
    for view in scan.views:
        source = frame_reference(origin.headers[view.name], view)
        source.PurposeOfReferenceCodeSequence = Items([codes.code_item(codes.SOURCE_IMAGE)])
        capture.SourceImageSequence.append(source)
    sign(capture, origin)
    return to_bytes(capture)
