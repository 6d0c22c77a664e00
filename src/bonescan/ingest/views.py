"""Recognise which view a frame shows from codes and text, in a fixed order of trust.

The order: view code value, code meaning, root View Position, vendor private text, series and image
comments, file name. Where none of them tells, `bonescan.ingest.studies` asks the pixels
(`bonescan.ingest.appearance`) and, last, takes detector 1 as anterior with a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydicom.dataset import Dataset

from bonescan.ingest import headers
from bonescan.scan import ViewName

#: DICOM CID 26 Nuclear Medicine Projections: SNOMED CT codes and their legacy SRT twins.
VIEW_CODES: dict[str, ViewName] = {
    "399321004": "anterior",
    "G-5215": "anterior",
    "399001007": "posterior",
    "G-5216": "posterior",
}

#: Words for a view, as sites write them.
_WORDS: dict[ViewName, tuple[str, ...]] = {
    "anterior": (
        "ant", "anterior", "anterieur", "anterieure", "antérieur", "antérieure", "anteriore",
        "ventral", "vorne", "前", "前位", "前面", "正面",
    ),
    "posterior": (
        "post", "posterior", "posterieur", "posterieure", "postérieur", "postérieure",
        "posteriore", "dorsal", "hinten", "后", "後", "后位", "後面", "背面",
    ),
}  # fmt: skip

#: Words that make a view another one: left anterior oblique is not anterior.
_OTHER_VIEW = {"oblique", "obl", "lateral", "lat", "lao", "rao", "lpo", "rpo", "schräg"}

_VIEW_OF: dict[str, ViewName] = {word: name for name, words in _WORDS.items() for word in words}

#: "Post" before one of these is a time, not a view: post therapy, post void.
_TIMES = re.compile(
    r"\bpost[\s_-]*(?:therap\w*|treat\w*|trait\w*|chemo\w*|chimio\w*|void\w*|mict\w*|op\w*|surg\w*"
    r"|inj\w*|rt|radio\w*|dose|\d+\s*h)\b",
    re.IGNORECASE,
)

#: Text of frames that are computed from views, not views themselves.
_DERIVED = re.compile(
    r"\b(?:geo(?:metric)?[\s_.-]*mean|gmean|geom|moyenne[\s_-]*geom\w*|g\.?m\.?)\b", re.IGNORECASE
)

GE, SIEMENS = "GEMS_GENIE_1", "SIEMENS MED NM"


@dataclass(frozen=True)
class Clue:
    """A view that a code or a text names, and what kind of code or text it was."""

    view: ViewName
    by: str


def _word_spans(text: str) -> list[tuple[int, int]]:
    """Return where words lie: runs of letters, cut where a capital follows a small letter."""
    spans = []
    for match in re.finditer(r"[^\W\d_]+", text):
        cuts = [match.start() + cut.end() for cut in re.finditer("[a-z](?=[A-Z])", match[0])]
        edges = [match.start(), *cuts, match.end()]
        spans += list(pairwise(edges))
    return spans


def words_of(text: str) -> list[str]:
    """Split a name into lower-case words, without ``post`` where it means a time."""
    plain = _TIMES.sub(lambda match: " " * len(match[0]), text)
    return [plain[start:stop].casefold() for start, stop in _word_spans(plain)]


def without_view(text: str) -> str:
    """Remove the words for views from a name, with the separators that they leave.

    >>> without_view("0001_ANT"), without_view("posterior-12"), without_view("wholeBodyPOST")
    ('0001', '12', 'wholeBody')
    """
    kept, last = "", 0
    for start, stop in _word_spans(text):
        if text[start:stop].casefold() in _VIEW_OF:
            before = text[last:start]
            kept += before.rstrip("_-. ") if not text[stop:] else before
            last = stop
            if not kept:
                last += len(text[stop:]) - len(text[stop:].lstrip("_-. "))
            elif kept[-1] in "_-. " and text[stop : stop + 1] in ("_", "-", ".", " "):
                last += 1
    return (kept + text[last:]).strip("_-. ")


def view_in(text: str) -> ViewName | None:
    """Return the one view that a text names; None where it names none or both.

    >>> view_in("0001_ANT"), view_in("wholeBodyPOST"), view_in("ANT/POST"), view_in("post therapy")
    ('anterior', 'posterior', None, None)
    """
    words = set(words_of(text))
    found = {_VIEW_OF[word] for word in words if word in _VIEW_OF}
    return found.pop() if len(found) == 1 and not words & _OTHER_VIEW else None


def is_derived(text: str) -> bool:
    """Tell whether a text names a frame computed from views, such as the geometric mean."""
    return bool(_DERIVED.search(text.replace("_", " ")))


def clue_of_frame(dataset: Dataset, frame: int, frames: int) -> Clue | None:
    """Return what codes and frame-wise text tell about one frame.

    Parameters
    ----------
    frame, frames : int
        Number of the frame, counted from 1, and how many frames there are.
    """
    detector = detector_item(dataset, frame)
    return (
        _from_codes(detector)
        or (_from_codes(dataset) if frames == 1 else None)
        or _from_view_position(dataset, frame, frames)
        or _from_vendor_text(dataset, frame, frames)
    )


def clue_of_file(dataset: Dataset | None, path: Path) -> Clue | None:
    """Return what text about a whole file tells; valid only where the file holds one view."""
    if dataset is not None:
        for keyword, by in (
            ("SeriesDescription", "series description"),
            ("ImageComments", "image comments"),
            ("AcquisitionComments", "acquisition comments"),
            ("ProtocolName", "protocol name"),
            ("ImageID", "image id"),
        ):
            view = view_in(" ".join(headers.texts(dataset, keyword)))
            if view:
                return Clue(view, by)
    view = view_in(path.stem) or lettered_view(path)
    if view:
        return Clue(view, "file name")
    view = view_in(path.parent.name)
    return Clue(view, "folder name") if view else None


def lettered_view(path: Path) -> ViewName | None:
    """Return the view of ``case7_A`` or ``case7_P``, where the file's counterpart exists."""
    match = re.search(r"(?<=[\s_.-])[APap]$", path.stem)
    if not match:
        return None
    letter = match[0]
    other = {"A": "P", "P": "A", "a": "p", "p": "a"}[letter]
    if not path.with_name(path.stem[:-1] + other + path.suffix).exists():
        return None
    return "anterior" if letter in "Aa" else "posterior"


def detector_item(dataset: Dataset, frame: int) -> Dataset:
    """Return the Detector Information item of a frame: item n where its Detector Vector is n.

    DICOM PS3.3 C.8.4.11: items are by detector, not by frame. Empty where there is none.
    """
    found = headers.items(dataset, "DetectorInformationSequence")
    number = detector_of(dataset, frame)
    if number is not None and 1 <= number <= len(found):
        return found[number - 1]
    return Dataset()


def detector_of(dataset: Dataset, frame: int) -> int | None:
    """Return the detector of a frame from the Detector Vector; None where that is unusable.

    Without a vector a single detector serves all frames, and as many detectors as frames serve one
    frame each.
    """
    vector = headers.numbers(dataset, "DetectorVector")
    if len(vector) >= frame:
        return int(vector[frame - 1])
    detectors = len(headers.items(dataset, "DetectorInformationSequence"))
    if vector or detectors == 0:
        return None
    if detectors == 1:
        return 1
    return frame if detectors == headers.number(dataset, "NumberOfFrames") else None


def start_angle_view(angle: float | None) -> ViewName | None:
    """Return the view of a detector at an angle: 0 degrees is at the patient's back.

    DICOM PS3.3 C.8.4.11.1.2 (Start Angle). Some cameras write 0 for every detector, so that it is
    believed only where the two differ; see `bonescan.ingest.naming`.
    """
    if angle is None:
        return None
    turned = angle % 360
    if min(turned, 360 - turned) <= 20:
        return "posterior"
    return "anterior" if abs(turned - 180) <= 20 else None


def _from_codes(item: Dataset) -> Clue | None:
    codes = headers.items(item, "ViewCodeSequence")
    for code in codes:
        view = VIEW_CODES.get(headers.text(code, "CodeValue").upper())
        if view:
            return Clue(view, "view code")
    for code in codes:
        view = view_in(headers.text(code, "CodeMeaning"))
        if view:
            return Clue(view, "view code meaning")
    return None


def _from_view_position(dataset: Dataset, frame: int, frames: int) -> Clue | None:
    found = headers.texts(dataset, "ViewPosition")
    if len(found) != frames:
        return None
    view = view_in(found[frame - 1])
    return Clue(view, "view position") if view else None


def _from_vendor_text(dataset: Dataset, frame: int, frames: int) -> Clue | None:
    """Read GE dataset and picture names, Siemens image names, and Image ID in GE's manner."""
    sources = (
        headers.private_texts(dataset, 0x0011, 0x12, GE),
        headers.private_texts(dataset, 0x0011, 0x30, GE),
        headers.private_texts(dataset, 0x0009, 0x80, SIEMENS),
        headers.private_texts(dataset, 0x0019, 0x61, SIEMENS),
    )
    for lines in sources:
        names = (" ".join(lines),) if frames == 1 and lines else lines
        if len(names) == frames:
            view = _vendor_view(names[frame - 1])
            if view:
                return Clue(view, "vendor text")
    image_id = headers.texts(dataset, "ImageID")
    view = _vendor_view(image_id[0]) if frames == 1 and image_id else None
    return Clue(view, "image id") if view else None


def _vendor_view(name: str) -> ViewName | None:
    """Return the view of a vendor's dataset name: ANT, POS, or GE's endings _E and _F."""
    view = view_in(name) or ("posterior" if "pos" in words_of(name) else None)
    if view:
        return view
    ending = name.rsplit("_", 1)[-1].strip().upper() if "_" in name else ""
    return {"E": "anterior", "F": "posterior"}.get(ending)  # type: ignore[return-value]
