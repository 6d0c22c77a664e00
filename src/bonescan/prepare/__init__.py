"""`bonescan prepare`: a cohort to canvases and labels on disk, which training reads."""

from bonescan.prepare.build import folders_of, prepare_cohort
from bonescan.prepare.data import PreparedCase, PreparedData

__all__ = ["PreparedCase", "PreparedData", "folders_of", "prepare_cohort"]
