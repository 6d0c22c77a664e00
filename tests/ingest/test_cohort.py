"""cohort.csv: sets, and one clear line for every slip."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bonescan.errors import BadInput
from bonescan.ingest.cohort import LabelFile, ViewPlace, read_cohort, read_cohorts

HEADER = "patient,study,cancer,metastasis,files,labels,site"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table with the given rows, and the files named here."""
    for name in ("a.dcm", "b.dcm", "c.dcm", "a_ANT.json", "a_post.json", "x.json", "#2.dcm"):
        (tmp_path / name).write_text("x")

    def _write(*rows: str, header: str = HEADER) -> Path:
        (tmp_path / "cohort.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return tmp_path

    return _write


def test_sets_follow_from_cancer_and_metastasis(write: Write) -> None:
    folder = write(
        "p1,s1,breast,yes,a.dcm,,",
        "p2,s2,Breast,NO,b.dcm,,north",
        "p3,s3,prostate,yes,c.dcm,,",
        "",
        "p4,s4,prostate,no,#2.dcm,,",
    )
    cohort = read_cohort(folder)
    assert [cohort.set_of(case) for case in cohort.cases] == ["D1", "D2", "D3", "D4"]
    assert [case.row for case in cohort.cases] == [2, 3, 4, 6]
    assert [case.study for case in cohort.in_sets(("D2", "D3"))] == ["s2", "s3"]
    assert cohort.cases[1].site == "north"
    assert read_cohort(folder / "cohort.csv") == cohort


def test_labels_know_their_view_by_prefix_or_name(write: Write) -> None:
    folder = write("p,s,breast,yes,a.dcm; b.dcm,a_ANT.json;a_post.json; posterior:x.json ;x.json,")
    (case,) = read_cohort(folder).cases
    assert case.files == (folder / "a.dcm", folder / "b.dcm")
    assert case.labels == (
        LabelFile(folder / "a_ANT.json", "anterior"),
        LabelFile(folder / "a_post.json", "posterior"),
        LabelFile(folder / "x.json", "posterior"),
        LabelFile(folder / "x.json", None),
    )


def test_views_may_be_named(write: Write) -> None:
    header = "patient,study,cancer,metastasis,files,anterior,posterior"
    folder = write(
        "p,s,breast,no,a.dcm,a.dcm#2,a.dcm#1", "p,t,breast,no,b.dcm,#2.dcm,", header=header
    )
    first, second = read_cohort(folder).cases
    assert first.views == (
        ViewPlace("anterior", folder / "a.dcm", 2),
        ViewPlace("posterior", folder / "a.dcm", 1),
    )
    assert second.views == (ViewPlace("anterior", folder / "#2.dcm"),)


def test_spreadsheet_habits_are_taken(write: Write) -> None:
    folder = write()
    (folder / "sub").mkdir()
    (folder / "sub" / "d.dcm").write_text("x")
    text = (
        "Metastasis,Cancer , study,patient,FILES,age\r\nno,Breast,s 1,p,sub\\d.dcm,60\r\n,,,,,\r\n"
    )
    (folder / "cohort.csv").write_text(text, encoding="utf-8-sig", newline="")
    (case,) = read_cohort(folder).cases
    assert (case.study, case.patient, case.files) == ("s 1", "p", (folder / "sub" / "d.dcm",))
    assert (case.labels, case.site) == ((), "")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_spreadsheets_separate_by_semicolon_or_tab(write: Write, mark: str) -> None:
    row = mark.join(["p", "s", "breast", "yes", '"a.dcm;b.dcm"', "a_ANT.json", "north"])
    (case,) = read_cohort(write(row, header=HEADER.replace(",", mark))).cases
    assert [path.name for path in case.files] == ["a.dcm", "b.dcm"]
    assert (case.labels[0].view, case.site) == ("anterior", "north")


def test_a_heading_with_a_comma_of_its_own_is_taken(write: Write) -> None:
    header = '"patient";study;cancer;metastasis;files;"age, in years"'
    (case,) = read_cohort(write("p;s;breast;no;a.dcm;60", header=header)).cases
    assert (case.patient, case.files[0].name) == ("p", "a.dcm")


def test_rows_with_missing_files_are_named_and_the_others_kept(write: Write) -> None:
    cohort = read_cohort(
        write(
            "p,s,breast,no,a.dcm,,",
            "p,t,breast,yes,b.dcm,none.json,",
            "p,u,breast,no,gone.dcm;c.dcm,,",
        )
    )
    assert [case.study for case in cohort.cases] == ["s"]
    first, second = cohort.problems
    assert first.endswith("none.json: not found; correct row 3 of cohort.csv")
    assert second.endswith("gone.dcm: not found; correct row 4 of cohort.csv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no rows"),
        (["p,s,lung,yes,a.dcm,,"], "row 2: cancer is 'lung'; write breast or prostate"),
        (["p,s,breast,maybe,a.dcm,,"], "row 2: metastasis is 'maybe'; write yes or no"),
        (["p,s,breast,,a.dcm,,"], "row 2: metastasis is empty"),
        ([",s,breast,no,a.dcm,,"], "row 2: patient is empty"),
        (["p,s,breast,no"], "row 2: files is empty"),
        (["p,s,breast,no,a.dcm,,,b.dcm"], "row 2 has more values than columns"),
        (["p,../s,breast,no,a.dcm,,"], "cannot name a file"),
        (["p,.s,breast,no,a.dcm,,"], "cannot name a file"),
        (["p,s,breast,no,a.dcm,,", "q,S,breast,no,b.dcm,,"], "rows 2 and 3: study S occurs twice"),
        (["p,s,breast,no,a.dcm,,", "q,t,breast,no,a.dcm,,"], r"rows 2 and 3 both name a\.dcm"),
        (["p,s,breast,no,a.dcm,,", "p,t,prostate,no,b.dcm,,"], "patient p has two cancers"),
    ],
)
def test_slips_in_the_table_are_one_line(write: Write, rows: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read_cohort(write(*rows))
    assert "\n" not in str(caught.value)
    assert "cohort.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("patient,study,cancer,files", "column metastasis is missing"),
        ("patient|study|cancer|metastasis|files", "column patient is missing"),
        (HEADER + ",study", "column study occurs twice"),
    ],
)
def test_missing_columns_are_one_line(write: Write, header: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_cohort(write("p,s,breast,no,a.dcm,,", header=header))


@pytest.mark.parametrize("value", ["a.dcm#0", "a.dcm#x", "a.dcm#"])
def test_frames_count_from_one(write: Write, value: str) -> None:
    header = "patient,study,cancer,metastasis,files,anterior"
    with pytest.raises(BadInput, match="frames count from 1"):
        read_cohort(write(f"p,s,breast,no,a.dcm,{value}", header=header))


def test_one_file_cannot_be_both_views(write: Write) -> None:
    header = "patient,study,cancer,metastasis,files,anterior,posterior"
    with pytest.raises(BadInput, match="add #frame to each"):
        read_cohort(write("p,s,breast,no,a.dcm,a.dcm,a.dcm", header=header))


def test_unreadable_tables_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_cohort(tmp_path)
    (tmp_path / "cohort.csv").write_bytes("patient,müller".encode("latin-1"))
    with pytest.raises(BadInput, match="is not UTF-8"):
        read_cohort(tmp_path)
    (tmp_path / "cohort.csv").write_bytes(b"")
    with pytest.raises(BadInput, match="column patient is missing"):
        read_cohort(tmp_path)


def test_tables_of_several_centres_make_one_cohort(tmp_path: Path) -> None:
    for name, patient in (("north", "n1"), ("south", "s1")):
        folder = tmp_path / name
        (folder / "truth").mkdir(parents=True)
        (folder / "a.dcm").write_bytes(b"")
        (folder / "cohort.csv").write_text(
            f"patient,study,cancer,metastasis,files,site\n{patient},{patient},breast,no,a.dcm,{name}\n"
        )
    (tmp_path / "south" / "truth" / "s1.npz").write_bytes(b"")
    joined = read_cohorts([tmp_path / "north", tmp_path / "south" / "cohort.csv"])
    assert [(case.patient, case.site) for case in joined.cases] == [
        ("n1", "north"),
        ("s1", "south"),
    ]
    assert [case.files[0].parent.name for case in joined.cases] == ["north", "south"]
    assert [case.truth for case in joined.cases] == [None, tmp_path / "south" / "truth" / "s1.npz"]


def of_two(folder: Path, first: str, second: str) -> list[Path]:
    """Write two tables of one row each."""
    for name, row in (("north", first), ("south", second)):
        (folder / name).mkdir()
        (folder / name / "a.dcm").write_bytes(b"")
        (folder / name / "cohort.csv").write_text(f"patient,study,cancer,metastasis,files\n{row}\n")
    return [folder / "north", folder / "south"]


def test_a_patient_in_two_tables_is_refused(tmp_path: Path) -> None:
    paths = of_two(tmp_path, "n1,n1,breast,no,a.dcm", "n1,other,breast,no,a.dcm")
    with pytest.raises(BadInput, match=r"row 2: patient n1 is in .*north.cohort\.csv, too; give"):
        read_cohorts(paths)


def test_studies_of_one_name_in_two_tables_are_named_apart(tmp_path: Path) -> None:
    paths = of_two(tmp_path, "n1,scan,breast,no,a.dcm", "s1,Scan,breast,no,a.dcm")
    assert [case.study for case in read_cohorts(paths).cases] == ["scan", "Scan-2"]
