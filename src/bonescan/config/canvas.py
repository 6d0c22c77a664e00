"""Settings of the canvas: the paper's, and one that resamples."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bonescan.config.base import Frozen
from bonescan.config.filters import Filtered


class Brightness(Frozen):
    """Linear gain that brings a view's mean grey value into a range (section 3.3, Figure 3)."""

    mean_low: float = 7.0
    mean_high: float = 14.0


class BodyBrightness(Frozen):
    """Linear gain that brings the median of a view's body to a grey value (not in the paper).

    Unlike the mean of the picture, it does not depend on how full the bladder is, nor on how much
    air the frame shows. Counts above 255 / ``level`` times the median are clipped.
    """

    kind: Literal["body_median"]
    level: float = Field(default=8.0, gt=0)


class PaperCanvas(Filtered):
    """The paper's canvas, pixel for pixel: no scaling (section 3.3)."""

    kind: Literal["paper"] = "paper"
    body_rows: int = 950
    view_columns: int = 256
    kept_rows: int = 640
    brightness: Brightness = Brightness()
    reduce: int = Field(default=1, ge=1)
    """Block-average the finished canvas by this factor (small experiments)."""


class ResampledCanvas(Filtered):
    """The paper's canvas after bringing each view to a common pixel size.

    A view without a spacing is scaled so that its frame is ``view_columns`` wide.
    """

    kind: Literal["resampled"] = "resampled"
    spacing_mm: float = 2.4
    body_rows: int = 950
    view_columns: int = 256
    kept_rows: int = 640
    head_room: int | None = Field(default=None, ge=0)
    """Rows of air above the head; without it the body is centred in ``body_rows``, as in the paper.

    A short body then leaves most of the kept rows to air, and the thighs are cut.
    """
    brightness: Brightness | BodyBrightness = Brightness()
    reduce: int = Field(default=1, ge=1)


CanvasSettings = Annotated[PaperCanvas | ResampledCanvas, Field(discriminator="kind")]
