"""A site's own scans with their annotations, as listed in ``cohort.csv``.

One row a study. Columns: ``patient``, ``study``, ``cancer`` (breast or prostate), ``metastasis``
(yes or no), ``files``, ``labels`` and ``site`` (both optional), and, where the views of a file are
not told by the file, ``anterior`` and ``posterior`` (optional; a file, or ``file#frame``). Paths
are relative to the table; ``files`` and ``labels`` are separated by semicolons. Other columns are
left alone. A file ``truth/<study>.npz`` beside the table, as simulated cohorts have it, belongs to
its study.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bonescan.errors import BadInput
from bonescan.ingest.views import view_in
from bonescan.scan import VIEW_NAMES, ViewName

SetName = Literal["D1", "D2", "D3", "D4"]
Cancer = Literal["breast", "prostate"]

REQUIRED = ("patient", "study", "cancer", "metastasis", "files")
#: The paper's sets (section 3.1): cancer and metastasis.
SETS: dict[tuple[str, bool], SetName] = {
    ("breast", True): "D1",
    ("breast", False): "D2",
    ("prostate", True): "D3",
    ("prostate", False): "D4",
}
_FILE_NAME = re.compile(r"[\w][\w.+ -]*")


@dataclass(frozen=True)
class LabelFile:
    """A Labelme file; ``view`` is None where neither a prefix nor its name tells it."""

    path: Path
    view: ViewName | None


@dataclass(frozen=True)
class ViewPlace:
    """Where a view lies, as the table tells: a file and, if it has several, the frame from 1."""

    view: ViewName
    path: Path
    frame: int | None = None


@dataclass(frozen=True)
class Case:
    """One row: a study of a patient with its files and labels.

    ``row`` is its line in the table, ``truth`` the file of a simulated case that tells everything.
    """

    patient: str
    study: str
    cancer: Cancer
    metastasis: bool
    files: tuple[Path, ...]
    labels: tuple[LabelFile, ...] = ()
    site: str = ""
    views: tuple[ViewPlace, ...] = ()
    row: int = 0
    truth: Path | None = None

    @property
    def set(self) -> SetName:
        """D1 breast with metastasis, D2 breast without, D3 prostate with, D4 prostate without."""
        return SETS[self.cancer, self.metastasis]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that the row names."""
        places = tuple(place.path for place in self.views)
        return tuple(dict.fromkeys((*self.files, *(label.path for label in self.labels), *places)))


@dataclass(frozen=True)
class Cohort:
    """The rows of a table that can be used, and one line for each that cannot."""

    path: Path
    cases: tuple[Case, ...]
    problems: tuple[str, ...] = ()

    def set_of(self, case: Case) -> SetName:
        """Return the case's set, D1 to D4."""
        return case.set

    def in_sets(self, names: Iterable[str]) -> tuple[Case, ...]:
        """Return the cases of the named sets, in the table's order."""
        wanted = set(names)
        return tuple(case for case in self.cases if case.set in wanted)


def read_cohort(path: Path) -> Cohort:
    """Read a cohort's table.

    Parameters
    ----------
    path : Path
        ``cohort.csv``, or the folder that holds it.

    Returns
    -------
    Cohort
        Rows that name a missing file stand under ``problems``; the others are usable.

    Raises
    ------
    BadInput
        If the table itself cannot be trusted: a column is missing, a value is not one of its
        choices, a study or file occurs twice, or a patient has two cancers.
    """
    path = path / "cohort.csv" if path.is_dir() else path
    cases = [_case(path, line, row) for line, row in _rows(path)]
    if not cases:
        raise BadInput(f"{path}: has no rows; list one study a row")
    _check_studies(path, cases)
    _check_cancers(path, cases)
    _check_files(path, cases)
    usable, problems = [], []
    for case in cases:
        missing = [file for file in case.paths if not file.exists()]
        if missing:
            problems.append(f"{missing[0]}: not found; correct row {case.row} of {path.name}")
        else:
            usable.append(case)
    return Cohort(path, tuple(usable), tuple(problems))


def read_cohorts(paths: Sequence[Path]) -> Cohort:
    """Read the tables of several centres as one cohort.

    Studies are named apart: where a name occurs again, ``-2``, ``-3`` and so on is added.

    Parameters
    ----------
    paths : sequence of Path
        Each a ``cohort.csv``, or the folder that holds it; one at least.

    Raises
    ------
    BadInput
        As `read_cohort`, or if two tables name the same patient.
    """
    tables = [read_cohort(path) for path in paths]
    for number, table in enumerate(tables):
        for other in tables[:number]:
            _check_patients(other, table)
    taken: set[str] = set()
    return Cohort(
        tables[0].path,
        tuple(_renamed(case, taken) for table in tables for case in table.cases),
        tuple(problem for table in tables for problem in table.problems),
    )


# --- rows ---------------------------------------------------------------------------------------


def _rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """Return (line, columns by name) of each row that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 text; save it as CSV UTF-8") from error
    reader = csv.DictReader(
        io.StringIO(text, newline=""), restkey="", restval="", delimiter=_delimiter(text)
    )
    try:
        columns = [(name or "").strip().casefold() for name in reader.fieldnames or ()]
        missing = [name for name in REQUIRED if name not in columns]
        if missing:
            raise BadInput(
                f"{path}: column {missing[0]} is missing; the first line must name "
                f"the columns {', '.join(REQUIRED)}"
            )
        doubled = [name for name in columns if name and columns.count(name) > 1]
        if doubled:
            raise BadInput(f"{path}: column {doubled[0]} occurs twice; remove one")
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise BadInput(f"{path}: is no CSV table ({error}); save it as CSV UTF-8") from error
    for line, row in rows:
        if row.get(""):
            raise BadInput(
                f"{path}: row {line} has more values than columns; put values with commas in quotes"
            )
    plain = [(line, {name: (row[name] or "").strip() for name in columns}) for line, row in rows]
    return [(line, row) for line, row in plain if any(row.values())]


def _delimiter(text: str) -> str:
    """Return what separates the columns; spreadsheets of some countries write semicolons.

    The heading's names tell, not its first mark: one of them may hold a comma itself.
    """
    lines = text.splitlines()
    heading = lines[0] if lines else ""

    def found(mark: str) -> int:
        names = [name.strip(' "').casefold() for name in heading.split(mark)]
        return sum(name in names for name in REQUIRED)

    return max(",;\t", key=found)


def _case(path: Path, line: int, row: Mapping[str, str]) -> Case:
    where = f"{path}: row {line}"
    for name in REQUIRED:
        if not row[name]:
            raise BadInput(f"{where}: {name} is empty; fill it in")
    study = row["study"]
    if not _FILE_NAME.fullmatch(study) or study.endswith((".", " ")):
        raise BadInput(f"{where}: study {study!r} cannot name a file; use letters, digits, - and _")
    cancer = _choice(where, "cancer", row["cancer"], {"breast": "breast", "prostate": "prostate"})
    metastasis = _choice(where, "metastasis", row["metastasis"], {"yes": "yes", "no": "no"})
    folder = path.parent
    if row.get("anterior") and row.get("anterior") == row.get("posterior"):
        raise BadInput(f"{where}: anterior and posterior are the same; add #frame to each")
    return Case(
        patient=row["patient"],
        study=study,
        cancer="breast" if cancer == "breast" else "prostate",
        metastasis=metastasis == "yes",
        files=tuple(_path(folder, name) for name in _split(row["files"])),
        labels=tuple(_label(folder, name) for name in _split(row.get("labels", ""))),
        site=row.get("site", ""),
        views=tuple(_place(where, folder, view, row[view]) for view in VIEW_NAMES if row.get(view)),
        row=line,
        truth=_truth(folder / "truth" / f"{row['study']}.npz"),
    )


def _truth(path: Path) -> Path | None:
    return path if path.is_file() else None


def _choice(where: str, column: str, value: str, choices: Mapping[str, str]) -> str:
    chosen = choices.get(value.casefold())
    if chosen is None:
        raise BadInput(f"{where}: {column} is {value!r}; write {' or '.join(choices)}")
    return chosen


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(";") if part.strip()]


def _path(folder: Path, name: str) -> Path:
    """Return a path of the table; backslashes, as Windows writes them, count as slashes."""
    plain = folder / name
    return plain if plain.exists() else folder / name.replace("\\", "/")


def _label(folder: Path, name: str) -> LabelFile:
    prefix, colon, rest = name.partition(":")
    for view in VIEW_NAMES:
        if colon and prefix.strip().casefold() == view:
            return LabelFile(_path(folder, rest.strip()), view)
    path = _path(folder, name)
    return LabelFile(path, view_in(path.stem))


def _place(where: str, folder: Path, view: ViewName, value: str) -> ViewPlace:
    name, mark, frame = value.rpartition("#")
    if not mark or _path(folder, value).exists():
        return ViewPlace(view, _path(folder, value))
    if not frame.isdecimal() or int(frame) < 1:
        raise BadInput(f"{where}: {view} is {value!r}; write file#frame, frames count from 1")
    return ViewPlace(view, _path(folder, name), int(frame))


# --- the table as a whole -----------------------------------------------------------------------


def _check_patients(one: Cohort, two: Cohort) -> None:
    """Refuse a patient that two tables name: nobody can tell whether it is the same person."""
    known = {case.patient for case in one.cases}
    for case in two.cases:
        if case.patient in known:
            raise BadInput(
                f"{two.path}: row {case.row}: patient {case.patient} is in {one.path}, too; give "
                "each patient a name of their own, for instance with the site before it"
            )


def _renamed(case: Case, taken: set[str]) -> Case:
    """Give a study whose name an earlier table has another one: ``-2``, ``-3`` and so on."""
    name, number = case.study, 1
    while name.casefold() in taken:
        number += 1
        name = f"{case.study}-{number}"
    taken.add(name.casefold())
    return replace(case, study=name)


def _check_studies(path: Path, cases: list[Case]) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.study.casefold(), case)
        if other is not case:
            raise BadInput(
                f"{path}: rows {other.row} and {case.row}: study {case.study} occurs twice; "
                "give each study a name of its own"
            )


def _check_cancers(path: Path, cases: list[Case]) -> None:
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.patient, case)
        if other.cancer != case.cancer:
            raise BadInput(
                f"{path}: rows {other.row} and {case.row}: patient {case.patient} has two cancers; "
                "correct one"
            )


def _check_files(path: Path, cases: list[Case]) -> None:
    """Refuse a file that two rows use; frames of one file belong to one study."""
    first: dict[Path, Case] = {}
    for case in cases:
        for file in {*case.files, *(label.path for label in case.labels)}:
            other = first.setdefault(file.resolve(), case)
            if other is not case:
                raise BadInput(
                    f"{path}: rows {other.row} and {case.row} both name {file.name}; "
                    "a file belongs to one study"
                )
