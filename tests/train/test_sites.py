"""Leave one site out: nothing of a site is learned from where it is tested."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonescan.config import Settings, Training
from bonescan.errors import BadInput, BadSettings
from bonescan.evaluate.folds import finished_folds
from bonescan.evaluate.tables import evaluate_experiments
from bonescan.experiment import Experiment, load_experiment
from bonescan.prepare import PreparedData
from bonescan.prepare.data import write_index
from bonescan.train import run_experiment
from bonescan.train.dataset import part_cases
from bonescan.train.folder import RunFolder
from bonescan.train.folds import Fold, read_folds
from bonescan.train.runs import folds_of, train_fold
from bonescan.train.sites import make_site_folds, sites_of
from bonescan.train.watch import Silent
from bonescan.train.work import work_of


def cohort(**sites: tuple[int, int]) -> tuple[dict[str, str], list[str], list[str]]:
    """Return sites, positives and negatives of sites with so many of each."""
    positives = [f"{s}+{i}" for s, (number, _) in sites.items() for i in range(number)]
    negatives = [f"{s}-{i}" for s, (_, number) in sites.items() for i in range(number)]
    return {name: of(name) for name in (*positives, *negatives)}, positives, negatives


def of(patient: str) -> str:
    return re.split("[+-]", patient)[0]


def cut(seed: int = 2023, **sites: tuple[int, int]) -> tuple[Fold, ...]:
    where, positives, negatives = cohort(**sites)
    return make_site_folds(where, positives, negatives, folds=len(sites), seed=seed)


@given(
    st.dictionaries(
        st.sampled_from(["aa", "bb", "cc", "dd", "ee"]),
        st.tuples(st.integers(2, 9), st.integers(0, 3)),
        min_size=2,
    ),
    st.integers(0, 2**31),
)
def test_a_site_is_tested_once_and_teaches_nothing_there(
    sites: dict[str, tuple[int, int]], seed: int
) -> None:
    folds = cut(seed, **sites)
    assert [fold.site for fold in folds] == sorted(sites)
    for fold in folds:
        assert {of(p) for p in fold.test} == {fold.site}
        assert len(fold.test) == sites[fold.site][0]
        learned = (*fold.train, *fold.validation, *fold.train_negatives)
        assert fold.site not in {of(p) for p in learned}
        others = [own for name, own in sites.items() if name != fold.site]
        assert len(fold.train) + len(fold.validation) == sum(own[0] for own in others)
        assert len(fold.train_negatives) == sum(own[1] for own in others)
        assert len(fold.validation) == max(1, round(sum(own[0] for own in others) / 9))
    assert folds == cut(seed, **dict(reversed(sites.items())))


def test_each_site_gives_its_share_to_validation_and_the_seed_says_whom() -> None:
    folds = cut(north=(18, 2), south=(18, 0), west=(9, 0))
    (first, *_) = folds
    validating = [of(p) for p in cut(north=(27, 0), south=(9, 0), west=(9, 0))[1].validation]
    assert validating == ["north"] * 3 + ["west"]
    assert len(first.validation) == 3
    assert folds != cut(1, north=(18, 2), south=(18, 0), west=(9, 0))


def test_who_validates_of_a_site_hangs_on_that_site_alone() -> None:
    one, two = cut(north=(20, 0), south=(4, 0)), cut(north=(20, 0), south=(9, 5))
    assert one[1].validation == two[1].validation


@pytest.mark.parametrize(
    ("sites", "folds", "message"),
    [
        ({"only": (5, 5)}, 2, r"all patients are of one site \(only\)"),
        (
            {"a": (3, 0), "b": (3, 0)},
            3,
            r"2 sites \(a, b\), one fold each; set training\.folds = 2",
        ),
        ({"a": (3, 0), "b": (0, 4)}, 2, "site b has no patient with metastasis to test on"),
        ({"a": (3, 0), "b": (1, 4)}, 2, "without site a there is one patient with metastasis"),
    ],
)
def test_sites_that_cannot_be_left_out_are_one_clear_line(
    sites: dict[str, tuple[int, int]], folds: int, message: str
) -> None:
    where, positives, negatives = cohort(**sites)
    with pytest.raises(BadInput, match=message) as caught:
        make_site_folds(where, positives, negatives, folds=folds, seed=0)
    assert "\n" not in str(caught.value)


def test_a_study_without_site_and_a_patient_of_two_are_named() -> None:
    with pytest.raises(BadInput, match="study s2 names no site; fill the column site"):
        sites_of([("s1", "p", "north"), ("s2", "q", "")])
    with pytest.raises(BadInput, match="patient p has studies at north and south"):
        sites_of([("s1", "p", "north"), ("s2", "p", "south")])


def test_two_folds_go_with_sites_only() -> None:
    assert Training(split="sites", folds=2).folds == 2
    with pytest.raises(ValueError, match=r"folds must be 3 or more"):
        Training(folds=2)
    assert Settings(training=Training(split="sites")).digest != Settings().digest


# --- the whole way, on a tiny cohort ------------------------------------------------------------

CHAIN = """
title = "Chain over sites"
[base]
canvas = { kind = "paper", reduce = 16 }
data = { positives = ["D1"], train_negatives = ["D2"] }
model = { kind = "unet", channels = [4, 8] }
optimiser = { learning_rate = 0.01 }
training = { epochs = 1, split = "sites", folds = 3, batch = 3 }
[run.binary]
mask = { kind = "none" }
[run.mined]
mask = { kind = "mined" }
needs = { baseline = "binary" }
[run.pretraining]
mask = { kind = "otsu", smooth_pixels = 1.0 }
data = { positives = ["D3"], train_negatives = ["D4"] }
[run.transferred]
mask = { kind = "otsu", smooth_pixels = 1.0 }
init = { kind = "transfer" }
needs = { pretraining = "pretraining" }
"""
NAMES = ("east", "north", "south")


def at_sites(data: PreparedData, names: tuple[str, ...] = NAMES) -> PreparedData:
    """Deal the cases of every set to sites in turn."""
    records = [
        case.record.model_copy(
            update={"site": names[int(case.study.partition("-")[2]) % len(names)]}
        )
        for case in data.cases
    ]
    write_index(data.folder, data.canvas, records, [])
    return PreparedData.load(data.folder)


@pytest.fixture(scope="module")
def data(
    data_of: Callable[..., PreparedData], tmp_path_factory: pytest.TempPathFactory
) -> PreparedData:
    return at_sites(data_of(tmp_path_factory.mktemp("data"), {"D1": 6, "D2": 3, "D3": 6, "D4": 3}))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    path = tmp_path_factory.mktemp("experiment") / "sites.toml"
    path.write_text(CHAIN)
    return load_experiment(path)


def test_mining_and_transfer_leave_the_same_site_out(
    experiment: Experiment, data: PreparedData, tmp_path: Path
) -> None:
    everything = work_of(experiment)
    shards = [work_of(experiment, shard=f"{i}/2") for i in (1, 2)]
    assert sorted(item.key for shard in shards for item in shard) == sorted(
        item.key for item in everything
    )
    for run in ("mined", "transferred"):
        run_experiment(
            experiment, data.folder, tmp_path, run=run, fold=1, watcher=Silent(), accelerator="cpu"
        )
    site_of = {case.patient: case.site for case in data.cases}
    for run in experiment.runs:
        folder = RunFolder.of(tmp_path, experiment, run, 1)
        fold = read_folds(folder.folds)[1]
        assert fold.site == folder.read_summary()["site"] == "north"
        learned = (*fold.train, *fold.validation, *fold.train_negatives)
        assert {site_of[p] for p in learned} == {"east", "south"}
        assert {site_of[p] for p in fold.test} == {"north"}
        (scores,) = finished_folds(experiment, tmp_path, run)
        assert {site_of[case.patient] for case in (*scores.test, *scores.healthy)} == {"north"}
    evaluate_experiments([experiment], tmp_path, tmp_path / "out")
    folds = (tmp_path / "out" / "sites_folds.csv").read_text()
    assert "binary,north,2," in folds
    assert "transferred,north,2," in folds


def test_a_needed_run_that_knows_the_site_is_refused(
    experiment: Experiment, data_of: Callable[..., PreparedData], tmp_path: Path
) -> None:
    data = at_sites(data_of(tmp_path / "data", {"D1": 6, "D2": 3, "D3": 6, "D4": 3}))
    runs = tmp_path / "runs"
    own = {"watcher": Silent(), "accelerator": "cpu"}
    run_experiment(experiment, data.folder, runs, run="pretraining", fold=1, **own)
    turned = at_sites(data, ("north", "east", "south"))  # the same pictures, other sites
    with pytest.raises(
        BadInput, match=r"pretraining-.*: was begun with other settings, other data"
    ):
        run_experiment(experiment, turned.folder, runs, run="transferred", fold=1, **own)
    needs = {"pretraining": RunFolder.of(runs, experiment, "pretraining", 1)}
    place = RunFolder.of(runs, experiment, "transferred", 1)
    with pytest.raises(BadInput, match=r"has learned from patient .* who is held out here"):
        train_fold(experiment.runs["transferred"], turned, place, 1, needs=needs, **own)


def test_healthy_patients_of_the_other_sites_are_not_counted(
    experiment: Experiment, data: PreparedData
) -> None:
    settings = experiment.runs["binary"]
    for fold in folds_of(settings, data):
        parts = part_cases(data.cases, fold, settings.data)
        assert {case.site for case in parts.healthy} == {fold.site}
        assert {case.set for case in parts.healthy} == {"D2", "D4"}


def test_the_split_must_be_that_of_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "chain.toml"
    path.write_text(
        CHAIN.replace("[run.binary]", '[run.binary]\ntraining = { split = "patients" }')
    )
    with pytest.raises(BadSettings, match=r"another training\.split, so its folds"):
        load_experiment(path)
