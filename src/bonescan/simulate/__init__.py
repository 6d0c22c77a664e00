"""Simulated patients: bone scans from anatomy and physics, not from pictures of anyone."""

from bonescan.simulate.cohort import write_cohort
from bonescan.simulate.patient import SimulatedPatient, simulate_patient

__all__ = ["SimulatedPatient", "simulate_patient", "write_cohort"]
