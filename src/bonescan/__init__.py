"""Open, offline reading of planar whole-body bone scans. Research use only."""

__version__ = "0.3.0"

#: Stands in everything that the program writes.
RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
