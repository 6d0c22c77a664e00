"""Agreement of two raters: figures by hand; folders of readings and cohorts, files to files."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_array

from bonescan.cli import main
from bonescan.errors import BadInput
from bonescan.evaluate.agreement import (
    ELSEWHERE,
    Agreement,
    compare_raters,
    measure_agreement,
    pair_study,
)
from bonescan.evaluate.agreement_plot import draw_bland_altman
from bonescan.evaluate.agreement_report import summary_text
from bonescan.evaluate.raters import Judgement, Rater
from bonescan.package import Package
from bonescan.scan import Lesion, Scan, ViewName

SHAPE = (40, 30)
SEEN = frozenset(("anterior", region) for region in ("skull", "ribs", "pelvis"))
Spot = tuple[int, int, str]


def judged(
    study: str, *spots: Spot, index: float | None = None, patient: str = "", size: int = 4
) -> Judgement:
    """One view with squares of 4 x 4 pixels at (row, column), each in a region."""
    mask = np.zeros(SHAPE, np.uint8)
    lesions = []
    view: ViewName = "anterior"
    for number, (row, column, region) in enumerate(spots, start=1):
        mask[row : row + size, column : column + size] = number
        box = (row, column, row + size, column + size)
        place = (row + 2.0, column + 2.0)
        lesions.append(Lesion(view, number, "R", region, box, place, 16, 16.0, 9, 5, 2, 0.9))
    seen: frozenset[tuple[ViewName, str]] = SEEN  # type: ignore[assignment]
    return Judgement(
        study=study,
        patient=patient or study,
        pixels=study,
        masks={view: csr_array(mask)},
        lesions=tuple(lesions),
        regions=seen,
        index=index,
        marked_by=frozenset({"reader"}),
        model="drawn 1",
    )


def rater(name: str, *judgements: Judgement) -> Rater:
    return Rater(Path(name), judgements)


def test_lesions_are_paired_one_to_one_by_overlap() -> None:
    """Two of B on one of A are one pair and one of B alone; a touch is too little."""
    a = judged("s", (5, 5, "ribs"), (20, 20, "pelvis"))
    b = judged("s", (5, 5, "ribs"), (7, 9, "ribs"), (23, 23, "pelvis"), (30, 2, "skull"))
    both = pair_study(a, b)
    assert [(item.a, item.b, item.overlap) for item in both.lesions] == [
        (1, 1, 1.0),
        (2, None, 0.0),
        (None, 2, 0.0),
        (None, 3, 0.0),
        (None, 4, 0.0),
    ]
    assert both.lesion_counts == (1, 1, 3)
    half = pair_study(judged("s", (5, 5, "ribs")), judged("s", (5, 7, "ribs")))
    assert half.lesions[0].overlap == 0.5
    assert half.pixels == (8, 8, 8)
    assert half.dice == 0.5


def test_a_pair_is_chosen_for_the_largest_overlap_together() -> None:
    wide = judged("s", (5, 5, "ribs"), (5, 11, "ribs"), size=6)
    narrow = judged("s", (6, 9, "ribs"), (6, 13, "ribs"))
    found = pair_study(wide, narrow)
    assert [(item.a, item.b) for item in found.lesions] == [(1, 1), (2, 2)]


def test_cells_are_regions_in_a_view_and_the_rest() -> None:
    a = judged("s", (5, 5, "ribs"), (9, 15, "ribs"), (20, 20, "other bone"))
    b = judged("s", (30, 5, "ribs"), (20, 20, "pelvis"))
    assert pair_study(a, b).cells == {
        ("anterior", "skull"): (False, False),
        ("anterior", "ribs"): (True, True),
        ("anterior", "pelvis"): (False, True),
        ("anterior", ELSEWHERE): (True, False),
    }
    bare = replace(b, regions=frozenset())
    assert pair_study(a, bare).cells == {}


def example() -> Agreement:
    """Four patients; one of them, P1, with two studies."""
    spot, other = (5, 5, "ribs"), (20, 20, "pelvis")
    a = rater(
        "A",
        judged("s1", spot, index=1.0, patient="P1"),
        judged("s2", index=0.0, patient="P1"),
        judged("s3", spot, other, index=2.0),
        judged("s4", index=0.0),
        judged("s5", spot, index=None),
        judged("only a"),
    )
    b = rater(
        "B",
        judged("s4", index=0.2),
        judged("s1", index=0.4, patient="P1"),
        judged("s2", spot, index=0.5, patient="P1"),
        judged("s3", spot, index=1.5),
        judged("s5", index=0.3),
    )
    return compare_raters(a, b)


def test_figures_by_hand() -> None:
    found = example()
    assert len(found.studies) == 5
    # P1 yes yes, s3 yes yes, s4 no no, s5 yes no.
    assert found.patients.counts == (2, 1, 0, 1)
    assert found.patient_kappa is not None
    assert found.patient_kappa.value == pytest.approx((0.75 - 0.5) / 0.5)
    assert found.lesion_kappa is not None
    assert found.lesion_kappa.value == pytest.approx(2 * 1 / (2 * 1 + 3 + 1))
    # 20 cells: ribs both in s3; A alone: ribs s1, pelvis s3, ribs s5; B alone: ribs s2.
    assert found.cell_kappa is not None
    observed, p_a, p_b = 16 / 20, 4 / 20, 2 / 20
    chance = p_a * p_b + (1 - p_a) * (1 - p_b)
    assert found.cell_kappa.value == pytest.approx((observed - chance) / (1 - chance))
    assert found.cells["anterior", "ribs"].counts == (1, 2, 1, 1)
    assert found.dice is not None
    assert found.dice.value == pytest.approx((0 + 0 + 2 / 3 + 0) / 4)
    assert found.dice_pooled is not None
    assert found.dice_pooled.value == pytest.approx(32 / (32 + 48 + 16))
    assert found.dice.low <= found.dice.value <= found.dice.high
    assert found.indices == ((1.0, 0.4), (0.0, 0.5), (2.0, 1.5), (0.0, 0.2))
    assert found.limits is not None
    assert found.limits.bias == pytest.approx((-0.6 + 0.5 - 0.5 + 0.2) / 4)
    assert found.problems == ("only a: only in A",)


def test_the_text_defines_its_units_and_names_what_is_missing() -> None:
    text = str(example())
    assert "Research use only" in text
    assert "each skeletal region in each view, and the rest of the view, is one case" in text
    assert "| Patients with any lesion | 2 | 1 | 0 | 1 | 0.50 (" in text
    assert "1 studies in which neither marks anything have no Dice." in text
    assert "1 studies without an index by both are left out." in text
    assert "Some patients have several studies" in text
    assert "- only a: only in A" in text


def test_what_is_not_defined_is_said() -> None:
    same = compare_raters(rater("A", judged("s1")), rater("B", judged("s1")))
    assert same.patient_kappa is None
    assert same.limits is None
    text = summary_text(same)
    assert "| Patients with any lesion | 0 | 0 | 0 | 1 | not defined |" in text
    assert "kappa is not defined" in text
    assert "0 pairs of indices are too few" in text


def test_raters_without_a_common_scan_are_refused() -> None:
    with pytest.raises(BadInput, match="A: has no scan in common with B"):
        compare_raters(rater("A", judged("s1")), rater("B", judged("s2")))


def test_the_plot_shows_points_levels_and_notice() -> None:
    found = example()
    assert found.limits is not None
    plot = draw_bland_altman(found.indices, found.limits, ("first", "second"))
    picture = np.asarray(Image.open(BytesIO(plot)))
    assert picture.shape[1] > 1000
    assert picture.std() > 10


@pytest.fixture
def cohort(tmp_path: Path, save_pair, plain_scan: Scan) -> Path:
    """Two studies of pictures; the marks of the first are a square on the hot spot."""
    folder = tmp_path / "cohort"
    from bonescan.ingest.labelme import write_labelme

    for name in ("p1", "p2"):
        save_pair(folder, name)
    for name, column in (("ANT", 150), ("POST", 99)):
        mask = np.zeros(plain_scan.views[0].counts.shape, np.uint8)
        mask[300:307, column : column + 7] = 1
        write_labelme(folder / f"p1_{name}.json", mask, "x.png", tolerance=0)
    # The second study is another scan: its hot spot is hotter.
    for name in ("ANT", "POST"):
        path = folder / f"p2_{name}.png"
        picture = np.array(Image.open(path))
        Image.fromarray(np.where(picture == 120, 140, picture)).save(path)
    (folder / "cohort.csv").write_text(
        "patient,study,cancer,metastasis,files,labels\n"
        "P1,p1,breast,yes,p1_ANT.png;p1_POST.png,p1_ANT.json;p1_POST.json\n"
        "P2,p2,breast,no,p2_ANT.png;p2_POST.png,\n"
    )
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["bonescan", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_model_and_a_reader_from_files_to_files(
    bright_package: Package,
    cohort: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ("--model", bright_package.folder)
    assert run(monkeypatch, "read", cohort, "--out", tmp_path / "model", *model) == 0
    out = tmp_path / "out"
    words = ("evaluate", "--agreement", tmp_path / "model", cohort, "--out", out, *model)
    assert run(monkeypatch, *words) == 0
    assert (out / "agreement.md").read_text() in capsys.readouterr().out
    record = json.loads((out / "agreement.json").read_text())
    assert record["studies"] == 2
    # The model marks the hot spot in both, the reader in the first alone.
    counted = {key: record["patients"][key] for key in ("both", "only_a", "only_b", "neither")}
    assert counted == {"both": 1, "only_a": 1, "only_b": 0, "neither": 0}
    assert record["lesions"] == {"both": 2, "only_a": 2, "only_b": 0}
    assert record["lesion_kappa"]["value"] == pytest.approx(4 / 6)
    assert "marks of a reader, regions of bright 1" in record["b"]
    with (out / "studies.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dice"]) for row in rows] == [1.0, 0.0]
    assert [row["study_b"] for row in rows] == ["p1", "p2"]
    # Two folders of readings, one study missing in the second.
    shutil.copytree(tmp_path / "model", tmp_path / "second")
    shutil.rmtree(tmp_path / "second" / "p2")
    words = ("evaluate", "--agreement", tmp_path / "model", tmp_path / "second", "--out", out)
    assert run(monkeypatch, *words, *model) == 1
    assert "p2: only in " in capsys.readouterr().err


def test_folders_that_hold_nothing_and_a_scan_twice(
    bright_package: Package, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"holds no cohort\.csv and no result folder"):
        measure_agreement(tmp_path / "empty", cohort, bright_package, tmp_path / "out")
    model = ("--model", bright_package.folder)
    run(monkeypatch, "read", cohort / "p1_ANT.png", "--out", tmp_path / "twice", *model)
    shutil.copytree(tmp_path / "twice" / "p1_ANT", tmp_path / "twice" / "again")
    with pytest.raises(BadInput, match="again and p1_ANT are the same scan; leave one"):
        measure_agreement(tmp_path / "twice", cohort, bright_package, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert run(monkeypatch, "evaluate", "--agreement", "a", "b", "--cohort", cohort) == 2
