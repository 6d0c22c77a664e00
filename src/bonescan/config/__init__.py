"""The one typed settings tree; `bonescan.experiment` fills it from files.

Every number of the paper (Cheng et al., *Diagnostics* 2023, 13, 3042) has its home here, with its
section. Precedence, lowest first: the defaults below, ``[base]``, ``[run.NAME]``, ``--set``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bonescan.config.base import Frozen as Frozen
from bonescan.config.canvas import BodyBrightness as BodyBrightness
from bonescan.config.canvas import Brightness as Brightness
from bonescan.config.canvas import CanvasSettings as CanvasSettings
from bonescan.config.canvas import PaperCanvas as PaperCanvas
from bonescan.config.canvas import ResampledCanvas as ResampledCanvas
from bonescan.config.filters import Denoise as Denoise
from bonescan.config.filters import Suppress as Suppress
from bonescan.config.learning import Adam as Adam
from bonescan.config.learning import OptimiserSettings as OptimiserSettings
from bonescan.config.networks import DoubleUNetSettings as DoubleUNetSettings
from bonescan.config.networks import ModelSettings as ModelSettings
from bonescan.config.networks import UNetSettings as UNetSettings
from bonescan.scan import REGIONS

# --- data and masks -----------------------------------------------------------------------------


class LabelNames(Frozen):
    """What the names in an annotation mean; upper and lower case do not matter.

    ``metastasis`` and ``benign`` become masks, ``ignored`` is known and left out. A name in none
    of them is an error, so that a misspelt one does not drop a lesion.
    """

    metastasis: tuple[str, ...] = ("metastasis", "metastases", "bone metastasis")
    benign: tuple[str, ...] = ("benign",)
    ignored: tuple[str, ...] = ()


SetName = Literal["D1", "D2", "D3", "D4"]


class Data(Frozen):
    """Which sets of the cohort take part (D1-D4, see `bonescan.ingest.cohort`).

    ``positives`` are cut into folds; ``train_negatives`` join the training part of every fold and
    never validation or test (section 4).
    """

    positives: tuple[SetName, ...] = Field(default=("D1",), min_length=1)
    train_negatives: tuple[SetName, ...] = ()


class NoMask(Frozen):
    """Binary training: metastasis or not (Table 2)."""

    kind: Literal["none"] = "none"


class OtsuMask(Frozen):
    """Non-metastatic class = body by an Otsu threshold, minus metastasis (section 3.4).

    ``on = "log"`` thresholds log(1 + x) after a Gaussian; ``"linear"`` the grey values as such.
    """

    kind: Literal["otsu"] = "otsu"
    on: Literal["log", "linear"] = "log"
    smooth_pixels: float = 2.0
    border_margin: int = Field(default=0, ge=0)
    """Pixels around a metastasis that belong to no class but background (not in the paper)."""


class MinedMask(Frozen):
    """Non-metastatic class = what the binary baseline of the same fold marks, minus metastasis.

    Section 3.4, negative mining: on a patient without metastasis all that it marks is false; on one
    with metastasis what it marks outside the annotation. The run names its baseline in ``needs``.
    """

    kind: Literal["mined"] = "mined"
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Probability from which the baseline marks; 0.5 is its own rule."""
    border_margin: int = Field(default=0, ge=0)
    """As in `OtsuMask`."""


class JointMask(Frozen):
    """Two label maps at once, for a reader that also knows bones (not in the paper).

    What is bright: nothing of note, benign bone, tracer outside of bone, metastasis; and which of
    the 12 skeletal regions. Needs the layers ``truth_kinds`` and ``truth_regions`` that simulated
    cohorts bring.
    """

    kind: Literal["joint"] = "joint"


class SkeletonMask(Frozen):
    """The skeleton alone: which of the 12 regions a pixel shows, other bone, or none [40].

    Needs the layer ``truth_regions`` that simulated cohorts bring.
    """

    kind: Literal["skeleton"] = "skeleton"


class PatientMask(Frozen):
    """One answer a patient, with or without metastasis, as the target of every pixel [34-37]."""

    kind: Literal["patient"] = "patient"


MaskSettings = Annotated[
    NoMask | OtsuMask | MinedMask | JointMask | SkeletonMask | PatientMask,
    Field(discriminator="kind"),
]


# --- losses and training ------------------------------------------------------------------------


class DiceLoss(Frozen):
    """Dice loss over the whole batch, per class, then the mean (equation 1)."""

    kind: Literal["dice"] = "dice"
    smooth: float = Field(default=1.0, gt=0)


class FocalTverskyLoss(Frozen):
    """Focal Tversky loss (equation 2): gamma 0.75, alpha 0.3 on false positives, beta 0.7."""

    kind: Literal["focal_tversky"] = "focal_tversky"
    gamma: float = Field(default=0.75, gt=0)
    alpha: float = Field(default=0.3, ge=0)
    beta: float = Field(default=0.7, ge=0)
    smooth: float = Field(default=1.0, gt=0)


class DiceCrossEntropyLoss(Frozen):
    """Dice loss plus ``weight`` times the mean binary cross-entropy of each class.

    Not in the paper: every pixel has a gradient from the start, so that short runs learn sooner.
    """

    kind: Literal["dice_cross_entropy"] = "dice_cross_entropy"
    smooth: float = Field(default=1.0, gt=0)
    weight: float = Field(default=1.0, ge=0)


class JointLoss(Frozen):
    """For `JointMask`: focal Tversky of metastasis, plus weighted losses of the other classes.

    ``findings`` weighs the mean focal Tversky loss of benign bone and of tracer outside of bone,
    ``regions`` the mean Dice loss of the skeletal regions plus their cross-entropy. ``entropy``
    weighs the cross-entropy of the findings: without it nothing teaches what is nothing of note,
    and a rare class that starts out everywhere stays there.
    """

    kind: Literal["joint"] = "joint"
    gamma: float = Field(default=0.75, gt=0)
    alpha: float = Field(default=0.3, ge=0)
    beta: float = Field(default=0.7, ge=0)
    smooth: float = Field(default=1.0, gt=0)
    findings: float = Field(default=0.3, ge=0)
    entropy: float = Field(default=1.0, ge=0)
    regions: float = Field(default=0.5, ge=0)


LossSettings = Annotated[
    DiceLoss | FocalTverskyLoss | DiceCrossEntropyLoss | JointLoss, Field(discriminator="kind")
]


class Augment(Frozen):
    """Random changes of a training canvas; all off by default, as in the paper.

    ``gain`` is the largest factor either way, ``thin`` the smallest kept share of the counts
    (binomial-like thinning), ``shift_pixels`` and ``rotate_degrees`` the largest move,
    ``zoom`` the largest relative change of size, ``blur_pixels`` the largest Gaussian sigma,
    ``mirror`` the chance of a left-right mirror of each view, ``drop_view`` the chance that one of
    both views is blanked, as where a study lacks it. Each of the following is the chance of a
    change that makes the picture less like any one camera's: ``coarse`` pixels up to 2.5 times as
    large; a ``digital`` chain that rounds to few grey values and clips or wraps at 256; a contrast
    ``law`` (a power of 0.75 to 1.3); a ``shade`` that makes uptake slowly uneven; ``crop``, rows
    missing at the head or the feet; ``spots``, hot drops where there is no bone, as of urine or at
    the vein (with `JointMask` alone).
    """

    gain: float = Field(default=1.0, ge=1)
    thin: float = Field(default=1.0, gt=0, le=1)
    shift_pixels: float = Field(default=0.0, ge=0)
    rotate_degrees: float = Field(default=0.0, ge=0)
    zoom: float = Field(default=0.0, ge=0)
    blur_pixels: float = Field(default=0.0, ge=0)
    mirror: float = Field(default=0.0, ge=0, le=1)
    drop_view: float = Field(default=0.0, ge=0, le=1)
    coarse: float = Field(default=0.0, ge=0, le=1)
    digital: float = Field(default=0.0, ge=0, le=1)
    law: float = Field(default=0.0, ge=0, le=1)
    shade: float = Field(default=0.0, ge=0, le=1)
    crop: float = Field(default=0.0, ge=0, le=1)
    spots: float = Field(default=0.0, ge=0, le=1)


class Training(Frozen):
    """The loop (sections 3.8 and 4)."""

    epochs: int = Field(default=500, ge=1)
    batch: int = Field(default=4, ge=2)
    validate_every: int = Field(default=1, ge=1)
    split: Literal["patients", "sites"] = "patients"
    """How patients are cut: into ``folds`` equal parts, or so that each test part is one site.

    ``sites`` leaves one site out of training and validation (not in the paper, whose section 6
    names several centres as future work); ``folds`` is then the number of sites."""
    folds: int = Field(default=10, ge=2)
    seed: int = 2023
    checkpoint: Literal["best", "last"] = "best"
    average_decay: float = Field(default=0.0, ge=0, lt=1)
    """Exponential moving average of the weights, used for validation and export; 0 is off."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    positives_first: int = Field(default=0, ge=0)
    """Epochs at the start that see only cases with metastasis (not in the paper).

    Many cases without any, before anything is learned, teach the network to mark nothing."""
    collapse_epochs: int = Field(default=20, ge=1)
    """Say so when nothing has been predicted as metastasis for this many validations in a row."""

    @model_validator(mode="after")
    def _three_parts(self) -> Training:
        if self.split == "patients" and self.folds < 3:
            raise ValueError("folds must be 3 or more: one trains, one validates, one tests")
        return self


class FreshInit(Frozen):
    """Random weights, He initialisation where the paper has ImageNet's (see reproduction notes)."""

    kind: Literal["fresh"] = "fresh"


class Vgg19Init(Frozen):
    """A file of torchvision-style VGG19 weights that the user holds, for the Double U-Net.

    Keys ``features.N.weight`` and ``features.N.bias``, as ``.pt``, ``.pth`` or ``.safetensors``.
    Nothing is fetched.
    """

    kind: Literal["vgg19"] = "vgg19"
    path: Path


class PackageInit(Frozen):
    """Weights of a model package, to fine-tune from."""

    kind: Literal["package"] = "package"
    path: Path


class TransferInit(Frozen):
    """Weights of the same fold of another run, named as ``pretraining`` in ``needs``.

    Only the weights come along: optimiser and learning rate start afresh (section 4).
    """

    kind: Literal["transfer"] = "transfer"


InitSettings = Annotated[
    FreshInit | Vgg19Init | PackageInit | TransferInit, Field(discriminator="kind")
]


# --- lesions ------------------------------------------------------------------------------------


class LesionRule(Frozen):
    """How a probability picture becomes a list of lesions (`bonescan.quantify.find_lesions`).

    A lesion is an 8-connected patch of pixels at or above ``grow`` that holds at least one pixel
    at or above ``threshold``. Smaller ones than ``min_area_mm2`` (``min_area_pixels`` where the
    source has no pixel spacing) are left out: a whole-body camera blurs a point to some 8 mm, so
    that nothing real is smaller than a disc of that diameter.
    """

    threshold: float = Field(default=0.5, gt=0, le=1)
    grow: float | None = Field(default=None, gt=0, le=1)
    """Lower threshold of the hysteresis; None takes ``threshold``, that is no hysteresis."""
    min_area_mm2: float = Field(default=50.0, ge=0)
    min_area_pixels: int = Field(default=9, ge=1)

    @model_validator(mode="after")
    def _grow_is_lower(self) -> LesionRule:
        if self.grow is not None and self.grow > self.threshold:
            raise ValueError("grow must not be above threshold")
        return self


#: Channels of a joint reader: bones first, then what a bright pixel is.
BONES = ("no bone", *REGIONS, "other bone")
FINDINGS = ("nothing of note", "benign bone", "tracer outside bone", "metastasis")


class Settings(Frozen):
    """Everything that decides what a training run does."""

    canvas: CanvasSettings = PaperCanvas()
    labels: LabelNames = LabelNames()
    data: Data = Data()
    mask: MaskSettings = OtsuMask()
    model: ModelSettings = DoubleUNetSettings()
    init: InitSettings = FreshInit()
    loss: LossSettings = DiceLoss()
    optimiser: OptimiserSettings = Adam()
    augment: Augment = Augment()
    training: Training = Training()

    @model_validator(mode="after")
    def _parts_fit(self) -> Settings:
        if (self.model.kind == "patient_classifier") != (self.mask.kind == "patient"):
            raise ValueError(
                "model.kind = patient_classifier and mask.kind = patient go together; set both"
            )
        if self.model.kind == "double_unet" and self.mask.kind in ("joint", "skeleton"):
            raise ValueError(
                f"model.kind = double_unet knows no mask.kind = {self.mask.kind}; choose a unet"
            )
        if (self.loss.kind == "joint") != (self.mask.kind == "joint"):
            raise ValueError("loss.kind = joint and mask.kind = joint go together; set both")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the network's output channels; metastasis, where it is one, is the last."""
        if self.mask.kind in ("none", "patient"):
            return ("metastasis",)
        if self.mask.kind == "skeleton":
            return BONES
        if self.mask.kind == "joint":
            return (*BONES, *FINDINGS)
        return ("background", "non-metastatic", "metastasis")

    @property
    def groups(self) -> tuple[int, ...]:
        """How many channels exclude one another, group by group: their probabilities sum to 1."""
        return (len(BONES), len(FINDINGS)) if self.mask.kind == "joint" else (len(self.classes),)

    @property
    def digest(self) -> str:
        """First 10 hex digits of the SHA-256 of what was set, part of a run folder's name.

        Settings at their defaults do not count, so that runs are still found by a later version
        that has more settings.
        """
        text = json.dumps(self.told(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]
