"""From a reading to the files that a reader and a script take."""

from bonescan.report.outputs import write_outputs

__all__ = ["write_outputs"]
