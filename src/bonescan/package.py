"""A model package on disk: written by training, read by prediction, torch-free.

A package is a folder of three files: ``model.onnx`` (the network, which any CPU runs through
OpenVINO), ``weights.safetensors`` (the same weights, to fine-tune from) and ``card.json`` (what the
model is, was trained on, scores, and must not be used for).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from bonescan import RESEARCH_USE
from bonescan.classifiers import Classifier
from bonescan.config import BONES, FINDINGS, CanvasSettings, Frozen, MaskSettings, ModelSettings
from bonescan.errors import BadInput
from bonescan.files import write_whole

ONNX_NAME, WEIGHTS_NAME, CARD_NAME = "model.onnx", "weights.safetensors", "card.json"
SCHEMA = 1


class Threshold(Frozen):
    """Probability of metastasis from which a pixel, or a candidate, is marked.

    ``rule`` says what the value was chosen for, ``chosen_on`` on which data.
    """

    value: float
    rule: str
    chosen_on: str


class Reliability(Frozen):
    """How often pixels of a given probability were metastasis.

    Bin i holds the pixels with ``edges[i] <= probability < edges[i + 1]``; ``pixels[i]`` is their
    number, ``observed[i]`` the share of metastasis among them and None where the bin is empty.
    """

    edges: tuple[float, ...]
    pixels: tuple[int, ...]
    observed: tuple[float | None, ...]
    measured_on: str


class LesionScoring(Frozen):
    """How a candidate region gets the probability that it is a metastasis.

    Attributes
    ----------
    low : float
        Pixels from this probability of the network make the candidates.
    model : Logistic or Trees
        Over the features of `bonescan.quantify.candidates.FEATURES`.
    fitted_on : str
        Patients and candidates that it was fitted on.
    because : str
        What decided which features and which kind it has.
    calibration_error : float
        Expected calibration error on these patients, each left out of the fit that scores it.
    """

    low: float = Field(gt=0, lt=1)
    model: Classifier
    fitted_on: str
    because: str
    calibration_error: float


class PatientScoring(Frozen):
    """How the lesions of a patient become the probability that the patient has metastases.

    The features of ``model`` are those of `bonescan.quantify.scoring.PATIENT_FEATURES`. The
    probability holds where as many patients have metastases as in ``fitted_on``: ``prevalence``.
    """

    model: Classifier
    fitted_on: str
    prevalence: float
    calibration_error: float


class Familiarity(Frozen):
    """What kind of scan a model was fitted on, so that another kind is noticed.

    The distance of a figure is its difference from the median of the fit's scans over ``below`` or
    ``above``: their 5 % and 95 % quantiles' distance from it, or a least spread where that is more.
    A scan is unfamiliar where the distance of any figure exceeds ``limit``.

    Attributes
    ----------
    features : tuple of str
        Names from `bonescan.quantify.familiarity.INPUTS`.
    largest : float
        Largest distance of any scan of the fit.
    """

    features: tuple[str, ...]
    medians: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]
    limit: float
    largest: float
    measured_on: str

    @model_validator(mode="after")
    def _one_number_a_feature(self) -> Familiarity:
        lengths = {len(self.medians), len(self.below), len(self.above)}
        if lengths != {len(self.features)} or not all(x > 0 for x in (*self.below, *self.above)):
            raise ValueError("medians, below and above (above 0) need one number a feature")
        return self

    def distances(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance of each figure (n, m), 0 where it is missing."""
        away = table - np.array(self.medians)
        scaled: NDArray[np.float64] = np.where(away < 0, -away / self.below, away / self.above)
        return np.nan_to_num(scaled)

    def low(self, index: int) -> float:
        """Return the lower end of what is familiar of one figure."""
        return self.medians[index] - self.limit * self.below[index]

    def high(self, index: int) -> float:
        """Return the upper end of what is familiar of one figure."""
        return self.medians[index] + self.limit * self.above[index]


class TrainingData(Frozen):
    """What the weights were learned from.

    ``positives`` and ``negatives`` are the numbers of patients with and without metastasis in the
    training part; ``validation`` and ``test`` patients had no influence on the weights (validation
    chose the checkpoint and the threshold). ``started_from`` tells the package or other weights
    that the training went on from; None where they were drawn at random.
    """

    description: str
    experiment: str
    run: str
    fold: int
    settings_digest: str
    data_digest: str
    positives: int
    negatives: int
    validation: int
    test: int
    epochs: int
    epoch: int
    started_from: str | None = None


class Score(Frozen):
    """An expected score with its interval, in percent unless ``unit`` says otherwise."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = "percent"
    measured_on: str


class Card(Frozen):
    """Everything that a user or the reader must know about a model.

    Attributes
    ----------
    sha256, weights_sha256 : str
        SHA-256 of ``model.onnx`` and of ``weights.safetensors``.
    canvas : CanvasSettings
        How the network's picture is made from a scan.
    classes : tuple of str
        Output channels in order; ``("metastasis",)`` for a binary model.
    threshold : Threshold
        From which probability of metastasis a pixel is marked; with ``lesions``, from which
        probability a candidate is.
    lesions : LesionScoring, optional
        How candidates get their probability; without it the network's own is taken.
    patient : PatientScoring, optional
        How a patient gets one.
    familiarity : Familiarity, optional
        What kind of scan it was fitted on.
    """

    schema_version: int = SCHEMA
    name: str
    version: str
    made_with: str
    made_at: str
    sha256: str
    weights_sha256: str
    canvas: CanvasSettings
    mask: MaskSettings
    model: ModelSettings
    classes: tuple[str, ...]
    threshold: Threshold
    calibration: Reliability | None = None
    lesions: LesionScoring | None = None
    patient: PatientScoring | None = None
    familiarity: Familiarity | None = None
    training: TrainingData
    expected: tuple[Score, ...] = ()
    intended_use: str
    limits: tuple[str, ...]
    notice: str = RESEARCH_USE

    @property
    def metastasis_channel(self) -> int:
        """Index of the output channel that holds the probability of metastasis."""
        return self.classes.index("metastasis")

    @property
    def bone_channels(self) -> slice | None:
        """Output channels of no bone, the 12 regions and other bone; None if it knows no bones."""
        if self.classes[: len(BONES)] != BONES:
            return None
        return slice(0, len(BONES))

    @property
    def finding_channels(self) -> slice | None:
        """Output channels of `bonescan.config.FINDINGS`; None if it tells no others apart."""
        if self.classes[len(BONES) :] != FINDINGS:
            return None
        return slice(len(BONES), len(self.classes))


@dataclass(frozen=True)
class Package:
    """A verified model package: its folder and its card."""

    folder: Path
    card: Card

    @property
    def onnx_path(self) -> Path:
        """The network: takes (N, 1, H, W) float32 grey / 255, gives (N, classes, H, W)."""
        return self.folder / ONNX_NAME

    @property
    def weights_path(self) -> Path:
        """The weights, to fine-tune from."""
        return self.folder / WEIGHTS_NAME

    @classmethod
    def load(cls, folder: Path) -> Package:
        """Read and verify a package.

        Raises
        ------
        BadInput
            If a file is missing, the card is not valid, or a file differs from the card's SHA-256.
        """
        card = _read_card(folder)
        package = cls(folder, card)
        _verify(package.onnx_path, card.sha256)
        _verify(package.weights_path, card.weights_sha256)
        return package


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_card(folder: Path, card: Card) -> None:
    """Write ``card.json`` into a package folder, whole or not at all."""
    text = card.model_dump_json(indent=2)
    # A list of numbers, of which trees have many, takes one line.
    text = re.sub(r"(?<=: )\[[\s\d.,eE+a-z-]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_whole(folder / CARD_NAME, f"{text}\n".encode())


def _read_card(folder: Path) -> Card:
    path = folder / CARD_NAME
    if not path.is_file():
        raise BadInput(f"{path}: is missing, so this is no model package; name its folder")
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); get the package again") from error
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if version != SCHEMA:
        raise BadInput(
            f"{path}: schema_version is {version}, this program reads {SCHEMA}; "
            "use the version of bonescan that made the package"
        )
    try:
        card = Card.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {key}: {first['msg']}; get the package again") from error
    if "metastasis" not in card.classes:
        raise BadInput(f"{path}: classes has no metastasis; use a model made for bone scans")
    return card


def _verify(path: Path, expected: str) -> None:
    if not path.is_file():
        raise BadInput(f"{path}: is missing from the model package; get the package again")
    if sha256_of(path) != expected:
        raise BadInput(
            f"{path}: SHA-256 differs from the card's, the file was changed or cut short; "
            "get the package again"
        )
