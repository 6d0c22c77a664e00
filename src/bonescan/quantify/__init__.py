"""From probabilities to lesions, their measures and a `Reading`; the home of components."""

from bonescan.quantify.lesions import FoundLesions, find_lesions
from bonescan.quantify.reading import lesion_rule, patient_score, read_scan

__all__ = ["FoundLesions", "find_lesions", "lesion_rule", "patient_score", "read_scan"]
