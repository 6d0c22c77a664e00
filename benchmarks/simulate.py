"""Time one simulated patient against a Gaussian filter of a volume of the same size, in one run.

    OMP_NUM_THREADS=1 python benchmarks/simulate.py --patients 8

Targets: under 2 s a patient on one core; under 1.5 GB a worker. A worker samples the template of
each sex's skeleton once, which is timed apart. Times are of the processor, so that other work on
the machine counts less; the memory is the greatest that the process ever held.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
from scipy import ndimage

from bonescan.simulate import SimulatedPatient, simulate_patient
from bonescan.simulate.anatomy import build_anatomy, template

#: Standard deviation of the filter along each axis, voxels.
SIGMA = 2.0


def template_seconds() -> float:
    start = time.process_time()
    template("F")
    template("M")
    return time.process_time() - start


def patient_seconds(seed: int, index: int) -> tuple[SimulatedPatient, float]:
    start = time.process_time()
    patient = simulate_patient(seed, index)
    return patient, time.process_time() - start


def filter_seconds(patient: SimulatedPatient) -> float:
    volume = np.zeros(build_anatomy(patient.body).part.shape, np.float32)
    start = time.process_time()
    ndimage.gaussian_filter(volume, SIGMA)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    templates = template_seconds()
    ours, filters = [], []
    for index in range(options.patients):  # in turn, so that a drift meets both
        patient, seconds = patient_seconds(options.seed, index)
        ours.append(seconds)
        filters.append(filter_seconds(patient))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    middle, reference = float(np.median(ours)), float(np.median(filters))
    print(
        f"a patient {middle:.2f} s (slowest {max(ours):.2f} s), both templates {templates:.2f} s, "
        f"Gaussian filter {reference:.3f} s, ratio {middle / reference:.1f} "
        f"(medians of {options.patients}); peak memory {peak / 1e9:.2f} GB"
    )


if __name__ == "__main__":
    main()
