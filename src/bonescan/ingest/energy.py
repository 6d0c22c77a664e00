"""Energy windows and radiopharmaceuticals: is this technetium on bone, and which window is it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from bonescan.ingest import headers

#: Gamma energy of Tc-99m, keV.
PHOTOPEAK_KEV = 140.5

#: Tracers and studies that are not bone scans, as words of headers.
_OTHER_TRACER = re.compile(
    r"\b(?:m?ibg|iobenguane|mibi|sestamibi|tetrofosmin|octreo\w*|pentetreotide|tektrotyd|hynic\w*"
    r"|psma|i-?\s?1(?:31|23)|1(?:31|23)-?i|iod\w*|ga-?\s?67|gallium\w*|in-?\s?111|indium\w*|tl-?\s?201"
    r"|thallium|lu-?\s?177|lutetium|maa|macroaggregat\w*|mag-?3|mertiatide|dtpa|pentetate|dmsa"
    r"|succimer|hida|mebrofenin|exametazime|hmpao|pertechnetate|pertechnetat|nanocol\w*|coll?oid\w*"
    r"|leu[ck]o\w*|wbc|granulo\w*|lymphos\w*)\b",
    re.IGNORECASE,
)

#: Bone-seeking tracers and words for bone scans.
_BONE = re.compile(
    r"\b(?:mdp|hdp|hmdp|dpd|hedp|\w*medron\w*|\w*oxidron\w*|\w*diphosphon\w*|\w*bisphosphon\w*"
    r"|teceos|osteocis|bone\w*|osseu\w*|osse[ao]\w*|oss?[eé]\w*|skelet\w*|squelet\w*|esquelet\w*"
    r"|knochen\w*|kost\w*|ko[sś]ci\w*|骨\w*|os)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class EnergyWindow:
    """An energy window: its number in the Energy Window Vector, and its ranges in keV."""

    number: int
    ranges_kev: tuple[tuple[float, float], ...] = ()
    name: str = ""

    @property
    def holds_photopeak(self) -> bool | None:
        """Whether 140.5 keV lies inside; None where the header does not tell."""
        if not self.ranges_kev:
            return None
        return any(low <= PHOTOPEAK_KEV <= high for low, high in self.ranges_kev)

    def __str__(self) -> str:
        spans = ", ".join(f"{low:g}-{high:g} keV" for low, high in self.ranges_kev)
        return spans or self.name or f"window {self.number}"


def window_of(dataset: Dataset, frame: int) -> EnergyWindow:
    """Return the energy window of a frame (counted from 1); the first where it is not told."""
    vector = headers.numbers(dataset, "EnergyWindowVector")
    number = int(vector[frame - 1]) if len(vector) >= frame else 1
    items = headers.items(dataset, "EnergyWindowInformationSequence")
    if not 1 <= number <= len(items):
        return EnergyWindow(number)
    item = items[number - 1]
    ranges = []
    for span in headers.items(item, "EnergyWindowRangeSequence"):
        low = headers.number(span, "EnergyWindowLowerLimit")
        high = headers.number(span, "EnergyWindowUpperLimit")
        if low is not None and high is not None and 0 <= low < high:
            ranges.append((low, high))
    return EnergyWindow(number, tuple(ranges), headers.text(item, "EnergyWindowName"))


def tracer_of(dataset: Dataset) -> str | None:
    """Return the radiopharmaceutical as the header names it, or None."""
    for item in headers.items(dataset, "RadiopharmaceuticalInformationSequence"):
        for code in headers.items(item, "RadiopharmaceuticalCodeSequence"):
            if meaning := headers.text(code, "CodeMeaning"):
                return meaning
        if name := headers.text(item, "Radiopharmaceutical"):
            return name
    return headers.text(dataset, "Radiopharmaceutical") or None


def nuclide_of(dataset: Dataset) -> str | None:
    """Return the radionuclide as the header names it, or None."""
    for item in headers.items(dataset, "RadiopharmaceuticalInformationSequence"):
        for code in headers.items(item, "RadionuclideCodeSequence"):
            if meaning := headers.text(code, "CodeMeaning"):
                return meaning
    return None


def is_technetium(nuclide: str) -> bool:
    """Tell whether a radionuclide's name means technetium."""
    return bool(re.search(r"\btc\b|tc-?\d|99m|techn", nuclide, re.IGNORECASE))


def names_other_tracer(text: str) -> bool:
    """Tell whether a text names a tracer or study that is not a bone scan, and no bone scan.

    >>> names_other_tracer("WB MIBG 24h"), names_other_tracer("Whole Body Bone MDP")
    (True, False)
    """
    plain = text.replace("_", " ").replace("^", " ")
    return bool(_OTHER_TRACER.search(plain)) and not _BONE.search(plain)
