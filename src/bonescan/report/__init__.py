"""From a reading to the files that a reader and a script take."""

from bonescan.report.origin import note_missing_objects
from bonescan.report.outputs import remove_leftovers, write_outputs
from bonescan.report.pdf import write_pdf

__all__ = ["note_missing_objects", "remove_leftovers", "write_outputs", "write_pdf"]
