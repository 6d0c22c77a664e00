"""Agreement of two raters over a cohort: patients, lesions, masks, bone scan index.

Nobody counts the places where no lesion is, so that a kappa of lesions needs a unit. Two are given:
cells (a skeletal region in a view, with a lesion or without one), and lesions marked freely, paired
by overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bonescan.errors import BadInput
from bonescan.evaluate.matching import OVERLAP_SHARE
from bonescan.evaluate.patients import patient_interval
from bonescan.evaluate.raters import Judgement, Progress, Rater, read_rater
from bonescan.measures.agreement import (
    LimitsOfAgreement,
    cohen_kappa,
    free_response_kappa,
    limits_of_agreement,
)
from bonescan.measures.statistics import Interval, bootstrap
from bonescan.package import Package
from bonescan.scan import REGIONS, VIEW_NAMES, ViewName

#: A cell for lesions outside the 12 regions, one for each view.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class FourFold:
    """How often both raters say yes, only one of them, and neither."""

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    neither: int = 0

    @classmethod
    def of(cls, pairs: Sequence[tuple[bool, bool]]) -> FourFold:
        """Count pairs of (A says yes, B says yes)."""
        return cls(
            both=sum(a and b for a, b in pairs),
            only_a=sum(a and not b for a, b in pairs),
            only_b=sum(b and not a for a, b in pairs),
            neither=sum(not a and not b for a, b in pairs),
        )

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Both, only A, only B, neither."""
        return self.both, self.only_a, self.only_b, self.neither

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa."""
        return cohen_kappa(*self.counts)

    @property
    def agreement(self) -> float | None:
        """Share of cases in which they say the same."""
        total = sum(self.counts)
        return (self.both + self.neither) / total if total else None


@dataclass(frozen=True)
class PairedLesion:
    """A lesion of A, of B, or one that both mark; numbers are those of the masks, or None."""

    view: ViewName
    a: int | None
    b: int | None
    region_a: str
    region_b: str
    overlap: float


@dataclass(frozen=True)
class PairedStudy:
    """One scan as both judge it.

    ``cells`` says of each (view, region) that both see whether A and B have a lesion there; empty
    where one has no skeleton. ``pixels`` counts marked pixels of both, of A alone and of B alone.
    """

    patient: str
    a: Judgement
    b: Judgement
    lesions: tuple[PairedLesion, ...]
    cells: dict[tuple[ViewName, str], tuple[bool, bool]]
    pixels: tuple[int, int, int]

    @property
    def lesion_counts(self) -> tuple[int, int, int]:
        """Lesions of both, of A alone, of B alone."""
        both = sum(item.a is not None and item.b is not None for item in self.lesions)
        return both, len(self.a.lesions) - both, len(self.b.lesions) - both

    @property
    def dice(self) -> float | None:
        """Dice's coefficient of the masks of all views; None where both are empty."""
        return free_response_kappa(*self.pixels)


@dataclass(frozen=True)
class Agreement:
    """What two raters have in common; intervals are 95 % bootstrap over patients.

    Attributes
    ----------
    a, b : Rater
    studies : tuple of PairedStudy
    patients : FourFold
        Patients in whom A and B mark any lesion.
    patient_kappa, cell_kappa, lesion_kappa : Interval or None
        Cohen's of patients and of cells; the free-response one of lesions. None where undefined.
    cells : dict from (view, region) to FourFold
        Over the studies.
    dice, dice_pooled : Interval or None
        Mean over the studies in which either marks something; all pixels together.
    indices : tuple of (float, float)
        The whole-skeleton index by A and by B, of the studies in which both give one.
    limits : LimitsOfAgreement or None
        Of these, differences B - A; None with fewer than three pairs.
    problems : tuple of str
        What was left out.
    """

    a: Rater
    b: Rater
    studies: tuple[PairedStudy, ...]
    patients: FourFold
    patient_kappa: Interval | None
    cells: dict[tuple[ViewName, str], FourFold]
    cell_kappa: Interval | None
    lesion_kappa: Interval | None
    dice: Interval | None
    dice_pooled: Interval | None
    indices: tuple[tuple[float, float], ...]
    limits: LimitsOfAgreement | None
    problems: tuple[str, ...]
    made_at: str

    def __str__(self) -> str:
        from bonescan.evaluate.agreement_report import summary_text

        return summary_text(self)


def measure_agreement(
    a: Path, b: Path, package: Package, out: Path, *, progress: Progress | None = None
) -> Agreement:
    """Measure the agreement of two raters and write the findings.

    Parameters
    ----------
    a, b : Path
        Each a folder of readings, or a cohort with Labelme marks (`read_rater`).
    package : Package
        Names the regions of a cohort's scans.
    out : Path
        Receives ``agreement.md``, ``agreement.json``, ``studies.csv``, ``lesions.csv``,
        ``cells.csv`` and, with three indices or more, ``bland_altman.png``.
    progress : callable, optional
        Called with the number of studies of one rater done, and their total.

    Raises
    ------
    BadInput
        If a rater cannot be read, they have no scan in common, or a file cannot be written.
    """
    from bonescan.evaluate.agreement_report import write_agreement

    raters = [read_rater(path, package, progress=progress) for path in (a, b)]
    found = compare_raters(*raters)
    write_agreement(found, out)
    return found


def compare_raters(a: Rater, b: Rater) -> Agreement:
    """Compare two raters on the scans that both judged; scans are told by their pixels.

    Raises
    ------
    BadInput
        If they have no scan in common.
    """
    theirs = {judged.pixels: judged for judged in b.judgements}
    own = {judged.pixels for judged in a.judgements}
    studies = tuple(
        pair_study(judged, theirs[judged.pixels])
        for judged in a.judgements
        if judged.pixels in theirs
    )
    if not studies:
        raise BadInput(f"{a.path}: has no scan in common with {b.path}; name readings of the same")
    alone = [
        *(f"{j.study}: only in {a.path}" for j in a.judgements if j.pixels not in theirs),
        *(f"{j.study}: only in {b.path}" for j in b.judgements if j.pixels not in own),
    ]
    return _summarise(a, b, studies, (*a.problems, *b.problems, *alone))


def _summarise(
    a: Rater, b: Rater, studies: tuple[PairedStudy, ...], problems: tuple[str, ...]
) -> Agreement:
    names = [study.patient for study in studies]
    cells = {
        (view, region): FourFold.of(
            [study.cells[view, region] for study in studies if (view, region) in study.cells]
        )
        for view in VIEW_NAMES
        for region in (*REGIONS, ELSEWHERE)
        if any((view, region) in study.cells for study in studies)
    }
    calls = _patient_calls(studies)
    in_cells = np.array([FourFold.of(list(study.cells.values())).counts for study in studies])
    lesions = np.array([study.lesion_counts for study in studies])
    pixels = np.array([study.pixels for study in studies])
    dice = np.array([np.nan if study.dice is None else study.dice for study in studies])
    indices = [
        (study.a.index, study.b.index)
        for study in studies
        if study.a.index is not None and study.b.index is not None
    ]
    return Agreement(
        a=a,
        b=b,
        studies=studies,
        patients=FourFold.of(calls),
        patient_kappa=bootstrap(calls, lambda drawn: FourFold.of(drawn).kappa),
        cells=cells,
        cell_kappa=patient_interval(lambda rows: _kappa(in_cells[rows]), names),
        lesion_kappa=patient_interval(lambda rows: _pooled(lesions[rows]), names),
        dice=patient_interval(lambda rows: _mean(dice[rows]), names),
        dice_pooled=patient_interval(lambda rows: _pooled(pixels[rows]), names),
        indices=tuple(indices),
        limits=limits_of_agreement(*zip(*indices, strict=True)) if indices else None,
        problems=problems,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _patient_calls(studies: Sequence[PairedStudy]) -> list[tuple[bool, bool]]:
    """Return for each patient whether A and B mark a lesion in any study."""
    calls: dict[str, tuple[bool, bool]] = {}
    for study in studies:
        a, b = calls.get(study.patient, (False, False))
        calls[study.patient] = (a or bool(study.a.lesions), b or bool(study.b.lesions))
    return list(calls.values())


def _kappa(counts: NDArray[np.int_]) -> float | None:
    both, only_a, only_b, neither = counts.sum(axis=0).tolist()
    return cohen_kappa(both, only_a, only_b, neither)


def _pooled(counts: NDArray[np.int_]) -> float | None:
    both, only_a, only_b = counts.sum(axis=0).tolist()
    return free_response_kappa(both, only_a, only_b)


def _mean(values: NDArray[np.float64]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None


def pair_study(a: Judgement, b: Judgement) -> PairedStudy:
    """Compare two judgements of one scan."""
    lesions: list[PairedLesion] = []
    pixels = np.zeros(3, np.int64)
    for view in VIEW_NAMES:
        if view in a.masks:
            one, two = a.masks[view].toarray(), b.masks[view].toarray()
            lesions += _pair_lesions(view, a, b, one, two)
            marked = one > 0, two > 0
            pixels += [
                int((marked[0] & marked[1]).sum()),
                int((marked[0] & ~marked[1]).sum()),
                int((~marked[0] & marked[1]).sum()),
            ]
    return PairedStudy(
        patient=b.patient if a.patient == a.study else a.patient,
        a=a,
        b=b,
        lesions=tuple(lesions),
        cells=_cells(a, b),
        pixels=(int(pixels[0]), int(pixels[1]), int(pixels[2])),
    )


def _pair_lesions(
    view: ViewName,
    a: Judgement,
    b: Judgement,
    one: NDArray[np.uint8],
    two: NDArray[np.uint8],
) -> list[PairedLesion]:
    """Pair the lesions of a view one to one, such that the overlaps together are largest."""
    mine = {lesion.number: lesion.region for lesion in a.lesions if lesion.view == view}
    theirs = {lesion.number: lesion.region for lesion in b.lesions if lesion.view == view}
    overlap = _overlaps(one, two, len(mine), len(theirs))
    pairs = {
        int(i) + 1: int(j) + 1
        for i, j in zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
        if overlap[i, j] > 0
    }
    found = [
        PairedLesion(
            view,
            number,
            pairs.get(number),
            region,
            theirs.get(pairs.get(number, 0), ""),
            float(overlap[number - 1, pairs[number] - 1]) if number in pairs else 0.0,
        )
        for number, region in mine.items()
    ]
    alone = set(theirs) - set(pairs.values())
    return found + [PairedLesion(view, None, j, "", theirs[j], 0.0) for j in sorted(alone)]


def _overlaps(
    one: NDArray[np.uint8], two: NDArray[np.uint8], rows: int, columns: int
) -> NDArray[np.float64]:
    """Return the shared pixels over those of the smaller lesion, 0 below `OVERLAP_SHARE`."""
    table = np.zeros((rows + 1, columns + 1), np.int64)
    np.add.at(table, (one, two), 1)
    sizes = np.minimum(table.sum(axis=1)[1:, None], table.sum(axis=0)[None, 1:])
    share = table[1:, 1:] / np.maximum(sizes, 1)
    return np.where(share >= OVERLAP_SHARE, share, 0.0)


def _cells(a: Judgement, b: Judgement) -> dict[tuple[ViewName, str], tuple[bool, bool]]:
    """Return for each region that both see, and elsewhere, whether A and B have a lesion there."""
    seen = a.regions & b.regions
    cells = {}
    for view in VIEW_NAMES:
        regions = [region for region in REGIONS if (view, region) in seen]
        for region in [*regions, ELSEWHERE] if regions else []:
            cells[view, region] = (
                _has_lesion(a, view, region, regions),
                _has_lesion(b, view, region, regions),
            )
    return cells


def _has_lesion(judged: Judgement, view: ViewName, region: str, regions: Sequence[str]) -> bool:
    places = {lesion.region for lesion in judged.lesions if lesion.view == view}
    return bool(places - set(regions)) if region == ELSEWHERE else region in places
