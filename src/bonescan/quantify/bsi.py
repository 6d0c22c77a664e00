"""The bone scan index: the share of the skeleton's mass that metastases involve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bonescan.ingest.quality import TOO_FEW_COUNTS, USUAL_VELOCITY_MM_S
from bonescan.quantify.weights import Weights, load_weights
from bonescan.scan import (
    REGIONS,
    VIEW_NAMES,
    BoneScanIndex,
    Fusion,
    RegionIndex,
    RegionMeasure,
    Scan,
    ViewName,
)

#: Half-width of the repeatability band, in percent points: repeat scans differ by 0.05 (standard
#: deviation 0.15) in the published repeatability of automated indices; twice that deviation.
REPEATABILITY_BAND = 0.3
#: A scan faster than twice the usual highest speed carries no index.
TOO_FAST_MM_S = 2 * USUAL_VELOCITY_MM_S
#: The view that shows a bone from nearer, for the view-aware rule; the others take both views.
#: That the sternum counts from the front only is customary, the rest is our choice.
NEARER_VIEW: dict[str, ViewName] = {
    "sternum": "anterior",
    "clavicles": "anterior",
    "thoracic_spine": "posterior",
    "lumbar_spine": "posterior",
    "sacrum": "posterior",
    "scapulae": "posterior",
}
_BOTH_VIEWS = len(VIEW_NAMES)


def bone_scan_index(
    measures: Sequence[RegionMeasure],
    *,
    weights: Weights | None = None,
    fusion: Fusion | None = None,
    refused: Iterable[str] = (),
) -> BoneScanIndex:
    """Compute the bone scan index from the areas of regions and of the lesions on them.

    ``whole = sum over regions r of w_r * s_r``, with w_r the region's share of the skeleton's mass
    in percent and s_r the share of its area that lesions take, both views fused [1]_. ``visible``
    is ``100 * whole / sum of w_r`` over the regions that a view shows; a region that is cut stands
    there with the share of the part that is seen.

    Parameters
    ----------
    measures : sequence of RegionMeasure
        At most one for each view and region.
    weights : Weights, optional
        The shipped table (Spiers 1968) without it.
    fusion : {"mean", "max", "pooled", "view-aware"}, optional
        ``mean`` and ``max`` of the shares of the views that show the region; ``pooled``: lesions'
        areas of both views over the region's areas of both; ``view-aware``: the view of
        `NEARER_VIEW` where it shows the region, else the mean. The table's without it.
    refused : iterable of str
        Reasons why the scan carries no index at all, from `scan_refusals`; neither number is given
        then.

    Returns
    -------
    BoneScanIndex
        ``whole`` is None where a view is missing, or a region is cut or seen in neither view;
        ``visible`` is None too where no region is seen.

    References
    ----------
    .. [1] M. Imbriaco et al., Clin. Cancer Res. 4 (1998) 1765-1772.
    """
    weights = weights or load_weights()
    fusion = fusion or weights.fusion
    regions = tuple(
        _region_index(name, weights.of(name), found, fusion)
        for name in REGIONS
        if (found := {item.view: item for item in measures if item.region == name})
    )
    refused = tuple(refused)
    whole = visible = None
    reasons = refused + _coverage_refusals(measures)
    weight = sum(item.weight for item in regions)
    if not refused and weight > 0:
        total = sum(item.index for item in regions)
        visible = 100 * total / weight
        whole = None if reasons else total
    return BoneScanIndex(
        whole=whole,
        visible=visible,
        fusion=fusion,
        weights=weights.label,
        regions=regions,
        band=REPEATABILITY_BAND,
        refused=reasons,
    )


def scan_refusals(scan: Scan) -> tuple[str, ...]:
    """Tell why a scan carries no index whatever its skeleton: too few counts, too fast.

    Grey values of pictures are no counts and are not judged.
    """
    reasons = []
    if scan.acquisition.true_counts:
        for view in scan.views:
            total = float(view.counts.sum(dtype=float))
            if total < TOO_FEW_COUNTS:
                reasons.append(
                    f"The {view.name} view has {total / 1e6:.2f} million counts; below "
                    f"{TOO_FEW_COUNTS / 1e6:.1f} million the index errs by more than it is worth."
                )
    velocity = scan.acquisition.velocity_mm_s
    if velocity is not None and velocity > TOO_FAST_MM_S:
        reasons.append(
            f"The table moved at {velocity:.2f} mm/s; above {TOO_FAST_MM_S:g} mm/s the index "
            "is not reproducible."
        )
    return tuple(reasons)


def _region_index(
    name: str, weight: float, found: dict[ViewName, RegionMeasure], fusion: Fusion
) -> RegionIndex:
    involved = _fuse(name, found, fusion)
    shares = {view: measure.share for view, measure in found.items()}
    return RegionIndex(
        region=name,
        weight=weight,
        anterior=shares.get("anterior"),
        posterior=shares.get("posterior"),
        involved=involved,
        index=weight * involved,
    )


def _fuse(name: str, found: dict[ViewName, RegionMeasure], fusion: Fusion) -> float:
    shares = [measure.share for measure in found.values()]
    if fusion == "max":
        return max(shares)
    if fusion == "pooled":
        return _pooled(list(found.values()))
    nearer = NEARER_VIEW.get(name)
    if fusion == "view-aware" and nearer in found:
        return found[nearer].share
    return sum(shares) / len(shares)


def _pooled(measures: list[RegionMeasure]) -> float:
    """Divide areas in mm2, or in pixels where a view has no spacing."""
    areas = [(item.lesion_area_mm2, item.area_mm2) for item in measures]
    if any(lesion is None or area is None for lesion, area in areas):
        return sum(item.lesion_pixels for item in measures) / sum(
            item.area_pixels for item in measures
        )
    return sum(lesion or 0.0 for lesion, _ in areas) / sum(area or 0.0 for _, area in areas)


def _coverage_refusals(measures: Sequence[RegionMeasure]) -> tuple[str, ...]:
    seen = {item.view for item in measures}
    if not seen:
        return ("No skeleton was found in any view, so that there is nothing to take a share of.",)
    reasons = [
        f"The {view} view shows no skeleton or is missing; the index takes both views."
        for view in VIEW_NAMES
        if view not in seen
    ]
    found = {item.region for item in measures}
    missing = [name for name in REGIONS if name not in found]
    if missing and len(seen) == _BOTH_VIEWS:
        reasons.append(f"Not seen in either view: {spoken(missing)}.")
    reasons += [
        f"Cut by the edge of the {view} view or of what was read of it: {spoken(cut)}."
        for view in VIEW_NAMES
        if (cut := [item.region for item in measures if item.view == view and item.cut])
    ]
    return tuple(reasons)


def spoken(names: Sequence[str]) -> str:
    """Return names of regions as text: ``pelvis, lumbar spine``."""
    return ", ".join(name.replace("_", " ") for name in names)
