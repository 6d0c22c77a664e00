"""Patients that a run did not train on, read again by its package: their candidates and truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bonescan.config import LabelNames
from bonescan.errors import BadInput
from bonescan.evaluate.froc import Curve, froc
from bonescan.evaluate.matching import match_pairs
from bonescan.ingest.cases import load_case, read_masks
from bonescan.ingest.cohort import Case, read_cohort
from bonescan.predict import Engine, predict_scan
from bonescan.quantify.candidates import find_candidates
from bonescan.quantify.familiarity import measure_input
from bonescan.quantify.lesions import label_components
from bonescan.quantify.scoring import candidate_rule
from bonescan.scan import Scan, ViewName
from bonescan.train.folder import RunFolder
from bonescan.train.folds import read_folds

Part = Literal["fit", "test"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class HeldOutStudy:
    """One study.

    Attributes
    ----------
    patient : str
    part : {"fit", "test"}
    metastasis : bool
        What the table says of the patient.
    features : (n, m) float64
        Of the candidates of both views, see `bonescan.quantify.candidates.FEATURES`.
    hits : tuple of n frozensets
        The true lesions that each candidate belongs to, as (view, number) pairs.
    lesions : int
        True lesions, each view by itself.
    inputs : (k,) float64
        What kind of picture it is, see `bonescan.quantify.familiarity.INPUTS`.
    """

    patient: str
    part: Part
    metastasis: bool
    features: NDArray[np.float64]
    hits: tuple[frozenset[tuple[int, int]], ...]
    lesions: int
    inputs: NDArray[np.float64]


@dataclass(frozen=True)
class CandidateTable:
    """The candidates of several studies as one table.

    Attributes
    ----------
    features : (n, m) float64
    true : (n,) bool
        Whether a candidate belongs to a true lesion.
    study : (n,) int
        Which study each candidate comes from.
    patients : tuple of n str
    """

    studies: tuple[HeldOutStudy, ...]
    features: NDArray[np.float64]
    true: NDArray[np.bool_]
    study: NDArray[np.intp]
    patients: tuple[str, ...]

    @classmethod
    def of(cls, studies: Sequence[HeldOutStudy]) -> CandidateTable:
        """Put studies together; there must be one at least."""
        return cls(
            studies=tuple(studies),
            features=np.concatenate([study.features for study in studies]),
            true=np.array([bool(hit) for study in studies for hit in study.hits], bool),
            study=np.repeat(np.arange(len(studies)), [len(study.hits) for study in studies]),
            patients=tuple(study.patient for study in studies for _ in study.hits),
        )

    def curve(self, scores: NDArray[np.float64]) -> Curve:
        """Return the FROC curve of scores (n,)."""
        hits: list[frozenset[tuple[int, int]]] = []
        for number, study in enumerate(self.studies):
            hits += [
                frozenset((number, 2 * lesion + view) for view, lesion in own) for own in study.hits
            ]
        return froc(scores, hits, sum(study.lesions for study in self.studies), len(self.studies))

    def of_study(self, values: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """Return the values (n,) of the candidates of one study."""
        own: NDArray[np.float64] = values[self.study == number]
        return own


def read_held_out(
    engine: Engine,
    run: RunFolder,
    cohorts: Sequence[Path],
    low: float,
    progress: Progress | None = None,
) -> tuple[HeldOutStudy, ...]:
    """Read the patients that a run did not train on, as `bonescan read` would.

    The run's test patients are of part ``test``, with all others of a site that it leaves out; the
    rest, also those whom the run did not know, of part ``fit``.

    Parameters
    ----------
    engine : Engine
        The run's package.
    run : RunFolder
        A finished fold.
    cohorts : sequence of Path
        The ``cohort.csv``, or its folder, that the run's data was prepared from, and others.
    low : float
        Probability from which pixels make candidates.
    progress : callable, optional
        Called with the number of studies done and their total.

    Raises
    ------
    BadInput
        If two cohorts name the same study, none has a patient to fit on, or a study cannot be read.
    """
    cases = held_out_cases(run, cohorts)
    tested = set(read_folds(run.folds)[int(run.read_summary()["fold"])].test)
    names = run.read_settings().labels
    found = []
    for done, case in enumerate(cases):
        if progress is not None:
            progress(done, len(cases))
        part: Part = "test" if case.patient in tested else "fit"
        found.append(_read(case, engine, names, low, part))
    if progress is not None:
        progress(len(cases), len(cases))
    return tuple(found)


def held_out_cases(run: RunFolder, cohorts: Sequence[Path]) -> list[Case]:
    """Return the cases of cohorts that a run did not train on; errors as of `read_held_out`."""
    if "pretraining" in run.read_starts()[-1].get("needs", {}):
        raise BadInput(
            f"{run.path}: began from a pre-trained run, and does not tell which patients that has "
            "learned from; export it without --cohort, and calibrate on a site's own scans by "
            "`bonescan evaluate --cohort`"
        )
    fold = read_folds(run.folds)[int(run.read_summary()["fold"])]
    learned, tested = {*fold.train, *fold.train_negatives}, set(fold.test)
    tables = [read_cohort(cohort) for cohort in cohorts]
    cases = [case for table in tables for case in table.cases if case.patient not in learned]
    if len({(case.patient, case.study) for case in cases}) < len(cases):
        raise BadInput(f"{tables[-1].path}: has studies of another cohort; name each cohort once")
    tested |= {case.patient for case in cases if fold.site and case.site == fold.site}
    if all(case.patient in tested for case in cases):
        raise BadInput(
            f"{tables[0].path}: has no patient that the run neither trained nor tests on; name the "
            "cohort that the run's data was prepared from"
        )
    return cases


def _read(case: Case, engine: Engine, names: LabelNames, low: float, part: Part) -> HeldOutStudy:
    scan = load_case(case)
    return measure_study(case, scan, read_masks(case, scan, names).metastasis, engine, low, part)


def measure_study(
    case: Case,
    scan: Scan,
    truth: Mapping[ViewName, NDArray[np.bool_]],
    engine: Engine,
    low: float,
    part: Part = "fit",
) -> HeldOutStudy:
    """Find the candidates of a loaded study, and which true lesions they belong to.

    Parameters
    ----------
    case : Case
    scan : Scan
        Of the case, as it is or changed.
    truth : mapping of view name to (H, W) bool
        Metastases, in the scan's geometry.
    engine : Engine
    low : float
        Probability from which pixels make candidates.
    part : {"fit", "test"}
    """
    seen = predict_scan(scan, engine)
    features, hits, lesions = [], [], 0
    for view, item in enumerate(find_candidates(scan, seen, candidate_rule(low))):
        labels, count = label_components(truth[item.view.name])
        pairs = match_pairs(item.labels, labels)
        features.append(item.features)
        hits += [frozenset((view, int(j)) for j in np.flatnonzero(row)) for row in pairs]
        lesions += count
    return HeldOutStudy(
        patient=case.patient,
        part=part,
        metastasis=case.metastasis,
        features=np.concatenate(features),
        hits=tuple(hits),
        lesions=lesions,
        inputs=measure_input(scan, seen),
    )
