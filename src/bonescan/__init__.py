"""Open, offline reading of planar whole-body bone scans. Research use only."""

__version__ = "0.1.0"
