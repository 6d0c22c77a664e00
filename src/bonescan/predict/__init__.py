"""From a scan to a reading: the model package under OpenVINO, without torch."""

from pathlib import Path

from bonescan.predict.engine import Engine
from bonescan.predict.reader import read_scan

#: The model package that comes with the program.
SHIPPED_MODEL = Path(__file__).parent / "shipped"

__all__ = ["SHIPPED_MODEL", "Engine", "read_scan"]
