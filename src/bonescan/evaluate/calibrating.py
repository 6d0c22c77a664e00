"""Calibrate a package: probabilities of lesions and patients, fitted on a run's held-out patients.

Fitted on patients of neither training nor test: the run's validation patients, and those of further
cohorts. The run's test patients only tell what to expect.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bonescan.evaluate.boosting import NUMBERS, fit_trees
from bonescan.evaluate.familiar import fit_familiarity
from bonescan.evaluate.froc import Curve
from bonescan.evaluate.held_out import CandidateTable, HeldOutStudy, Progress, read_held_out
from bonescan.evaluate.logistic import (
    PENALTIES,
    Fit,
    Fitter,
    calibration_error,
    fit_by_patient,
    fit_logistic,
)
from bonescan.evaluate.operating import MOST_FALSE, operating_point, threshold_rule
from bonescan.evaluate.patients import patient_interval, roc_auc
from bonescan.measures.statistics import Interval
from bonescan.package import (
    Familiarity,
    LesionScoring,
    Package,
    PatientScoring,
    Score,
    Threshold,
    write_card,
)
from bonescan.predict import Engine
from bonescan.quantify.candidates import FEATURES, SIGNS
from bonescan.quantify.scoring import PATIENT_FEATURES, patient_features
from bonescan.train.export import export_run
from bonescan.train.folder import RunFolder

#: Pixels from this probability of the network make candidates.
LOW = 0.1
#: Fewer true or false candidates than this do not train a model of all features.
LEAST_FOR_ALL = 20
#: Fewer than this, of candidates or of patients, do not calibrate at all.
LEAST_FOR_ANY = 5
#: The network's own figure, which a model of all features has to beat.
PEAK = ("peak",)


class Calibration(NamedTuple):
    """What was fitted; None where the examples are too few.

    ``remarks`` say what was decided and why.
    """

    familiarity: Familiarity | None
    remarks: tuple[str, ...]
    lesions: LesionScoring | None = None
    patient: PatientScoring | None = None
    threshold: Threshold | None = None
    expected: tuple[Score, ...] = ()


def export_calibrated(
    run_folder: Path,
    out: Path,
    cohorts: Sequence[Path],
    *,
    name: str | None = None,
    version: str = "1",
    threshold: Threshold,
    most_false: float = MOST_FALSE,
    progress: Progress | None = None,
) -> tuple[Package, tuple[str, ...]]:
    """Export a run and calibrate the package; nothing is left behind if either fails.

    Parameters are those of `bonescan.train.export.export_run` and of `calibrate_package`;
    ``threshold`` is for the network's own probability, and stays where nothing can be calibrated.
    """
    package = export_run(run_folder, out, name=name, version=version, threshold=threshold)
    try:
        return calibrate_package(
            package, run_folder, cohorts, most_false=most_false, progress=progress
        )
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def calibrate_package(
    package: Package,
    run_folder: Path,
    cohorts: Sequence[Path],
    *,
    most_false: float = MOST_FALSE,
    progress: Progress | None = None,
) -> tuple[Package, tuple[str, ...]]:
    """Fit the calibration of a run's package and write it into its card.

    Parameters
    ----------
    package : Package
        Made from the run by `bonescan.train.export.export_run`.
    run_folder : Path
        The finished ``fold<k>`` folder.
    cohorts : sequence of Path
        The cohort that the run's data was prepared from, and others that the run does not know: all
        patients whom it neither trained nor tests on take part.
    most_false : float
        False marks a patient that the threshold may cost.
    progress : callable, optional
        Called with the number of studies read and their total.

    Returns
    -------
    Package
        The same folder, loaded again.
    tuple of str
        What was decided and why.

    Raises
    ------
    BadInput
        If the run is not finished, or the cohorts hold no patient to fit on.
    """
    run = RunFolder(run_folder)
    run.require_done()
    studies = read_held_out(Engine(package), run, cohorts, LOW, progress)
    own = str(run.read_starts()[-1]["description"])
    found = calibrate(studies, _words(run, cohorts), tested_on=own, most_false=most_false)
    card = package.card.model_copy(
        update={
            "lesions": found.lesions,
            "patient": found.patient,
            "familiarity": found.familiarity,
            "threshold": found.threshold or package.card.threshold,
            "expected": (*package.card.expected, *found.expected),
        }
    )
    write_card(package.folder, card)
    return Package.load(package.folder), found.remarks


def _words(run: RunFolder, cohorts: Sequence[Path]) -> str:
    """Say where the patients come from: the run's own cohort, and how many others."""
    own = str(run.read_starts()[-1]["description"])
    more = len(cohorts) - 1
    return own if not more else f"{own}, and {more} more cohort{'s' if more > 1 else ''}"


def calibrate(
    studies: Sequence[HeldOutStudy],
    data: str,
    *,
    tested_on: str | None = None,
    most_false: float = MOST_FALSE,
) -> Calibration:
    """Fit the calibration on the studies of part ``fit``, and measure it on those of ``test``.

    Parameters
    ----------
    studies : sequence of HeldOutStudy
    data : str
        Where they come from, for the card.
    tested_on : str, optional
        Where those of part ``test`` come from, if not from all of it.
    most_false : float
        False marks a patient that the threshold may cost.
    """
    fit_on = [study for study in studies if study.part == "fit"]
    test = [study for study in studies if study.part == "test"]
    if not fit_on:
        return Calibration(None, ("Not calibrated: no patient to fit on.",))
    free = sum(study.lesions == 0 for study in fit_on)
    people = len({study.patient for study in fit_on})
    words = f"{people} held-out patients ({free} studies without lesions), {data}"
    familiarity = fit_familiarity(np.stack([study.inputs for study in fit_on]), words)
    table = CandidateTable.of(fit_on)
    true, false = int(table.true.sum()), int((~table.true).sum())
    if min(true, false) < LEAST_FOR_ANY:
        remark = f"Not calibrated: {true} true and {false} false candidates are too few."
        return Calibration(familiarity, (remark,))
    chosen = choose_classifier(table, many=min(true, false) >= LEAST_FOR_ALL)
    held_out = np.nan_to_num(chosen.fit.held_out, nan=float(table.true.mean()))
    lesions = LesionScoring(
        low=LOW,
        model=chosen.fit.model,
        fitted_on=f"{words}; {true} true and {false} false candidates",
        because=chosen.because,
        calibration_error=round(calibration_error(held_out, table.true), 4),
    )
    curve = table.curve(held_out)
    at, kept = operating_point(
        curve.hits, curve.false_marks, curve.lesions, most_false * curve.studies
    )
    threshold = Threshold(
        value=_between(curve, at),
        rule=threshold_rule(
            kept,
            most_false,
            curve.hits[at] / max(curve.lesions, 1),
            curve.false_marks[at] / curve.studies,
        ),
        chosen_on=words,
    )
    patient = _patient_scoring(table, held_out, words)
    remarks = [chosen.because, f"Threshold {threshold.value:g}: {threshold.rule}."]
    if patient is None:
        remarks.append("No patient probability: too few patients of one kind.")
    expected = _expected(test, lesions, patient, threshold.value, tested_on or data) if test else ()
    return Calibration(familiarity, tuple(remarks), lesions, patient, threshold, expected)


class Choice(NamedTuple):
    """A fitted classifier, and why it is that one."""

    fit: Fit
    because: str


def choose_classifier(table: CandidateTable, *, many: bool = True) -> Choice:
    """Take what finds most on patients left out: the network's own figure, or all features."""
    peak = _fit(table, PEAK)
    if not many:
        return Choice(peak, "Network's highest probability alone: too few candidates for more.")
    ways = {
        "network's highest probability alone": peak,
        "logistic regression of all features": _fit(table, FEATURES),
        "boosted trees of all features": _fit(table, FEATURES, fitter=fit_trees, settings=NUMBERS),
    }
    reached = {
        name: table.curve(np.nan_to_num(fit.held_out, nan=0.5)).mean_sensitivity
        for name, fit in ways.items()
    }
    best = max(reached, key=lambda name: reached[name])
    figures = ", ".join(f"{value:.3f} {name}" for name, value in reached.items())
    return Choice(
        ways[best],
        f"{best[0].upper()}{best[1:]}: mean sensitivity at 1/8 to 2 false marks a study on "
        f"patients left out is {figures}.",
    )


def _fit(
    table: CandidateTable,
    names: Sequence[str],
    fitter: Fitter = fit_logistic,
    settings: Sequence[float] = PENALTIES,
) -> Fit:
    features = table.features[:, [FEATURES.index(name) for name in names]]
    return fit_by_patient(
        features, table.true, table.patients, names, SIGNS, fitter=fitter, settings=settings
    )


def _between(curve: Curve, at: int) -> float:
    """Return a threshold half-way to the next lower score, in (0, 1)."""
    here = float(min(curve.thresholds[at], 1.0))
    below = float(curve.thresholds[at + 1]) if at + 1 < len(curve.thresholds) else 0.0
    middle = (here + below) / 2
    short = round(middle, 4)
    return short if below < short <= here else middle


def _patient_table(table: CandidateTable, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = [patient_features(table.of_study(scores, i)) for i in range(len(table.studies))]
    return np.stack(rows)


def _patient_scoring(
    table: CandidateTable, held_out: NDArray[np.float64], words: str
) -> PatientScoring | None:
    truth = np.array([study.metastasis for study in table.studies])
    ill = {study.patient for study in table.studies if study.metastasis}
    well = {study.patient for study in table.studies if not study.metastasis}
    if min(len(ill), len(well)) < LEAST_FOR_ANY:
        return None
    fit = fit_by_patient(
        _patient_table(table, held_out),
        truth,
        [study.patient for study in table.studies],
        PATIENT_FEATURES,
        dict.fromkeys(PATIENT_FEATURES, 1),
    )
    if not np.isfinite(fit.held_out).all():
        return None
    return PatientScoring(
        model=fit.model,
        fitted_on=words,
        prevalence=round(float(truth.mean()), 4),
        calibration_error=round(calibration_error(fit.held_out, truth), 4),
    )


def _expected(
    test: Sequence[HeldOutStudy],
    lesions: LesionScoring,
    patient: PatientScoring | None,
    threshold: float,
    data: str,
) -> tuple[Score, ...]:
    """Measure lesion sensitivity, false marks and the patients' AUC on test patients."""
    table = CandidateTable.of(test)
    scores = lesions.model.probabilities(table.features, FEATURES)
    marked = scores >= threshold
    total = np.array([study.lesions for study in test])
    hits = np.zeros(len(test))
    for number, study in enumerate(test):
        own = np.flatnonzero(marked[table.study == number])
        hits[number] = len(frozenset().union(*(study.hits[i] for i in own)))
    false = np.bincount(table.study[marked & ~table.true], minlength=len(test))
    ill = np.array([study.metastasis for study in test])
    patients = [study.patient for study in test]
    where = f"{len(set(patients))} test patients, {data}"

    def sensitivity(rows: NDArray[np.intp]) -> float | None:
        return float(100 * hits[rows].sum() / total[rows].sum()) if total[rows].any() else None

    found = [
        _score("lesion sensitivity", "percent", patient_interval(sensitivity, patients), where),
        _score(
            "false marks a study",
            "marks",
            patient_interval(lambda rows: float(false[rows].mean()), patients),
            where,
        ),
    ]
    if patient is not None:
        values = patient.model.probabilities(_patient_table(table, scores), PATIENT_FEATURES)
        auc = patient_interval(lambda rows: roc_auc(values[rows], ill[rows]), patients)
        found.append(_score("area under the patients' ROC curve", "area", auc, where))
    return tuple(found)


def _score(name: str, unit: str, interval: Interval | None, where: str) -> Score:
    if interval is None:
        return Score(name=name, value=None, unit=unit, measured_on=where)
    value, low, high = (round(x, 3) for x in (interval.value, interval.low, interval.high))
    return Score(name=name, value=value, low=low, high=high, unit=unit, measured_on=where)
