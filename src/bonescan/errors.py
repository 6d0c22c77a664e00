"""Errors that a user sees: one line that names the file, the attribute and the remedy."""

from __future__ import annotations

from collections.abc import Iterable


class BonescanError(Exception):
    """A failure that the user can act on.

    The message is one line, without a traceback, in the form
    ``study.dcm: Pixel Data is missing; export the study again with pixels``.
    """


class BadInput(BonescanError):
    """A file that is not what it should be: unreadable, of another kind, or inconsistent."""


class NotABoneScan(BadInput):
    """An image that can be opened but is not a planar whole-body bone scan."""


class BadSettings(BonescanError):
    """A setting, option or experiment file that does not make sense."""


class ProcessEnded(BonescanError):
    """A process that the system ended before its piece of work was done."""


class FoldsFailed(BadInput):
    """Some fold runs of an experiment failed; the others are done.

    Attributes
    ----------
    reasons : tuple of str
        One line a failure.
    """

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))
