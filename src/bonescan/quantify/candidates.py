"""Candidates: regions that may be metastases, and what can be measured of each.

A candidate is a connected patch above a low probability. What the network says of its pixels is one
of its features; others are its size, how hot it is against its surroundings, its bone and the other
side, its shape, and what the other view shows at its place. A small model over them
(`bonescan.quantify.scoring`) gives its probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from bonescan.config import LesionRule
from bonescan.predict import Prediction
from bonescan.quantify.lesions import (
    PROBABILITY_SHARE,
    keep_labels,
    smallest_lesion,
    threshold_components,
)
from bonescan.quantify.outside import off_bone
from bonescan.quantify.position import Body, Midline, outline_body
from bonescan.quantify.regions import FRAME_MM, Skeleton, find_skeleton, on_bone
from bonescan.scan import OTHER_BONE, REGIONS, Scan, View, ViewName

#: A candidate's pixels have at least this share of its highest probability.
SHARE_OF_PEAK = 0.5
#: Odds of probabilities are cut here, beyond which a network's figures say little.
LEAST_PROBABILITY = 1e-3
#: The ring about a candidate whose counts it is compared with: its nearer and farther edge.
RING_MM = (6.0, 18.0)
#: Distances to the edge of bone are cut here.
FAR_FROM_BONE_MM = 30.0
#: Candidates farther from each other than this, in whichever view, are different lesions.
COMPANY_MM = 50.0
#: The other view is searched this far about the place of a candidate.
SEARCH_MM = 15.0

#: Parts of the skeleton that a candidate may lie on, by region; other bones are limbs.
PARTS: Mapping[str, tuple[str, ...]] = {
    "skull": ("skull",),
    "spine": ("cervical_spine", "thoracic_spine", "lumbar_spine"),
    "pelvis": ("sacrum", "pelvis"),
    "thorax": ("ribs", "sternum", "clavicles", "scapulae"),
    "limbs": ("humeri", "femora", "other bone"),
}

#: What is measured of a candidate, in the order of `Candidates.features`.
FEATURES = (
    "peak",  # log odds of the most probable tenth of its pixels
    "mean",  # log odds of the mean probability
    "area",  # log10 of the area in mm2
    "uptake",  # log of the hottest tenth of its pixels over the body's median
    "contrast",  # log of its mean count over that of a ring about it
    "regional",  # log of its mean count over the median of its skeletal region
    "mirror",  # log of its mean count over that of the same place on the other side
    "eccentricity",
    "solidity",
    "bone_share",  # share of its pixels on bone
    "bone_depth",  # mm from the edge of bone, positive inside
    "other_view",  # log odds of the highest probability at its place in the other view
    "other_view_uptake",  # log of the highest count there over the body's median
    "benign",  # log odds of the mean probability of benign uptake in bone
    "outside",  # log odds of the mean probability of tracer outside bone
    "company",  # log(1 + sum of the peak probabilities of candidates elsewhere in the patient)
    *PARTS,
)

#: Direction in which a feature speaks for metastasis, where that is known: no fit to a few hundred
#: candidates may turn it round.
SIGNS: Mapping[str, int] = {
    **dict.fromkeys(("peak", "mean", "contrast", "mirror", "other_view", "company"), 1),
    **dict.fromkeys(("bone_share", "bone_depth"), 1),
    **dict.fromkeys(("benign", "outside"), -1),
}

_PART_OF_VALUE = {
    value: part
    for part, names in PARTS.items()
    for value, name in enumerate((*REGIONS, "other bone"), start=1)
    if name in names
}


_Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Candidates:
    """The candidates of one view.

    Attributes
    ----------
    view : View
    labels : (H, W) int32
        0 none, k the k-th candidate.
    features : (n, len(FEATURES)) float64
        NaN where a feature cannot be measured: no skeleton, at the midline, no other view.
    """

    view: View
    labels: NDArray[np.int32]
    features: NDArray[np.float64]


@dataclass(frozen=True)
class _Seen:
    """One view with everything that its candidates are measured against."""

    view: View
    metastasis: NDArray[np.float32]
    benign: NDArray[np.float32] | None
    outside: NDArray[np.float32] | None
    labels: NDArray[np.int32]
    body: Body
    skeleton: Skeleton | None
    pixel_mm: tuple[float, float]

    @property
    def midline(self) -> Midline:
        return self.body.midline if self.skeleton is None else self.skeleton.midline


def find_candidates(scan: Scan, seen: Prediction, rule: LesionRule) -> tuple[Candidates, ...]:
    """Find the candidates of a scan and measure them.

    Parameters
    ----------
    scan : Scan
    seen : Prediction
        What the network says of it.
    rule : LesionRule
        Which pixels make a candidate, and how small one may be.

    Returns
    -------
    tuple of Candidates
        One for each view, in the scan's order. A patch that by its place alone cannot lie on bone
        (`bonescan.quantify.outside`) is none.
    """
    if not any((seen.metastasis[view.name] >= rule.threshold).any() for view in scan.views):
        none = np.zeros((0, len(FEATURES)))
        return tuple(
            Candidates(view, np.zeros(view.counts.shape, np.int32), none) for view in scan.views
        )
    views = {view.name: _see(view, seen, rule) for view in scan.views}
    tables = {name: _own_features(item) for name, item in views.items()}
    _fill_company(views, tables)
    for name, item in views.items():
        other = next((there for key, there in views.items() if key != name), None)
        if other is not None and other.view.counts.any():
            _fill_other_view(tables[name], item, other)
    return tuple(Candidates(item.view, item.labels, tables[name]) for name, item in views.items())


def candidate_labels(
    probability: NDArray[np.float32], rule: LesionRule, min_pixels: float
) -> NDArray[np.int32]:
    """Number the candidates of a view.

    Parameters
    ----------
    probability : (H, W) float32
        Probability of metastasis.
    rule : LesionRule
        Its threshold makes patches; of each, the pixels stay that have `SHARE_OF_PEAK` of its
        highest probability, so that a sharp focus is not drawn as wide as the network's doubt.
    min_pixels : float
        Smaller candidates are left out.

    Returns
    -------
    (H, W) int32
        0 none, k the k-th candidate, top to bottom by their first pixel.
    """
    patches = threshold_components(probability, rule, min_pixels)
    count = int(patches.max(initial=0))
    if not count:
        return patches
    peaks = ndimage.maximum(probability, patches, np.arange(count + 1))
    kept = np.where((patches > 0) & (probability >= SHARE_OF_PEAK * peaks[patches]), 1.0, 0.0)
    return threshold_components(kept, LesionRule(threshold=1.0), min_pixels)


def log_odds(probability: float) -> float:
    """Return the natural logarithm of p / (1 - p), cut at `LEAST_PROBABILITY` from 0 and 1."""
    cut = min(max(probability, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY)
    return float(np.log(cut / (1 - cut)))


def _see(view: View, seen: Prediction, rule: LesionRule) -> _Seen:
    probability = seen.metastasis[view.name]
    regions = seen.regions.get(view.name)
    row_mm = FRAME_MM / view.counts.shape[0]
    labels = np.zeros(view.counts.shape, np.int32)
    body = outline_body(view.counts)
    skeleton = None if regions is None else find_skeleton(view, regions)
    if view.counts.any():
        labels = candidate_labels(probability, rule, smallest_lesion(view, rule))
        labels = keep_labels(labels, ~off_bone(labels, body.mask, skeleton, view.pixel_spacing_mm))
    return _Seen(
        view=view,
        metastasis=probability,
        benign=seen.benign.get(view.name),
        outside=seen.outside.get(view.name),
        labels=labels,
        body=body,
        skeleton=skeleton,
        pixel_mm=view.pixel_spacing_mm or (row_mm, row_mm),
    )


def _own_features(item: _Seen) -> NDArray[np.float64]:
    """Measure each candidate of a view by itself, (n, len(FEATURES)); the rest is NaN."""
    boxes = ndimage.find_objects(item.labels)
    table = np.full((len(boxes), len(FEATURES)), np.nan)
    if not boxes:
        return table
    depth = medians = None
    named: dict[int, int] = {}
    if item.skeleton is not None:
        bone = item.skeleton.regions > 0
        depth = _depth(bone, item.pixel_mm)
        named = on_bone(item.skeleton.regions, item.labels)
        medians = _region_medians(item)
    for number, box in enumerate(boxes, start=1):
        patch = item.labels[box] == number
        inside = np.nonzero(patch)
        at = inside[0] + box[0].start, inside[1] + box[1].start
        row = _Row(table[number - 1])
        _fill_probabilities(row, item, at)
        _fill_counts(row, item, number, box, at)
        _fill_shape(row, patch, item.pixel_mm)
        if depth is not None and medians is not None and item.skeleton is not None:
            row["bone_share"] = float((item.skeleton.regions[at] > 0).mean())
            row["bone_depth"] = float(depth[at].mean())
            value = named.get(number)
            for part in PARTS:
                row[part] = float(value is not None and _PART_OF_VALUE[value] == part)
            if value in medians:
                mean = float(item.view.counts[at].mean())
                row["regional"] = _log_ratio(mean, medians[value])
    return table


class _Row:
    """A row of the table of features, by name."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values

    def __setitem__(self, name: str, value: float) -> None:
        self.values[FEATURES.index(name)] = value


def _fill_probabilities(row: _Row, item: _Seen, at: _Pixels) -> None:
    own = item.metastasis[at]
    row["peak"] = log_odds(_top_mean(own))
    row["mean"] = log_odds(float(own.mean()))
    if item.benign is not None:
        row["benign"] = log_odds(float(item.benign[at].mean()))
    if item.outside is not None:
        row["outside"] = log_odds(float(item.outside[at].mean()))


def _fill_counts(
    row: _Row, item: _Seen, number: int, box: tuple[slice, slice], at: _Pixels
) -> None:
    counts, (rows, columns) = item.view.counts, at
    own = counts[at]
    mean = float(own.mean())
    row["area"] = float(np.log10(rows.size * item.pixel_mm[0] * item.pixel_mm[1]))
    row["uptake"] = _log_ratio(_top_mean(own), item.body.median_counts)
    row["contrast"] = _log_ratio(mean, _ring_mean(item, number, box))
    offset = item.midline.offset(float(rows.mean()), float(columns.mean())) * item.pixel_mm[1]
    if abs(offset) < SEARCH_MM:
        return
    mirrored = [np.rint(axis).astype(int) for axis in item.midline.mirror(rows, columns)]
    inside = np.all(
        [(axis >= 0) & (axis < size) for axis, size in zip(mirrored, counts.shape, strict=True)],
        axis=0,
    )
    if inside.mean() > 0.5:
        there = float(counts[mirrored[0][inside], mirrored[1][inside]].mean())
        row["mirror"] = _log_ratio(mean, there)


def _fill_shape(row: _Row, patch: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> None:
    measured = regionprops(patch.astype(np.uint8), spacing=pixel_mm)[0]
    row["eccentricity"] = float(measured.eccentricity)
    row["solidity"] = float(measured.solidity)


def _ring_mean(item: _Seen, number: int, box: tuple[slice, slice]) -> float:
    """Return the mean count of a ring about a candidate, other candidates left out."""
    reach = [int(np.ceil(RING_MM[1] / mm)) + 1 for mm in item.pixel_mm]
    around = tuple(
        slice(max(part.start - more, 0), part.stop + more)
        for part, more in zip(box, reach, strict=True)
    )
    labels = item.labels[around]
    away = ndimage.distance_transform_edt(labels != number, sampling=item.pixel_mm)
    ring = (away >= RING_MM[0]) & (away < RING_MM[1]) & (labels == 0) & item.body.mask[around]
    return float(item.view.counts[around][ring].mean()) if ring.any() else float("nan")


def _depth(bone: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Return the distance of each pixel from the edge of bone in mm, positive inside."""
    inside = ndimage.distance_transform_edt(bone, sampling=pixel_mm)
    outside = ndimage.distance_transform_edt(~bone, sampling=pixel_mm)
    depth: NDArray[np.float64] = np.clip(inside - outside, -FAR_FROM_BONE_MM, FAR_FROM_BONE_MM)
    return depth


def _region_medians(item: _Seen) -> dict[int, float]:
    """Return the median count of each region outside of candidates, by its value."""
    assert item.skeleton is not None
    free = np.where(item.labels == 0, item.skeleton.regions, 0)
    return {
        value: float(np.median(item.view.counts[free == value]))
        for value in range(1, OTHER_BONE + 1)
        if (free == value).any()
    }


def _fill_company(
    views: Mapping[ViewName, _Seen], tables: Mapping[ViewName, NDArray[np.float64]]
) -> None:
    """Fill what else is in the patient; what lies near may be the same lesion and counts not."""
    places = np.concatenate([_places(item) for item in views.values()])
    odds = np.concatenate([table[:, FEATURES.index("peak")] for table in tables.values()])
    probability = 1 / (1 + np.exp(-odds))
    far = np.linalg.norm(places[:, None] - places[None], axis=2) > COMPANY_MM
    company = np.log1p(far @ probability)
    first = 0
    for table in tables.values():
        table[:, FEATURES.index("company")] = company[first : first + len(table)]
        first += len(table)


def _places(item: _Seen) -> NDArray[np.float64]:
    """Return height and distance to the patient's left of each candidate, (n, 2), in mm."""
    count = int(item.labels.max(initial=0))
    centres = ndimage.center_of_mass(item.labels > 0, item.labels, range(1, count + 1))
    turn = 1.0 if item.view.name == "anterior" else -1.0
    return np.array(
        [
            (row * item.pixel_mm[0], turn * item.midline.offset(row, column) * item.pixel_mm[1])
            for row, column in centres
        ]
    ).reshape(count, 2)


def _fill_other_view(table: NDArray[np.float64], item: _Seen, other: _Seen) -> None:
    """Look at each candidate's place in the other view: same height, sides mirrored."""
    smooth = ndimage.uniform_filter(other.view.counts, 3)
    for number, values in enumerate(table, start=1):
        rows, columns = np.nonzero(item.labels == number)
        height = float(rows.mean()) * item.pixel_mm[0]
        aside = item.midline.offset(float(rows.mean()), float(columns.mean())) * item.pixel_mm[1]
        row = height / other.pixel_mm[0]
        column = other.midline.column + other.midline.slope * row - aside / other.pixel_mm[1]
        window = _window(other, row, column)
        if window is None:
            continue
        cell = _Row(values)
        cell["other_view"] = log_odds(float(other.metastasis[window].max()))
        cell["other_view_uptake"] = _log_ratio(
            float(smooth[window].max()), other.body.median_counts
        )


def _window(other: _Seen, row: float, column: float) -> tuple[slice, slice] | None:
    slices = []
    for at, mm, size in zip((row, column), other.pixel_mm, other.view.counts.shape, strict=True):
        first, end = round(at - SEARCH_MM / mm), round(at + SEARCH_MM / mm) + 1
        if end <= 0 or first >= size:
            return None
        slices.append(slice(max(first, 0), min(end, size)))
    return slices[0], slices[1]


def _top_mean(values: NDArray[np.float32]) -> float:
    """Return the mean of the highest tenth of some values, of one at least."""
    count = max(1, round(PROBABILITY_SHARE * values.size))
    return float(np.partition(values, values.size - count)[-count:].mean())


def _log_ratio(value: float, reference: float) -> float:
    """Return log((value + 1) / (reference + 1)); a count more keeps empty places finite."""
    return float(np.log((value + 1) / (reference + 1)))
