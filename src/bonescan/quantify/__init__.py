"""From probabilities to lesions and their measures; the one home of connected components."""

from bonescan.quantify.lesions import FoundLesions, find_lesions

__all__ = ["FoundLesions", "find_lesions"]
