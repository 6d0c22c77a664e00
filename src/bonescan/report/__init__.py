"""From a reading to the files that a reader and a script take."""

from bonescan.report.origin import note_missing_objects
from bonescan.report.outputs import ASIDE, remove_leftovers, write_outputs
from bonescan.report.pdf import write_pdf

__all__ = ["ASIDE", "note_missing_objects", "remove_leftovers", "write_outputs", "write_pdf"]
