"""What the filters of a canvas do to simulated patients, whose noise-free counts are known.

    bonescan simulate COHORT --preset paper --seed 2023
    python benchmarks/preprocessing.py COHORT

Denoising: the distance to the noise-free counts in units of Poisson's deviation, and how much of a
lesion's highest pixel is left, beside plain Gaussians and beside non-local means (scikit-image)
after Anscombe's transform. Suppression: what was taken out, and how often a true lesion was
touched. ``--sheet FOLDER`` draws patients before and after, to be looked at.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.restoration import denoise_nl_means

from bonescan.config import Denoise, Suppress
from bonescan.ingest.cases import load_case
from bonescan.ingest.cohort import Case, read_cohort
from bonescan.preprocess.denoise import denoised
from bonescan.preprocess.suppress import suppressed
from bonescan.scan import SUPPRESSED, Scan, View

Picture = NDArray[np.float32]
#: The body: what is brighter than this share of its bright end.
BODY_SHARE = 0.15
#: A lesion counts as lost where more than this share of its pixels was replaced.
LOST = 0.5
#: An injection site counts as hot from so many counts a pixel on.
HOT_COUNTS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--patients", type=int, default=200, help="to look for suppression in")
    parser.add_argument("--denoised", type=int, default=24, help="to denoise")
    parser.add_argument("--sheet", type=Path)
    asked = parser.parse_args()
    patients = list(read(asked.cohort, asked.patients))
    if asked.denoised:
        print_denoising(patients[: asked.denoised])
    print_suppression(patients)
    if asked.sheet:
        asked.sheet.mkdir(parents=True, exist_ok=True)
        for patient in patients[:4]:
            draw(patient.scan, asked.sheet / f"{patient.scan.study}.png")


@dataclass(frozen=True)
class Simulated:
    """A simulated scan with its truth, arrays (2, H, W), and its findings by view."""

    scan: Scan
    folder: Path
    case: Case

    def truth(self, name: str) -> NDArray[np.float32]:
        with np.load(self.folder / "truth" / f"{self.case.study}.npz") as arrays:
            return np.asarray(arrays[name], np.float32)

    @property
    def findings(self) -> list[dict[str, object]]:
        path = self.folder / "truth" / f"{self.case.study}.json"
        found: list[dict[str, object]] = json.loads(path.read_text())["findings"]
        return found


def read(cohort: Path, number: int) -> Iterator[Simulated]:
    for case in read_cohort(cohort).cases[:number]:
        yield Simulated(load_case(case), cohort, case)


# --- denoising ------------------------------------------------------------------------------------


def anscombe_means(counts: Picture) -> Picture:
    """Non-local means in the domain of Anscombe's transform, with the unbiased inverse."""
    tone = 2 * np.sqrt(counts + 0.375)
    flat = denoise_nl_means(tone, patch_size=5, patch_distance=6, h=0.8, sigma=1.0)
    flat = np.maximum(flat, 2 * np.sqrt(0.375))
    root = np.sqrt(1.5)
    exact = flat**2 / 4 + root / 4 / flat - 11 / 8 / flat**2 + 5 * root / 8 / flat**3 - 0.125
    return np.asarray(exact * (counts.sum() / exact.sum()), np.float32)


WAYS: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda counts: counts,
    "canvas.denoise": lambda counts: denoised(counts, Denoise()),
    "Gaussian 0.9": lambda counts: gaussian_filter(counts, 0.9),
    "Gaussian 1.2": lambda counts: gaussian_filter(counts, 1.2),
    "Gaussian 1.8": lambda counts: gaussian_filter(counts, 1.8),
    "non-local means": anscombe_means,
}


def print_denoising(patients: list[Simulated]) -> None:
    rows: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in WAYS}
    for patient in patients:
        expected, lesions = patient.truth("expected"), patient.truth("metastasis")
        for index, view in enumerate(patient.scan.views):
            for name, way in WAYS.items():
                rows[name].append(judged(view, way(view.counts), expected[index], lesions[index]))
    print(f"denoising, {len(patients)} patients: error in the body and in lesions (1 is Poisson's")
    print("deviation), highest pixel of a lesion : noise-free, change of the view's sum")
    reference = np.nanmean(rows["as it is"], axis=0)[0]
    for name, table in rows.items():
        body, lesion, peak, total = np.nanmean(table, axis=0)
        print(f"  {name:<16} {body:.3f} ({body / reference:.2f} times), {lesion:.3f}, ", end="")
        print(f"{peak:.3f}, {total:.1e}")


def judged(
    view: View, smooth: Picture, true: Picture, lesions: NDArray[np.float32]
) -> tuple[float, float, float, float]:
    wide = gaussian_filter(true, 3)
    body = wide > BODY_SHARE * np.percentile(wide, 97)
    numbers = [number for number in np.unique(lesions) if number]
    peaks = [smooth[lesions == n].max() / true[lesions == n].max() for n in numbers]
    total = float(view.counts.sum(dtype=float))
    return (
        deviation(smooth[body], true[body]),
        deviation(smooth[lesions > 0], true[lesions > 0]) if numbers else np.nan,
        float(np.median(peaks)) if peaks else np.nan,
        abs(float(smooth.sum(dtype=float)) / total - 1),
    )


def deviation(seen: Picture, true: Picture) -> float:
    """Root mean square difference of the roots, twice: about 1 for Poisson noise."""
    return 2 * float(np.sqrt(np.mean((np.sqrt(seen) - np.sqrt(true)) ** 2)))


# --- suppression ----------------------------------------------------------------------------------


def print_suppression(patients: list[Simulated]) -> None:
    views = lesions = beside = touched = lost = sites = found = bladders = others = false = 0
    for patient in patients:
        _, masks, _ = suppressed(patient.scan, Suppress())
        truth, benign = patient.truth("metastasis"), patient.truth("benign")
        hot = {int(str(f["number"])) for f in patient.findings if f["category"] == "injection site"}
        for index, view in enumerate(patient.scan.views):
            codes = masks.get(view.name, np.zeros(view.counts.shape, np.uint8))
            views += 1
            bladders += bool((codes == 1).any())
            here = np.isin(benign[index], list(hot))
            others += bool((codes == 2).any())
            false += bool((codes == 2).any() and not ((codes == 2) & here).any())
            if here.any() and view.counts[here].max() >= HOT_COUNTS:
                sites += 1
                found += bool((codes[here] == 2).mean() > LOST)
            for number in np.unique(truth[index][truth[index] > 0]):
                share = float((codes[truth[index] == number] > 0).mean())
                lesions += 1
                beside += bool(codes.any())
                touched += share > 0
                lost += share > LOST
    print(f"suppression, {views} views: {bladders} with a bladder, {others} with an injection site")
    print(f"  taken out ({false} where none is); of {sites} injection sites of {HOT_COUNTS} counts")
    print(
        f"  a pixel or more {found} were found; of {lesions} true marks, {beside} of them in such"
    )
    print(f"  views, {touched} were touched and {lost} lost by more than half")


# --- pictures -------------------------------------------------------------------------------------


def draw(scan: Scan, path: Path) -> None:
    """Draw each view as it is, with what is taken out, and denoised besides."""
    changed, masks, _ = suppressed(scan, Suppress())
    columns = []
    for old, new in zip(scan.views, changed.views, strict=True):
        black = float(np.percentile(old.counts[old.counts > 0], 99))
        mask = masks.get(old.name, np.zeros(old.counts.shape, np.uint8)) > 0
        outlined = inverse(new.counts, black)
        outlined[binary_dilation(mask) & ~mask] = (20, 90, 200)
        smooth = inverse(denoised(new.counts, Denoise()), black)
        columns += [inverse(old.counts, black), outlined, smooth]
    Image.fromarray(np.hstack(columns)).save(path)
    print(f"{path}: {', '.join(SUPPRESSED)} outlined in blue")


def inverse(counts: Picture, black: float) -> NDArray[np.uint8]:
    grey = np.rint(255 * (1 - np.clip(counts / black, 0, 1))).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


if __name__ == "__main__":
    main()
