"""From files to scans: DICOM, pictures, folders and zips in, `Scan` out."""

from bonescan.ingest.inspect import Inspection, inspect_study
from bonescan.ingest.loading import load_files, load_study
from bonescan.ingest.sources import Failure, Study
from bonescan.ingest.studies import FoundStudies, find_studies

__all__ = [
    "Failure",
    "FoundStudies",
    "Inspection",
    "Study",
    "find_studies",
    "inspect_study",
    "load_files",
    "load_study",
]
