"""What every settings node is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A settings node: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
