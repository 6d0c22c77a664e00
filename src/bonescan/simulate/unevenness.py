"""How unevenly healthy bone and soft tissue take up tracer: the vault above all.

Bone scans of healthy heads differ in what the vault shows: a top hotter than the sides, a hot
forehead or occiput, a nuchal line, patches. Amounts are our estimates after looking at published
scans (BS-80K, Huang et al. 2022); they are wide on purpose.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.simulate.anatomy import Anatomy
from bonescan.simulate.sources import Array

Floats = NDArray[np.float64]

#: Log standard deviation of soft tissue's slow changes across the body, and their length in mm.
SOFT_SPREAD, SOFT_LENGTH_MM = 0.13, 70.0


def vault_factor(anatomy: Anatomy, place: Floats, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the factor on uptake at points of the skull, about 1 on average over the vault.

    Parameters
    ----------
    anatomy : Anatomy
    place : (n, 3) float64
        Points z, y, x in mm.
    rng : numpy.random.Generator

    Returns
    -------
    (n,) float32
        1 in the face and the base; above them the pattern of one patient's vault.
    (n,) float32
        What of this its patches and the knob of the occiput are.
    """
    up, front, side = _head_axes(anatomy, place)
    direction = np.stack([up, front, side], axis=1)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
    log = np.clip(rng.normal(0.18, 0.3), -0.4, 1.0) * np.clip(up, -0.2, 1.0)
    log -= rng.normal(0.06, 0.12) * np.abs(direction[:, 2]) * np.clip(1 - up, 0, 1)
    log += rng.normal(-0.22, 0.25) * direction[:, 1] + rng.normal(0, 0.12) * direction[:, 2]
    patches = np.zeros_like(log)
    for _ in range(rng.poisson(5)):
        centre = rng.standard_normal(3) + np.array([0.6, 0.0, 0.0])
        centre /= np.linalg.norm(centre)
        width = np.deg2rad(rng.uniform(7, 32))
        near = np.exp((direction @ centre - 1) / width**2)
        patches += np.clip(rng.normal(0.08, 0.32), -0.6, 0.9) * near
    back = np.clip(-direction[:, 1], 0, 1) ** 2
    line = np.exp(-0.5 * ((up - rng.normal(0.08, 0.05)) / 0.09) ** 2)
    log += abs(rng.normal(0, 0.35)) * back * line
    middle = np.exp(-0.5 * (side / 0.10) ** 2)
    patches += abs(rng.normal(0, 0.35)) * back**3 * line * middle  # the external protuberance
    log += abs(rng.normal(0, 0.15)) * middle * np.clip(up, 0, 1)  # the sagittal suture
    brow = np.clip(direction[:, 1], 0, 1) ** 2 * np.exp(-0.5 * ((up - 0.32) / 0.10) ** 2)
    log += rng.normal(0.0, 0.25) * brow
    vault = 1 / (1 + np.exp(-(up + 0.25 * np.clip(-front, 0, 1) - 0.15 * front) / 0.09))
    patches *= vault
    log = log * vault + patches
    total = float(vault.sum())
    if total > 0:
        log -= vault * float((log * vault).sum()) / total
    return np.exp(log).astype(np.float32), np.exp(patches).astype(np.float32)


def _head_axes(anatomy: Anatomy, place: Floats) -> tuple[Floats, Floats, Floats]:
    """Coordinates along the head's own axes: 0 between the ears, about 1 at the vault's surface."""
    marks = {name: np.asarray(value, np.float64) for name, value in anatomy.landmarks.items()}
    middle = (marks["ear R"] + marks["ear L"]) / 2
    up = marks["vertex"] - middle
    height = float(np.linalg.norm(up))
    up /= height
    front = marks["frontal sinus"] - marks["occiput"]
    front -= up * float(front @ up)
    length = float(np.linalg.norm(front)) / 2
    front /= 2 * length
    side = np.cross(up, front)
    half = max(abs(float((marks["ear L"] - marks["ear R"]) @ side)) / 2, 1.0)
    centre = middle + front * float(
        ((marks["frontal sinus"] + marks["occiput"]) / 2 - middle) @ front
    )
    offset = place - centre
    return offset @ up / height, offset @ front / length, offset @ side / half


def soft_field(shape: tuple[int, ...], voxel_mm: float, rng: np.random.Generator) -> Array:
    """Slow changes of soft tissue across the body, (Z, 1, X) float32 with median about 1."""
    step = SOFT_LENGTH_MM / voxel_mm
    size = [int(np.ceil(shape[axis] / step)) + 3 for axis in (0, 2)]
    coarse: Any = rng.standard_normal(size)
    z, x = (np.arange(shape[axis]) / step + 1 for axis in (0, 2))
    smooth = ndimage.map_coordinates(coarse, np.meshgrid(z, x, indexing="ij"), order=3)
    field: Array = np.exp(SOFT_SPREAD * smooth)[:, None, :].astype(np.float32)
    return field
