"""Local validation: a model package against a site's own annotated scans.

Each study is read exactly as `bonescan read` reads it; its marks are compared with the site's
annotations in the geometry of the views. A hot-spot detector without any learning goes through the
same comparison, as the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LabelNames, LesionRule
from bonescan.errors import BadInput, BonescanError
from bonescan.evaluate.beneath import Known
from bonescan.evaluate.errors import CaseErrors, view_errors
from bonescan.evaluate.hotspot import HotSpotSettings, hot_spot_score
from bonescan.evaluate.known import known_view
from bonescan.evaluate.matching import MatchRule, match_labels
from bonescan.evaluate.reliability import Stated
from bonescan.evaluate.sweep import ScoredView, Sweep, sweep_study
from bonescan.evaluate.validation_figures import Outcome, Validation, summarise
from bonescan.evaluate.validation_report import study_picture, write_validation
from bonescan.ingest.cases import load_case, pixels_digest, read_masks
from bonescan.ingest.cohort import Case, read_cohort
from bonescan.ingest.truth import read_truth
from bonescan.package import Package
from bonescan.predict import Engine, predict_scan, read_rows
from bonescan.quantify import lesion_rule, patient_score, score_scan
from bonescan.quantify.candidates import candidate_labels
from bonescan.quantify.lesions import (
    label_components,
    lesion_probability,
    smallest_lesion,
    threshold_components,
)
from bonescan.quantify.scoring import candidate_rule
from bonescan.scan import Scan, View, ViewName

Progress = Callable[[int, int], None]
Masks = Mapping[ViewName, NDArray[np.bool_]]
Scores = dict[ViewName, NDArray[np.float32]]
Truths = Mapping[ViewName, Known | None]

#: False marks a patient that the proposed threshold keeps within.
MOST_FALSE = 2.0
#: Candidates of a package that does not calibrate, for its reliability: from this probability.
LOW = 0.1


@dataclass(frozen=True)
class _Task:
    """What stays the same from study to study."""

    engine: Engine
    rule: LesionRule
    match: MatchRule
    hot_spots: HotSpotSettings
    names: LabelNames


def validate_package(
    package: Package,
    cohort: Path,
    out: Path,
    *,
    names: LabelNames | None = None,
    match: MatchRule | None = None,
    most_false: float = MOST_FALSE,
    pictures: bool = True,
    progress: Progress | None = None,
) -> Validation:
    """Validate a model package on an annotated cohort and write the findings.

    Parameters
    ----------
    package : Package
        The model.
    cohort : Path
        ``cohort.csv`` or its folder.
    out : Path
        Receives ``metrics.json``, ``summary.md``, ``froc.csv``, ``studies.csv``, ``missed.csv``,
        ``false_marks.csv`` (simulated cohorts), ``froc.png``, ``roc.png``, ``reliability.png``,
        ``errors.png`` and, for each study, ``pictures/<study>.png``.
    names : LabelNames, optional
        What the names in the annotations mean.
    match : MatchRule, optional
        When a mark belongs to a lesion; an overlap of 10 % of the smaller one without it.
    most_false : float
        False marks a study that the proposed threshold keeps within.
    pictures : bool
        Whether to draw each study with its marks and the truth.
    progress : callable, optional
        Called with the number of studies done and their total.

    Returns
    -------
    Validation
        The figures; ``str()`` gives the text of ``summary.md``. Studies that could not be read
        stand under ``problems``.

    Raises
    ------
    BadInput
        If the table is not usable, no study can be read, or a file cannot be written.
    """
    table = read_cohort(cohort)
    task = _Task(
        engine=Engine(package),
        rule=lesion_rule(package.card),
        match=match or MatchRule(),
        hot_spots=HotSpotSettings(),
        names=names or LabelNames(),
    )
    outcomes, problems = [], list(table.problems)
    pictures_of: dict[str, Case] = {}
    for done, case in enumerate(table.cases):
        if progress is not None:
            progress(done, len(table.cases))
        try:
            scan = load_case(case)
            _refuse_known(case, scan, pictures_of)
            outcomes.append(_outcome(case, scan, task, out / "pictures" if pictures else None))
        except BonescanError as error:
            problems.append(f"{case.study}: {error}")
    if progress is not None:
        progress(len(table.cases), len(table.cases))
    if not outcomes:
        reason = f"the first fails with {problems[0]}" if problems else "correct the table"
        raise BadInput(f"{table.path}: no study can be validated; {reason}")
    found = summarise(
        outcomes,
        package=package.card,
        rule=task.rule,
        match=task.match,
        hot_spots=task.hot_spots,
        cohort=table.path,
        most_false=most_false,
        problems=tuple(problems),
    )
    write_validation(found, out)
    return found


def _refuse_known(case: Case, scan: Scan, known: dict[str, Case]) -> None:
    """Refuse a study with a picture of another one: it would count twice, or for two patients."""
    digests = [pixels_digest(view.counts) for view in scan.views if view.counts.any()]
    other = next((known[digest] for digest in digests if digest in known), None)
    if other is not None:
        raise BadInput(
            f"patient {case.patient} has the same picture as patient {other.patient} in "
            f"{other.study}; find out whose it is and remove the other"
        )
    known.update(dict.fromkeys(digests, case))


def _outcome(case: Case, scan: Scan, task: _Task, pictures: Path | None) -> Outcome:
    marks = read_masks(case, scan, task.names)
    truth = marks.metastasis
    there = any(mask.any() for mask in truth.values())
    seen = predict_scan(scan, task.engine)
    scored = score_scan(scan, seen, task.engine.package.card)
    scores = scored.marks
    told = None if case.truth is None else read_truth(case.truth)
    known = {view.name: None if told is None else known_view(told, view) for view in scan.views}
    rows = {view.name: read_rows(seen.canvas, view) for view in scan.views}
    hot = {
        view.name: _within(hot_spot_score(view, task.hot_spots), rows[view.name])
        for view in scan.views
    }
    model, floor = _sweeps(scan.views, scores, hot, truth, known, task)
    if pictures is not None:
        study_picture(scan, scores, truth, task.rule, pictures / f"{case.study}.png")
    return Outcome(
        patient=case.patient,
        study=case.study,
        metastasis=case.metastasis,
        annotated=there or not case.metastasis,
        beyond=sum(_beyond(truth[view.name], rows[view.name]) for view in scan.views),
        flags=tuple(dict.fromkeys(flag.code for flag in (*scan.flags, *marks.flags))),
        model=model,
        hot_spots=floor,
        model_score=scored.patient,
        hot_spot_score=patient_score(hot.values()),
        stated=_stated(scan.views, scores, truth, case.patient, task),
        errors=_errors(scan, scores, truth, known, task),
    )


def _errors(scan: Scan, scores: Scores, truth: Masks, known: Truths, task: _Task) -> CaseErrors:
    found = CaseErrors()
    for view in scan.views:
        marks = threshold_components(scores[view.name], task.rule, smallest_lesion(view, task.rule))
        lesions, _ = label_components(truth[view.name])
        area = view.pixel_area_mm2
        found += view_errors(
            marks,
            lesions,
            match_labels(marks, lesions, task.match),
            view.counts,
            None if area is None else float(np.sqrt(area)),
            known[view.name],
        )
    return found


def _stated(
    views: tuple[View, ...], scores: Scores, truth: Masks, patient: str, task: _Task
) -> Stated:
    """Return the probability of each candidate and whether it is a true lesion."""
    card = task.engine.package.card
    probabilities: list[float] = []
    true: list[bool] = []
    for view in views:
        score = scores[view.name]
        if card.lesions is None:
            rule = candidate_rule(LOW)
            labels = candidate_labels(score, rule, smallest_lesion(view, rule))
        else:
            labels = label_components(score > 0)[0]
        count = int(labels.max(initial=0))
        probabilities += [lesion_probability(score[labels == k]) for k in range(1, count + 1)]
        matched = match_labels(labels, label_components(truth[view.name])[0], task.match)
        true += matched.right.tolist()
    return Stated(np.array(probabilities), np.array(true, bool), (patient,) * len(true))


def _sweeps(
    views: tuple[View, ...],
    scores: Scores,
    hot: Scores,
    truth: Masks,
    known: Truths,
    task: _Task,
) -> tuple[Sweep, Sweep]:
    """Return the model's and the hot-spot detector's marks at many thresholds."""
    floor = task.rule.model_copy(update={"threshold": 0.5, "grow": None})

    def scored(method: Scores) -> list[ScoredView]:
        found = []
        for view in views:
            told = known[view.name]
            numbers = None if told is None else told.metastasis
            found.append(ScoredView(view, method[view.name], truth[view.name], numbers))
        return found

    return (
        sweep_study(scored(scores), task.rule, task.match),
        sweep_study(scored(hot), floor, task.match, task.hot_spots.thresholds),
    )


def _within(score: NDArray[np.float32], rows: tuple[int, int] | None) -> NDArray[np.float32]:
    """Blank the rows that the model does not see, so that both judge the same part of the body."""
    if rows is None:
        return score
    kept = np.zeros_like(score)
    kept[rows[0] : rows[1]] = score[rows[0] : rows[1]]
    return kept


def _beyond(truth: NDArray[np.bool_], rows: tuple[int, int] | None) -> int:
    """Count the lesions that lie wholly outside the rows that the model sees."""
    if rows is None:
        return 0
    labels, count = label_components(truth)
    return count - len(np.setdiff1d(labels[rows[0] : rows[1]], [0]))
