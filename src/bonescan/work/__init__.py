"""Independent pieces of work: in this process, in several that may be lost, or on a cluster."""

from bonescan.work.pieces import EngineName, Share, in_order, run_pieces

__all__ = ["EngineName", "Share", "in_order", "run_pieces"]
