"""Read a scan: probabilities in its views, lesions, doubts, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bonescan import __version__
from bonescan.config import LesionRule
from bonescan.package import Card
from bonescan.predict import Engine, predict_scan, read_rows
from bonescan.quantify.familiarity import unfamiliar
from bonescan.quantify.lesions import FoundLesions, find_lesions
from bonescan.quantify.marks import mark_flags, measure_marks
from bonescan.quantify.scoring import Scores, patient_score, score_scan
from bonescan.quantify.skeletal import read_skeleton
from bonescan.quantify.unread import unread_flags
from bonescan.quantify.weights import Weights
from bonescan.scan import (
    Canvas,
    Flag,
    Marks,
    Provenance,
    Reading,
    Scan,
    View,
    ViewName,
    ViewReading,
)

#: More marks than this in one view are doubted.
MANY_MARKS = 40
#: Marks on a larger share of the body than this are doubted.
LARGE_SHARE = 0.2


def read_scan(
    scan: Scan,
    engine: Engine,
    *,
    rule: LesionRule | None = None,
    weights: Weights | None = None,
    marks: Marks | None = None,
) -> Reading:
    """Read one scan with a model.

    Parameters
    ----------
    scan : Scan
        With at least one view.
    engine : Engine
        A model package, ready to run.
    rule : LesionRule, optional
        How probabilities become lesions; without it the defaults with the card's threshold.
    weights : Weights, optional
        Weights and fusion rule of the bone scan index; the shipped table without it.
    marks : Marks, optional
        A reader's, which take the place of the model's in the views that they tell of.

    Returns
    -------
    Reading
        In the geometry of each `View.counts`. Probabilities of lesions and the patient's score are
        calibrated where the package brings the means (`bonescan.quantify.scoring`).

    Raises
    ------
    BadInput
        If the scan has no view, the package does not run, or a reader's marks are too many.
    """
    rule = rule or lesion_rule(engine.package.card)
    seen = predict_scan(scan, engine)
    card = engine.package.card
    return assemble_reading(
        scan,
        seen.canvas,
        seen.metastasis,
        rule,
        card,
        scores=score_scan(scan, seen, card),
        doubts=unfamiliar(scan, seen, card),
        regions=seen.regions or None,
        weights=weights,
        marks=marks,
    )


def lesion_rule(card: Card) -> LesionRule:
    """Return the default rule with the threshold that a model's card states."""
    return LesionRule(threshold=card.threshold.value)


def assemble_reading(
    scan: Scan,
    canvas: Canvas,
    probabilities: dict[ViewName, NDArray[np.float32]],
    rule: LesionRule,
    card: Card,
    *,
    scores: Scores | None = None,
    doubts: Sequence[Flag] = (),
    regions: Mapping[ViewName, NDArray[np.uint8]] | None = None,
    weights: Weights | None = None,
    marks: Marks | None = None,
) -> Reading:
    """Turn the probabilities of each view into a reading with its doubts and its provenance.

    Parameters
    ----------
    scan : Scan
    canvas : Canvas
        What the model saw of it.
    probabilities : dict from view name to (H, W) float32
    rule : LesionRule
    card : Card
        Of the model.
    scores : Scores, optional
        What marks are cut from, and the patient's score; without it ``probabilities`` and their
        highest.
    doubts : sequence of Flag
        About the scan, to be added.
    regions : mapping from view name to (H, W) uint8, optional
        Skeletal region of each pixel, in the values of `ViewReading.regions`, in each view; None
        where the model names no bones, and there are no regions and no index then.
    weights : Weights, optional
        Weights and fusion rule of the bone scan index; the shipped table without it.
    marks : Marks, optional
        A reader's, which take the place of the model's in the views that they tell of.
    """
    marks = marks or Marks({}, ())
    scores = scores or Scores(probabilities, patient_score(probabilities.values()))
    found = {
        view.name: measure_marks(
            view,
            marks,
            # A reader may mark what is no candidate: there the network's own figure stands.
            np.where(
                scores.marks[view.name] > 0, scores.marks[view.name], probabilities[view.name]
            ),
        )
        if view.name in marks.labels
        else find_lesions(view, scores.marks[view.name], rule)
        for view in scan.views
    }
    seen = tuple(
        ViewReading(
            view.name,
            probabilities[view.name],
            found[view.name].mask,
            read_rows(canvas, view),
            read_columns=_read_columns(canvas, view),
            marked_by="reader" if view.name in marks.labels else "model",
            suppressed=canvas.suppressed.get(view.name),
        )
        for view in scan.views
    )
    marked = [lesion for view in scan.views for lesion in found[view.name].lesions]
    skeletal = read_skeleton(scan, seen, marked, regions=regions, weights=weights)
    raised = [*scan.flags, *canvas.flags, *doubts, *_model_flags(card), *unread_flags(scan, seen)]
    for view in scan.views:
        if view.name not in marks.labels:
            raised += _view_flags(view, found[view.name])
    if marks.sources:
        raised += mark_flags(scan, marks, found, rule)
    return Reading(
        study=scan.study,
        views=skeletal.views,
        lesions=skeletal.lesions,
        patient_score=scores.patient,
        flags=_once([*raised, *skeletal.flags]),
        regions=skeletal.regions,
        index=skeletal.index,
        provenance=Provenance(
            bonescan_version=__version__,
            model_name=card.name,
            model_version=card.version,
            model_sha256=card.sha256,
            settings={
                "canvas": card.canvas.model_dump(mode="json"),
                "lesions": rule.model_dump(mode="json"),
                "threshold_rule": card.threshold.rule,
                "threshold_chosen_on": card.threshold.chosen_on,
                **_calibration_words(card),
            },
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            training=card.training.description,
            intended_use=card.intended_use,
            limits=card.limits,
            marks=marks.sources,
        ),
    )


def _read_columns(canvas: Canvas, view: View) -> tuple[int, int] | None:
    """Return the columns [first, end) of a view that lie on the canvas; None if all of them do."""
    placement = next((item for item in canvas.placements if item.view == view.name), None)
    if placement is None:
        return 0, 0
    width = placement.source_shape[1]
    scale = width / placement.scaled_shape[1]
    first = round(placement.source_left * scale)
    end = round((placement.source_left + placement.columns) * scale)
    return None if (first, end) == (0, width) else (first, end)


def _calibration_words(card: Card) -> dict[str, str]:
    """Say what the probabilities of lesions and patient are, where the package calibrates them."""
    if card.lesions is None:
        return {}
    words = {"lesion_probability": f"Calibrated on {card.lesions.fitted_on}."}
    words["patient_score"] = "Highest calibrated probability of a lesion; no calibrated risk."
    if card.patient is not None:
        words["patient_score"] = (
            f"Probability that the patient has metastases, calibrated on {card.patient.fitted_on}, "
            f"{card.patient.prevalence:.0%} of them with metastases; no calibrated risk elsewhere."
        )
    return words


def _model_flags(card: Card) -> list[Flag]:
    if "simulat" not in card.training.description.lower():
        return []
    return [
        Flag(
            "model-simulated-training",
            f"The model {card.name} {card.version} was trained on simulated patients "
            f"({card.training.description}); how it does on real ones has not been shown.",
        )
    ]


def _view_flags(view: View, found: FoundLesions) -> list[Flag]:
    flags = []
    if not view.counts.any():
        flags.append(
            Flag("view-empty", f"The {view.name} view holds no counts; nothing was read off it.")
        )
    number = len(found.lesions) + found.left_out
    if number > MANY_MARKS:
        left_out = f"; the {found.left_out} least probable are left out" if found.left_out else ""
        flags.append(
            Flag(
                "many-marks",
                f"{number} marks in the {view.name} view{left_out}; "
                "widespread disease or a picture that the model does not understand.",
            )
        )
    if found.body_share > LARGE_SHARE:
        flags.append(
            Flag(
                "marks-cover-body",
                f"Marks cover {found.body_share:.0%} of the body in the {view.name} view; "
                "diffuse disease or a picture that the model does not understand.",
            )
        )
    return flags


def _once(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """Drop repeated flags; the gravest come first, otherwise in the order they came."""
    rank = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(dict.fromkeys(flags), key=lambda flag: rank[flag.severity]))
