"""Simulated lesions implanted in real scans: how many does a model find, and do its marks stay?

    python benchmarks/implants.py ../shared/real/bs80k_pairs ../shared/real/nm1 --seed 0

Real scans without a physician's marks cannot tell how many metastases a model finds. Here discs of
known size and contrast are blurred like a camera blurs, given their Poisson noise, and added to the
scans at hand, on bones as the model itself draws them, away from its own marks. The table tells how
many are found in either view, by contrast, size and place, with 95 % intervals from drawing
patients anew. Then the scans are thinned and brightened, and the overlap of the marks before and
after is told. For evaluation only: nothing is fitted here, and nothing of the scans is kept, unless
``--pictures`` names a folder. A disc of even uptake is kinder than many a metastasis; figures here
are no clinical evidence. Research use only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.evaluate.matching import match_labels
from bonescan.evaluate.patients import patient_interval
from bonescan.evaluate.validation_report import interval_text, study_picture
from bonescan.ingest import find_studies, load_study
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine, predict_scan
from bonescan.quantify import find_lesions, lesion_rule, score_scan
from bonescan.quantify.regions import FRAME_MM, Skeleton, find_skeleton
from bonescan.scan import REGIONS, Scan, View, ViewName

#: Excess of a lesion before blur over the mean count of the bone about it, and its diameter.
CONTRASTS = (1.0, 2.0, 4.0)
SIZES_MM = (10.0, 16.0, 25.0)
#: Full width at half maximum of a point, at the skeleton's distance from the camera.
BLUR_MM = 9.0
#: A lesion is where its excess is at least this share of its highest.
TRUTH_SHARE = 0.5
#: What the farther camera sees of a lesion, through the body; 0.8 where both are alike.
FAR_SHARE, ALIKE_SHARE = 0.35, 0.8
FRONT = frozenset({"sternum", "clavicles"})
BACK = frozenset({"thoracic_spine", "lumbar_spine", "sacrum", "scapulae", "cervical_spine"})
#: Groups of places in the table.
PLACES = {
    "skull": ("skull",),
    "spine and sacrum": ("cervical_spine", "thoracic_spine", "lumbar_spine", "sacrum"),
    "ribs and chest": ("ribs", "sternum", "clavicles", "scapulae"),
    "pelvis": ("pelvis",),
    "limbs": ("humeri", "femora"),
}
#: Bounds of how clear a lesion is, see `Implant`.
CLEAR = (0.0, 5.0, 10.0, 20.0, np.inf)
#: Implants keep this far from each other and from what the model marks without them.
APART_MM = 40.0
#: Grey values of soft tissue and faint bone, where a picture's noise tells its grey values a count.
NOISE_GREY = (3.0, 15.0)
#: The least counts a view that a clinic's scans have, as the simulator draws them.
LEAST_COUNTS = 200e3

Marks = dict[ViewName, NDArray[np.int32]]


@dataclass(frozen=True)
class Implant:
    """One lesion.

    ``truth`` are its pixels in each view, ``found`` whether a mark hits it, ``clearness`` its
    counts over the noise of the counts beneath it, in the view that shows it best [1]_.

    .. [1] A. Rose, "The sensitivity performance of the human eye on an absolute scale",
       J. Opt. Soc. Am. 38 (1948): from about 5 on, a disc on an even ground is seen.
    """

    scan: str
    contrast: float
    size_mm: float
    region: str
    company: bool
    truth: dict[ViewName, NDArray[np.bool_]]
    clearness: float
    found: bool = False


class Reader:
    """A model package with what this benchmark asks of it."""

    def __init__(self, package: Package) -> None:
        self.engine = Engine(package)
        self.rule = lesion_rule(package.card)

    def scores(self, scan: Scan) -> dict[ViewName, NDArray[np.float32]]:
        return score_scan(scan, predict_scan(scan, self.engine), self.engine.package.card).marks

    def marks(self, scan: Scan) -> Marks:
        scores = self.scores(scan)
        return {
            view.name: find_lesions(view, scores[view.name], self.rule).mask.astype(np.int32)
            for view in scan.views
        }

    def skeletons(self, scan: Scan) -> dict[ViewName, Skeleton]:
        regions = predict_scan(scan, self.engine).regions
        found = {view.name: find_skeleton(view, regions[view.name]) for view in scan.views}
        return {name: skeleton for name, skeleton in found.items() if skeleton is not None}


def pixel_mm(view: View) -> tuple[float, float]:
    """Return a pixel's size; a picture's frame is taken as 2.4 m long."""
    row_mm = FRAME_MM / view.counts.shape[0]
    return view.pixel_spacing_mm or (row_mm, row_mm)


def gain(view: View, true_counts: bool) -> float:
    """Return grey values a count: 1 for true counts; of a picture, by its own noise.

    Counts are Poisson, so that in a picture of ``g`` grey values a count the variance is ``g``
    times the mean. The variance is that of differences across 2 x 2 pixels, which slopes do not
    raise, where the mean lies in `NOISE_GREY`, less that of rounding; 1 at least.
    """
    if true_counts:
        return 1.0
    grey = view.counts.astype(np.float64)
    corners = grey[:-1, :-1], grey[:-1, 1:], grey[1:, :-1], grey[1:, 1:]
    mean = np.mean(corners, axis=0)
    across = (corners[0] - corners[1] - corners[2] + corners[3]) / 2
    inside = (mean > NOISE_GREY[0]) & (mean < NOISE_GREY[1])
    if not inside.any():
        return 1.0
    variance = float((across[inside] ** 2).mean()) - 1 / 12
    return max(variance / float(mean[inside].mean()), 1.0)


def counts_of(scan: Scan) -> float:
    """Return the counts of the view that has fewer."""
    true_counts = scan.acquisition.true_counts
    return min(float(view.counts.sum()) / gain(view, true_counts) for view in scan.views)


def disc(view: View, row: float, column: float, size_mm: float) -> NDArray[np.float64]:
    """Draw a blurred disc of height 1 before blur, (H, W)."""
    tall, wide = pixel_mm(view)
    rows, columns = np.ogrid[: view.counts.shape[0], : view.counts.shape[1]]
    away = np.hypot((rows - row) * tall, (columns - column) * wide)
    sharp = np.clip((size_mm / 2 - away) / tall + 0.5, 0, 1)
    sigma = BLUR_MM / 2.3548
    return ndimage.gaussian_filter(sharp, (sigma / tall, sigma / wide))


def shares(region: str, views: Sequence[ViewName]) -> dict[ViewName, float]:
    """Return what each view sees of a lesion in a region."""
    near: dict[ViewName, float] = {"anterior": ALIKE_SHARE, "posterior": ALIKE_SHARE}
    if region in FRONT:
        near = {"anterior": 1.0, "posterior": FAR_SHARE}
    elif region in BACK:
        near = {"anterior": FAR_SHARE, "posterior": 1.0}
    return {name: near[name] for name in views}


def places(
    scan: Scan,
    skeletons: dict[ViewName, Skeleton],
    marks: Marks,
    number: int,
    rng: np.random.Generator,
) -> list[tuple[str, dict[ViewName, tuple[float, float]]]]:
    """Draw places on bone, away from marks and each other: region, and (row, column) by view.

    The view that shows a region best says where it is; its place in the other view is at the same
    height, mirrored about the midlines.
    """
    views = {view.name: view for view in scan.views if view.name in skeletons}
    found: list[tuple[str, dict[ViewName, tuple[float, float]]]] = []
    for _ in range(50 * number):
        region = str(rng.choice(REGIONS))
        best = max(shares(region, tuple(views)).items(), key=lambda item: item[1])[0]
        view, skeleton = views[best], skeletons[best]
        inside = ndimage.binary_erosion(skeleton.regions == 1 + REGIONS.index(region))
        rows, columns = np.nonzero(inside)
        if not rows.size:
            continue
        pick = int(rng.integers(rows.size))
        row, column = float(rows[pick]), float(columns[pick])
        there = {best: (row, column)}
        for name, other in views.items():
            if name != best:
                far_row = row * pixel_mm(view)[0] / pixel_mm(other)[0]
                aside = skeleton.midline.offset(row, column) * pixel_mm(view)[1]
                middle = skeletons[name].midline
                far_column = middle.column + middle.slope * far_row - aside / pixel_mm(other)[1]
                there[name] = (far_row, far_column)
        if all(_free(views[name], marks[name], at) for name, at in there.items()) and all(
            _far(views[best], there[best], other[best]) for _, other in found
        ):
            found.append((region, there))
        if len(found) == number:
            break
    return found


def _free(view: View, marks: NDArray[np.int32], at: tuple[float, float]) -> bool:
    rows, columns = np.nonzero(marks)
    tall, wide = pixel_mm(view)
    return bool((np.hypot((rows - at[0]) * tall, (columns - at[1]) * wide) > APART_MM).all())


def _far(view: View, one: tuple[float, float], other: tuple[float, float]) -> bool:
    tall, wide = pixel_mm(view)
    return float(np.hypot((one[0] - other[0]) * tall, (one[1] - other[1]) * wide)) > APART_MM


def implant(
    scan: Scan,
    where: Sequence[tuple[str, dict[ViewName, tuple[float, float]]]],
    kinds: Sequence[tuple[float, float]],
    rng: np.random.Generator,
) -> tuple[Scan, list[Implant]]:
    """Add lesions to a scan.

    Parameters
    ----------
    scan : Scan
    where : sequence of (region, (row, column) by view)
    kinds : sequence of (contrast, size in mm)
        One for each place.
    rng : Generator
        Of the Poisson noise.

    Returns
    -------
    Scan
        With the counts of an 8-bit source rounded, and cut at 255.
    list of Implant
    """
    true_counts = scan.acquisition.true_counts
    counts = {view.name: view.counts.astype(np.float64) for view in scan.views}
    implants = []
    for (region, there), (contrast, size) in zip(where, kinds, strict=True):
        truth, clearness = {}, 0.0
        for view in scan.views:
            if view.name not in there:
                continue
            shape = disc(view, *there[view.name], size)
            bone = float((ndimage.gaussian_filter(view.counts, 2) * shape).sum() / shape.sum())
            excess = contrast * bone * shares(region, (view.name,))[view.name] * shape
            grey = gain(view, true_counts)
            counts[view.name] += grey * rng.poisson(excess / grey)
            inside = shape >= TRUTH_SHARE * shape.max()
            ground = max(float(view.counts[inside].sum()), grey)
            clearness = max(clearness, float(excess[inside].sum()) / (grey * ground) ** 0.5)
            truth[view.name] = inside
        several = len(where) > 1
        implants.append(Implant(scan.study, contrast, size, region, several, truth, clearness))
    ceiling = np.inf if true_counts else 255.0
    changed = {
        view.name: replace(
            view, counts=np.minimum(np.rint(counts[view.name]), ceiling).astype(np.float32)
        )
        for view in scan.views
    }
    return replace(scan, **changed), implants


def judge(implants: Sequence[Implant], marks: Marks) -> list[Implant]:
    """Tell which implants a mark hits, in either view."""
    return [
        replace(
            item,
            found=any(
                bool(match_labels(marks[name], truth.astype(np.int32)).hit.any())
                for name, truth in item.truth.items()
            ),
        )
        for item in implants
    ]


def thin(scan: Scan, share: float, rng: np.random.Generator) -> Scan:
    """Keep each count with a probability."""

    def of(view: View) -> NDArray[np.float64]:
        grey = gain(view, scan.acquisition.true_counts)
        return grey * rng.binomial(np.rint(view.counts / grey).astype(int), share)

    return _with_counts(scan, of)


def brighten(scan: Scan, factor: float) -> Scan:
    """Multiply all counts; an 8-bit picture clips at 255."""
    ceiling = np.inf if scan.acquisition.true_counts else 255.0
    return _with_counts(scan, lambda view: np.minimum(np.rint(factor * view.counts), ceiling))


def _with_counts(scan: Scan, change: Callable[[View], NDArray[np.floating]]) -> Scan:
    views = {v.name: replace(v, counts=change(v).astype(np.float32)) for v in scan.views}
    return replace(scan, **views)


def overlap(before: Marks, after: Marks) -> tuple[int, int, int, int]:
    """Return marks before, how many of them are met after, marks after, how many met before."""
    kept = sum(match_labels(after[name], before[name]).hits for name in before)
    known = sum(match_labels(before[name], after[name]).hits for name in before)
    first = sum(int(marks.max(initial=0)) for marks in before.values())
    last = sum(int(marks.max(initial=0)) for marks in after.values())
    return first, kept, last, known


def sensitivity_row(name: str, items: Sequence[Implant]) -> str:
    """Return a row of the table: how many, and the share found."""
    found = np.array([item.found for item in items])
    scans = [item.scan for item in items]
    interval = patient_interval(lambda rows: float(found[rows].mean()), scans) if scans else None
    return f"| {name} | {len(items)} | {interval_text(interval)} |"


def table(implants: Sequence[Implant]) -> str:
    """Return sensitivity by contrast, size, place and company as Markdown."""
    rows = ["| implanted lesions | number | found in either view |", "|---|---|---|"]
    rows.append(sensitivity_row("all", implants))
    for contrast in CONTRASTS:
        some = [item for item in implants if item.contrast == contrast]
        rows.append(sensitivity_row(f"excess {contrast:g} times the bone", some))
    for size in SIZES_MM:
        some = [item for item in implants if item.size_mm == size]
        rows.append(sensitivity_row(f"{size:g} mm across", some))
    for low, high in pairwise(CLEAR):
        some = [item for item in implants if low <= item.clearness < high]
        name = f"clearness {low:g} to {high:g}" if high < np.inf else f"clearness from {low:g}"
        rows.append(sensitivity_row(name, some))
    for place, regions in PLACES.items():
        rows.append(sensitivity_row(place, [item for item in implants if item.region in regions]))
    alone = [item for item in implants if not item.company]
    rows.append(sensitivity_row("one in the patient", alone))
    several = [item for item in implants if item.company]
    rows.append(sensitivity_row("several in the patient", several))
    return "\n".join(rows)


def stability_row(name: str, outcomes: Sequence[tuple[str, tuple[int, int, int, int]]]) -> str:
    """Return a row: shares of marks that stay and of marks that were there before."""
    scans = [scan for scan, _ in outcomes]
    figures = np.array([found for _, found in outcomes])

    def share(part: int, whole: int) -> str:
        def statistic(rows: NDArray[np.intp]) -> float | None:
            total = figures[rows, whole].sum()
            return float(figures[rows, part].sum() / total) if total else None

        return interval_text(patient_interval(statistic, scans))

    return f"| {name} | {figures[:, 0].sum()} | {share(1, 0)} | {share(3, 2)} |"


def load(paths: Sequence[Path]) -> list[Scan]:
    """Load all scans below some paths; what is none is left out."""
    with find_studies(list(paths)) as found:
        return [load_study(study) for study in found.studies]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, nargs="+", help="scans, or folders of scans")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--draws", type=int, default=6, help="implanted copies of each scan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of implanted scans")
    options = parser.parse_args()
    reader = Reader(Package.load(options.model))
    rng = np.random.default_rng(options.seed)
    changes: dict[str, Callable[[Scan], Scan]] = {
        "half of the counts": lambda scan: thin(scan, 0.5, rng),
        "a quarter of the counts": lambda scan: thin(scan, 0.25, rng),
        f"down to {LEAST_COUNTS / 1000:g} thousand counts a view": lambda scan: thin(
            scan, min(1.0, LEAST_COUNTS / counts_of(scan)), rng
        ),
        "twice as bright": lambda scan: brighten(scan, 2.0),
        "half as bright": lambda scan: brighten(scan, 0.5),
    }
    stayed: dict[str, list[tuple[str, tuple[int, int, int, int]]]] = {n: [] for n in changes}
    implants: list[Implant] = []
    scans = load(options.real)
    own = []
    for scan in scans:
        plain = reader.marks(scan)
        own.append(sum(int(marks.max(initial=0)) for marks in plain.values()))
        skeletons = reader.skeletons(scan)
        for draw in range(options.draws):
            number = 1 if draw % 2 else 4
            where = places(scan, skeletons, plain, number, rng)
            kinds = [(rng.choice(CONTRASTS), rng.choice(SIZES_MM)) for _ in where]
            changed, added = implant(scan, where, kinds, rng)
            marks = reader.marks(changed)
            implants += judge(added, marks)
            if draw == 0:
                for name, change in changes.items():
                    stayed[name].append((scan.study, overlap(marks, reader.marks(change(changed)))))
                if options.pictures:
                    truth = {
                        view.name: np.any([item.truth[view.name] for item in added], axis=0)
                        for view in scan.views
                    }
                    path = options.pictures / f"{scan.study}.png"
                    study_picture(changed, reader.scores(changed), truth, reader.rule, path)
    card = reader.engine.package.card
    print(f"{card.name} {card.version}, {card.sha256[:12]}, marks from {reader.rule.threshold:g}")
    print(f"{len(scans)} scans with {sum(own)} marks of their own ({own}), seed {options.seed}")
    thousands = [round(counts_of(scan) / 1000) for scan in scans]
    print(f"thousand counts of the fainter view, pictures' by their noise: {thousands}\n")
    print(table(implants))
    print("\n| change | marks before | of these, marked after | of those after, marked before |")
    print("|---|---|---|---|")
    for name, outcomes in stayed.items():
        print(stability_row(name, outcomes))


if __name__ == "__main__":
    main()
