"""Simulated metastases in a reference skeleton that training never saw: what does a model find?

    python benchmarks/reference_skeleton.py ../shared/anatomy --patients 60 --seed 5150

The training's bodies are all the simulator's own. Here the bones are those of a voxel phantom that
the user holds: ANATOMY is a folder with ``*.npz`` (``ids`` (Z, Y, X) from the feet, y from the
front; ``spacing_mm_zyx``) and ``*LabelsToMaterials.txt`` (``from to name`` a line, ``to`` not
included), as of the ICRP 110 adult male. Uptake, disease and cameras are the simulator's: half of
the patients as the preset ``screening``, half as ``elsewhere``, with their counts. Each goes from
DICOM to marks. The same patients in the simulator's own man of that size are the reference.

One skeleton, and so the intervals (95 %, drawing patients anew) tell nothing of other skeletons.
For evaluation only: nothing is fitted, and nothing of the phantom is kept, unless ``--pictures``
names a folder. Simulated uptake; no clinical evidence. Research use only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LesionRule
from bonescan.evaluate.matching import match_pairs
from bonescan.evaluate.patients import patient_interval, roc_auc
from bonescan.evaluate.sweep import without_gaps
from bonescan.evaluate.validation_report import interval_text, study_picture
from bonescan.package import Package
from bonescan.predict import SHIPPED_MODEL, Engine
from bonescan.quantify import lesion_rule
from bonescan.scan import REGIONS, Reading, Scan
from bonescan.simulate.anatomy import Anatomy, BodyParameters, build_anatomy
from bonescan.simulate.patient import Preset, SimulatedPatient, simulate_patient
from bonescan.simulate.voxels import from_voxels
from implants import PLACES
from skeleton import Scores, mean_of, score
from through_dicom import on_view, read_simulated

#: What a phantom's names mean to the simulator, by their first word; the rest is soft tissue.
BONES = {
    "Humeri": "humeri", "Lower_arm_bones": "forearms", "Hand_bones": "hands",
    "Clavicles": "clavicles", "Cranium": "skull", "Femora": "femora",
    "Lower_leg_bones": "lower legs", "Foot_bones": "feet", "Mandible": "mandible",
    "Pelvis": "pelvis", "Ribs": "ribs", "Scapulae": "scapulae", "Cervical_spine": "cervical",
    "Thoracic_spine": "thoracic", "Lumbar_spine": "lumbar", "Sacrum": "sacrum",
    "Sternum": "sternum",
}  # fmt: skip
TISSUES = {
    "Air_outside_body": "air", "Lung_tissue_(compressed_lungs)": "lung", "Liver": "liver",
    "Heart": "heart", "Spleen": "spleen", "Stomach": "stomach", "Brain": "brain",
    "Thyroid": "thyroid", "Small_intestine": "gut", "Large_intestine": "gut",
    "Gastro-intestinal_tract_-_contents": "gut", "Urinary_bladder": "bladder", "Urine": "bladder",
}  # fmt: skip
#: Cortical bone, which the phantom's table lists before the spongiosa of its bone.
CORTEX, CAVITY = "Mineral_bone", "medullary_cavity"
#: Bounds of a lesion's highest excess over what lies about it, in the view that shows it best.
CONTRASTS = (0.6, 1.0, 2.0, 4.0, np.inf)
SIZES_MM = (0.0, 12.0, 20.0, 30.0, np.inf)
#: Bounds of the counts of the anterior view, in thousands.
COUNTS = (0.0, 350.0, 700.0, np.inf)
PRESETS: tuple[Preset, ...] = ("screening", "elsewhere")


@dataclass(frozen=True)
class Lesion:
    """A metastasis that a careful reader would see, and whether a mark hits it in either view."""

    patient: str
    region: str
    size_mm: float
    contrast: float
    counts: float
    found: bool


@dataclass(frozen=True)
class Outcome:
    """One patient: the metastases to be seen, where false marks lie, the patient's score.

    ``far`` is whether the scan is flagged as far from training, ``dice`` of each region.
    """

    patient: str
    metastasis: bool
    lesions: tuple[Lesion, ...]
    false: tuple[str, ...]
    score: float
    far: bool
    dice: Scores


def phantom_table(text: str) -> dict[int, str]:
    """Read the names of a phantom's numbers into what `from_voxels` knows.

    Cortex gets the bone of the next spongiosa. Kidneys are left soft tissue here: a table of
    materials does not tell their sides (`with_sides`).
    """
    rows = [line.split(maxsplit=2) for line in text.splitlines() if line.strip()]
    table: dict[int, str] = {}
    waiting: list[int] = []
    for first, end, name in rows:
        numbers = range(int(first), int(end))
        if name == CORTEX:
            waiting += numbers
            continue
        bone = BONES.get(name.split("+")[0]) if "spongiosa" in name else None
        if bone is not None:
            table |= dict.fromkeys([*waiting, *numbers], bone)
            waiting = []
        elif CAVITY in name:
            table |= dict.fromkeys(numbers, "marrow cavity")
        else:
            table |= dict.fromkeys(numbers, TISSUES.get(name, "soft tissue"))
    return table


def kidneys(text: str) -> list[int]:
    rows = [line.split(maxsplit=2) for line in text.splitlines() if line.strip()]
    found = [range(int(a), int(b)) for a, b, name in rows if name.strip() == "Kidneys"]
    return [number for numbers in found for number in numbers]


def load_phantom(folder: Path) -> Anatomy:
    """Load the reference skeleton of a folder.

    Raises
    ------
    SystemExit
        If the folder does not hold exactly one volume and one table.
    """
    volumes, tables = sorted(folder.glob("*.npz")), sorted(folder.glob("*LabelsToMaterials.txt"))
    if len(volumes) != 1 or len(tables) != 1:
        raise SystemExit(f"{folder}: needs one .npz and one LabelsToMaterials.txt; see --help")
    text = tables[0].read_text(encoding="utf-8")
    table = phantom_table(text)
    with np.load(volumes[0]) as data:
        ids, (z, y, x) = data["ids"].astype(np.int16), map(float, data["spacing_mm_zyx"])
    spine = np.isin(ids, [number for number, name in table.items() if name == "lumbar"])
    left = np.arange(ids.shape[2]) > np.nonzero(spine)[2].mean()
    renal = np.isin(ids, kidneys(text))
    for name, side in (("kidney left", left), ("kidney right", ~left)):
        number = max(table) + 1
        ids[renal & side] = number
        table[number] = name
    return from_voxels(ids, (z, y, x), table, feet_first=True)


def patient_of(seed: int, index: int, anatomy: Anatomy | None) -> SimulatedPatient:
    """Simulate a patient in the given bones, or in the simulator's own man of that size."""
    preset = PRESETS[index % len(PRESETS)]
    return simulate_patient(seed, index, preset=preset, body=BodyParameters(), anatomy=anatomy)


def judge(patient: SimulatedPatient, scan: Scan, reading: Reading) -> Outcome:
    """Compare a reading's marks with the truth, lesion by lesion, and its regions with theirs."""
    truth = patient.truth
    found: set[int] = set()
    visible: set[int] = set()
    false: list[str] = []
    dice: Scores = {}
    for own in reading.views:
        view = next(view for view in scan.views if view.name == own.view)
        regions = on_view(truth.regions, view)
        numbers, labels = without_gaps(on_view(truth.metastasis, view))
        pairs = match_pairs(own.mask.astype(np.int32), labels)
        visible |= set(numbers)
        found |= {numbers[k] for k in np.flatnonzero(pairs.any(axis=0))}
        wrong = np.flatnonzero(~pairs.any(axis=1))
        false += [place_of(regions[own.mask == k + 1]) for k in wrong]
        if own.regions is not None:
            first, end = own.read_rows or (0, len(regions))
            score(own.regions[first:end], regions[first:end], dice, own.view)
    thousand = float(patient.counts[0].sum()) / 1000
    lesions = [
        Lesion(
            patient.study,
            item.region,
            item.size_mm,
            max(item.seen_contrast),
            thousand,
            item.number in found,
        )
        for item in truth.lesions
        if item.number in visible
    ]
    return Outcome(
        patient.study,
        patient.metastasis,
        tuple(lesions),
        tuple(false),
        reading.patient_score,
        any(flag.code == "far-from-training" for flag in reading.flags),
        dice,
    )


def place_of(values: NDArray[np.uint8]) -> str:
    """Name the group of regions that most bone pixels of a mark lie on."""
    counted = np.bincount(values[values > 0], minlength=1)
    if not counted.any():
        return "no bone"
    value = int(counted.argmax())
    name = REGIONS[value - 1] if value <= len(REGIONS) else ""
    return next((place for place, regions in PLACES.items() if name in regions), "other bones")


def draw(patient: SimulatedPatient, scan: Scan, reading: Reading, path: Path) -> None:
    """Draw marks in red and the truth in green."""
    marks = {own.view: (own.mask > 0).astype(np.float32) for own in reading.views}
    truth = {view.name: on_view(patient.truth.metastasis, view) > 0 for view in scan.views}
    study_picture(scan, marks, truth, LesionRule(threshold=0.5), path)


# --- figures ------------------------------------------------------------------------------------


Belongs = Callable[[Lesion], bool]


def share(items: Sequence[Lesion]) -> str:
    """Return the share found with its interval."""
    if not items:
        return "not defined"
    found = np.array([item.found for item in items])
    patients = [item.patient for item in items]
    return interval_text(patient_interval(lambda rows: float(found[rows].mean()), patients))


def lesion_rows() -> dict[str, Belongs]:
    """Return what the table splits the lesions by."""
    rows: dict[str, Belongs] = {"all": lambda item: True}

    def within(value: Callable[[Lesion], float], low: float, high: float) -> Belongs:
        return lambda item: low <= value(item) < high

    def at(regions: Sequence[str]) -> Belongs:
        return lambda item: item.region in regions

    def between(
        name: str, bounds: Sequence[float], value: Callable[[Lesion], float], unit: str
    ) -> None:
        for low, high in pairwise(bounds):
            top = f" to {high:g}" if high < np.inf else " or more"
            rows[f"{name} {low:g}{top}{unit}"] = within(value, low, high)

    between("excess", CONTRASTS, lambda item: item.contrast, " times what lies about it")
    between("size", SIZES_MM, lambda item: item.size_mm, " mm")
    between("scan of", COUNTS, lambda item: item.counts, " thousand counts")
    for place, regions in PLACES.items():
        rows[place] = at(regions)
    return rows


def patient_rows(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the figures of patients, each with its interval."""
    names = [item.patient for item in outcomes]
    false = np.array([len(item.false) for item in outcomes])
    ill = np.array([item.metastasis for item in outcomes])
    scores = np.array([item.score for item in outcomes])

    def told(statistic: Callable[[NDArray[np.intp]], float | None]) -> str:
        return interval_text(patient_interval(statistic, names, draws=500))

    def of_free(rows: NDArray[np.intp]) -> float | None:
        free = rows[~ill[rows]]
        return float(false[free].mean()) if free.size else None

    return {
        "false marks a patient": told(lambda rows: float(false[rows].mean())),
        "false marks on a lesion-free patient": told(of_free),
        "patient AUC": told(lambda rows: roc_auc(scores[rows], ill[rows])),
        "mean Dice of the twelve regions": told(
            lambda rows: mean_of(None, [outcomes[i].dice for i in rows])
        ),
        "flagged far-from-training": f"{sum(item.far for item in outcomes)} of {len(outcomes)}",
        "false marks by place": ", ".join(
            f"{place} {number}"
            for place, number in Counter(p for item in outcomes for p in item.false).most_common()
        )
        or "none",
    }


def table(columns: dict[str, Sequence[Outcome]]) -> str:
    """Return both columns' figures as Markdown."""
    heads = "".join(f" lesions | {name} |" for name in columns)
    lines = [f"| seen metastases: share found |{heads}", f"|---|{'---|---|' * len(columns)}"]
    lesions = [[lesion for item in items for lesion in item.lesions] for items in columns.values()]
    for name, belongs in lesion_rows().items():
        chosen = [[item for item in items if belongs(item)] for items in lesions]
        lines.append(f"| {name} |" + "".join(f" {len(own)} | {share(own)} |" for own in chosen))
    rows = [patient_rows(items) for items in columns.values()]
    lines += ["", f"| patients | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(row[name] for row in rows)} |" for name in rows[0]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("anatomy", type=Path, help="folder of the voxel phantom")
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5150)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the patients")
    options = parser.parse_args()
    package = Package.load(options.model)
    engine = Engine(package)
    bodies = {
        "reference skeleton": load_phantom(options.anatomy),
        "simulator's own man": build_anatomy(BodyParameters()),
    }
    columns: dict[str, list[Outcome]] = {name: [] for name in bodies}
    for index in range(options.patients):
        for name, anatomy in bodies.items():
            patient = patient_of(options.seed, index, anatomy)
            scan, reading = read_simulated(patient, engine)
            columns[name].append(judge(patient, scan, reading))
            if options.pictures is not None:
                path = options.pictures / name.replace(" ", "-") / f"{patient.study}.png"
                draw(patient, scan, reading, path)
    card, threshold = package.card, lesion_rule(package.card).threshold
    print(f"{card.name} {card.version}, {card.sha256[:12]}, marks from {threshold:g}")
    print(f"{options.patients} simulated patients, seed {options.seed}, in each body\n")
    print(table(dict(columns)))


if __name__ == "__main__":
    main()
