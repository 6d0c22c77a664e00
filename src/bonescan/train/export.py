"""A finished run to a model package: ONNX, weights and card."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from bonescan import __version__
from bonescan.config import Settings
from bonescan.errors import BadInput, BonescanError
from bonescan.measures.pixels import PixelCounts, best_threshold, pooled
from bonescan.measures.statistics import bootstrap
from bonescan.models import Network, probabilities
from bonescan.package import (
    ONNX_NAME,
    WEIGHTS_NAME,
    Card,
    Package,
    Reliability,
    Score,
    Threshold,
    TrainingData,
    sha256_of,
    write_card,
)
from bonescan.runtime import compile_network
from bonescan.train.checkpoints import on_cpu
from bonescan.train.chosen import chosen_network
from bonescan.train.folder import RunFolder
from bonescan.train.predictions import STEPS, Predictions

OPSET = 18
#: Largest difference in probability between the exported network and the one it came from.
TOLERANCE = 1e-4

INTENDED_USE = (
    "Research on planar whole-body bone scans (Tc-99m phosphonates, anterior and posterior view): "
    "marks for a nuclear-medicine physician or physicist to check and correct."
)
LIMITS = (
    "Not a medical device, not for diagnosis, not for deciding on treatment.",
    "Expected scores hold for data like those that they were measured on, and for no other; "
    "validate on scans of your own site before any use.",
    "A scan without marks is not a scan without metastasis; benign uptake, urine and the injection "
    "site may be marked.",
    "For planar whole-body views of adults only: not for children, spot views, SPECT or PET.",
)


class WithProbabilities(nn.Module):
    """A network whose one output is the probabilities of its prediction, (N, classes, H, W)."""

    def __init__(self, network: Network, groups: Sequence[int] = ()) -> None:
        super().__init__()
        self.network = network
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities for ``x`` (N, 1, H, W) in [0, 1]."""
        return probabilities(self.network(x)[-1], self.groups)


def export_run(
    run_folder: Path,
    out: Path,
    *,
    name: str | None = None,
    version: str = "1",
    threshold: Threshold | None = None,
) -> Package:
    """Turn the chosen checkpoint of a finished fold into a model package.

    Parameters
    ----------
    run_folder : Path
        A ``fold<k>`` folder with ``DONE``.
    out : Path
        The package's folder; must not exist, or be empty.
    name : str, optional
        The model's name; ``<experiment>-<run>-fold<k>`` without it.
    version : str
        The model's version.
    threshold : Threshold, optional
        Operating point; without it the one of the highest pixel F1 on the validation patients.

    Raises
    ------
    BadInput
        If the run is not finished or whole, or ``out`` is not empty.
    """
    folder = RunFolder(run_folder)
    folder.require_done()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out}: exists already; name a new folder for the package")
    settings = folder.read_settings()
    if settings.mask.kind in ("patient", "skeleton"):
        raise BadInput(
            f"{run_folder}: has learned mask.kind = {settings.mask.kind}, which marks no "
            "metastasis; export a run that does"
        )
    predictions = Predictions.load(folder.predictions)
    network, _ = chosen_network(folder, settings)
    height, width = predictions.probability.shape[1:]

    aside = out.with_name(f"{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        write_onnx(network, (height, width), aside / ONNX_NAME, settings.groups)
        save_file(on_cpu(network.state_dict()), aside / WEIGHTS_NAME)
        if threshold is None:
            threshold = pixel_threshold(predictions.of_part("validation"), _data_words(folder))
        write_card(aside, _card(folder, settings, predictions, threshold, aside, name, version))
        if out.exists():
            out.rmdir()
        aside.rename(out)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{out}: {reason}; check the path, its rights and the disk") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Package.load(out)


def write_onnx(
    network: Network, size: tuple[int, int], path: Path, groups: Sequence[int] = ()
) -> None:
    """Write the network as ONNX, (N, 1, H, W) in [0, 1] to probabilities, and check it.

    Raises
    ------
    BonescanError
        If the written network gives other probabilities than the one in memory.
    """
    wrapped = WithProbabilities(network, groups).eval().cpu()
    x = torch.linspace(0, 1, 2 * size[0] * size[1]).reshape(2, 1, *size)
    with warnings.catch_warnings():
        # The tracing exporter is announced as the older one, says that sizes become constants and
        # that instance norm uses the canvas' own statistics: all true, and checked below. The newer
        # one takes ten times as long for the same results.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            (x,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["grey"],
            output_names=["probability"],
            dynamic_axes={"grey": {0: "canvases"}, "probability": {0: "canvases"}},
        )
    with torch.inference_mode():
        expected = wrapped(x).numpy()
    compiled = compile_network(path, *size)
    found = np.concatenate([compiled(canvas[None])[0] for canvas in x.numpy()])
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise BonescanError(
            f"{path}: probabilities differ by {difference:.2g} from the trained network's; "
            "report this with the experiment file"
        )


def pixel_threshold(validation: Predictions, data: str) -> Threshold:
    """Choose the threshold of the highest pooled pixel F1 on the validation patients."""
    value, _ = best_threshold(validation.probability, validation.metastasis)
    patients = len(set(validation.patients))
    return Threshold(
        value=value / STEPS,
        rule="highest pooled pixel F1 of metastasis",
        chosen_on=f"{patients} validation patients, {data}",
    )


def reliability(validation: Predictions, data: str, bins: int = 10) -> Reliability:
    """Measure how often pixels of a given probability are metastasis."""
    edges = np.linspace(0, 1, bins + 1)
    index = np.minimum(validation.probability.astype(int) * bins // STEPS, bins - 1)
    pixels = np.bincount(index.ravel(), minlength=bins)
    hits = np.bincount(index[validation.metastasis].ravel(), minlength=bins)
    return Reliability(
        edges=tuple(round(float(edge), 6) for edge in edges),
        pixels=tuple(int(number) for number in pixels),
        observed=tuple(
            float(hit / number) if number else None
            for hit, number in zip(hits, pixels, strict=True)
        ),
        measured_on=f"{len(set(validation.patients))} validation patients, {data}",
    )


def expected_scores(test: Predictions, threshold: float, data: str) -> tuple[Score, ...]:
    """Measure the pooled pixel scores at a threshold, with bootstrap intervals over patients."""
    marked = test.probability >= round(threshold * STEPS)
    counts = [
        PixelCounts.of(marks, truth) for marks, truth in zip(marked, test.metastasis, strict=True)
    ]
    by_patient = [
        pooled(own for own, who in zip(counts, test.patients, strict=True) if who == patient)
        for patient in dict.fromkeys(test.patients)
    ]
    where = f"{len(by_patient)} test patients, {data}"
    scores = []
    for measure in ("precision", "sensitivity", "f1"):

        def statistic(items: Sequence[PixelCounts], measure: str = measure) -> float | None:
            value: float | None = getattr(pooled(items), measure)
            return value

        found = bootstrap(by_patient, statistic)
        scores.append(
            Score(
                name=f"pixel {measure} of metastasis, pooled over patients",
                value=None if found is None else round(100 * found.value, 2),
                low=None if found is None else round(100 * found.low, 2),
                high=None if found is None else round(100 * found.high, 2),
                measured_on=where,
            )
        )
    return tuple(scores)


def _card(
    folder: RunFolder,
    settings: Settings,
    predictions: Predictions,
    threshold: Threshold,
    files: Path,
    name: str | None,
    version: str,
) -> Card:
    done = folder.read_summary()
    data = _data_words(folder)
    return Card(
        name=name or f"{done['experiment']}-{done['run']}-fold{done['fold']}",
        version=version,
        made_with=f"bonescan {__version__}",
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        sha256=sha256_of(files / ONNX_NAME),
        weights_sha256=sha256_of(files / WEIGHTS_NAME),
        canvas=settings.canvas,
        mask=settings.mask,
        model=settings.model,
        classes=settings.classes,
        threshold=threshold,
        calibration=reliability(predictions.of_part("validation"), data),
        training=TrainingData(
            description=data,
            experiment=done["experiment"],
            run=done["run"],
            fold=done["fold"],
            settings_digest=settings.digest,
            data_digest=folder.read_starts()[-1]["data"],
            positives=done["train_positives"],
            negatives=done["train_negatives"],
            validation=done["validation"],
            test=done["test"],
            epochs=done["epochs"],
            epoch=done["chosen_epoch"],
            started_from=folder.read_starts()[-1].get("started_from"),
        ),
        expected=expected_scores(predictions.of_part("test"), threshold.value, data),
        intended_use=INTENDED_USE,
        limits=LIMITS,
    )


def _data_words(folder: RunFolder) -> str:
    words: str = folder.read_starts()[-1]["description"]
    return words
