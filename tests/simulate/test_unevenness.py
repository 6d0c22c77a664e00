"""Healthy uptake is uneven: by how much, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonescan.simulate.anatomy import Anatomy, build_anatomy
from bonescan.simulate.parameters import BodyParameters
from bonescan.simulate.unevenness import soft_field, vault_factor
from bonescan.simulate.uptake import draw_physiology, normal_uptake


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return build_anatomy(BodyParameters(), voxel_mm=6.0)


def on_the_vault(anatomy: Anatomy, forward: float, upward: float) -> np.ndarray:
    """A line of points beside the middle, from the head's centre through the vault, mm."""
    vertex, occiput = (np.array(anatomy.landmarks[name]) for name in ("vertex", "occiput"))
    front = np.array(anatomy.landmarks["frontal sinus"])
    middle = (front + occiput) / 2
    way = upward * (vertex - middle) + forward * (front - occiput) / 2
    return middle + np.linspace(0.9, 1.0, 5)[:, None] * way


def test_vaults_differ_in_whether_top_or_back_is_hotter(anatomy: Anatomy) -> None:
    top, back = on_the_vault(anatomy, 0.0, 1.0), on_the_vault(anatomy, -0.95, 0.3)
    both = np.concatenate([top, back])
    factors = [vault_factor(anatomy, both, np.random.default_rng(seed))[0] for seed in range(60)]
    ratio = np.array([float(f[:5].mean() / f[5:].mean()) for f in factors])
    assert 0.85 < float(np.median(ratio)) < 1.4
    assert (ratio > 1.15).mean() > 0.25
    assert (ratio < 0.87).mean() > 0.15
    assert (ratio < 1).sum() >= 3, "no vault with a hot occiput"
    assert float(ratio.max()) < 6


def test_the_vaults_pattern_stops_above_the_face(anatomy: Anatomy) -> None:
    teeth = np.array([anatomy.landmarks["upper teeth"], anatomy.landmarks["nasal cavity"]])
    for seed in range(10):
        factor, patches = vault_factor(anatomy, teeth, np.random.default_rng(seed))
        # The teeth have none of it; the nose lies where it fades out.
        assert (np.abs(factor - 1) < (0.02, 0.15)).all()
        assert patches == pytest.approx(1.0, abs=0.1)


def test_ribs_are_bumpy_and_paler_in_front_than_at_the_side(anatomy: Anatomy) -> None:
    physiology = draw_physiology(np.random.default_rng(0), 60.0, 23.0)
    physiology = replace(physiology, texture=0.0)
    rib = anatomy.index_of("rib 6", "L")
    inside = (anatomy.part == rib) & (anatomy.bone > 0.3)
    depth = np.nonzero(inside)[1]
    front, side = depth <= np.percentile(depth, 20), np.abs(depth - np.median(depth)) <= 3
    ratio, bumps = [], []
    for seed in range(12):
        uptake = normal_uptake(anatomy, physiology, np.random.default_rng(seed))
        level = (uptake.bone / anatomy.bone.clip(1e-6))[inside]
        ratio.append(float(level[front].mean() / level[side].mean()))
        bumps.append(float(level[side].std() / level[side].mean()))
    assert float(np.median(ratio)) < 0.95
    assert float(np.std(np.log(ratio))) > 0.1
    assert float(np.median(bumps)) > 0.02


def test_soft_tissue_changes_slowly_about_its_level() -> None:
    shape = (300, 10, 100)
    fields = [soft_field(shape, 4.0, np.random.default_rng(seed)) for seed in range(20)]
    logs = np.log(np.stack(fields))
    assert logs.shape == (20, 300, 1, 100)
    assert abs(float(logs.mean())) < 0.05
    assert 0.05 < float(logs.std()) < 0.2
    assert float(np.abs(np.diff(logs, axis=1)).max()) < 0.08
