"""JPEG Lossless (process 14, first-order prediction) frames, as many archives store them.

pydicom encodes RLE, JPEG-LS and JPEG 2000 alone; gdcm, which `bonescan.ingest` reads with, writes
this one.
"""

from __future__ import annotations

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEGLosslessSV1


def jpeg_lossless(frame: NDArray[np.uint16]) -> bytes:
    """Return a frame (H, W) as one JPEG Lossless image (1.2.840.10008.1.2.4.70).

    Raises
    ------
    RuntimeError
        If gdcm does not encode it.
    """
    # An image that is not a writer's own ends the process when it is freed.
    writer = gdcm.ImageWriter()
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((frame.shape[1], frame.shape[0], 1))
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 16, 15, 0))
    pixels = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixels.SetByteStringValue(frame.astype("<u2").tobytes())
    image.SetDataElement(pixels)
    converter = gdcm.ImageChangeTransferSyntax()
    wanted = gdcm.TransferSyntax.GetTSType(str(JPEGLosslessSV1))
    converter.SetTransferSyntax(gdcm.TransferSyntax(wanted))
    converter.SetInput(image)
    if not converter.Change():
        raise RuntimeError("gdcm did not encode a frame as JPEG Lossless")
    encoded = converter.GetOutput()  # held while its parts are read
    fragments = encoded.GetDataElement().GetSequenceOfFragments()
    parts = [
        fragments.GetFragment(n).GetByteValue().GetBuffer()
        for n in range(fragments.GetNumberOfFragments())
    ]
    return b"".join(part.encode("utf-8", "surrogateescape") for part in parts)
