"""``python -m bonescan`` is the same as ``bonescan``."""

from bonescan.cli import main

main()
