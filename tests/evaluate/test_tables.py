"""Tables of finished folds, from run folders made by hand with known scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonescan.config import PaperCanvas, Settings, Training
from bonescan.errors import BadInput
from bonescan.evaluate.folds import finished_folds
from bonescan.evaluate.halves import match_halves, smallest_mark
from bonescan.evaluate.overlays import FOUND, MISSED, WRONG, overlay
from bonescan.evaluate.table import Table
from bonescan.evaluate.tables import evaluate_experiments
from bonescan.experiment import Experiment, Printed
from bonescan.prepare.data import write_index
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import Predictions

SETTINGS = Settings(canvas=PaperCanvas(reduce=4), training=Training(folds=3))
OTHER = SETTINGS.model_copy(update={"training": Training(folds=3, seed=1)})


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(
        title="Known 50 % scores",
        runs={"one": SETTINGS, "two": OTHER},
        printed={"one": Printed(precision=69.96, sensitivity=63.55, f1=66.60)},
        source=Path("known.toml"),
    )


def canvas(*patches: tuple[int, int, int]) -> np.ndarray:
    """Return a 20 x 20 mask with patches (row, column, width) of 4 rows."""
    mask = np.zeros((20, 20), bool)
    for row, column, width in patches:
        mask[row : row + 4, column : column + width] = True
    return mask


def finish(folder: RunFolder, cases: list[tuple[str, str, np.ndarray, np.ndarray]]) -> None:
    """Write a finished folder; a case is (patient, part, marked, truth)."""
    folder.path.mkdir(parents=True)
    number = len(cases)
    Predictions(
        studies=tuple(f"study-{patient}" for patient, *_ in cases),
        patients=tuple(patient for patient, *_ in cases),
        sets=tuple("D1" if part == "test" else "D4" for _, part, *_ in cases),
        parts=tuple(part for _, part, *_ in cases),
        pixel_area_mm2=np.full(number, 10.0),
        grey=np.full((number, 20, 20), 10, np.uint8),
        probability=np.stack([marked * np.uint8(255) for *_, marked, _ in cases]),
        marked=np.stack([marked for *_, marked, _ in cases]),
        metastasis=np.stack([truth for *_, truth in cases]),
    ).save(folder.predictions)
    own = OTHER if folder.path.parent.name.startswith("two-") else SETTINGS
    folder.settings.write_text(own.model_dump_json())
    for path in (folder.folds, folder.metrics, folder.last, folder.best):
        path.write_text("")
    summary = {
        "train_positives": 4,
        "train_negatives": 0,
        "chosen_epoch": 3,
        "collapsed": not any(marked.any() for *_, marked, _ in cases),
    }
    folder.done.write_text(json.dumps(summary))


@pytest.fixture
def runs(experiment: Experiment, tmp_path: Path) -> Path:
    lesion, healthy = canvas((2, 2, 4)), canvas()
    #                     TP 8, FP 8, FN 8: precision, sensitivity, F1 50 %
    half = canvas((2, 4, 4))
    #                     a lesion of 16 in the other view, missed; F1 0
    missed = canvas((2, 14, 4))
    first = [("a", "test", half, lesion), ("h", "healthy", canvas((8, 2, 4), (8, 12, 4)), healthy)]
    second = [("b", "test", lesion, lesion), ("c", "test", canvas(), missed)]
    for fold, cases in enumerate((first, second)):
        finish(RunFolder.of(tmp_path, experiment, "one", fold), cases)
        exact = [(patient, part, truth, truth) for patient, part, _, truth in cases]
        finish(RunFolder.of(tmp_path, experiment, "two", fold), exact)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_four_averages_by_hand(experiment: Experiment, runs: Path, tmp_path: Path) -> None:
    evaluate_experiments([experiment], runs, tmp_path / "out")
    table = {
        (row["run"], row["average"]): row for row in rows(tmp_path / "out" / "known_summary.csv")
    }
    # Fold 0: 8/16 and 8/16. Fold 1: 16 of 16 marked pixels right, 16 of 32 lesion pixels found.
    means = table["one", "F1 of the means"]
    assert (means["precision"], means["sensitivity"], means["F1"]) == ("75.0", "50.0", "60.0")
    folds = table["one", "mean over folds"]
    assert float(folds["F1"]) == pytest.approx((50 + 200 / 3) / 2, abs=0.01)
    everyone = table["one", "pooled over patients"]  # TP 24, FP 8, FN 24
    assert (everyone["precision"], everyone["sensitivity"], everyone["F1"]) == (
        "75.0",
        "50.0",
        "60.0",
    )
    assert float(everyone["IoU"]) == pytest.approx(100 * 24 / 56, abs=0.01)
    patients = table["one", "mean over patients"]  # F1 50, 100 and 0; precision of c undefined
    assert (patients["precision"], patients["F1"]) == ("75.0", "50.0")
    assert table["one", "printed"]["F1"] == "66.6"
    assert table["two", "F1 of the means"]["F1"] == "100.0"


def test_lesions_and_marks_on_healthy_patients(
    experiment: Experiment, runs: Path, tmp_path: Path
) -> None:
    evaluate_experiments([experiment], runs, tmp_path / "out")
    found = rows(tmp_path / "out" / "known_lesions.csv")
    assert [row["area"] for row in found[:6]] == 2 * ["whole canvas", "thorax", "thorax and pelvis"]
    test, healthy = found[0], found[3]
    assert (test["number"], test["lesions"]) == ("3", "3")
    assert float(test["lesion sensitivity %"]) == pytest.approx(66.67, abs=0.01)
    assert float(test["false marks a patient"]) == 0
    assert healthy["patients"] == "D4, not trained on"
    assert float(healthy["false marks a patient"]) == 2
    assert float(healthy["patients with a mark %"]) == 100


def test_comparison_is_paired_over_folds(
    experiment: Experiment, runs: Path, tmp_path: Path
) -> None:
    evaluate_experiments([experiment], runs, tmp_path / "out")
    (row,) = rows(tmp_path / "out" / "known_comparisons.csv")
    assert row["runs"] == "two - one"
    assert (row["folds"], row["folds in favour"]) == ("2", "2")
    assert float(row["mean"]) == pytest.approx((50 + 100 / 3) / 2, abs=0.01)
    assert float(row["corrected low"]) < float(row["low"]) < float(row["mean"])


def test_comparisons_that_one_experiment_names_are_tested(
    experiment: Experiment, runs: Path, tmp_path: Path
) -> None:
    evaluate_experiments([experiment], runs, tmp_path / "plain")
    assert not (tmp_path / "plain" / "all_differences.csv").exists()
    asking = experiment.model_copy(update={"compare": {"two": ("one", "elsewhere.run")}})
    evaluate_experiments([asking], runs, tmp_path / "out")
    found = rows(tmp_path / "out" / "all_differences.csv")
    assert {row["arms"] for row in found} == {"known.two - known.one"}
    assert [row["measure"] for row in found] == ["precision", "sensitivity", "F1"]
    assert float(found[2]["mean"]) == pytest.approx(100 - (50 + 200 / 3) / 2, abs=0.01)
    assert all(float(row["Holm"]) >= float(row["corrected p"]) for row in found)
    lesions = [row["measure"] for row in rows(tmp_path / "out" / "all_patient_differences.csv")]
    assert "sensitivity of lesions, points" in lesions


def test_everything_is_written_and_says_research_use_only(
    experiment: Experiment, runs: Path, tmp_path: Path
) -> None:
    text = evaluate_experiments([experiment], runs, tmp_path / "out")
    assert "one: 2 of 3 folds are finished." in text
    assert "Research use only" in text
    names = {path.name for path in (tmp_path / "out").iterdir()}
    kinds = ("summary", "areas", "lesions", "patients", "comparisons", "folds", "missed", "froc")
    tables = {f"known_{kind}{end}" for kind in kinds for end in (".csv", ".md", ".tex")}
    sheets = {f"known_{run}_fold{fold}.png" for run in ("one", "two") for fold in (0, 1)}
    pictures = {f"known_{kind}.png" for kind in ("folds", "results", "masks", "errors", "curves")}
    assert names == tables | sheets | pictures | {
        "known_cases.csv",
        "known_boxes.csv",
        "about.json",
    }
    for path in (tmp_path / "out").glob("*.[mt][de]*"):
        assert "Research use only" in path.read_text()
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["experiments"]["known"]["one"] == SETTINGS.digest
    assert len(rows(tmp_path / "out" / "known_cases.csv")) == 8
    sheet = np.asarray(Image.open(tmp_path / "out" / "known_one_fold0.png"))
    assert (sheet == FOUND).all(axis=2).any()


def test_a_collapsed_fold_is_said(experiment: Experiment, tmp_path: Path) -> None:
    finish(
        RunFolder.of(tmp_path, experiment, "one", 2), [("a", "test", canvas(), canvas((2, 2, 4)))]
    )
    text = evaluate_experiments([experiment], tmp_path, tmp_path / "out")
    assert "one: collapsed to an empty prediction in fold 2." in text
    assert rows(tmp_path / "out" / "known_folds.csv")[0]["precision"] == ""


def test_nothing_finished_is_one_clear_line(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"known: holds no finished fold; train known\.toml"):
        evaluate_experiments([experiment], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_of_other_settings_do_not_count(experiment: Experiment, runs: Path) -> None:
    changed = experiment.model_copy(
        update={"runs": {"one": OTHER.model_copy(update={"canvas": PaperCanvas()})}}
    )
    assert finished_folds(changed, runs, "one") == ()
    assert [fold.fold for fold in finished_folds(experiment, runs, "one")] == [0, 1]


def test_a_lesion_over_the_middle_counts_in_both_views() -> None:
    truth = canvas((2, 8, 4))
    found = match_halves(canvas((2, 10, 2)), truth, 1)
    assert (found.lesions, found.hits, found.marks, found.false_marks) == (2, 1, 1, 0)


def test_specks_are_no_marks() -> None:
    assert smallest_mark(10.0, 4) == 5
    assert smallest_mark(float("nan"), 3) == 1
    speck = np.zeros((20, 20), bool)
    speck[3, 3:7] = True
    assert match_halves(speck, canvas(), 5).marks == 0
    assert match_halves(speck, canvas(), 4).marks == 1


def test_overlay_colours() -> None:
    picture = overlay(
        np.zeros((20, 20), np.uint8), canvas((2, 2, 4), (8, 2, 4)), canvas((2, 2, 4), (14, 2, 4))
    )
    assert tuple(picture[2, 2]) == FOUND
    assert tuple(picture[8, 2]) == WRONG
    assert tuple(picture[14, 2]) == MISSED
    assert tuple(picture[0, 19]) == (255, 255, 255)  # no counts are white


def test_table_formats() -> None:
    table = Table("50 % & more", ("run", "F_1"), (("a|b", 1.0), ("c", None)))
    assert table.csv() == "run,F_1\na|b,1.0\nc,\n"
    assert "| a\\|b | 1.00 |" in table.markdown()
    assert "| c | – |" in table.markdown()
    latex = table.latex()
    assert r"\caption{50 \% \& more}" in latex
    assert r"run & F\_1 \\" in latex
    assert r"c & -- \\" in latex


def test_errors_need_the_data_of_the_runs(
    experiment: Experiment, runs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    evaluate_experiments([experiment], runs, out)
    (everything, *_) = rows(out / "known_missed.csv")
    assert (everything["run"], everything["lesions"], everything["missed"]) == ("one", "3", "1")
    assert not (out / "known_false_marks.csv").exists()  # nothing tells what lies beneath
    data = tmp_path / "data"
    write_index(data, SETTINGS.canvas, [], [])
    for folder in runs.rglob("DONE"):
        (folder.parent / "environment.json").write_text('[{"data": "other"}]')
    with pytest.raises(BadInput, match=r"was trained on other data than .*; name the data of this"):
        evaluate_experiments([experiment], runs, out, data)


def test_boxes_and_the_froc_of_the_test_patients(
    experiment: Experiment, runs: Path, tmp_path: Path
) -> None:
    evaluate_experiments([experiment], runs, tmp_path / "out")
    boxes = [row for row in rows(tmp_path / "out" / "known_boxes.csv") if row["run"] == "one"]
    edges = ("view", "what", "top", "left", "bottom", "right", "matched")
    assert [tuple(row[name] for name in edges) for row in boxes] == [
        ("anterior", "lesion", "2", "2", "6", "6", "yes"),
        ("anterior", "mark", "2", "4", "6", "8", "yes"),
        ("anterior", "lesion", "2", "2", "6", "6", "yes"),
        ("anterior", "mark", "2", "2", "6", "6", "yes"),
        ("posterior", "lesion", "2", "14", "6", "18", "no"),
    ]
    one, two = rows(tmp_path / "out" / "known_froc.csv")
    assert (one["studies"], one["lesions"], one["at 0.125"]) == ("3", "3", "66.67")
    assert (two["at 2"], two["mean"]) == ("100.0", "100.0")
