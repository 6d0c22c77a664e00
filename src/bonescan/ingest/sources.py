"""What files hold and studies are made of: the nouns between finding and loading."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bonescan.ingest.energy import EnergyWindow
from bonescan.ingest.views import Clue
from bonescan.scan import Crop, Flag, ViewName


@dataclass(frozen=True)
class Picture:
    """One picture of the patient inside a file.

    Attributes
    ----------
    frame : int
        Frame of the file, counted from 1.
    crop : Crop or None
        Its part of the frame; None for the whole frame.
    clue : Clue or None
        What codes or text tell about its view.
    detector : int or None
        Value of the Detector Vector.
    angle_view : str or None
        The view that the detector's start angle stands for.
    window : EnergyWindow or None
        Where the header describes it.
    """

    frame: int
    crop: Crop | None = None
    clue: Clue | None = None
    detector: int | None = None
    angle_view: ViewName | None = None
    window: EnergyWindow | None = None


@dataclass(frozen=True)
class SourceFile:
    """One readable file with its pictures.

    ``path`` is where it lies now, ``origin`` the name under which the user knows it (a zip's
    member). ``acquired`` orders repeated scans: acquisition date and time, then instance number.
    """

    path: Path
    origin: Path
    kind: Literal["dicom", "picture"]
    rows: int
    columns: int
    pictures: tuple[Picture, ...]
    study_uid: str = ""
    series_uid: str = ""
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    patient_id: str = ""
    acquired: tuple[str, int] = ("", 0)
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class NamedPicture:
    """A picture whose view has been settled, and by what."""

    source: SourceFile
    picture: Picture
    view: ViewName
    by: str


@dataclass(frozen=True)
class Study:
    """One study to load: up to one picture for each view, and the name to file results under.

    ``flags`` are doubts that arose while finding it; loading adds its own.
    """

    name: str
    views: tuple[NamedPicture, ...]
    flags: tuple[Flag, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is made of, sorted, each once."""
        return tuple(sorted({view.source.path for view in self.views}))

    @property
    def origins(self) -> tuple[Path, ...]:
        """The same files as the user named them: members of a zip lie below the zip's path."""
        return tuple(sorted({view.source.origin for view in self.views}))


@dataclass(frozen=True)
class Failure:
    """An input that could not be used, and the one line that says why and what to do."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Finding:
    """Outcome of looking at inputs: what can be used, what failed, what was passed over."""

    sources: tuple[SourceFile, ...] = ()
    failures: tuple[Failure, ...] = ()
    skipped: tuple[Failure, ...] = field(default=())
