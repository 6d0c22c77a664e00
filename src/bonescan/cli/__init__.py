"""The command line: parse, call, print. Each command imports its stage when it runs."""

from bonescan.cli import reading  # isort: skip
from bonescan.cli import learning  # isort: skip
from bonescan.cli.app import app, main

__all__ = ["app", "learning", "main", "reading"]
