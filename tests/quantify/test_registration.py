"""A view laid over itself, moved by a known map, is found again; lesions do not pull it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bonescan.quantify.registration import Registration, pixel_mm, register
from bonescan.scan import Crop, Scan, View
from bonescan.simulate.patient import simulate_patient


@pytest.fixture(scope="module")
def view() -> View:
    """The anterior view of a simulated patient without metastases."""
    patient = simulate_patient(3, 1, metastasis=False)
    counts = patient.counts[0].astype(np.float32)
    return View("anterior", counts, (2.4, 2.4), Path("simulated.dcm"), Crop.whole(counts.shape))


def moved(view: View, known: Registration) -> View:
    """Return the view as it looks after the known map, in the same frame."""
    rows, columns = view.counts.shape
    spacing = np.array(pixel_mm(view))
    grid = np.stack(np.mgrid[0:rows, 0:columns], axis=-1).reshape(-1, 2) + 0.5
    back = known.to_earlier(grid * spacing) / spacing - 0.5
    counts = ndimage.map_coordinates(view.counts, back.T, order=1).reshape(rows, columns)
    return replace(view, counts=counts.astype(np.float32))


def known_map(view: View, turn: float = 0.02, stretch: float = 1.02) -> Registration:
    """Turn, stretch and shift about the middle of the view."""
    middle = np.array(view.counts.shape) * 1.2
    matrix = stretch * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Registration(matrix, middle + np.array([35.0, -20.0]) - matrix @ middle, 1.0, 1.0)


def largest_error(found: Registration, known: Registration, view: View) -> float:
    inside = np.argwhere(view.counts > np.quantile(view.counts, 0.9)) * 2.4
    return float(np.hypot(*(found.to_later(inside) - known.to_later(inside)).T).max())


def test_a_known_map_is_found(view: View) -> None:
    known = known_map(view)
    found = register(view, moved(view, known))
    assert largest_error(found, known, view) < 4.0
    assert found.good
    assert found.correlation > found.correlation_before + 0.2


def test_new_lesions_do_not_pull_the_map(view: View) -> None:
    known = known_map(view)
    later = moved(view, known)
    hot = later.counts.copy()
    body = np.argwhere(hot > np.quantile(hot, 0.9))
    for row, column in body[:: len(body) // 12]:
        hot[row - 4 : row + 5, column - 4 : column + 5] += hot.max()
    found = register(view, replace(later, counts=hot))
    assert largest_error(found, known, view) < 6.0


def test_another_matrix_is_the_same_patient(view: View) -> None:
    """Half as many pixels of twice the size: nothing moves in mm."""
    coarse = view.counts.reshape(512, 2, 128, 2).sum(axis=(1, 3))
    later = replace(view, counts=coarse, pixel_spacing_mm=(4.8, 4.8))
    found = register(view, later)
    middle = np.array([[1200.0, 300.0]])
    assert np.hypot(*(found.to_later(middle) - middle)[0]) < 3.0


def test_there_and_back_is_nothing(view: View) -> None:
    known = known_map(view)
    points = np.array([[10.0, 20.0], [1500.0, 300.0]])
    np.testing.assert_allclose(known.to_earlier(known.to_later(points)), points)


def test_another_body_correlates_less(view: View, plain_scan: Scan) -> None:
    other = plain_scan.anterior
    assert other is not None
    assert not register(view, other).good


def test_an_empty_view_is_not_registered(view: View) -> None:
    found = register(view, replace(view, counts=np.zeros_like(view.counts)))
    assert found.correlation == 0
    assert not found.good


def test_views_of_two_names_are_refused(view: View) -> None:
    with pytest.raises(ValueError, match="not laid over"):
        register(view, replace(view, name="posterior"))
