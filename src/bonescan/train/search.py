"""A search over settings by Optuna [1]_, judged on a fold's validation patients alone.

Each trial trains the fold with its settings; its value is the best validation F1, the one by which
a checkpoint is chosen. The fold's test patients take no part: they are dropped before anything is
read. A trial that does worse than the median of the others at the same epoch is pruned. The search
lives in a folder beside the runs, so that it goes on where it was stopped, in the middle of a trial
if need be.

References
----------
.. [1] T. Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_fabric import Fabric

from bonescan import RESEARCH_USE, __version__
from bonescan.config import Settings
from bonescan.errors import BadInput, BadSettings, BonescanError
from bonescan.experiment import Experiment, load_experiment
from bonescan.prepare import PreparedData
from bonescan.train.dataset import part_cases
from bonescan.train.folder import RunFolder, locked, write_text
from bonescan.train.loop import fit
from bonescan.train.needs import examples_of
from bonescan.train.runs import check_canvas, folds_of
from bonescan.train.space import Dimension, Value, as_toml, overrides_of, parse_space
from bonescan.train.watch import Record, Silent, Watcher, bars

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

#: Trials that are drawn at random and never pruned, before the others are compared with them.
FIRST_TRIALS = 5


@dataclass(frozen=True)
class Found:
    """What a search has found: the settings of the best trial and its validation F1."""

    folder: Path
    experiment: Path
    values: dict[str, Value]
    f1: float
    finished: int
    pruned: int

    def __str__(self) -> str:
        lines = [
            f"{self.finished} trials, {self.pruned} of them pruned; best validation F1 "
            f"{100 * self.f1:.2f} %, with",
            *(f"  {name} = {json.dumps(value)}" for name, value in self.values.items()),
            "It was chosen on these validation patients, so it is too good; test with",
            f"  bonescan train {self.experiment} --settings {self.folder / 'best.toml'} ...",
            RESEARCH_USE,
        ]
        return "\n".join(lines)


def search_settings(
    experiment: Path,
    data: Path,
    runs: Path,
    over: Sequence[str],
    *,
    trials: int,
    run: str | None = None,
    fold: int = 0,
    settings: Path | None = None,
    overrides: Sequence[str] = (),
    watcher: Watcher | None = None,
    accelerator: str = "auto",
) -> Found:
    """Try settings until there are so many finished trials, and write what was found.

    Parameters
    ----------
    experiment, settings, overrides
        As `bonescan.experiment.load_experiment` takes them; where the search starts from.
    data : Path
        Folder made by ``bonescan prepare``.
    runs : Path
        Receives ``<experiment>/search-<run>-fold<k>-<digest>/`` with ``trials.csv``, ``best.toml``,
        the search itself and a folder for each trial.
    over : sequence of str
        What may change, see `bonescan.train.space.parse_space`.
    trials : int
        Number of finished trials, those of earlier calls included.
    run : str, optional
        Which run; may be left out where there is one only.
    fold : int
        Whose validation patients judge, counted from 0.

    Raises
    ------
    BadSettings
        If Optuna is not installed, or the run, the fold or a range does not fit the experiment.
    BadInput
        If the data does not fit, or another process searches here.
    """
    space = parse_space(over)

    def loaded(values: dict[str, Value]) -> Experiment:
        return load_experiment(experiment, [*overrides, *overrides_of(values)], settings)

    base = loaded({})
    name = _run_of(base, run, fold)
    for dimension in space:
        for value in dimension.values:
            loaded({dimension.setting: value})
    prepared = PreparedData.on(data, base.runs[name].canvas)
    check_canvas(base.runs[name], prepared)
    folds_of(base.runs[name], prepared)
    text = json.dumps([base.digest(name), prepared.digest, fold, sorted(map(repr, space))])
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    folder = runs / base.name / f"search-{name}-fold{fold}-{digest}"

    def objective(trial: Trial, watcher: Watcher) -> float:
        values = {one.setting: _suggest(trial, one) for one in space}
        own = loaded(values).runs[name]
        watcher.say(f"trial {trial.number}: {', '.join(overrides_of(values))}")
        return train_trial(own, prepared, folder / own.digest, fold, trial, watcher, accelerator)

    with locked(folder):
        study = _open(folder, base.runs[name])
        if watcher is None:
            with bars() as shown:
                _run(study, trials, shown, objective)
        else:
            _run(study, trials, watcher, objective)
        return _write(study, folder, experiment, base.title, fold)


def train_trial(
    settings: Settings,
    data: PreparedData,
    folder: Path,
    fold: int,
    trial: Trial,
    watcher: Watcher,
    accelerator: str,
) -> float:
    """Train a fold without its test patients, and return the best validation F1."""
    folds = folds_of(settings, data)
    parts = part_cases(data.cases, folds[fold], settings.data)
    parts = replace(parts, test=(), healthy=())  # before anything is read
    from optuna import TrialPruned

    place = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not place.last.exists():
        write_text(place.settings, settings.model_dump_json(indent=1) + "\n")
        write_text(place.folds, "")
    told = TrialWatcher(trial, watcher)
    epochs = told.catch_up(place)
    if place.metrics.exists() and not place.last.exists():  # these settings were tried before
        if epochs < settings.training.epochs:
            raise TrialPruned
        return told.best
    fabric = Fabric(accelerator=accelerator, devices=1, precision=settings.training.precision)
    train, validation = examples_of(settings, parts, folds[fold], {}, data, fabric)
    try:
        fit(settings, train, validation, place, fabric=fabric, watcher=told)
    except TrialPruned:
        _drop_checkpoints(place)
        raise
    except BonescanError as error:
        if isinstance(error, BadInput | BadSettings):
            raise
        watcher.say(f"trial {trial.number}: {error}")  # the loss left the numbers
        _drop_checkpoints(place)
        raise TrialPruned from error
    _drop_checkpoints(place)
    return told.best


def _drop_checkpoints(folder: RunFolder) -> None:
    for checkpoint in (folder.last, folder.best):
        checkpoint.unlink(missing_ok=True)


class TrialWatcher(Silent):
    """Passes on what training tells, reports each validation, and ends a trial that does badly."""

    def __init__(self, trial: Trial, shown: Watcher) -> None:
        self._trial = trial
        self._shown = shown
        self.best = 0.0

    def catch_up(self, folder: RunFolder) -> int:
        """Report what was done with these settings before, and return the number of epochs."""
        if not folder.metrics.exists():
            return 0
        records = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        for record in records:
            self._report(record)
        return len(records)

    def step(self, done: int, total: int) -> None:
        """Pass it on."""
        self._shown.step(done, total)

    def say(self, line: str) -> None:
        """Pass it on."""
        self._shown.say(line)

    def epoch(self, record: Record, total: int) -> None:
        """Report a validation; raises `optuna.TrialPruned` where others did better by then."""
        from optuna import TrialPruned

        self._shown.epoch(record, total)
        if self._report(record) and record["epoch"] < total and self._trial.should_prune():
            raise TrialPruned

    def _report(self, record: Record) -> bool:
        if "f1" not in record:
            return False
        self.best = max(self.best, record["f1"] or 0.0)
        self._trial.report(self.best, record["epoch"])
        return True


def _run_of(experiment: Experiment, run: str | None, fold: int) -> str:
    if run is None and len(experiment.runs) > 1:
        raise BadSettings(
            f"{experiment.source}: has the runs {', '.join(experiment.runs)}; name one with --run"
        )
    name = run or next(iter(experiment.runs))
    if name not in experiment.runs:
        raise BadSettings(f"--run {name}: {experiment.source} has {', '.join(experiment.runs)}")
    if experiment.needed_by(name):
        raise BadSettings(
            f"--run {name}: needs another run, and a search trains one run only; search that of a "
            "mask and an initialisation that need none"
        )
    folds = experiment.runs[name].training.folds
    if fold >= folds:
        raise BadSettings(f"--fold {fold}: run {name} has folds 0 to {folds - 1}")
    return name


def _open(folder: Path, settings: Settings) -> Study:
    """Open or begin the study of a folder; trials that a killed process left are tried again."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    except ImportError as error:
        raise BadSettings(
            "bonescan search: needs Optuna; install it with pip install 'bonescan[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = str(folder / "search.journal")
    storage = JournalStorage(JournalFileBackend(journal, lock_obj=JournalFileOpenLock(journal)))
    study = optuna.create_study(
        storage=storage,
        study_name="search",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=FIRST_TRIALS, n_warmup_steps=settings.training.epochs // 4
        ),
    )
    # A sampler begins anew with every process: another seed each time, or it would draw the same.
    study.sampler = optuna.samplers.TPESampler(
        seed=settings.training.seed + len(study.trials), n_startup_trials=FIRST_TRIALS
    )
    _try_again(study)
    return study


def _try_again(study: Study) -> None:
    """Put the settings of trials that were stopped before the others."""
    from optuna.trial import TrialState

    for left in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)
    others = (TrialState.COMPLETE, TrialState.PRUNED)
    known = [trial.params for trial in study.get_trials(states=others)]
    for left in study.get_trials(states=(TrialState.FAIL,)):
        if left.params and left.params not in known:
            study.enqueue_trial(left.params, skip_if_exists=False)
            known.append(left.params)


def _run(
    study: Study, trials: int, watcher: Watcher, objective: Callable[[Trial, Watcher], float]
) -> None:
    while len(_finished(study)) < trials:
        study.optimize(lambda trial: objective(trial, watcher), n_trials=1)


def _finished(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _suggest(trial: Trial, dimension: Dimension) -> Value:
    values: tuple[Any, ...] = dimension.values
    if dimension.kind == "choice":
        chosen: Value = trial.suggest_categorical(dimension.setting, values)
        return chosen
    if dimension.kind == "int":
        return trial.suggest_int(dimension.setting, *values)
    return trial.suggest_float(dimension.setting, *values, log=dimension.kind == "log")


def _write(study: Study, folder: Path, experiment: Path, title: str, fold: int) -> Found:
    from optuna.trial import TrialState

    finished = _finished(study)
    names = list(finished[0].params)
    rows = [
        (
            trial.number,
            trial.state.name.lower(),
            "" if trial.value is None else f"{100 * trial.value:.4g}",
            max(trial.intermediate_values, default=0),
            *(trial.params[name] for name in names),
        )
        for trial in finished
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("trial", "state", "validation F1 %", "epochs", *names))
    writer.writerows(rows)
    write_text(folder / "trials.csv", text.getvalue())
    if all(trial.state == TrialState.PRUNED for trial in finished):
        raise BadInput(
            f"{folder}: none of {len(finished)} trials came to its end; look at trials.csv, and "
            "search a smaller range"
        )
    best = study.best_trial
    assert best.value is not None
    found = Found(
        folder=folder,
        experiment=experiment,
        values=dict(best.params),
        f1=best.value,
        finished=len(finished),
        pruned=sum(trial.state == TrialState.PRUNED for trial in finished),
    )
    comments = (
        f"{title}: best of {found.finished} trials on the validation patients of fold {fold},",
        f"validation F1 {100 * found.f1:.2f} %. bonescan {__version__}. {RESEARCH_USE}",
    )
    write_text(folder / "best.toml", as_toml(found.values, comments))
    return found
