"""The shipped experiment files against each other and against the printed figures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bonescan.errors import BadSettings
from bonescan.experiment import Printed, load_experiment
from bonescan.measures.pixels import f1_of
from bonescan.models import BUILDERS
from bonescan.train.work import in_order, work_of

FOLDER = Path(__file__).resolve().parents[1] / "experiments"
TRANSCRIPT = FOLDER.parents[1] / "shared" / "paper" / "printed.csv"
PAPER = ["table2", "table3", "table4", "table5", "table6", "table7", "controls"]
LOADED = {name: load_experiment(FOLDER / f"{name}.toml") for name in (*PAPER, "pretraining")}
PRINTED = [
    pytest.param(printed, id=f"{name}-{run}")
    for name in PAPER
    for run, printed in LOADED[name].printed.items()
]


def test_thirteen_arms_of_which_the_paper_prints_eleven() -> None:
    assert sum(len(LOADED[name].runs) for name in PAPER) == 13
    assert len(PRINTED) == 11


@pytest.mark.parametrize("printed", PRINTED)
def test_printed_means_are_those_of_the_printed_folds(printed: Printed) -> None:
    assert len(printed.folds) == 10
    for precision, sensitivity, f1 in printed.folds:
        assert f1 == pytest.approx(
            2 * precision * sensitivity / (precision + sensitivity), abs=0.02
        )
    means = [sum(column) / 10 for column in zip(*printed.folds, strict=True)]
    assert means[:2] == pytest.approx([printed.precision, printed.sensitivity], abs=0.01)
    # The paper's mean F1 is the F1 of the means, which is above the mean of the fold F1s.
    of_means = 2 * means[0] * means[1] / (means[0] + means[1])
    assert printed.f1 == pytest.approx(of_means, abs=0.02)
    assert 0.5 < printed.f1 - means[2] < 2


@pytest.mark.skipif(not TRANSCRIPT.exists(), reason="no ../shared/paper beside the repository")
def test_printed_figures_are_those_of_the_transcript() -> None:
    """Each printed fold and mean of ``printed.csv``, recomputed, is what the files hold."""
    found: dict[tuple[str, str], dict[str, tuple[float, ...]]] = {}
    with TRANSCRIPT.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            arm = found.setdefault((f"table{row['table']}", row["loss"]), {})
            arm[row["fold"]] = tuple(
                float(row[name]) for name in ("precision", "sensitivity", "f1")
            )
    assert len(found) == 11
    for (table, loss), rows in found.items():
        for precision, sensitivity, f1 in rows.values():
            assert f1 == pytest.approx(
                100 * (f1_of(precision / 100, sensitivity / 100) or 0), abs=0.02
            )
        held = LOADED[table].printed[{"dice": "dice", "ftl": "focal_tversky"}[loss]]
        means = rows.pop("mean")
        assert (held.precision, held.sensitivity, held.f1) == means
        assert held.folds == tuple(rows[str(fold)] for fold in range(1, 11))


def test_order_of_work_puts_the_same_fold_of_what_is_needed_first() -> None:
    order = [
        (item.experiment.name, item.run, item.fold)
        for item in in_order(work_of(LOADED["table5"], fold=3))
    ]
    assert order == [("table2", "dice", 3), ("table5", "dice", 3), ("table5", "focal_tversky", 3)]
    everything = in_order([item for name in PAPER for item in work_of(LOADED[name])])
    assert len(everything) == 130 + 20  # 13 arms and both pre-trainings, each once
    for place, item in enumerate(everything):
        before = [one.key for one in everything[:place]]
        assert all(needed.key in before for needed in item.needs.values())


def test_shards_never_train_one_baseline_twice() -> None:
    shards = [in_order(work_of(LOADED["table5"], shard=f"{i}/3")) for i in (1, 2, 3)]
    keys = [item.key for shard in shards for item in shard]
    assert len(keys) == len(set(keys)) == 30


def test_scale_reaches_what_is_needed_and_the_digest_follows_it() -> None:
    own = load_experiment(FOLDER / "table5.toml", ["training.epochs=2", "loss.smooth=2.0"])
    baseline = own.others["table2"].runs["dice"]
    assert baseline.training.epochs == 2
    assert baseline.loss.smooth == 1.0
    assert own.digest("dice") != LOADED["table5"].digest("dice")
    assert own.digest("dice") != own.runs["dice"].digest


def test_a_file_of_settings_lies_between_the_experiment_and_the_command_line(
    tmp_path: Path,
) -> None:
    scale = tmp_path / "scale.toml"
    scale.write_text("training = { epochs = 3, folds = 5 }\n[loss]\nsmooth = 2.0\n")
    own = load_experiment(FOLDER / "table5.toml", ["training.epochs=2"], scale)
    assert (own.runs["dice"].training.epochs, own.runs["dice"].training.folds) == (2, 5)
    assert own.runs["focal_tversky"].loss.smooth == 2.0
    baseline = own.others["table2"].runs["dice"]
    assert (baseline.training.epochs, baseline.training.folds) == (2, 5)
    assert baseline.loss.smooth == 1.0


def test_a_file_of_settings_is_none_of_an_experiment(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"table2\.toml: base: is no section of settings; write"):
        load_experiment(FOLDER / "table3.toml", settings=FOLDER / "table2.toml")


@pytest.mark.parametrize("path", sorted((FOLDER / "scale").glob("*.toml")), ids=lambda p: p.stem)
def test_scales_fit_every_table_of_the_paper_and_leave_what_is_compared(path: Path) -> None:
    for name in (*PAPER, "pretraining"):
        scaled = load_experiment(FOLDER / f"{name}.toml", settings=path)
        for run, settings in scaled.runs.items():
            own = LOADED[name].runs[run]
            assert (settings.mask, settings.data, settings.loss) == (own.mask, own.data, own.loss)
            assert settings.init == own.init


def test_networks_at_the_small_scale_stand_beside_the_matrix() -> None:
    scale = FOLDER / "scale" / "small.toml"
    arm = load_experiment(FOLDER / "table4.toml", settings=scale).runs["focal_tversky"]
    small = load_experiment(FOLDER / "table8_small.toml").runs
    assert small["double_unet"] == arm
    assert set(small) == set(load_experiment(FOLDER / "table8.toml").runs)
    for settings in small.values():
        assert settings.model_copy(update={"model": arm.model}) == arm


def test_the_papers_arms_are_set_against_the_reader_on_its_own_canvas() -> None:
    against = load_experiment(FOLDER / "against_paper.toml").runs
    (reader,) = load_experiment(FOLDER / "reader.toml").runs.values()
    best = LOADED["table4"].runs["focal_tversky"]
    baseline = LOADED["table2"].runs["dice"]
    for own, printed in ((against["best"], best), (against["baseline"], baseline)):
        changed = {"canvas": reader.canvas, "data": own.data}
        assert own == printed.model_copy(update=changed)
        assert {*own.data.positives, *own.data.train_negatives} <= set(reader.data.positives)
    assert not against["baseline"].data.train_negatives


CHAIN = """
[base]
training = { folds = 3 }
[run.a]
mask = { kind = "none" }
[run.b]
mask = { kind = "mined" }
needs = { baseline = "a" }
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('needs = { baseline = "a" }', ""), "run b: mask.kind = mined but no baseline is named"),
        (('kind = "mined"', 'kind = "otsu"'), "needs.baseline is there without mask.kind = mined"),
        (('baseline = "a"', 'baseline = "c"'), "needs.baseline = c: .* has a, b"),
        (('baseline = "a"', 'baseline = "b"'), "run b: needs itself; break the circle"),
        (('baseline = "a"', 'baseline = "x.a"'), "x.toml: cannot be read"),
        (('baseline = "a"', 'base = "a"'), "needs: base: there is no such setting"),
        (('kind = "none" }', 'kind = "otsu" }'), "chain.a: is not binary"),
        (('kind = "none" }', 'kind = "none" }\ntraining = { seed = 1 }'), "another training.seed"),
        (('kind = "none" }', 'kind = "none" }\ndata = { positives = ["D3"] }'), "other patients"),
    ],
)
def test_needs_that_do_not_fit_are_one_clear_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "chain.toml"
    path.write_text(CHAIN)
    load_experiment(path)
    path.write_text(CHAIN.replace(*change))
    with pytest.raises(BadSettings, match=message) as caught:
        load_experiment(path)
    assert "\n" not in str(caught.value)


def test_table8_differs_in_nothing_but_the_network() -> None:
    runs = load_experiment(FOLDER / "table8.toml").runs
    assert {settings.model.kind for settings in runs.values()} == set(BUILDERS) - {
        "patient_classifier"
    }
    best = LOADED["table4"].runs["focal_tversky"]
    for settings in runs.values():
        assert settings.model_copy(update={"model": best.model}) == best


def test_table8_prints_what_the_paper_prints() -> None:
    printed = load_experiment(FOLDER / "table8.toml").printed
    assert printed["double_unet"].f1 == LOADED["table4"].printed["focal_tversky"].f1
    assert len(printed) == 6
    assert {name for name, row in printed.items() if row.region != "thorax"} == {
        "double_unet",
        "swin_unetr",
    }
    for name in ("double_unet", "view_aggregation", "unet3_plus"):
        row = printed[name]
        assert row.precision is not None
        assert row.sensitivity is not None
        of_both = 2 * row.precision * row.sensitivity / (row.precision + row.sensitivity)
        # [22]'s F1 is not that of its printed precision and sensitivity, by 0.2.
        assert row.f1 == pytest.approx(of_both, abs=0.25)
