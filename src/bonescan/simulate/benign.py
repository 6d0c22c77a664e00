"""What is hot, or cold, and not metastatic: joints, fractures, urine, injection sites, metal.

Each category of `CATEGORIES` has a chance (some with age or sex) and one function that puts it
into the patient. The chances are ours, set so that most patients show something, as in practice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bonescan.simulate import benign_bone, benign_metal, benign_tracer, benign_variants
from bonescan.simulate.anatomy import Anatomy
from bonescan.simulate.placing import Patient
from bonescan.simulate.sources import Focus
from bonescan.simulate.uptake import Uptake

Maker = Callable[[np.random.Generator, Patient], list[Focus]]


@dataclass(frozen=True)
class Category:
    """How often a finding occurs at 60 years, its log change per decade, and what makes it."""

    chance: float
    aging: float
    make: Maker
    sex: str = ""


CATEGORIES: dict[str, Category] = {
    "degenerative spine": Category(0.45, 0.20, benign_bone.degenerative_spine),
    "degenerative joint": Category(0.65, 0.12, benign_bone.degenerative_joints),
    "rib fracture": Category(0.10, 0.10, benign_bone.rib_fractures),
    "compression fracture": Category(0.06, 0.35, benign_bone.compression_fracture),
    "sinus or tooth": Category(0.20, 0.0, benign_bone.sinus_or_tooth),
    "paget": Category(0.006, 0.3, benign_bone.paget_like),
    "injection site": Category(0.30, 0.0, benign_tracer.injection_site),
    "urine contamination": Category(0.14, 0.1, benign_tracer.urine_contamination),
    "diaper": Category(0.02, 0.5, benign_tracer.diaper),
    "catheter": Category(0.02, 0.4, benign_tracer.catheter),
    "urinary tract": Category(0.12, 0.05, benign_tracer.hot_kidney),
    "soft tissue": Category(0.06, 0.0, benign_tracer.soft_tissue_uptake),
    "prosthesis": Category(0.03, 0.4, benign_metal.prosthesis),
    "metal object": Category(0.05, 0.1, benign_metal.metal_object),
    "normal variant": Category(0.55, 0.03, benign_variants.normal_variants),
    "thick forehead": Category(0.05, 0.15, benign_variants.thick_forehead, "F"),
    "osteophytes": Category(0.22, 0.25, benign_variants.osteophytes),
}


def draw_findings(
    rng: np.random.Generator, anatomy: Anatomy, uptake: Uptake, sex: str, age_years: float
) -> list[Focus]:
    """Draw the benign findings and artefacts of one patient.

    Each category has a random stream of its own, so that a change to one leaves the others.
    """
    patient = Patient(anatomy, uptake, sex, age_years)
    older = (age_years - 60) / 10
    findings: list[Focus] = []
    for category, child in zip(CATEGORIES.values(), rng.spawn(len(CATEGORIES)), strict=True):
        chance = category.chance * float(np.exp(category.aging * older))
        if category.sex not in ("", sex) or child.random() >= chance:
            continue
        findings += category.make(child, patient)
    return findings
