"""OpenVINO, imported so that it stays quiet.

Importing OpenVINO runs ``openvino_telemetry`` where that is installed, which sends an event over
the network and leaves files in the home directory. This program runs where neither may happen, so
the package is hidden while OpenVINO is imported; OpenVINO then uses its own empty stand-in.
Whoever needs OpenVINO imports it from here.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, cast

_TELEMETRY = "openvino_telemetry"


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry.

    Returns
    -------
    module
        ``openvino``. If something else imported it before, that one, as it is.
    """
    modules = cast(dict[str, ModuleType | None], sys.modules)
    known = _TELEMETRY in modules
    if not known:
        modules[_TELEMETRY] = None  # makes `import openvino_telemetry` an ImportError
    try:
        import openvino
    finally:
        if not known:
            del modules[_TELEMETRY]
    return openvino
