"""What is really there, and the masks that a careful reader would draw.

The rule, on noise-free pictures. For a focus, c is its own primary counts per pixel after
attenuation and blur, and b what the picture would show without any metastasis (for benign
findings: without any finding). A focus is *visible* in a view where

- its contrast max(c / b) is at least 0.6,
- it stands out of the anatomy: max(c) is at least 0.5 of the bright surroundings, the 95th
  percentile of b within `NEAR_MM`, because a reader tells it from the brightest bone beside it,
  not from what it happens to cover; no more than `MOST_NEAR` times its own b is asked, so that a
  full bladder beside it hides nothing,
- it stands out of the Poisson noise: over its mask, sum(c) / sqrt(sum(b + c)) is at least 6, and
- its mask has 6 pixels or more.

Its mask is the part connected to the peak of c where ``c > max(0.4 max(c), 0.15 b)``, holes
filled: readers outline a hot spot near half of its height, and include a cold centre. A focus
that is not visible is listed with its position and size, but has no mask.

A purely lytic metastasis takes more than it adds. A careful reader outlines it where it can be seen
as a defect, by the same rule for what is missing, -c, with one other number: a lesion that adds
0.6 of b is brighter than its surroundings by a factor of 1.6; one that is darker by that factor
takes 1 - 1 / 1.6 = 0.375. At least this share must be missing of its own b, and of the bright
surroundings, because gaps between bones are dark, too. Most lytic metastases are not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.scan import OTHER_BONE
from bonescan.simulate.camera import Patch, Projector
from bonescan.simulate.sources import Array, Focus

LEAST_CONTRAST = 0.6
#: Share of the counts that a defect takes at least: as much darker as a hot focus is brighter.
LEAST_TAKEN = 1 - 1 / (1 + LEAST_CONTRAST)
LEAST_ABOVE_ANATOMY = 0.5
NEAR_MM = 30.0
MOST_NEAR = 2.5
LEAST_SNR = 6.0
LEAST_PIXELS = 6
PEAK_SHARE = 0.4
BACKGROUND_SHARE = 0.15
#: A pixel belongs to a region where the region gives this share of its own bright pixels or more.
REGION_SHARE = 0.22
#: Kinds of what is not metastatic: bone that is hot for another reason, tracer outside of bone
#: (kidneys and bladder included), metal that hides bone.
KINDS = ("benign bone", "tracer outside bone", "cold object")
#: Findings whose tracer lies outside of bone.
OUTSIDE_BONE = {
    "injection site", "urine contamination", "diaper", "catheter", "urinary tract", "soft tissue",
}  # fmt: skip
#: Organs that fill with the tracer, and what they must give against all bone to be named.
FILLED_ORGANS = ("kidney right", "kidney left", "bladder", "stomach", "thyroid")
ORGAN_SHARE = 0.7
#: A pixel of a filled organ has this share of the organ's own bright pixels or more.
ORGAN_EDGE = 0.3
#: A cold object covers a pixel where it takes this share of the counts or more.
COLD_SHARE = 0.25
#: Healthy bone is hot where what is beyond its usual uptake is this share of the usual, as the
#: contrast of a finding, and where it is brighter than most bone of the view.
HOT_SHARE = LEAST_CONTRAST


@dataclass(frozen=True)
class FocusTruth:
    """One focus as a reader meets it; tuples are (anterior, posterior).

    ``contrast`` is that of the uptake as asked, ``seen_contrast`` max(c / b) in each view, below 0
    for a defect (less the largest share of b that it takes);
    ``pixels`` the area of its mask, ``share`` the share of the view's counts that it adds,
    ``pixel`` the (row, column) of its centre. ``number`` is its value in the masks, ``lesion``
    that of the same metastasis at every visit.
    """

    number: int
    category: str
    kind: str
    region: str
    side: str
    position_mm: tuple[float, float, float]
    size_mm: float
    contrast: float
    visible: tuple[bool, bool]
    seen_contrast: tuple[float, float]
    snr: tuple[float, float]
    pixels: tuple[int, int]
    share: tuple[float, float]
    pixel: tuple[tuple[float, float], tuple[float, float]]
    lesion: int = 0


@dataclass(frozen=True)
class Truth:
    """All that is known about one simulated scan.

    Attributes
    ----------
    lesions, findings : tuple of FocusTruth
        Metastases; and what is hot or cold and not metastatic.
    metastasis : (2, H, W) uint8
        0 none, else the number of the metastasis (the strongest where they overlap; 255 for
        every number above).
    benign : (2, H, W) uint8
        0 none, else the number of the finding.
    regions : (2, H, W) uint8
        0 none, 1-12 the skeletal regions in the order of `REGIONS`, 13 other bones.
    kinds : (2, H, W) uint8
        What is bright, or cold, and not metastatic: 0 nothing of the kind, else 1 + the index in
        `KINDS`.
    expected : (2, H, W) float32
        Noise-free counts per pixel.
    """

    lesions: tuple[FocusTruth, ...]
    findings: tuple[FocusTruth, ...]
    metastasis: NDArray[np.uint8] = field(repr=False)
    benign: NDArray[np.uint8] = field(repr=False)
    regions: NDArray[np.uint8] = field(repr=False)
    kinds: NDArray[np.uint8] = field(repr=False)
    expected: Array = field(repr=False)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """The reader's metastasis masks, (2, H, W)."""
        return self.metastasis > 0


def judge_foci(
    foci: list[Focus],
    seen: list[tuple[Patch, Patch]],
    surroundings: Array,
    projector: Projector,
    activity: Array,
) -> tuple[tuple[FocusTruth, ...], NDArray[np.uint8]]:
    """Apply the rule to a list of foci.

    Parameters
    ----------
    foci : list of Focus
    seen : list of (Patch, Patch)
        Their primary counts in both views, in expected counts.
    surroundings : (2, H, W) float32
        Expected counts without them.
    projector : Projector
    activity : (Z, Y, X) float32
        All tracer, in which cold objects cast their shadows.

    Returns
    -------
    list and (2, H, W) uint8
        What is known of each, and the number of the focus that each pixel belongs to.
    """
    numbers = np.zeros(surroundings.shape, np.uint8)
    strongest = np.zeros_like(surroundings)
    known = []
    for number, (focus, patches) in enumerate(zip(foci, seen, strict=True), start=1):
        views = []
        shadow = None
        if focus.density is not None:
            shadow = projector.shadow(activity, focus.density, focus.source)
        for view, patch in enumerate(patches):
            around = surroundings[view, patch.rows, patch.columns]
            defect = shadow is None and _is_defect(focus, patch)
            own = replace(patch, values=-patch.values) if defect else patch
            mask, contrast, snr = _outline(own.values, around)
            if shadow is not None:
                mask = shadow[view, patch.rows, patch.columns] > COLD_SHARE
                contrast = 0.0
                visible = bool(mask.sum() >= LEAST_PIXELS)
            else:
                bright = _bright_near(surroundings[view], own, projector.camera.pixel_mm)
                visible = (
                    contrast >= (LEAST_TAKEN if defect else LEAST_CONTRAST)
                    and float(own.values.max())
                    >= (LEAST_TAKEN if defect else LEAST_ABOVE_ANATOMY) * bright
                    and snr >= LEAST_SNR
                    and int(mask.sum()) >= LEAST_PIXELS
                )
            if visible:
                here = strongest[view, patch.rows, patch.columns]
                wins = mask & (own.values >= here if shadow is None else here <= 0)
                numbers[view, patch.rows, patch.columns][wins] = min(number, 255)
                here[wins] = np.maximum(own.values[wins], 0)
            total = float(surroundings[view].sum())
            share = float(patch.values.sum()) / total if total > 0 else 0.0
            contrast = -contrast if defect else contrast
            views.append((visible, contrast, snr, int(mask.sum()) if visible else 0, share))
        z_mm, x_mm = focus.position_mm[2], focus.position_mm[0]
        known.append(
            FocusTruth(
                number=number,
                category=focus.category,
                kind=focus.kind,
                region=focus.region,
                side=focus.side,
                position_mm=focus.position_mm,
                size_mm=focus.size_mm,
                contrast=focus.contrast,
                visible=(views[0][0], views[1][0]),
                seen_contrast=(views[0][1], views[1][1]),
                snr=(views[0][2], views[1][2]),
                pixels=(views[0][3], views[1][3]),
                share=(views[0][4], views[1][4]),
                pixel=projector.place(z_mm, x_mm),
                lesion=focus.lesion,
            )
        )
    return tuple(known), numbers


def region_maps(
    bone_activity: Array, region: NDArray[np.uint8], projector: Projector
) -> NDArray[np.uint8]:
    """Return the skeletal region that each pixel shows most of, (2, H, W) uint8.

    Parameters
    ----------
    bone_activity : (Z, Y, X) float32
        Normal activity in bone.
    region : (Z, Y, X) uint8
        0 none, 1-12 as in `REGIONS`, 13 other bones.
    projector : Projector
    """
    strength = projector.flat_sums(bone_activity, region, OTHER_BONE + 1)
    strength = ndimage.gaussian_filter(strength, (0, 0, 1.3, 1.3))
    best = strength[:, 1:].argmax(axis=1)
    maps = np.zeros(best.shape, np.uint8)
    for view in range(2):
        for number in range(1, OTHER_BONE + 1):
            layer = strength[view, number]
            lit = layer[layer > 0]
            if lit.size == 0:
                continue
            least = REGION_SHARE * float(np.percentile(lit[lit > 0.05 * lit.max()], 75))
            maps[view][(best[view] == number - 1) & (layer > least)] = number
    return maps


def kind_maps(
    findings: tuple[FocusTruth, ...],
    benign: NDArray[np.uint8],
    uptake: tuple[Array, Array, Array],
    organ: NDArray[np.uint8],
    projector: Projector,
) -> NDArray[np.uint8]:
    """Return the kind of what is not metastatic in each pixel, (2, H, W) uint8, see `Truth`.

    Parameters
    ----------
    findings : tuple of FocusTruth
    benign : (2, H, W) uint8
        The number of the finding in each pixel.
    uptake : three (Z, Y, X) float32
        Normal activity in bone, outside of it, and what of that in bone is beyond the usual.
    organ : (Z, Y, X) uint8
        0 none, else a position in `FILLED_ORGANS` plus 1.
    projector : Projector
    """
    bone, other, beyond = uptake
    skeleton = projector.flat_sums(bone, (bone > 0).astype(np.uint8), 2)[:, 1]
    organs = projector.flat_sums(other, organ, len(FILLED_ORGANS) + 1)
    blur = (0, 1.3, 1.3)
    skeleton = ndimage.gaussian_filter(skeleton, blur)
    unusual = projector.flat_sums(beyond, (beyond > 0).astype(np.uint8), 2)[:, 1]
    unusual = ndimage.gaussian_filter(unusual, blur)
    maps = np.zeros(benign.shape, np.uint8)
    bright = np.median(skeleton[skeleton > 0]) if (skeleton > 0).any() else np.inf
    maps[(unusual > HOT_SHARE * (skeleton - unusual)) & (skeleton > bright)] = 1
    for number in range(1, len(FILLED_ORGANS) + 1):
        seen = ndimage.gaussian_filter(organs[:, number], blur)
        edge = ORGAN_EDGE * np.percentile(seen[seen > 0], 95) if (seen > 0).any() else np.inf
        maps[(seen > edge) & (seen > ORGAN_SHARE * skeleton)] = 2
    kinds = np.zeros(256, np.uint8)
    for finding in findings:
        cold = finding.contrast < 1 and finding.category not in OUTSIDE_BONE
        kinds[min(finding.number, 255)] = (
            3 if cold else 2 if finding.category in OUTSIDE_BONE else 1
        )
    named = kinds[benign]
    maps[named > 0] = named[named > 0]
    return maps


def _is_defect(focus: Focus, patch: Patch) -> bool:
    """Tell whether a cold focus takes more from a view than its rim adds."""
    values = patch.values
    return focus.contrast < 1 and values.size > 0 and bool(-values.min() > values.max())


def _outline(c: Array, b: Array) -> tuple[NDArray[np.bool_], float, float]:
    """Mask of the rule, contrast and signal to noise ratio of one focus in one view."""
    peak = float(c.max()) if c.size else 0.0
    if peak <= 0:
        return np.zeros(c.shape, bool), 0.0, 0.0
    floor = np.maximum(b, 1e-3)
    above = c > np.maximum(PEAK_SHARE * peak, BACKGROUND_SHARE * floor)
    labels, _ = ndimage.label(above, structure=np.ones((3, 3)))
    at_peak = labels[np.unravel_index(int(c.argmax()), c.shape)]
    if at_peak == 0:
        return np.zeros(c.shape, bool), float((c / floor).max()), 0.0
    mask = ndimage.binary_fill_holes(labels == at_peak)
    contrast = float((c / floor)[c >= 0.7 * peak].max())
    signal = float(c[mask].sum())
    noise = float(np.sqrt((b + np.maximum(c, 0))[mask].sum() + 1e-9))
    return mask, contrast, signal / noise


def _bright_near(b: Array, patch: Patch, pixel_mm: float) -> float:
    """Bright noise-free surroundings of a focus, as the rule states them."""
    if patch.values.size == 0:
        return 0.0
    row, column = np.unravel_index(int(patch.values.argmax()), patch.values.shape)
    row, column = row + patch.rows.start, column + patch.columns.start
    reach = round(NEAR_MM / pixel_mm)
    window = b[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return float(min(np.percentile(window, 95), MOST_NEAR * b[row, column]))
