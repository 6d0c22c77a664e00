"""What the report says, as plain text: the one source of report.html and report.pdf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bonescan.report import texts
from bonescan.report.display import Panel, lay_out
from bonescan.scan import VIEW_NAMES, Flag, Lesion, Reading, RegionIndex, Scan


@dataclass(frozen=True)
class Table:
    """A table of text: headings, rows of as many cells, and which columns hold numbers.

    ``totals`` rows stand under the others and are set off from them; ``marks`` tells that the
    first column names marks in the pictures.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    totals: tuple[tuple[str, ...], ...] = ()
    marks: bool = False


@dataclass(frozen=True)
class Sheet:
    """Everything that a report shows, in the order in which it is shown.

    Attributes
    ----------
    facts : tuple of (str, str)
        What is known of patient, study and acquisition.
    flags : tuple of Flag
        Grouped, the gravest first.
    summary : str
    figures : tuple of (str, str)
        The few numbers that head the page, with their units.
    panels : tuple of Panel
    picture_note : str
        How the pictures are shown and where they come from.
    lesions, index : Table or None
        None where there is no lesion, and no index.
    index_note : str
        What the index is made of, or why there is none.
    notes : tuple of str
        What the columns mean.
    model : tuple of str
        What the model is and is not.
    provenance : str
        What made the report, and when.
    """

    facts: tuple[tuple[str, str], ...]
    flags: tuple[Flag, ...]
    summary: str
    figures: tuple[tuple[str, str], ...]
    panels: tuple[Panel, ...]
    picture_note: str
    lesions: Table | None
    index: Table | None
    index_note: str
    notes: tuple[str, ...]
    model: tuple[str, ...]
    provenance: str


def compose(scan: Scan, reading: Reading, panels: tuple[Panel, ...] | None = None) -> Sheet:
    """Put together what a report shows.

    Parameters
    ----------
    scan, reading : Scan, Reading
        The study and what was read off it.
    panels : tuple of Panel, optional
        From `bonescan.report.display.lay_out`, where they are at hand already.

    Returns
    -------
    Sheet
    """
    panels = lay_out(scan, reading) if panels is None else panels
    return Sheet(
        facts=texts.facts(scan),
        flags=texts.grouped(reading.flags),
        summary=texts.summary(reading),
        figures=texts.figures(reading),
        panels=panels,
        picture_note=_picture_note(scan, panels),
        lesions=_lesions(scan, reading) if reading.lesions else None,
        index=_index(reading),
        index_note=texts.index_note(reading),
        notes=_notes(scan, reading),
        model=texts.model_is(reading.provenance),
        provenance=texts.made_by(reading.provenance),
    )


def _picture_note(scan: Scan, panels: tuple[Panel, ...]) -> str:
    windows = "; ".join(texts.window(panel.name, panel.black) for panel in panels)
    captions = " ".join(texts.view_caption(scan, name) for name in VIEW_NAMES)
    return f"{texts.picture_note(texts.unit(scan), windows)} {captions}"


def _lesions(scan: Scan, reading: Reading) -> Table:
    """Return the marks; against region and mirror where bones are named, else against the body."""
    boned = _has_bones(reading)
    columns: list[tuple[str, Callable[[Lesion], str], bool]] = [
        (texts.COLUMN_MARK, texts.mark_name, False),
        (texts.COLUMN_REGION if boned else texts.COLUMN_LEVEL, texts.level, False),
        (texts.COLUMN_SIDE, lambda lesion: texts.SIDE_LABEL.get(lesion.side, lesion.side), False),
        (texts.COLUMN_AREA, texts.area, True),
    ]
    if boned:
        columns += [
            (texts.COLUMN_SHARE, lambda lesion: texts.percent(lesion.region_share), True),
            (texts.COLUMN_REGION_RATIO, lambda lesion: texts.times(lesion.region_ratio), True),
        ]
    else:
        columns += [
            (texts.highest(scan), lambda lesion: f"{lesion.max_counts:.0f}", True),
            (texts.mean(scan), lambda lesion: f"{lesion.mean_counts:.1f}", True),
            (texts.COLUMN_BODY_RATIO, lambda lesion: texts.times(lesion.uptake_ratio), True),
        ]
    columns += [
        (texts.COLUMN_MIRROR, lambda lesion: texts.times(lesion.mirror_ratio), True),
        (texts.COLUMN_PROBABILITY, lambda lesion: texts.probability(lesion.probability), True),
        (texts.COLUMN_MATCH, texts.match_name, False),
    ]
    return Table(
        headings=tuple(heading for heading, _, _ in columns),
        rows=tuple(tuple(cell(lesion) for _, cell, _ in columns) for lesion in reading.lesions),
        numeric=tuple(numeric for _, _, numeric in columns),
        marks=True,
    )


def _has_bones(reading: Reading) -> bool:
    return any(view.regions is not None for view in reading.views) or any(
        lesion.region_ratio is not None for lesion in reading.lesions
    )


def _index(reading: Reading) -> Table | None:
    """Return the index by region, or None where there is no number to show."""
    index = reading.index
    if index is None or (index.whole is None and index.visible is None):
        return None
    weight = sum(region.weight for region in index.regions)
    whole = texts.index_value(index.whole)
    totals = [(texts.WHOLE_SKELETON, f"{weight:.1f}", "", "", whole)]
    if index.visible is not None:
        totals.append((texts.VISIBLE_SKELETON, "", "", "", texts.index_value(index.visible)))
    return Table(
        headings=texts.INDEX_COLUMNS,
        rows=tuple(_index_row(region) for region in index.regions),
        numeric=(False, True, True, True, True),
        totals=tuple(totals),
    )


def _index_row(region: RegionIndex) -> tuple[str, ...]:
    return (
        texts.region_name(region.region),
        f"{region.weight:.2f}",
        texts.percent(region.anterior),
        texts.percent(region.posterior),
        texts.index_value(region.index),
    )


def _notes(scan: Scan, reading: Reading) -> tuple[str, ...]:
    notes = []
    if any(view.pixel_spacing_mm is None for view in scan.views):
        notes.append(texts.NO_SPACING)
    if reading.lesions:
        boned = _has_bones(reading)
        notes.append(texts.REGION_NOTE if boned else texts.BODY_NOTE)
        notes.append(texts.MEASURE_NOTE)
        if not boned or any(_is_level(lesion) for lesion in reading.lesions):
            notes.append(texts.LEVEL_NOTE)
    notes.append(texts.score(reading))
    if reading.regions:
        notes.append(texts.region_areas(reading))
    return tuple(notes)


def _is_level(lesion: Lesion) -> bool:
    return "level" in lesion.region
