"""Settings of what may be done to the counts before they are put on the canvas; all off by default.

The paper names artefacts and noise as future work (its section 6); nothing of this is in it.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bonescan.config.base import Frozen


class Denoise(Frozen):
    """Smoothing that follows the counts (`bonescan.preprocess.denoise`).

    ``fine_pixels`` is the Gaussian sigma that every pixel gets, ``wide_pixels`` that of a pixel
    whose surroundings show nothing but noise; what lies between follows from the counts.
    ``strength`` multiplies the standard deviation that Poisson's law gives the noise: at 1 the
    detail that is kept has the least mean square error.
    """

    fine_pixels: float = Field(default=0.9, gt=0)
    wide_pixels: float = Field(default=1.8, gt=0)
    strength: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _fine_is_finer(self) -> Denoise:
        if self.fine_pixels >= self.wide_pixels:
            raise ValueError("fine_pixels must be below wide_pixels")
        return self


class Suppress(Frozen):
    """Bladder and injection site replaced by what is around (`bonescan.preprocess.suppress`).

    Each number is how many times as bright as the patient's bright bone (the 95th percentile of the
    body, after smoothing) such a focus must be at least; 0 leaves it alone.
    """

    bladder: float = Field(default=2.0, ge=0)
    injection_site: float = Field(default=1.5, ge=0)


class Filtered(Frozen):
    """A canvas with filters. Those that are off are not written down.

    Settings, data and runs from before there were any keep their digests.
    """

    suppress: Suppress | None = None
    denoise: Denoise | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialise(self)
        off = [name for name in ("suppress", "denoise") if getattr(self, name) is None]
        return {name: value for name, value in written.items() if name not in off}
