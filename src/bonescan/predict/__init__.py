"""A model package under OpenVINO, without torch: from a `Scan` to probabilities in its views."""

from pathlib import Path

from bonescan.predict.engine import Engine
from bonescan.predict.probability import Prediction, predict_scan, read_rows

#: The model package that comes with the program.
SHIPPED_MODEL = Path(__file__).parent / "shipped"

__all__ = ["SHIPPED_MODEL", "Engine", "Prediction", "predict_scan", "read_rows"]
