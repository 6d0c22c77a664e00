"""Results without identity: keyed pseudonyms, the DICOM basic profile, names in messages."""

from bonescan.privacy.anonymise import anonymised
from bonescan.privacy.followup import anonymise_followup, cover_visits
from bonescan.privacy.messages import Cover, cover_inputs, covering
from bonescan.privacy.pseudonyms import Pseudonyms, load_key

__all__ = [
    "Cover",
    "Pseudonyms",
    "anonymise_followup",
    "anonymised",
    "cover_inputs",
    "cover_visits",
    "covering",
    "load_key",
]
