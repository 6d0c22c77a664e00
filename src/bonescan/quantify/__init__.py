"""From probabilities to lesions, their measures and a `Reading`; the home of components."""

from bonescan.quantify.lesions import FoundLesions, find_lesions
from bonescan.quantify.reading import lesion_rule, read_scan
from bonescan.quantify.scoring import Scores, patient_score, score_scan

__all__ = [
    "FoundLesions",
    "Scores",
    "find_lesions",
    "lesion_rule",
    "patient_score",
    "read_scan",
    "score_scan",
]
