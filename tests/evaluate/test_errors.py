"""What lies beneath false marks and which lesions were missed, from pictures drawn by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import PaperCanvas
from bonescan.errors import BadInput
from bonescan.evaluate.beneath import FAINT, FILLED, ILL_MATCHED, Beneath, Known, Place, beneath
from bonescan.evaluate.error_figure import draw_errors
from bonescan.evaluate.error_tables import count_false_marks, count_missed, false_mark_table
from bonescan.evaluate.errors import CaseErrors, FindingOutcome, LesionOutcome, view_errors
from bonescan.evaluate.known import known_halves
from bonescan.evaluate.matching import match_labels
from bonescan.evaluate.run_errors import Analysed
from bonescan.ingest.truth import Foci, Focus, read_truth
from bonescan.prepare import PreparedData
from bonescan.prepare.data import (
    CaseRecord,
    PlacementRecord,
    arrays_digest,
    write_case,
    write_index,
)
from bonescan.scan import REGIONS

SIZE = (60, 30)


def focus(number: int, category: str, contrast: float = 3.0, at: tuple = (0.0, 0.0)) -> Focus:
    return Focus(
        number=number,
        category=category,
        region="lumbar_spine",
        contrast=contrast,
        visible=(True, True),
        pixel=(at, at),
    )


FOCI = Foci(
    lesions=(focus(1, "metastasis"), focus(2, "metastasis")),
    findings=(
        focus(1, "degenerative joint"),
        focus(2, "injection site"),
        focus(3, "prosthesis", contrast=0.4),
        focus(4, "rib fracture"),
    ),
)


def square(row: int, column: int, size: int = 4) -> tuple[slice, slice]:
    return slice(row, row + size), slice(column, column + size)


@pytest.fixture
def known() -> Known:
    metastasis, benign, kinds, regions = (np.zeros(SIZE, np.uint8) for _ in range(4))
    metastasis[square(2, 4)] = 1
    for number, kind, place in ((1, 1, (10, 4)), (2, 2, (20, 4)), (3, 3, (30, 4))):
        benign[square(*place)] = number
        kinds[square(*place)] = kind
    kinds[square(40, 4)] = 2  # a kidney: filled, and no finding
    regions[45:, :20] = 1 + REGIONS.index("pelvis")
    faint = ((Place(36, 22), focus(4, "rib fracture")), (Place(36, 26), focus(2, "metastasis")))
    return Known(metastasis, benign, kinds, regions, FOCI, faint)


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (square(11, 5), Beneath("benign bone", "degenerative joint", 1)),
        (square(20, 4), Beneath("tracer outside bone", "injection site", 2)),
        (square(30, 6), Beneath("cold object", "prosthesis", 3)),
        (square(40, 4), Beneath("tracer outside bone", FILLED)),
        (square(2, 6), Beneath("metastasis", ILL_MATCHED)),
        (square(35, 25), Beneath("metastasis", FAINT)),
        (square(35, 21), Beneath("benign bone", "rib fracture", 4)),
        (square(50, 4), Beneath("plain bone", "pelvis")),
        (square(15, 14), Beneath("soft tissue", "")),
        (square(15, 25), Beneath("air", "")),
        # Of two findings the one that shares most, however much bone there is.
        ((slice(12, 22), slice(4, 12)), Beneath("benign bone", "degenerative joint", 1)),
        # A corner of a finding is less than a tenth of either.
        ((slice(13, 19), slice(7, 13)), Beneath("soft tissue", "")),
    ],
)
def test_what_lies_beneath(mark: tuple[slice, slice], expected: Beneath, known: Known) -> None:
    body = np.zeros(SIZE, bool)
    body[:, :20] = True
    picture = np.zeros(SIZE, bool)
    picture[mark] = True
    assert beneath(picture, body, known) == expected


def test_errors_of_a_view(known: Known) -> None:
    counts = np.full(SIZE, 1.0, np.float32)
    counts[:, :20] = 10
    counts[square(2, 4)] = 30  # found, three times its surroundings
    counts[square(52, 10, 6)] = 20  # missed
    lesions = np.zeros(SIZE, np.int32)
    lesions[square(2, 4)] = 1
    lesions[square(52, 10, 6)] = 2
    marks = np.zeros(SIZE, np.int32)
    for number, place in enumerate(((2, 4), (10, 4), (20, 24)), start=1):
        marks[square(*place)] = number
    matching = match_labels(marks, lesions)
    found = view_errors(marks, lesions, matching, counts, 4.0, known)
    assert found.false_marks == (
        Beneath("benign bone", "degenerative joint", 1),
        Beneath("air", ""),
    )
    first, second = found.lesions
    assert (first.hit, second.hit) == (True, False)
    assert first.contrast == pytest.approx(3)
    assert second.contrast == pytest.approx(2)
    assert first.diameter_mm == pytest.approx(2 * np.sqrt(16 * 16 / np.pi))
    assert (first.region, second.region) == ("lumbar spine", None)
    assert [one.marked for one in found.findings] == [True, False, False]
    unknown = view_errors(marks, lesions, matching, counts, None)
    assert unknown.false_marks is None
    assert [lesion.diameter_mm for lesion in unknown.lesions] == [None, None]


def reading(
    metastasis: bool, *marks: Beneath, findings: tuple = (), lesions: tuple = ()
) -> Analysed:
    return Analysed("p", metastasis, CaseErrors(lesions, marks, findings))


def test_tables_count_by_hand() -> None:
    joint, bladder = Beneath("benign bone", "degenerative joint", 1), Beneath("air", "")
    there = tuple(
        FindingOutcome("benign bone", "degenerative joint", marked) for marked in (True, False)
    )
    fracture = FindingOutcome("benign bone", "rib fracture", False)
    readings = [
        reading(True, joint, joint, bladder, findings=(*there, fracture)),
        reading(False, joint, findings=there),
    ]
    counted = count_false_marks(readings)
    assert [tuple(row) for row in counted] == [
        ("benign bone", "degenerative joint", 3, 1, 4, 2),
        ("benign bone", "rib fracture", 0, 0, 1, 0),
        ("air", "", 1, 0, 0, 0),
    ]
    table = false_mark_table("t", {"one": readings, "none": [Analysed("q", True, CaseErrors())]})
    assert table is not None
    assert table.rows[0] == (
        "one",
        "benign bone",
        "degenerative joint",
        3,
        75.0,
        150.0,
        1,
        4,
        2,
        50.0,
    )
    assert table.rows[-1] == ("one", "all", "", 4, None, 200.0, 1, None, None, None)
    assert false_mark_table("t", {"none": [Analysed("q", True, CaseErrors())]}) is None


def test_lesions_by_size_contrast_and_bone() -> None:
    lesions = (
        LesionOutcome(True, 10.0, 1.2, "ribs"),
        LesionOutcome(False, 15.0, 2.5, "skull"),
        LesionOutcome(True, 90.0, 9.0, None),
        LesionOutcome(False, None, None, "ribs"),
    )
    counted = [tuple(row) for row in count_missed([reading(True, lesions=lesions)])]
    assert counted == [
        ("all", "all", 4, 2),
        ("diameter, mm", "below 15", 1, 0),
        ("diameter, mm", "15 to 25", 1, 1),
        ("diameter, mm", "40 or more", 1, 0),
        ("contrast", "below 1.5", 1, 0),
        ("contrast", "2 to 3", 1, 1),
        ("contrast", "5 or more", 1, 0),
        ("bone", "skull", 1, 1),
        ("bone", "ribs", 2, 1),
    ]
    assert draw_errors("t", {"one": [reading(True, lesions=lesions)]})[:4] == b"\x89PNG"  # type: ignore[index]
    assert draw_errors("t", {"one": []}) is None


# --- the way of the truth -----------------------------------------------------------------------


def test_truth_comes_from_two_files(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    benign = np.zeros((2, 8, 4), np.uint8)
    np.savez_compressed(path, benign=benign, expected=benign.astype(np.float16))
    assert read_truth(path).foci == Foci()
    assert list(read_truth(path).pictures) == ["benign"]
    tree = {"lesions": [], "findings": [{**focus(1, "paget").model_dump(), "snr": [1, 2]}]}
    path.with_suffix(".json").write_text(json.dumps(tree))
    assert read_truth(path).foci.findings[0].category == "paget"
    for damaged in ("{", "{}", '{"lesions": [], "findings": [{"number": 1}]}'):
        path.with_suffix(".json").write_text(damaged)
        with pytest.raises(BadInput, match=r"s\.json: damaged; simulate the cohort again"):
            read_truth(path)


def test_halves_of_a_canvas_know_faint_foci_by_their_place(tmp_path: Path) -> None:
    """The view's rows begin 8 pixels below its top and the canvas halves its pixels."""
    shape = (20, 40)
    layers = {
        f"truth_{name}": np.zeros(shape, np.uint8)
        for name in ("metastasis", "benign", "kinds", "regions")
    }
    layers["truth_benign"][2:4, 24:26] = 1  # in the posterior half
    foci = Foci(
        findings=(
            focus(1, "paget", at=(12.0, 10.0)),
            focus(2, "rib fracture", at=(3.0, 10.0)),  # above the canvas
        )
    )
    place = {"source_shape": (48, 40), "scaled_shape": (48, 40), "source_top": 8, "source_left": 0}
    place |= {"rows": 40, "columns": 40, "canvas_top": 0, "gain": 1.0}
    grey, metastasis = np.ones(shape, np.float32), np.zeros(shape, bool)
    record = CaseRecord(
        study="s",
        patient="p",
        set="D1",
        cancer="breast",
        site="",
        made_from="",
        arrays_sha256=arrays_digest(grey, metastasis, layers),
        views_sha256={},
        shape=shape,
        reduce=2,
        canvas_spacing_mm=None,
        metastasis_pixels=0,
        layers=tuple(layers),
        foci=foci,
        placements=(
            PlacementRecord(view="anterior", canvas_left=0, **place),
            PlacementRecord(view="posterior", canvas_left=40, **place),
        ),
    )
    write_case(tmp_path, record, grey, metastasis, layers)
    write_index(tmp_path, PaperCanvas(reduce=2), [record], [])
    (case,) = PreparedData.load(tmp_path).cases
    anterior, posterior = known_halves(case)
    assert anterior is not None
    assert posterior is not None
    assert [(at, one.category) for at, one in anterior.faint] == [((2, 5), "paget")]
    assert posterior.faint == ()
    assert posterior.benign[2:4, 4:6].all()
