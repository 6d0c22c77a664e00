"""What is hot, or cold, and not metastatic."""

from __future__ import annotations

import numpy as np

from bonescan.simulate.anatomy import Anatomy
from bonescan.simulate.sources import Focus
from bonescan.simulate.uptake import Uptake


def draw_findings(
    rng: np.random.Generator, anatomy: Anatomy, uptake: Uptake, sex: str, age_years: float
) -> list[Focus]:
    """Draw the benign findings and artefacts of one patient."""
    return []
