"""`bonescan prepare`: a cohort to canvases and labels on disk, which training reads."""

from bonescan.prepare.data import PreparedCase, PreparedData

__all__ = ["PreparedCase", "PreparedData"]
