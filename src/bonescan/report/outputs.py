"""Write everything that one study's reading becomes, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from bonescan.errors import BonescanError
from bonescan.ingest.marks import COUNTS_KEY, counts_digest
from bonescan.report import texts
from bonescan.report.display import lay_out
from bonescan.report.figure import draw_overlay
from bonescan.report.html import render_report
from bonescan.report.objects import OBJECTS, write_objects
from bonescan.report.origin import identity_flag
from bonescan.report.pdf import render_pdf
from bonescan.report.record import result_record, stored_counts
from bonescan.report.sheet import compose
from bonescan.report.tables import lesion_table, region_table
from bonescan.scan import VIEW_NAMES, Reading, Scan

RESULT, OVERLAY, TABLE, REPORT = "result.json", "overlay.png", "lesions.csv", "report.html"
REGIONS_TABLE = "regions.csv"
PDF = "report.pdf"
#: What the name of a folder that is being written begins with; it tells nothing of the patient.
ASIDE = ".bonescan."
#: Beyond it, a picture takes twice the time for a few percent of its size.
PNG_LEVEL = 3


def write_outputs(
    scan: Scan,
    reading: Reading,
    folder: Path,
    *,
    seg_regions: bool = False,
    with_sources: bool = False,
    aside: str = ASIDE,
) -> tuple[Path, ...]:
    """Write a reading's files into a folder.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study and what was read off it.
    folder : Path
        Made if need be. Other files in it stay as they are; an earlier reading's are replaced, and
        the mask of a view that this scan does not have is removed, and so are DICOM objects that
        this reading has not.
    seg_regions : bool
        Put the skeletal regions into ``seg.dcm``, too.
    with_sources : bool
        Put the views' DICOM source files beside the objects that refer to them, under their names.
    aside : str
        What the name of the folder begins with while it is being written, for `remove_leftovers`.

    Returns
    -------
    tuple of Path
        ``result.json``, ``overlay.png``, ``lesions.csv``, ``report.html``, ``report.pdf``, a label
        mask for each view that exists, ``regions.csv`` where a skeleton was found, and the DICOM
        objects where the source has a DICOM identity.

    Raises
    ------
    BonescanError
        If the files cannot be written; the folder is then as it was, or a new one is not there.
    """
    files = _contents(scan, reading, seg_regions, with_sources)
    try:
        _write_all(files, folder, aside)
    except OSError as error:
        raise BonescanError(
            f"{folder}: the results cannot be written ({error.strerror or error}); "
            "free space or name another folder"
        ) from error
    return tuple(folder / name for name in files)


def remove_leftovers(folder: Path, aside: str) -> None:
    """Remove what processes that the system ended while they wrote have left in a folder.

    Parameters
    ----------
    folder : Path
        That holds the studies' folders.
    aside : str
        What was given to `write_outputs`; no process may still be at work with it.
    """
    for path in folder.glob(f"{aside}*"):
        shutil.rmtree(path, ignore_errors=True)


def _contents(
    scan: Scan, reading: Reading, seg_regions: bool, with_sources: bool
) -> dict[str, bytes]:
    """Return the files by name, ``result.json`` last."""
    panels = lay_out(scan, reading)
    files = {**_masks(scan, reading), **_counts(scan), **_suppressed(scan, reading)}
    files |= _probabilities(reading)
    overlay = draw_overlay(panels, scan.study)
    files[OVERLAY] = _png(overlay)
    files[TABLE] = _bytes(lesion_table(reading))
    if reading.regions:
        files[REGIONS_TABLE] = _bytes(region_table(reading))
    sheet = compose(scan, reading, panels)
    files[REPORT] = _bytes(render_report(sheet, scan, reading))
    files[PDF] = render_pdf(sheet, study=scan.study, made_at=reading.provenance.made_at)
    files |= write_objects(scan, reading, overlay, files[PDF], regions=seg_regions)
    if with_sources and identity_flag(scan) is None:
        files |= {view.source.name: view.source.read_bytes() for view in scan.views}
    record = result_record(scan, reading, panels, [*files, RESULT])
    files[RESULT] = (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()
    return files


def _bytes(text: str) -> bytes:
    """Return UTF-8; a file name that is not text shows its stray bytes as question marks."""
    return text.encode(errors="replace")


def _write_all(files: dict[str, bytes], folder: Path, prefix: str) -> None:
    """Write aside, then move: a new folder in one step, an existing one file by file."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        for name, content in files.items():
            (aside / name).write_bytes(content)
        if folder.is_dir():
            _replace(aside, folder, files)
        else:
            aside.chmod(0o777 & ~_umask())
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _replace(aside: Path, folder: Path, files: dict[str, bytes]) -> None:
    (folder / RESULT).unlink(missing_ok=True)
    names = (mask_name, counts_name, probability_name, suppressed_name)
    view_files = (name(view) for view in VIEW_NAMES for name in names)
    for name in (*view_files, REGIONS_TABLE, *OBJECTS):
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    for name in files:
        os.replace(aside / name, folder / name)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def mask_name(view: str) -> str:
    """Return the name of a view's label mask."""
    return f"{view}_lesions.png"


def _masks(scan: Scan, reading: Reading) -> dict[str, bytes]:
    """Return each view's label mask in the geometry of its source frame.

    Each names the counts that it was made on, so that it cannot be taken for another scan's.
    """
    views = {view.name: view for view in scan.views}
    return {
        mask_name(read.view): _png(
            Image.fromarray(views[read.view].crop.paste(read.mask)),
            said={COUNTS_KEY: counts_digest(views[read.view].counts)},
        )
        for read in reading.views
    }


def suppressed_name(view: str) -> str:
    """Return the name of the mask of what the model did not see of a view."""
    return f"{view}_suppressed.png"


def _suppressed(scan: Scan, reading: Reading) -> dict[str, bytes]:
    """Return the masks of what was taken out of the counts, in the source frames' geometry."""
    views = {view.name: view for view in scan.views}
    return {
        suppressed_name(read.view): _png(
            Image.fromarray(views[read.view].crop.paste(read.suppressed))
        )
        for read in reading.views
        if read.suppressed is not None
    }


def counts_name(view: str) -> str:
    """Return the name of the picture that keeps a view's counts."""
    return f"{view}_counts.png"


def _counts(scan: Scan) -> dict[str, bytes]:
    """Return each view's counts, 16-bit, in the geometry of the view."""
    return {
        counts_name(view.name): _png(Image.fromarray(stored_counts(view.counts)))
        for view in scan.views
    }


def probability_name(view: str) -> str:
    """Return the name of the picture of a view's probabilities."""
    return f"{view}_probability.png"


def _probabilities(reading: Reading) -> dict[str, bytes]:
    """Return the model's probability of each pixel, 8-bit, in the geometry of the view."""
    return {
        probability_name(read.view): _png(
            Image.fromarray(np.rint(255 * read.probability).astype(np.uint8))
        )
        for read in reading.views
    }


def _png(picture: Image.Image, said: dict[str, str] | None = None) -> bytes:
    notes = PngImagePlugin.PngInfo()
    for name, text in {"Comment": texts.RESEARCH_USE, **(said or {})}.items():
        notes.add_text(name, text)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=PNG_LEVEL, pnginfo=notes)
    return buffer.getvalue()
