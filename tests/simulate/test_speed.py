"""Counts and the table's velocity belong together: fast scans have few counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bonescan.ingest import load_files
from bonescan.quantify.bsi import scan_refusals
from bonescan.simulate import simulate_patient
from bonescan.simulate.nm import nm_files
from bonescan.simulate.patient import stream
from bonescan.simulate.vendors import PRESET_COUNTS, VENDORS, Acquisition, draw_acquisition


def drawn(index: int, preset: str = "paper", **asked: Any) -> Acquisition:
    return draw_acquisition(stream(1, index, "scan"), preset, 1650.0, **asked)


@pytest.mark.parametrize("preset", sorted(PRESET_COUNTS))
def test_fast_scans_have_few_counts_whatever_the_patient_gives(preset: str) -> None:
    own: dict[str, list[tuple[float, float]]] = {}
    for index in range(1500):
        one = drawn(index, preset)
        own.setdefault(one.vendor.key, []).append((one.velocity_mm_s, one.camera.counts))
    key, scans = max(own.items(), key=lambda item: len(item[1]))
    velocity, counts = np.log(np.array(scans)).T
    low, high = np.log(VENDORS[key].velocity_mm_s)
    assert low <= velocity.min() < velocity.max() <= high
    # Log-uniform in the make's range, and a count rate that does not depend on it.
    assert velocity.mean() == pytest.approx((low + high) / 2, abs=0.1 * (high - low))
    assert velocity.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.1)
    assert abs(np.corrcoef(velocity, counts + velocity)[0, 1]) < 0.15
    expected = (high - low) / np.sqrt(12) / PRESET_COUNTS[preset][1]
    assert np.corrcoef(velocity, counts)[0, 1] == pytest.approx(-expected, abs=0.12)


def test_what_is_asked_for_changes_nothing_else() -> None:
    usual = drawn(3)
    some: tuple[dict[str, Any], ...] = ({"counts": 700e3}, {"velocity_mm_s": 2.5})
    for asked in some:
        other = drawn(3, **asked)
        camera = replace(other.camera, counts=usual.camera.counts)
        velocity = usual.velocity_mm_s
        assert repr(replace(other, camera=camera, velocity_mm_s=velocity)) == repr(usual)


def test_of_counts_and_velocity_the_other_follows() -> None:
    usual = drawn(3)
    rate = usual.camera.counts * usual.velocity_mm_s
    assert drawn(3, velocity_mm_s=2.5).camera.counts == pytest.approx(rate / 2.5)
    few = 1.05 * rate / usual.vendor.velocity_mm_s[1]
    assert drawn(3, counts=few).velocity_mm_s == pytest.approx(rate / few)
    # More counts than the slowest table gives come from a patient with more tracer.
    assert drawn(3, counts=50 * few).velocity_mm_s == usual.vendor.velocity_mm_s[0]
    both = drawn(3, counts=1e6, velocity_mm_s=3.0)
    assert (both.camera.counts, both.velocity_mm_s) == (1e6, 3.0)


@pytest.mark.parametrize("asked", [{"velocity_mm_s": 0.0}, {"counts": -1.0}])
def test_no_speed_and_no_counts_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give more than 0"):
        drawn(3, **asked)


def test_at_half_the_velocity_a_patient_gives_twice_the_counts() -> None:
    fast, slow = (simulate_patient(8, 2, velocity_mm_s=v).truth.expected for v in (4.0, 2.0))
    ratio = slow.sum(axis=(1, 2)) / fast.sum(axis=(1, 2))
    np.testing.assert_allclose(ratio, 2.0, rtol=0.02)  # room background does not grow


def test_header_and_gates_tell_the_same_of_a_scan_that_was_too_fast(tmp_path: Path) -> None:
    for velocity, refused in ((2.0, 0), (20.0, 3)):
        patient = simulate_patient(1, 3, preset="paper", velocity_mm_s=velocity)
        ((name, dataset),) = nm_files(patient.counts, patient.identity, patient.acquisition).items()
        assert float(dataset.ScanVelocity) == velocity
        seconds = float(dataset.ActualFrameDuration) / 1000
        assert seconds * velocity == pytest.approx(float(dataset.ScanLength), abs=1)
        path = tmp_path / f"{velocity:g}{name}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        reasons = scan_refusals(load_files([path]))
        assert len(reasons) == refused  # both views have too few counts, and the speed
