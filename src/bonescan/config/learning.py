"""Settings of the optimisers and of the learning rate over the epochs.

The paper's is Adam at a constant rate (section 3.8); the others are what its section 6 names as
future work.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from bonescan.config.base import Frozen


class WarmCosine(Frozen):
    """A linear rise over ``warmup_epochs``, then a half cosine down to ``floor`` times the rate."""

    kind: Literal["warm_cosine"] = "warm_cosine"
    warmup_epochs: int = Field(default=5, ge=0)
    floor: float = Field(default=0.0, ge=0, le=1)


class Steps(Frozen):
    """The rate times ``factor`` after every ``every`` epochs."""

    kind: Literal["steps"] = "steps"
    every: int = Field(default=100, ge=1)
    factor: float = Field(default=0.5, gt=0, lt=1)


class Polynomial(Frozen):
    """The rate times (1 - share of the epochs done) to a power."""

    kind: Literal["polynomial"] = "polynomial"
    power: float = Field(default=0.9, gt=0)


class OneCycle(Frozen):
    """Up from ``start`` times the rate and down to ``end`` times it, both by half cosines.

    After Smith and Topin, "Super-Convergence", 2018; ``rise`` is the share of the epochs upwards.
    """

    kind: Literal["one_cycle"] = "one_cycle"
    rise: float = Field(default=0.3, gt=0, lt=1)
    start: float = Field(default=0.04, gt=0, le=1)
    end: float = Field(default=1e-4, ge=0, le=1)


class Plateau(Frozen):
    """The rate times ``factor`` whenever the validation loss has not fallen for ``patience``.

    ``patience`` counts validations; ``threshold`` is the relative fall that counts as one.
    """

    kind: Literal["plateau"] = "plateau"
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=10, ge=1)
    threshold: float = Field(default=1e-4, ge=0)


def _schedule_kind(value: Any) -> str:
    """Tell which schedule is meant; those without numbers go by a word."""
    if isinstance(value, str):
        return "name"
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", "")
    return str(kind)


Schedule = Annotated[
    Annotated[Literal["constant", "cosine"], Tag("name")]
    | Annotated[WarmCosine, Tag("warm_cosine")]
    | Annotated[Steps, Tag("steps")]
    | Annotated[Polynomial, Tag("polynomial")]
    | Annotated[OneCycle, Tag("one_cycle")]
    | Annotated[Plateau, Tag("plateau")],
    Discriminator(_schedule_kind),
]
"""How the learning rate goes: ``"cosine"`` is half a cosine down to 0 over all epochs."""


class Adam(Frozen):
    """Adam; unnamed in the paper, the original Double U-Net's (section 3.8)."""

    kind: Literal["adam"] = "adam"
    learning_rate: float = Field(default=1e-4, gt=0)
    schedule: Schedule = "constant"
    clip_norm: float = Field(default=0.0, ge=0)
    """Largest norm of the gradient (not in the paper); 0 leaves it as it is. Overlap losses of a
    few lesion pixels jump: without it, runs at high learning rates fell back to no marks."""


class AdamW(Frozen):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).

    Biases and normalisations do not decay.
    """

    kind: Literal["adamw"] = "adamw"
    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    schedule: Schedule = "constant"
    clip_norm: float = Field(default=0.0, ge=0)


class Sgd(Frozen):
    """Stochastic gradient descent with momentum; biases and normalisations do not decay."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=1e-2, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Schedule = "constant"
    clip_norm: float = Field(default=0.0, ge=0)


class RAdam(Frozen):
    """Rectified Adam: warms up by itself (Liu et al., ICLR 2020)."""

    kind: Literal["radam"] = "radam"
    learning_rate: float = Field(default=1e-4, gt=0)
    schedule: Schedule = "constant"
    clip_norm: float = Field(default=0.0, ge=0)


def _kind(value: Any) -> str:
    """Tell which optimiser is meant: Adam where only its numbers are given."""
    kind = value.get("kind", "adam") if isinstance(value, dict) else getattr(value, "kind", "")
    return str(kind)


OptimiserSettings = Annotated[
    Annotated[Adam, Tag("adam")]
    | Annotated[AdamW, Tag("adamw")]
    | Annotated[Sgd, Tag("sgd")]
    | Annotated[RAdam, Tag("radam")],
    Discriminator(_kind),
]
