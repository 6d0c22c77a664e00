"""Options and checks that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Workers = Annotated[int, typer.Option(min=1, help="Processes to use.")]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="Where: this machine, or Ray (the cluster in RAY_ADDRESS, or one of its own)."
    ),
]
ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT.toml", help="Experiment file (TOML).")
]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="A.B=C", help="Override a setting of every run.")
]
Scale = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="SETTINGS.toml",
        help="Settings laid over every run, before --set: a scale, for instance.",
    ),
]


def check_folder(out: Path) -> None:
    """Refuse a folder for results that is a file, or lies below one, before any work is done."""
    from bonescan.errors import BadSettings

    nearest = next((path for path in (out, *out.absolute().parents) if path.exists()), out)
    if nearest.exists() and not nearest.is_dir():
        raise BadSettings(f"{nearest}: is a file where results should go; name a folder")
