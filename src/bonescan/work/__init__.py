"""Independent pieces of work: in this process, or in several that may be lost."""

from bonescan.work.pieces import in_order, run_pieces

__all__ = ["in_order", "run_pieces"]
