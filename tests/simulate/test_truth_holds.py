"""The truth holds: contrast as asked, views and sides, a stated change, and files after a crash."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.simulate import write_cohort
from bonescan.simulate.camera import LEGP, LEHR, MU_WATER, Camera, Collimator, Projector
from bonescan.simulate.followup import Course, simulate_course
from bonescan.simulate.lesions import metastasis
from bonescan.simulate.patient import Scene, build_scene, draw_case, look
from bonescan.simulate.truth import FocusTruth
from bonescan.simulate.vendors import draw_acquisition

VOXEL = 4.0


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(draw_case(5, 2, "screening", "breast", metastasis=False))


@pytest.mark.parametrize("head", [0, 1])
@pytest.mark.parametrize("collimator", [LEHR, LEGP], ids=lambda c: c.name)
def test_blur_of_both_heads_has_the_width_of_the_collimator(
    collimator: Collimator, head: int
) -> None:
    camera = Camera(
        collimator=collimator, contouring=False, table_transmission=1.0, scatter=0.0, background=0.0
    )
    mu = np.full((60, 50, 60), 0.21 * MU_WATER, np.float32)  # enough to find the surface
    projector = Projector(mu, VOXEL, camera, slab_mm=VOXEL)
    variances = []
    for z in (29, 30, 31):  # three voxels are five pixels: all ways in which the grids can meet
        activity = np.zeros(mu.shape, np.float32)
        activity[z, 15, 30] = 1
        profile = projector.project(activity).primary[head].sum(axis=1)
        profile /= profile.sum()
        place = (np.arange(len(profile)) + 0.5) * camera.pixel_mm
        variances.append((profile * place**2).sum() - (profile * place).sum() ** 2)
    variance = np.mean(variances) - camera.pixel_mm**2 / 12
    gap, depth = ((camera.anterior_gap_mm, 15.5), (camera.posterior_gap_mm, 50 - 15.5))[head]
    assert np.sqrt(variance) * 2.3548 == pytest.approx(
        camera.fwhm_mm(gap + depth * VOXEL), rel=0.02
    )


@pytest.mark.parametrize("region", ["lumbar_spine", "femora", "pelvis"])
@pytest.mark.parametrize("contrast", [1.3, 4.0, 15.0])
def test_a_lesion_is_as_hot_as_asked(scene: Scene, region: str, contrast: float) -> None:
    """Over the middle of a sclerotic lesion, uptake is the contrast times the normal one."""
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        focus = metastasis(rng, scene.anatomy, scene.uptake, region, 40.0, contrast)
        box = focus.source.slices
        z, y, x = (int(c / scene.anatomy.voxel_mm) for c in reversed(focus.position_mm))
        core = scene.anatomy.part[box] == scene.anatomy.part[z, y, x]
        core &= focus.source.activity > 0.8 * focus.source.activity.max()
        normal = scene.uptake.bone[box][core].sum()
        found.append(1 + focus.source.activity[core].sum() / normal)
    assert np.median(found) == pytest.approx(contrast, rel=0.2)


def test_counts_of_a_lesion_grow_as_its_contrast(scene: Scene) -> None:
    counts = []
    for contrast in (3.0, 5.0):
        rng = np.random.default_rng(1)
        focus = metastasis(rng, scene.anatomy, scene.uptake, "pelvis", 30.0, contrast)
        mu = np.where(scene.anatomy.body, MU_WATER, 0.0).astype(np.float32)
        patches = Projector(mu, scene.anatomy.voxel_mm, Camera()).primary(focus.source)
        counts.append([float(patch.values.sum()) for patch in patches])
    assert np.divide(counts[1], counts[0]) == pytest.approx((5 - 1) / (3 - 1), rel=1e-3)


@pytest.mark.parametrize(
    ("region", "brighter"), [("sternum", 0), ("lumbar_spine", 1), ("scapulae", 1)]
)
def test_a_lesion_is_brighter_in_the_view_that_its_bone_faces(
    scene: Scene, region: str, brighter: int
) -> None:
    rng = np.random.default_rng(3)
    shares = np.zeros(2)
    for _ in range(3):  # one alone may lie in the part of its bone that faces the other view
        focus = metastasis(rng, scene.anatomy, scene.uptake, region, 30.0, 10.0)
        acquisition = draw_acquisition(rng, "paper", 1700.0, 1e6)
        alone = replace(scene, lesions=[focus], findings=[])
        (lesion,) = look(alone, replace(acquisition, motion=None), rng).lesions
        shares += lesion.share
    assert shares[brighter] > 1.2 * shares[1 - brighter]
    assert lesion.visible[brighter]


def log_changes(visits: list[dict[int, FocusTruth]]) -> list[float]:
    """Mean log of (contrast - 1) at each visit over that at the first."""
    return [
        float(np.mean([math.log((v[n].contrast - 1) / (visits[0][n].contrast - 1)) for n in v]))
        for v in visits
    ]


@pytest.mark.parametrize("course", ["flare", "stable"])
def test_a_course_changes_contrast_as_it_is_named(course: Course) -> None:
    visits = [
        {x.lesion: x for x in visit.truth.lesions}
        for visit in simulate_course(6, 1, course=course, visits=3)
    ]
    assert all(set(visit) == set(visits[0]) for visit in visits)
    _, second, third = log_changes(visits)
    if course == "flare":
        assert second > 0.2
        assert third < second - 0.3
    else:
        assert abs(second) < 0.2
        assert abs(third) < 0.4


def test_a_written_course_tells_the_true_change(tmp_path: Path) -> None:
    assert write_cohort(tmp_path, 1, 6, preset="followup") == []
    records = [
        json.loads(path.read_text()) for path in sorted((tmp_path / "truth").glob("sim*.json"))
    ]
    assert 2 <= len(records) <= 5
    assert [record["visit"] for record in records] == list(range(1, len(records) + 1))
    assert len({record["patient"] for record in records}) == 1
    assert len({record["course"] for record in records}) == 1
    drawn = list(simulate_course(6, 0))
    assert records[0]["course"] == drawn[0].course
    for record, visit in zip(records, drawn, strict=True):
        told = {lesion["lesion"]: lesion["contrast"] for lesion in record["lesions"]}
        assert told == {lesion.lesion: lesion.contrast for lesion in visit.truth.lesions}


def test_a_killed_run_is_finished_with_the_same_bytes(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = ["simulate", str(killed), "--patients", "2", "--seed", "4", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bonescan", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (killed / "truth" / ".done0001").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (killed / "cohort.csv").exists()
    (killed / ".sim0002").mkdir(exist_ok=True)  # killed while it wrote the second patient
    (killed / ".sim0002" / "sim0002.npz").write_bytes(b"half")
    assert write_cohort(killed, 2, 4) == []
    assert write_cohort(whole, 2, 4) == []
    assert contents(killed) == contents(whole)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
