"""Coded concepts of the DICOM objects: SNOMED CT, DICOM and the program's own private scheme.

SNOMED CT and DICOM codes follow DICOM PS3.16. Nothing there names the bone scan index, counts of
a planar scan or an uptake ratio: those are private codes of the scheme ``99BONESCAN``, which
docs/reference-dicom.md documents.
"""

from __future__ import annotations

from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

#: Designator of the private scheme; "99" begins private ones (PS3.16, 8.2).
PRIVATE_SCHEME = "99BONESCAN"
PRIVATE_SCHEME_NAME = "bonescan private codes, version 1 (research use only)"

METASTASIS = Code("94222008", "SCT", "Bony metastasis")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
BONE_SCAN = Code("68796002", "SCT", "Radioisotope study of musculoskeletal system")
SKELETON = Code("113192009", "SCT", "Skeletal system")
BONE = Code("272673000", "SCT", "Bone")
RIGHT = Code("24028007", "SCT", "Right")
LEFT = Code("7771000", "SCT", "Left")

VIEWS = {
    "anterior": Code("399321004", "SCT", "Anterior projection"),
    "posterior": Code("399001007", "SCT", "Posterior projection"),
}

#: The 12 skeletal regions of `bonescan.scan.REGIONS`.
REGION_CODES = {
    "skull": Code("89546000", "SCT", "Skull"),
    "cervical_spine": Code("122494005", "SCT", "Cervical spine"),
    "thoracic_spine": Code("122495006", "SCT", "Thoracic spine"),
    "lumbar_spine": Code("122496007", "SCT", "Lumbar spine"),
    "sacrum": Code("54735007", "SCT", "Sacrum"),
    "ribs": Code("113197003", "SCT", "Rib"),
    "sternum": Code("56873002", "SCT", "Sternum"),
    "clavicles": Code("51299004", "SCT", "Clavicle"),
    "scapulae": Code("79601000", "SCT", "Scapula"),
    "humeri": Code("85050009", "SCT", "Humerus"),
    "pelvis": Code("816092008", "SCT", "Pelvis"),
    "femora": Code("71341001", "SCT", "Femur"),
}

LESION_COUNT = Code("246206008", "SCT", "Number of lesions")
AREA = Code("42798000", "SCT", "Area")
MAXIMUM = Code("56851009", "SCT", "Maximum")
MEAN = Code("373098007", "SCT", "Mean")
PROBABILITY = Code("122157", "DCM", "Probability")
IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic imaging study")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
SOURCE_IMAGE = Code("121322", "DCM", "Source Image for Image Processing Operation")
COMMENT = Code("121106", "DCM", "Comment")

INDEX_WHOLE = Code("BSI-WHOLE", PRIVATE_SCHEME, "Bone scan index, whole skeleton")
INDEX_VISIBLE = Code("BSI-VISIBLE", PRIVATE_SCHEME, "Bone scan index, visible skeleton")
INDEX_REGION = Code("BSI-REGION", PRIVATE_SCHEME, "Bone scan index, part of one region")
INDEX_BAND = Code("BSI-BAND", PRIVATE_SCHEME, "Bone scan index, repeatability half-width")
COUNTS = Code("COUNTS", PRIVATE_SCHEME, "Counts per pixel")
GREY_VALUE = Code("GREY", PRIVATE_SCHEME, "Grey value of a picture")
UPTAKE_BODY = Code("UPTAKE-BODY", PRIVATE_SCHEME, "Mean counts over median counts of the body")
UPTAKE_REGION = Code("UPTAKE-REGION", PRIVATE_SCHEME, "Mean counts over median counts of region")
UPTAKE_MIRROR = Code("UPTAKE-MIRROR", PRIVATE_SCHEME, "Mean counts over those of mirrored side")
REGION_SHARE = Code("REGION-SHARE", PRIVATE_SCHEME, "Area of lesion over area of region")
PATIENT_SCORE = Code("PATIENT-SCORE", PRIVATE_SCHEME, "Patient score of the model")

PERCENT = Code("%", "UCUM", "percent")
SQUARE_MM = Code("mm2", "UCUM", "square millimeter")
PIXELS = Code("{pixels}", "UCUM", "pixels")
NUMBER = Code("{counts}", "UCUM", "counts")
RATIO = Code("{ratio}", "UCUM", "ratio")
NO_UNIT = Code("1", "UCUM", "no units")


class Site(NamedTuple):
    """Where a lesion lies: a bone and, where it is known, the patient's side."""

    bone: Code
    side: Code | None


def site_of(region: str, side: str) -> Site:
    """Return the codes of a lesion's place.

    Parameters
    ----------
    region : str
        One of `bonescan.scan.REGIONS`; anything else, such as a level of the body, becomes
        "bone structure", which claims no bone in particular.
    side : str
        ``R``, ``L``, or else no side.
    """
    return Site(REGION_CODES.get(region, BONE), {"R": RIGHT, "L": LEFT}.get(side))


def code_item(code: Code) -> Dataset:
    """Return a code as the item of a code sequence."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def scheme_item() -> Dataset:
    """Return the entry of the private scheme for the Coding Scheme Identification Sequence."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE_SCHEME
    item.CodingSchemeName = PRIVATE_SCHEME_NAME
    item.CodingSchemeVersion = "1"
    item.CodingSchemeResponsibleOrganization = "bonescan"
    return item
