"""Is the bone scan index the share of the skeleton that is involved? On simulated patients.

    python benchmarks/bsi.py --patients 30 --seed 9100 --out OUT
    python benchmarks/bsi.py --patients 30 --seed 9100 --out OUT --page docs/reference-index.md

The preset ``screening`` seldom draws a high burden, so that two patients of three are asked to have
1 to 80 metastases. Each patient goes from DICOM through a package (the shipped one) to an index,
which is compared with

- the **true involved fraction**: in the simulator's voxels, the share of each region's bone that
  lies inside a metastasis, weighted as the index weighs regions. A voxel is inside where the
  lesion adds at least half of its own highest uptake per volume of bone, holes filled. Metastases
  that no camera could show count, too; the even uptake of a superscan does not.
- the **index of the truth's masks**: the same formula on the marks and regions that a careful
  reader would draw (docs/simulator.md), which tells what the formula loses by itself.

Prints a Markdown table with 95 % bootstrap intervals over patients; OUT gets the table, a row for
each patient, and a plot. ``--page`` writes the table into a page, between ``<!-- bsi -->`` marks,
and the plot beside it.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.measures.agreement import limits_of_agreement
from bonescan.measures.statistics import Interval, bootstrap
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.quantify.bsi import bone_scan_index
from bonescan.quantify.regions import find_skeleton, measure_regions
from bonescan.quantify.weights import load_weights
from bonescan.scan import REGIONS, Scan
from bonescan.simulate.patient import Scene, SimulatedPatient, build_scene, draw_case, scan_patient
from bonescan.simulate.sources import Focus
from through_dicom import on_view, put_into_page, read_simulated

#: Below it the issue with an index is sensitivity, and patients are stated by themselves.
LOW = 3.0
#: Most metastases that are asked for.
MOST_LESIONS = 80
#: Share of a lesion's highest uptake per volume of bone from which a voxel is inside.
INSIDE = 0.5


@dataclass(frozen=True)
class Case:
    """One patient: the index, the truth in voxels, the index of the truth's masks, in percent."""

    patient: int
    burden: str
    index: float | None
    true: float
    of_masks: float | None
    refused: str


def inside(focus: Focus, bone: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a metastasis is, (z, y, x) in its block."""
    share = bone[focus.source.slices]
    dense = np.abs(focus.source.activity) / np.maximum(share, 0.05)
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(dense >= INSIDE * dense.max())
    return filled & (share > 0)


def true_fraction(scene: Scene) -> float:
    """Return the involved share of the skeleton in percent, weighted as the index does."""
    bone, region = scene.anatomy.bone, scene.uptake.region
    involved = np.zeros(bone.shape, bool)
    for focus in scene.lesions:
        involved[focus.source.slices] |= inside(focus, bone)
    size = len(REGIONS) + 2
    whole = np.bincount(region.ravel(), bone.ravel(), size)
    part = np.bincount(region[involved], bone[involved], size)
    weights = load_weights()
    return float(
        sum(
            weights.of(name) * part[value] / whole[value]
            for value, name in enumerate(REGIONS, start=1)
            if whole[value] > 0
        )
    )


def index_of_masks(scan: Scan, patient: SimulatedPatient) -> float | None:
    """Return the index of the truth's marks and regions."""
    measures = []
    for view in scan.views:
        skeleton = find_skeleton(view, on_view(patient.truth.regions, view))
        if skeleton is not None:
            measures += measure_regions(view, skeleton, on_view(patient.truth.metastasis, view))
    index = bone_scan_index(measures)
    return index.visible if index.whole is None else index.whole


def drawn_lesions(seed: int, number: int) -> int | None:
    """Return how many metastases a patient gets; None where the preset draws that, too.

    Of three patients two get 1 to `MOST_LESIONS`, even in the logarithm, so that all burdens are
    there; the third is as the preset ``screening`` draws it, half of them without any.
    """
    if number % 3 == 2:
        return None
    rng = np.random.default_rng([seed, number])
    return round(float(np.exp(rng.uniform(0, np.log(MOST_LESIONS)))))


def measure(seed: int, number: int, engine: Engine) -> Case:
    case = draw_case(seed, number, "screening", lesions=drawn_lesions(seed, number))
    scene = build_scene(case)
    patient = scan_patient(case, scene=scene)
    scan, reading = read_simulated(patient, engine)
    index = reading.index
    if index is None:
        raise SystemExit("the package names no bones, so that there is no index to measure")
    return Case(
        patient=number,
        burden=case.spread.burden,
        index=index.whole,
        true=true_fraction(scene),
        of_masks=index_of_masks(scan, patient),
        refused=" ".join(index.refused),
    )


# --- figures ------------------------------------------------------------------------------------

Pairs = Sequence[tuple[float, float]]


def correlation(pairs: Pairs) -> float | None:
    """Pearson's r of (truth, index); None where either does not vary."""
    if len(pairs) < 3:
        return None
    truth, index = np.array(pairs).T
    if np.ptp(truth) == 0 or np.ptp(index) == 0:
        return None
    return float(np.corrcoef(truth, index)[0, 1])


def mean_difference(pairs: Pairs) -> float | None:
    """Bias: index less truth, in percent points."""
    return float(np.mean([index - truth for truth, index in pairs])) if pairs else None


def shown(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def row(name: str, pairs: Pairs) -> str:
    limits = limits_of_agreement([truth for truth, _ in pairs], [index for _, index in pairs])
    between = "–" if limits is None else f"{limits.low:.2f} to {limits.high:.2f}"
    figures: tuple[Callable[[Pairs], float | None], ...] = (correlation, mean_difference)
    told = [shown(bootstrap(pairs, figure)) for figure in figures]
    return f"| {name} | {len(pairs)} | {told[0]} | {told[1]} | {between} |"


def table(cases: Sequence[Case], package: Package, seed: int) -> list[str]:
    given = [case for case in cases if case.index is not None]
    full = [(case.true, case.index or 0.0) for case in given]
    sick = [(case.true, case.index or 0.0) for case in given if case.burden != "none"]
    low = [(case.true, case.index or 0.0) for case in given if case.true < LOW]
    low_sick = [
        (case.true, case.index or 0.0)
        for case in given
        if case.true < LOW and case.burden != "none"
    ]
    masks = [(case.of_masks, case.index or 0.0) for case in given if case.of_masks is not None]
    formula = [(case.true, case.of_masks) for case in cases if case.of_masks is not None]
    card = package.card
    return [
        f"{len(cases)} simulated patients, `python benchmarks/bsi.py --patients {len(cases)} "
        f"--seed {seed}`, model {card.name} {card.version}, SHA-256 `{card.sha256[:16]}…`. "
        f"An index was given for {len(given)} of them. Highest true fraction "
        f"{max(case.true for case in cases):.1f} %. Intervals: 95 %, bootstrap over patients.",
        "",
        "| | patients | r | bias, percent points | limits of agreement |",
        "|---|---|---|---|---|",
        row("index against the true involved fraction", full),
        row("the same, patients with metastases", sick),
        row(f"the same, true fraction below {LOW:g} %", low),
        row(f"the same, below {LOW:g} % and with metastases", low_sick),
        row("index against the index of the truth's masks", masks),
        row("index of the truth's masks against the true fraction", formula),
    ]


def plot(cases: Sequence[Case], path: Path) -> None:
    """Draw index over truth, and the difference over the mean with its limits."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    given = [(case.true, case.index) for case in cases if case.index is not None]
    truth, index = np.array(given).T
    limits = limits_of_agreement(list(truth), list(index))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    top = 1.05 * max(truth.max(), index.max(), 1.0)
    left.plot([0, top], [0, top], color="#999999", linewidth=0.8)
    left.scatter(truth, index, s=22, color="#c8102e", alpha=0.75, linewidths=0)
    left.set(xlabel="true involved fraction, %", ylabel="bone scan index, %")
    ticks = [tick for tick in (0, 0.1, 0.3, 1, 3, 10, 30, 100) if tick <= top]
    left.set_yscale("symlog", linthresh=0.1)
    left.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    for axes in (left, right):
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    left.set(xlim=(-0.03, top), ylim=(-0.03, top))
    right.scatter((truth + index) / 2, index - truth, s=22, color="#c8102e", alpha=0.75)
    right.axhline(0, color="#999999", linewidth=0.8)
    if limits is not None:
        right.axhline(limits.bias, color="#1a2028", linewidth=1)
        for end in (limits.low, limits.high):
            right.axhline(end, color="#1a2028", linewidth=1, linestyle="--")
    right.set(xlabel="mean of both, %", ylabel="index less true fraction, points")
    figure.suptitle(f"{len(given)} simulated patients. Research use only.", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=30)
    parser.add_argument("--seed", type=int, default=9100)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    package = Package.load(options.model)
    engine = Engine(package)
    cases = []
    for number in range(options.patients):
        cases.append(measure(options.seed, number, engine))
        print(f"{number + 1} of {options.patients}: {cases[-1]}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "bsi.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Case)])
        writer.writeheader()
        writer.writerows(asdict(case) for case in cases)
    plot(cases, options.out / "bsi.png")
    if options.page is not None:
        plot(cases, options.page.with_name("reference-index.png"))
    lines = table(cases, package, options.seed)
    (options.out / "bsi.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if options.page is not None:
        put_into_page(options.page, "bsi", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
