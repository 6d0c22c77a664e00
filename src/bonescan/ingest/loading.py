"""Load a study that was found: pixels, facts and every doubt, as a `Scan`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from bonescan.errors import BadInput
from bonescan.ingest import dicom, headers, pictures, pixels
from bonescan.ingest.pixels import Frames
from bonescan.ingest.quality import Look, judge
from bonescan.ingest.refusal import refuse_other_studies
from bonescan.ingest.resolve import cut
from bonescan.ingest.sources import NamedPicture, SourceFile, Study
from bonescan.ingest.spacing import Spacing, stated_spacing
from bonescan.ingest.studies import find_studies
from bonescan.scan import Acquisition, Crop, Flag, Identity, Scan, View, ViewName


@dataclass(frozen=True)
class _Opened:
    """A source file with its pixels decoded; ``dataset`` is None for a picture."""

    source: SourceFile
    frames: Frames
    dataset: Dataset | None
    spacing: Spacing


def load_study(study: Study) -> Scan:
    """Load a study's views and judge their quality.

    Parameters
    ----------
    study : Study
        From `find_studies`, whose context must still be open if the study came from a zip.

    Returns
    -------
    Scan
        With flags for every doubt; see `bonescan.ingest.quality` for their codes.

    Raises
    ------
    BadInput
        If a file is damaged, or a view is empty.
    NotABoneScan
        If header or pixels show something else than a planar whole-body bone scan.
    """
    opened: dict[Path, _Opened] = {}
    for named in study.views:
        if named.source.path not in opened:
            opened[named.source.path] = _open(named.source)
    views: dict[ViewName, View] = {}
    flags = [*study.flags, *_picture_source(opened.values())]
    for named in study.views:
        file = opened[named.source.path]
        views[named.view] = _view(named, file)
        flags += file.frames.flags + file.spacing.flags
    true_counts = all(item.frames.true_counts for item in opened.values())
    first = study.views[0]
    file = opened[first.source.path]
    scan = Scan(
        study=study.name,
        anterior=views.get("anterior"),
        posterior=views.get("posterior"),
        acquisition=replace(_acquisition(first, file), true_counts=true_counts),
        identity=dicom.identity_of(file.dataset) if file.dataset is not None else Identity(),
        sources=study.origins,
    )
    datasets = [item.dataset for item in opened.values() if item.dataset is not None]
    looks = {name: Look.at(view) for name, view in views.items()}
    refuse_other_studies(scan, {name: look.outline for name, look in looks.items()}, datasets)
    flags += judge(replace(scan, flags=tuple(flags)), looks)
    return replace(scan, flags=tuple(dict.fromkeys(flags)))


def load_files(
    files: Sequence[Path],
    *,
    name: str | None = None,
    views: Mapping[Path, ViewName] | None = None,
) -> Scan:
    """Load files that together are one study, for instance a row of a cohort.

    Parameters
    ----------
    files : sequence of Path
        One or two files, or a zip; that they belong together is taken for granted.
    name : str, optional
        The study's name, instead of the one that follows from the files.
    views : mapping from Path to view name, optional
        Views that the caller knows, for files of one view each; they outrank what files say.

    Raises
    ------
    BadInput
        If a file fails, or the files are not one study.
    """
    with find_studies(files, views=views, together=True) as found:
        if found.failures:
            raise BadInput(found.failures[0].reason)
        if len(found.studies) != 1:
            listed = ", ".join(str(file) for file in files)
            raise BadInput(
                f"{listed}: hold {len(found.studies)} studies, not one; "
                "name the files of one anterior and one posterior view"
            )
        study = found.studies[0]
        return load_study(replace(study, name=name) if name else study)


def _open(source: SourceFile) -> _Opened:
    if source.kind == "picture":
        return _Opened(source, pictures.decode(source.path, source.origin), None, Spacing())
    dataset = headers.read_dataset(source.path, source.origin)
    return _Opened(source, pixels.decode(dataset, source.origin), dataset, stated_spacing(dataset))


def _picture_source(opened: Iterable[_Opened]) -> list[Flag]:
    """Say which files are pictures or captures of a screen, whose values are not counts."""
    names = [file.source.origin.name for file in opened if not file.frames.true_counts]
    if not names:
        return []
    message = f"Values are grey levels of a picture ({', '.join(names)}), not counts"
    return [Flag("picture-source", message)]


def _view(named: NamedPicture, file: _Opened) -> View:
    source, picture = named.source, named.picture
    if picture.frame > len(file.frames.grey):
        raise BadInput(f"{source.origin}: frame {picture.frame} is missing; export it again")
    counts = np.ascontiguousarray(cut(file.frames.grey, picture), np.float32)
    if not counts.any():
        raise BadInput(
            f"{source.origin}: the {named.view} view is empty (all pixels are 0); "
            "export the study again"
        )
    height, width = file.frames.grey.shape[1:]
    return View(
        name=named.view,
        counts=counts,
        pixel_spacing_mm=file.spacing.mm,
        source=source.path,
        crop=picture.crop or Crop.whole((height, width)),
        sop_instance_uid=source.sop_instance_uid or None,
        sop_class_uid=source.sop_class_uid or None,
        frame=picture.frame,
        recognised_by=named.by,
    )


def _acquisition(named: NamedPicture, file: _Opened) -> Acquisition:
    if file.dataset is None:
        return Acquisition()
    return dicom.acquisition_of(file.dataset, named.picture.frame)
