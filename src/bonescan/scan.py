"""The nouns: what passes between the stages, as frozen dataclasses with documented arrays.

Every array is in (row, column) order. Views keep their native orientation: the anterior view
shows the patient's right on the picture's left, the posterior view, as seen from behind, shows
the patient's left on the picture's left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ViewName = Literal["anterior", "posterior"]
VIEW_NAMES: tuple[ViewName, ViewName] = ("anterior", "posterior")

#: Patient side shown on the left edge of each view's picture.
LEFT_EDGE_SIDE: dict[ViewName, str] = {"anterior": "R", "posterior": "L"}

Severity = Literal["info", "warning", "error"]

#: Who outlined the lesions of a view.
MarkedBy = Literal["model", "reader"]

#: How the involved shares of both views become one (`bonescan.quantify.bsi`).
Fusion = Literal["mean", "max", "pooled", "view-aware"]


@dataclass(frozen=True)
class Flag:
    """A doubt that every output repeats.

    Attributes
    ----------
    code : str
        Stable identifier in lower case with hyphens, for instance ``view-guessed``.
    message : str
        One sentence for a reader, with the figures that raised the flag.
    severity : {"info", "warning", "error"}
        ``error`` means that the result must not be relied on.
    """

    code: str
    message: str
    severity: Severity = "warning"


@dataclass(frozen=True)
class Crop:
    """The part of a source frame that shows one view: rows [top, top + height), likewise columns.

    ``frame_height`` and ``frame_width`` are those of the whole source frame, in pixels.
    """

    top: int
    left: int
    height: int
    width: int
    frame_height: int
    frame_width: int

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Crop:
        """Return the crop that keeps a whole frame of ``shape`` (rows, columns)."""
        return cls(0, 0, shape[0], shape[1], shape[0], shape[1])

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of the whole source frame."""
        return self.frame_height, self.frame_width

    @property
    def is_whole(self) -> bool:
        """Whether the view takes the whole frame."""
        return (self.height, self.width) == self.frame_shape

    def cut(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Return the part of a source frame that shows the view, without copying it."""
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]

    def paste(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Put a (height, width) picture back into an otherwise zero source frame."""
        frame = np.zeros((self.frame_height, self.frame_width), picture.dtype)
        frame[self.top : self.top + self.height, self.left : self.left + self.width] = picture
        return frame


@dataclass(frozen=True)
class View:
    """One planar picture of the patient.

    Attributes
    ----------
    name : {"anterior", "posterior"}
    counts : (H, W) float32
        Counts per pixel (grey values where the source is an 8-bit picture), 0 or more, in
        view-native orientation: posterior as seen from behind.
    pixel_spacing_mm : (float, float) or None
        Row and column spacing in mm; None where the source does not tell.
    source : Path
        The file that it comes from.
    sop_instance_uid, sop_class_uid : str or None
        DICOM identity of the source; None for pictures.
    frame : int
        Number of the source frame, counted from 1 as DICOM does.
    crop : Crop
        Where the view lies in that frame.
    recognised_by : str
        What told that it is this view, for instance ``view code``, ``vendor text``, ``pixels``.
    """

    name: ViewName
    counts: NDArray[np.float32]
    pixel_spacing_mm: tuple[float, float] | None
    source: Path
    crop: Crop
    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    frame: int = 1
    recognised_by: str = "given"

    @property
    def pixel_area_mm2(self) -> float | None:
        """Area of a pixel in mm2, or None without a spacing."""
        if self.pixel_spacing_mm is None:
            return None
        return self.pixel_spacing_mm[0] * self.pixel_spacing_mm[1]


@dataclass(frozen=True)
class Acquisition:
    """How the scan was taken; each fact None where the source does not tell.

    ``velocity_mm_s`` is the scan velocity, ``duration_s`` the duration of a frame,
    ``counts_accumulated`` what the header states for a frame (not what was summed here).
    """

    tracer: str | None = None
    velocity_mm_s: float | None = None
    duration_s: float | None = None
    counts_accumulated: int | None = None
    manufacturer: str | None = None
    camera: str | None = None
    collimator: str | None = None
    study_date: str | None = None
    true_counts: bool = True


@dataclass(frozen=True)
class Identity:
    """Patient and study, as the source names them; empty where it does not."""

    patient_id: str = ""
    patient_name: str = ""
    sex: str = ""
    birth_date: str = ""
    accession_number: str = ""
    study_uid: str = ""
    series_uid: str = ""
    study_id: str = ""


@dataclass(frozen=True)
class Scan:
    """One study: up to two views of one patient at one time.

    ``study`` is the name under which results are filed; ``sources`` are all files it came from.
    """

    study: str
    anterior: View | None
    posterior: View | None
    acquisition: Acquisition = field(default_factory=Acquisition)
    identity: Identity = field(default_factory=Identity)
    flags: tuple[Flag, ...] = ()
    sources: tuple[Path, ...] = ()

    @property
    def views(self) -> tuple[View, ...]:
        """The views that exist, anterior first."""
        return tuple(view for view in (self.anterior, self.posterior) if view is not None)


@dataclass(frozen=True)
class Placement:
    """Where one view lies on a canvas, so that anything drawn there can be mapped back.

    The view of ``source_shape`` is resampled to ``scaled_shape`` (equal where nothing is
    resampled); its rows [source_top, source_top + rows) and columns [source_left, source_left +
    columns) are then kept, and put at (canvas_top, canvas_left) of the canvas *before* the canvas
    is reduced by ``reduce``. ``gain`` is the brightness gain that was applied.
    """

    view: ViewName
    source_shape: tuple[int, int]
    scaled_shape: tuple[int, int]
    source_top: int
    source_left: int
    rows: int
    columns: int
    canvas_top: int
    canvas_left: int
    gain: float


@dataclass(frozen=True)
class Canvas:
    """The network's picture: both views side by side, and the way back to each.

    Attributes
    ----------
    grey : (H, W) float32
        Grey values in [0, 255]; paper preset 640 x 512, anterior left, posterior right, each in
        its native orientation. A missing view is zero.
    placements : tuple of Placement
        One for each view that exists.
    reduce : int
        The canvas is block-averaged by this factor; H and W are after reduction.
    flags : tuple of Flag
        For instance a body cut at the feet.
    suppressed : mapping from view name to (h, w) uint8
        In the geometry of `View.counts`: 0 as it was, else 1 + the index in `SUPPRESSED`. Only
        views where something was suppressed.
    """

    grey: NDArray[np.float32]
    placements: tuple[Placement, ...]
    reduce: int = 1
    flags: tuple[Flag, ...] = ()
    suppressed: Mapping[ViewName, NDArray[np.uint8]] = field(default_factory=dict)


#: What may be taken out of the counts before a network sees them; masks hold 1 + the index here.
SUPPRESSED = ("bladder", "injection site")

#: The field's 12 skeletal regions; a region map holds 1 + the index here.
REGIONS = (
    "skull",
    "cervical_spine",
    "thoracic_spine",
    "lumbar_spine",
    "sacrum",
    "ribs",
    "sternum",
    "clavicles",
    "scapulae",
    "humeri",
    "pelvis",
    "femora",
)
#: Value of a region map where it shows bone of none of the 12 regions (forearms, lower legs).
OTHER_BONE = len(REGIONS) + 1

#: Classes of a `LabelMap` of the paper's three-class model, by index.
BACKGROUND, NON_METASTATIC, METASTASIS = 0, 1, 2


@dataclass(frozen=True)
class LabelMap:
    """Class of each canvas pixel.

    Attributes
    ----------
    classes : (H, W) uint8
        Index into ``names``.
    names : tuple of str
        For instance ``("background", "non-metastatic", "metastasis")``.
    """

    classes: NDArray[np.uint8]
    names: tuple[str, ...] = ("background", "non-metastatic", "metastasis")
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Lesion:
    """One metastatic lesion in one view.

    ``region`` is one of `REGIONS` where a skeleton was found and the lesion lies on it; else a
    level of the body, or ``other bone``. ``region_share`` is the lesion's area on that region over
    the region's area in the view, ``region_ratio`` its mean count over the region's median outside
    of lesions,
    ``mirror_ratio`` its mean count over that of the same place on the patient's other side,
    ``match`` the number of the lesion in the other view that is the same one in the patient; each
    None where it cannot be told.

    ``number`` counts from 1 within its view and is its value in the view's label mask. The box is
    (top, left, bottom, right) in view pixels, the last two exclusive; the centroid is (row,
    column). ``area_mm2`` is None without a pixel spacing. ``uptake_ratio`` is the mean count in
    the lesion over the median count of the body in that view. ``outline`` is a tuple of closed
    (row, column) polygons.
    """

    view: ViewName
    number: int
    side: str
    region: str
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    area_pixels: int
    area_mm2: float | None
    max_counts: float
    mean_counts: float
    uptake_ratio: float
    probability: float
    outline: tuple[tuple[tuple[float, float], ...], ...] = ()
    region_share: float | None = None
    region_ratio: float | None = None
    mirror_ratio: float | None = None
    match: int | None = None


@dataclass(frozen=True)
class ViewReading:
    """What was read off one view, in the geometry of `View.counts`.

    Attributes
    ----------
    view : {"anterior", "posterior"}
    probability : (H, W) float32
        Probability of metastasis in [0, 1]; 0 where the view was not on the canvas.
    mask : (H, W) uint8
        0 none, k the k-th metastatic lesion of this view.
    read_rows : (int, int) or None
        Rows [first, end) that lay on the canvas; None where the whole view did.
    regions : (H, W) uint8 or None
        0 none, 1-12 the skeletal region in the order of `REGIONS`, 13 other bones; None where the
        model names no bones, or no skeleton was found in the view.
    read_columns : (int, int) or None
        Columns [first, end) that lay on the canvas; None where the whole view did.
    marked_by : {"model", "reader"}
        Who outlined the lesions; the probability and the regions are the model's in both cases.
    suppressed : (H, W) uint8 or None
        0 as it was, else 1 + the index in `SUPPRESSED`: what the model did not see, because its
        canvas takes it out; None where nothing was taken out.
    """

    view: ViewName
    probability: NDArray[np.float32]
    mask: NDArray[np.uint8]
    read_rows: tuple[int, int] | None = None
    regions: NDArray[np.uint8] | None = None
    read_columns: tuple[int, int] | None = None
    marked_by: MarkedBy = "model"
    suppressed: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class MarkSource:
    """A file whose marks took the place of a model's.

    ``name`` is the file's without its folder, ``sha256`` of its content, ``kind`` what it is
    (``segmentation``, ``labelme`` or ``mask``), ``views`` which views it tells of.
    """

    name: str
    sha256: str
    kind: str
    views: tuple[ViewName, ...]

    @property
    def short_digest(self) -> str:
        """The start of ``sha256``, as flags show it."""
        return f"{self.sha256[:12]}..."


@dataclass(frozen=True)
class Marks:
    """Metastases as a reader marked them.

    Attributes
    ----------
    labels : mapping from view name to (H, W) int32
        In the geometry of `View.counts`: 0 none, else any number; patches of different numbers are
        different lesions although they touch. A view that no file tells of is not there; one that
        a reader left empty is, and is all 0.
    sources : tuple of MarkSource
    flags : tuple of Flag
        What in the files was not taken.
    """

    labels: Mapping[ViewName, NDArray[np.int32]]
    sources: tuple[MarkSource, ...]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class RegionMeasure:
    """One skeletal region in one view.

    ``area_mm2`` and ``lesion_area_mm2`` are None without a pixel spacing. ``lesion_pixels``
    counts the pixels of lesions on the region; ``median_counts`` is over the region outside of
    lesions, None where they take all of it. ``cut`` tells that the region reaches the edge of the
    frame or of what was read, so that its area is too small.
    """

    view: ViewName
    region: str
    area_pixels: int
    area_mm2: float | None
    lesion_pixels: int
    lesion_area_mm2: float | None
    median_counts: float | None
    cut: bool

    @property
    def share(self) -> float:
        """Share of the region's area that lesions take, in [0, 1]."""
        return self.lesion_pixels / self.area_pixels


@dataclass(frozen=True)
class RegionIndex:
    """A skeletal region's part in the bone scan index.

    ``weight`` is the region's share of the skeleton's mass in percent, ``anterior`` and
    ``posterior`` the involved share of its area in [0, 1] (None where the view does not show it),
    ``involved`` both fused, ``index`` their product ``weight * involved`` in percent.
    """

    region: str
    weight: float
    anterior: float | None
    posterior: float | None
    involved: float
    index: float


@dataclass(frozen=True)
class BoneScanIndex:
    """The bone scan index: share of the skeleton's mass that metastases involve, in percent.

    Attributes
    ----------
    whole : float or None
        With the weights of the whole skeleton (the headline); None where ``refused`` says why.
    visible : float or None
        The same over the weight of the regions that were seen, normalised to 100 %. It may stand
        where ``whole`` is refused because part of the skeleton was not seen.
    fusion : {"mean", "max", "pooled", "view-aware"}
        How the views became one.
    weights : str
        Name and version of the table of weights.
    regions : tuple of RegionIndex
    band : float
        Half-width of the repeatability band, in percent points.
    refused : tuple of str
        Sentences that say why ``whole`` is None; empty where it is a number.
    """

    whole: float | None
    visible: float | None
    fusion: Fusion
    weights: str
    regions: tuple[RegionIndex, ...]
    band: float
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """What made a reading: version, model name, model sha256, and the settings that matter.

    ``training``, ``intended_use`` and ``limits`` are what the model's card says of it; empty where
    a reading was stored without them. ``marks`` are the files of a reader whose marks took the
    place of the model's.
    """

    bonescan_version: str
    model_name: str
    model_version: str
    model_sha256: str
    settings: dict[str, Any] = field(default_factory=dict)
    made_at: str = ""
    training: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    marks: tuple[MarkSource, ...] = ()


@dataclass(frozen=True)
class Reading:
    """The result for one study.

    ``regions`` is empty and ``index`` None where the model names no bones.
    """

    study: str
    views: tuple[ViewReading, ...]
    lesions: tuple[Lesion, ...]
    patient_score: float
    flags: tuple[Flag, ...]
    provenance: Provenance
    regions: tuple[RegionMeasure, ...] = ()
    index: BoneScanIndex | None = None

    @property
    def patient_lesions(self) -> int:
        """Number of lesions of the patient: marks of the two views that match are one lesion."""
        behind = {one.number for one in self.lesions if one.view == "posterior"}
        both = sum(one.view == "anterior" and one.match in behind for one in self.lesions)
        return len(self.lesions) - both
