"""One simulated patient: body, uptake, disease, camera, counts and truth, without any file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bonescan.simulate.anatomy import ORGANS, Anatomy, BodyParameters, build_anatomy
from bonescan.simulate.benign import draw_findings
from bonescan.simulate.camera import (
    Array,
    Patch,
    Projector,
    acquire,
    attenuation_map,
    uniformity,
)
from bonescan.simulate.lesions import Cancer, Spread, draw_metastases, draw_spread
from bonescan.simulate.motion import Motion, moved_patches
from bonescan.simulate.nm import StudyIdentity
from bonescan.simulate.parameters import BMI, HEIGHT_MM
from bonescan.simulate.passes import join_sensitivity
from bonescan.simulate.sources import Focus
from bonescan.simulate.truth import FILLED_ORGANS, Truth, judge_foci, kind_maps, region_maps
from bonescan.simulate.uptake import Physiology, Uptake, draw_physiology, normal_uptake
from bonescan.simulate.vendors import Acquisition, draw_acquisition

Preset = Literal["screening", "paper", "followup", "elsewhere"]
LEAST_BMI = 17.5
#: Stomach and thyroid are full where they hold this many times what the gut does.
FULL = 1.6
PRESETS: tuple[Preset, ...] = ("screening", "paper", "followup", "elsewhere")

#: Shares of breast cancer and of metastatic disease, where they are not even.
_SHARES: dict[Preset, tuple[float, float]] = {"followup": (0.5, 0.75), "elsewhere": (0.65, 0.4)}


@dataclass(frozen=True)
class SimulatedPatient:
    """One scan of one simulated patient.

    Attributes
    ----------
    study : str
        Name of the study, for instance ``sim0007``.
    cancer, metastasis : str, bool
        Primary tumour, and whether there are metastases.
    counts : (2, H, W) uint16
        Anterior, posterior as seen from behind.
    truth : Truth
    acquisition : Acquisition
    body, physiology, spread
        What was drawn for the patient.
    visit, course : int, str
        Number of the visit, and how the disease goes (preset ``followup`` only).
    identity : StudyIdentity
        Invented names, dates and the entropy of the UIDs.
    """

    study: str
    seed: int
    index: int
    preset: Preset
    cancer: Cancer
    metastasis: bool
    spread: Spread
    body: BodyParameters
    physiology: Physiology = field(repr=False)
    acquisition: Acquisition = field(repr=False)
    identity: StudyIdentity = field(repr=False)
    counts: NDArray[np.uint16] = field(repr=False)
    truth: Truth = field(repr=False)
    visit: int = 1
    course: str = ""


def simulate_patient(
    seed: int,
    index: int,
    *,
    preset: Preset = "screening",
    cancer: Cancer | None = None,
    metastasis: bool | None = None,
    lesions: int | None = None,
    counts: float | None = None,
    velocity_mm_s: float | None = None,
    body: BodyParameters | None = None,
    anatomy: Anatomy | None = None,
) -> SimulatedPatient:
    """Simulate one whole-body bone scan.

    Parameters
    ----------
    seed, index : int
        The same pair gives the same patient, whatever else is simulated.
    preset : {"screening", "paper", "followup", "elsewhere"}
        ``paper``: GE cameras and the four sets of the paper by index; ``screening``: a mix of
        makes, counts and disease; ``followup``: as ``screening``, first visit (see
        `bonescan.simulate.followup`); ``elsewhere``: other makes, fewer counts, taller and
        heavier patients, more breast cancer and less metastasis, to test on what was not trained.
    cancer : {"breast", "prostate"}, optional
    metastasis : bool, optional
    lesions : int, optional
        Number of metastases, drawn by default: there are exactly as many, and none has its centre
        in another (in a view they may still lie over each other, or not be seen).
    counts : float, optional
        Expected counts of the anterior view. The scan is then as fast as gives them, within the
        camera's range.
    velocity_mm_s : float, optional
        Velocity of the table. The counts follow from it unless they are given, too: at half the
        velocity the same patient gives twice the expected counts.
    body : BodyParameters, optional
    anatomy : Anatomy, optional
        A body that takes the place of the parametric one, for instance from
        `bonescan.simulate.voxels.from_voxels`; give a ``body`` of its sex and height with it.

    Returns
    -------
    SimulatedPatient

    Raises
    ------
    ValueError
        For an unknown preset, numbers below 0, and ``lesions`` that contradict ``metastasis``.
    BadInput
        Where the bones have no room for so many metastases.
    """
    case = draw_case(seed, index, preset, cancer, metastasis, lesions, body)
    return scan_patient(
        case, scene=build_scene(case, anatomy), counts=counts, velocity_mm_s=velocity_mm_s
    )


@dataclass(frozen=True)
class Case:
    """Everything about a patient that is not the scan: disease, body and physiology."""

    seed: int
    index: int
    preset: Preset
    cancer: Cancer
    metastasis: bool
    spread: Spread
    body: BodyParameters
    physiology: Physiology


def draw_case(
    seed: int,
    index: int,
    preset: Preset,
    cancer: Cancer | None = None,
    metastasis: bool | None = None,
    lesions: int | None = None,
    body: BodyParameters | None = None,
) -> Case:
    """Draw disease, body and physiology of one patient."""
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; give one of {', '.join(PRESETS)}")
    if lesions is not None and (lesions < 0 or metastasis is (lesions == 0)):
        wanted = "" if metastasis is None else f" and metastasis {metastasis}"
        raise ValueError(f"lesions is {lesions}{wanted}; give 0 for none and more for metastases")
    rng = stream(seed, index, "case")
    # Drawn always, so that what is asked for changes nothing else about the patient.
    breast, metastatic = _SHARES.get(preset, (0.5, 0.5))
    drawn_cancer: Cancer = "breast" if rng.random() < breast else "prostate"
    drawn_metastasis = bool(rng.random() < metastatic)
    if preset == "paper":
        drawn_cancer, drawn_metastasis = paper_set(index)
    cancer = cancer or drawn_cancer
    metastasis = drawn_metastasis if metastasis is None else metastasis
    if lesions is not None:
        metastasis = lesions > 0
    spread = draw_spread(rng, lesions) if metastasis else Spread("none", 0)
    if body is None:
        drawn = BodyParameters.sample(rng.spawn(1)[0], sex="F" if cancer == "breast" else "M")
        body = _stout(drawn) if preset == "elsewhere" else _lean(drawn, rng)
    diffuse = float(rng.uniform(0.5, 1.0)) if spread.burden == "superscan" else 0.0
    physiology = draw_physiology(rng.spawn(1)[0], body.age_years, body.bmi, diffuse)
    return Case(seed, index, preset, cancer, metastasis, spread, body, physiology)


def _lean(body: BodyParameters, rng: np.random.Generator) -> BodyParameters:
    """Two populations: three in five patients are leaner, by a third of what is above lean."""
    if rng.random() >= 0.6:
        return body
    return replace(body, bmi=LEAST_BMI + 0.66 * (body.bmi - LEAST_BMI))


def _stout(body: BodyParameters) -> BodyParameters:
    """Another population than the training's: taller by 5 %, heavier, with longer legs."""
    return replace(
        body,
        height_mm=min(1.05 * body.height_mm, HEIGHT_MM[1]),
        bmi=min(body.bmi + 2.5, BMI[1]),
        leg_length=1.02 * body.leg_length,
    )


def paper_set(index: int) -> tuple[Cancer, bool]:
    """Return cancer and metastasis of patient ``index`` of the paper's cohort.

    D1 90 (breast, metastases), D2 10 (breast, none), D3 50 (prostate, metastases), D4 50
    (prostate, none), in this order, and again from 200 on (Cheng et al. 2023, Table 1).
    """
    place = index % 200
    if place < 100:
        return "breast", place < 90
    return "prostate", place < 150


@dataclass(frozen=True)
class Scene:
    """A patient's volumes before the camera: anatomy, normal uptake, and the foci in it."""

    anatomy: Anatomy = field(repr=False)
    uptake: Uptake = field(repr=False)
    lesions: list[Focus]
    findings: list[Focus]


def build_scene(case: Case, anatomy: Anatomy | None = None) -> Scene:
    """Build body (unless given) and uptake of a case, and put its lesions and findings in."""
    anatomy = anatomy or build_anatomy(case.body)
    uptake = normal_uptake(anatomy, case.physiology, stream(case.seed, case.index, "uptake"))
    lesions: list[Focus] = []
    if case.metastasis:
        rng = stream(case.seed, case.index, "lesions")
        lesions = draw_metastases(rng, anatomy, uptake, case.cancer, case.spread)
    rng = stream(case.seed, case.index, "findings")
    findings = draw_findings(rng, anatomy, uptake, case.body.sex, case.body.age_years)
    return Scene(anatomy, uptake, lesions, findings)


def scan_patient(
    case: Case,
    *,
    scene: Scene | None = None,
    counts: float | None = None,
    velocity_mm_s: float | None = None,
    visit: int = 1,
) -> SimulatedPatient:
    """Scan a case; ``scene`` takes the place of the one that would be built."""
    scene = scene or build_scene(case)
    entropy = ("scan", str(visit)) if visit > 1 else ("scan",)
    rng = stream(case.seed, case.index, *entropy)
    acquisition = draw_acquisition(rng, case.preset, case.body.height_mm, counts, velocity_mm_s)
    truth = look(scene, acquisition, rng)
    study = f"sim{case.index + 1:04d}" + (f"_{visit}" if case.preset == "followup" else "")
    return SimulatedPatient(
        study=study,
        seed=case.seed,
        index=case.index,
        preset=case.preset,
        cancer=case.cancer,
        metastasis=bool(scene.lesions),
        spread=case.spread,
        body=case.body,
        physiology=case.physiology,
        acquisition=acquisition,
        identity=identity_at(case, visit),
        counts=acquire(truth.expected, rng),
        truth=truth,
        visit=visit,
    )


def look(scene: Scene, acquisition: Acquisition, rng: np.random.Generator) -> Truth:
    """Project a scene and say what can be seen in it."""
    camera, anatomy, uptake = acquisition.camera, scene.anatomy, scene.uptake
    mu = attenuation_map(anatomy.bone, anatomy.body, anatomy.lung)
    for focus in scene.findings:
        if focus.density is not None:
            focus.density.add_to(mu)
    # Bones are spread over the eight voxels around each of their cells.
    projector = Projector(mu, anatomy.voxel_mm, camera, source_variance_mm2=anatomy.voxel_mm**2 / 6)
    activity = uptake.bone + uptake.other
    for focus in [*scene.findings, *scene.lesions]:
        focus.source.add_to(activity)
    np.maximum(activity, 0, out=activity)
    sensitivity = uniformity(camera, rng)
    if acquisition.joins:
        sensitivity = sensitivity * join_sensitivity(acquisition.joins, camera.rows, camera.columns)
    total = projector.project(activity).total * sensitivity
    if acquisition.motion is not None:
        total = acquisition.motion.apply(total)
    scale = camera.counts / float(total[0].sum())
    expected = (scale * total + camera.background).astype(np.float32)
    lesions = _seen(scene.lesions, projector, scale, acquisition.motion)
    findings = _seen(scene.findings, projector, scale, acquisition.motion)
    without = np.maximum(expected - _sum(lesions, expected.shape), 1e-3)
    bare = np.maximum(without - _sum(findings, expected.shape), 1e-3)
    lesion_truth, metastasis = judge_foci(scene.lesions, lesions, without, projector, activity)
    finding_truth, benign = judge_foci(scene.findings, findings, bare, projector, activity)
    return Truth(
        lesions=lesion_truth,
        findings=finding_truth,
        metastasis=metastasis,
        benign=benign,
        regions=region_maps(uptake.bone, uptake.region, projector),
        kinds=kind_maps(
            finding_truth,
            benign,
            (uptake.bone, uptake.other, uptake.beyond),
            _filled(anatomy, uptake.other),
            projector,
        ),
        expected=expected,
    )


def _filled(anatomy: Anatomy, other: Array) -> NDArray[np.uint8]:
    """Return where the organs that fill with tracer are: (Z, Y, X), 1 + the index in the list.

    Stomach and thyroid are named only where they hold much more than the gut (free pertechnetate).
    """
    numbers = np.zeros(256, np.uint8)
    inside = anatomy.organ[other > 0]
    held = np.bincount(inside, other[other > 0], len(ORGANS)) / np.maximum(
        np.bincount(inside, minlength=len(ORGANS)), 1
    )
    for number, name in enumerate(FILLED_ORGANS, start=1):
        organ = ORGANS.index(name)
        always = name.startswith("kidney") or name == "bladder"
        if always or held[organ] > FULL * held[ORGANS.index("gut")]:
            numbers[organ] = number
    filled: NDArray[np.uint8] = numbers[anatomy.organ]
    return filled


def stream(seed: int, index: int, *purpose: str) -> np.random.Generator:
    """Return the random stream of one purpose for one patient."""
    words = [int.from_bytes(word.encode()[:8], "little") for word in purpose]
    return np.random.default_rng(np.random.SeedSequence([seed, index, *words]))


def _seen(
    foci: Sequence[Focus], projector: Projector, scale: float, motion: Motion | None
) -> list[tuple[Patch, Patch]]:
    def scaled(patch: Patch) -> Patch:
        return replace(patch, values=patch.values * np.float32(scale))

    seen = []
    for focus in foci:
        front, back = projector.primary(focus.source)
        if motion is not None:
            front, back = moved_patches((front, back), motion, projector.camera)
        seen.append((scaled(front), scaled(back)))
    return seen


def _sum(seen: list[tuple[Patch, Patch]], shape: tuple[int, ...]) -> Array:
    total = np.zeros(shape, np.float32)
    for patches in seen:
        for view, patch in enumerate(patches):
            patch.add_to(total[view])
    return total


def identity_at(case: Case, visit: int) -> StudyIdentity:
    """Invent names and dates of a patient at a visit; visits are 80 to 239 days apart."""
    rng = stream(case.seed, case.index, "identity")
    first = date(2015, 1, 5) + timedelta(days=int(rng.integers(0, 2500)))
    day = first + timedelta(days=sum(int(rng.integers(80, 240)) for _ in range(visit - 1)))
    height = case.body.height_mm / 1000
    age = case.body.age_years + (day - first).days / 365.25
    born = first - timedelta(days=round(365.25 * (int(case.body.age_years) + 0.5)))
    return StudyIdentity(
        patient_id=f"SIM-{case.seed}-{case.index + 1:04d}",
        patient_name=f"SIMULATED^{case.index + 1:04d}",
        sex=case.body.sex,
        age_years=int(age),
        height_m=height,
        weight_kg=case.body.bmi * height**2,
        study_date=day,
        birth_date=born,
        study_id=f"SIM{case.index + 1:04d}V{visit}",
        activity_mbq=float(rng.normal(740, 60)),
        entropy=("bonescan simulator", str(case.seed), str(case.index), case.preset, str(visit)),
    )
