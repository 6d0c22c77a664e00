"""A cohort of pictures built in code, prepared whole: restart, failures, duplicates, layers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bonescan.config import (
    Denoise,
    LabelNames,
    PaperCanvas,
    ResampledCanvas,
    Settings,
    Suppress,
)
from bonescan.errors import BadInput
from bonescan.ingest.labelme import write_labelme
from bonescan.prepare import PreparedData, folders_of, prepare_cohort
from bonescan.preprocess import kept, restore
from bonescan.scan import Scan

HEADER = "patient,study,cancer,metastasis,files,labels,site"
Grey = NDArray[np.uint8]
MakeCohort = Callable[..., Path]
HOT = {"anterior": np.s_[300:307, 150:157], "posterior": np.s_[300:307, 99:106]}


def view_grey(scan: Scan, seed: int) -> dict[str, Grey]:
    """Noisy 8-bit pictures of both views, arms added, different for each seed."""
    rng = np.random.default_rng(seed)
    arms = np.zeros((1024, 256))
    arms[180:560, 45:65] = arms[180:560, 190:210] = 3
    return {
        view.name: rng.poisson(view.counts + arms).clip(0, 255).astype(np.uint8)
        for view in scan.views
    }


@pytest.fixture
def make_cohort(tmp_path: Path, plain_scan: Scan) -> MakeCohort:
    """Write studies a, b, ... (PNG pairs); every other one has its hot spot labelled."""

    def _make(number: int = 2, *, label: str = "metastasis") -> Path:
        folder = tmp_path / "cohort"
        folder.mkdir()
        rows = []
        for seed, study in enumerate("abcdefgh"[:number]):
            positive = seed % 2 == 0
            labels = []
            for name, grey in view_grey(plain_scan, seed).items():
                Image.fromarray(grey).save(folder / f"{study}_{name}.png")
                if positive:
                    mask = np.zeros(grey.shape, bool)
                    mask[HOT[name]] = True
                    path = folder / f"{study}_{name}.json"
                    write_labelme(path, mask, f"{study}_{name}.png", label=label)
                    labels.append(path.name)
            files = f"{study}_anterior.png;{study}_posterior.png"
            met = "yes" if positive else "no"
            rows.append(f"p{study},{study},breast,{met},{files},{';'.join(labels)},north")
        (folder / "cohort.csv").write_text("\n".join([HEADER, *rows]) + "\n")
        return folder

    return _make


def files_of(folder: Path) -> dict[str, int]:
    """Names and modification times of all files below a folder."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_cohort_becomes_canvases_marks_and_sheets(
    make_cohort: MakeCohort, tmp_path: Path, plain_scan: Scan
) -> None:
    cohort, out = make_cohort(2), tmp_path / "data"
    seen: list[tuple[int, int]] = []
    failures = prepare_cohort(cohort, out, PaperCanvas(), progress=lambda *step: seen.append(step))
    assert failures == []
    assert seen == [(0, 2), (1, 2), (2, 2)]
    data = PreparedData.load(out)
    assert [(case.study, case.patient, case.set, case.site) for case in data.cases] == [
        ("a", "pa", "D1", "north"),
        ("b", "pb", "D2", "north"),
    ]
    positive, negative = data.cases
    assert positive.grey.shape == positive.metastasis.shape == (640, 512)
    assert not negative.metastasis.any()
    canvas = positive.canvas
    for name, grey in view_grey(plain_scan, 0).items():
        assert name in ("anterior", "posterior")
        mask = np.zeros(grey.shape, bool)
        mask[HOT[name]] = True
        np.testing.assert_array_equal(restore(canvas, positive.metastasis, name), mask)
        on_canvas = kept(canvas, name)
        counts = restore(canvas, canvas.grey, name, order=0) / positive.gains[name]
        unclipped = on_canvas & (grey * positive.gains[name] < 255)
        np.testing.assert_allclose(counts[unclipped], grey[unclipped], rtol=1e-5)
    sheet = np.asarray(Image.open(out / "sheets" / "sheet-001.png"))
    red = (sheet == (230, 0, 0)).all(axis=2)
    # The outline of a 7 x 7 mark is a ring of 4 x 7 pixels, in each view.
    assert red.sum() == 2 * 28
    assert sorted(path.name for path in out.iterdir()) == ["cases", "data.json", "sheets"]


def test_second_start_keeps_what_is_done_and_redoes_what_changed(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    cohort, out = make_cohort(2), tmp_path / "data"
    prepare_cohort(cohort, out, PaperCanvas())
    before = files_of(out / "cases")
    digest = PreparedData.load(out).digest
    prepare_cohort(cohort, out, PaperCanvas())
    assert files_of(out / "cases") == before
    assert PreparedData.load(out).digest == digest
    label = cohort / "a_anterior.json"
    label.write_text(label.read_text().replace("150.", "149."))
    prepare_cohort(cohort, out, PaperCanvas())
    after = files_of(out / "cases")
    assert after["b.npz"] == before["b.npz"]
    assert after["a.npz"] != before["a.npz"]
    assert PreparedData.load(out).digest != digest
    prepare_cohort(cohort, out, PaperCanvas(reduce=2))
    data = PreparedData.load(out)
    assert data.cases[0].grey.shape == (320, 256)
    assert data.canvas == PaperCanvas(reduce=2)
    # A case file cut off by a crash is made again.
    path = data.cases[1].path
    path.write_bytes(path.read_bytes()[:1000])
    prepare_cohort(cohort, out, PaperCanvas(reduce=2))
    assert data.cases[1].grey.shape == (320, 256)


def test_workers_change_nothing(make_cohort: MakeCohort, tmp_path: Path) -> None:
    cohort = make_cohort(3)
    prepare_cohort(cohort, tmp_path / "one", PaperCanvas(reduce=4))
    prepare_cohort(cohort, tmp_path / "two", PaperCanvas(reduce=4), workers=2)
    for name in files_of(tmp_path / "one"):
        if not name.startswith("sheets"):  # its foot names the folder
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_failing_cases_are_named_and_the_others_done(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    cohort, out = make_cohort(6), tmp_path / "data"
    (cohort / "b_anterior.png").write_bytes(b"no picture")
    (cohort / "c_anterior.json").write_text("{")
    (cohort / "d_posterior.png").unlink()
    table = (cohort / "cohort.csv").read_text()
    (cohort / "cohort.csv").write_text(
        table.replace("pe,e,breast,yes", "pe,e,breast,no").replace(
            "pf,f,breast,no", "pf,f,breast,yes"
        )
    )
    failures = prepare_cohort(cohort, out, PaperCanvas(reduce=4))
    assert [case.study for case in PreparedData.load(out).cases] == ["a"]
    assert len(failures) == 5
    text = "\n".join(failures)
    for part in (
        "b_anterior.png: ",
        "c_anterior.json: not valid JSON",
        "d_posterior.png: not found",
        "e: metastasis is no in row 6 of cohort.csv, but its labels mark some",
        "f: metastasis is yes in row 7 of cohort.csv, but no label file is named",
    ):
        assert part in text
    assert json.loads((out / "data.json").read_text())["failures"] == failures
    assert [path.name for path in (out / "cases").iterdir()] == ["a.npz"]


def test_same_picture_under_two_patients_is_refused_however_it_is_stored(
    make_cohort: MakeCohort, tmp_path: Path, plain_scan: Scan
) -> None:
    cohort, out = make_cohort(4), tmp_path / "data"
    # Patient pc's anterior view is that of patient pb, as TIFF of 16 bits; of pd another file.
    copy = view_grey(plain_scan, 1)["anterior"].astype(np.uint16)
    Image.fromarray(copy).save(cohort / "c_anterior.tif")
    table = (cohort / "cohort.csv").read_text().replace("c_anterior.png", "c_anterior.tif")
    (cohort / "cohort.csv").write_text(table)
    failures = prepare_cohort(cohort, out, PaperCanvas(reduce=4))
    assert len(failures) == 2
    assert failures[0].startswith("b: patient pb has the same picture as patient pc in c;")
    assert failures[1].startswith("c: patient pc has the same picture as patient pb in b;")
    assert [case.study for case in PreparedData.load(out).cases] == ["a", "d"]
    assert sorted(path.name for path in (out / "cases").iterdir()) == ["a.npz", "d.npz"]


def test_same_picture_twice_in_one_patient_counts_once(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    cohort, out = make_cohort(4), tmp_path / "data"
    for name in ("anterior", "posterior"):
        (cohort / f"d_{name}.png").write_bytes((cohort / f"b_{name}.png").read_bytes())
    table = (cohort / "cohort.csv").read_text().replace("pd,", "pb,")
    (cohort / "cohort.csv").write_text(table)
    failures = prepare_cohort(cohort, out, PaperCanvas(reduce=4))
    assert failures == [
        "d: has the same picture as b of the same patient; remove one of them",
    ]
    assert [case.study for case in PreparedData.load(out).cases] == ["a", "b", "c"]


def test_truth_and_benign_marks_come_as_layers(
    make_cohort: MakeCohort, tmp_path: Path, plain_scan: Scan
) -> None:
    cohort, out = make_cohort(1, label="benign"), tmp_path / "data"
    table = (cohort / "cohort.csv").read_text().replace("breast,yes", "breast,no")
    (cohort / "cohort.csv").write_text(table)
    rng = np.random.default_rng(5)
    regions = rng.integers(0, 14, (2, 1024, 256)).astype(np.uint8)
    (cohort / "truth").mkdir()
    np.savez(cohort / "truth" / "a.npz", regions=regions, expected=regions.astype(np.float16))
    focus = {"number": 1, "category": "paget", "region": "pelvis", "contrast": 2.0, "snr": [9, 9]}
    focus |= {"visible": [True, False], "pixel": [[3.0, 4.0], [3.0, 5.0]]}
    (cohort / "truth" / "a.json").write_text(json.dumps({"lesions": [], "findings": [focus]}))
    assert prepare_cohort(cohort, out, PaperCanvas()) == []
    (case,) = PreparedData.load(out).cases
    assert case.record.layers == ("benign", "truth_regions")
    assert case.record.foci is not None
    assert [one.category for one in case.record.foci.findings] == ["paget"]
    assert not case.metastasis.any()
    assert case.layer("benign").sum() == 2 * 49
    canvas = case.canvas
    back = restore(canvas, case.layer("truth_regions"), "posterior")
    np.testing.assert_array_equal(back, regions[1] * kept(canvas, "posterior"))
    np.savez(cohort / "truth" / "a.npz", regions=regions[:, :10])
    (line,) = prepare_cohort(cohort, out, PaperCanvas())
    assert "regions is not of the size of the views" in line


def test_label_names_follow_the_setting(make_cohort: MakeCohort, tmp_path: Path) -> None:
    cohort = make_cohort(1, label="Met")
    (line,) = prepare_cohort(cohort, tmp_path / "data", PaperCanvas())
    assert "label 'Met' is not known" in line
    names = LabelNames(metastasis=("met",))
    assert prepare_cohort(cohort, tmp_path / "data", PaperCanvas(), labels=names) == []
    assert PreparedData.load(tmp_path / "data").cases[0].record.metastasis_pixels == 98


def test_marks_that_the_canvas_cannot_show_are_said(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    cohort, out = make_cohort(1), tmp_path / "data"
    mask = np.zeros((1024, 256), bool)
    mask[300:307, 150:157] = True
    mask[900:905, 100:105] = True
    mask[500, 100] = True
    write_labelme(cohort / "a_anterior.json", mask, "a_anterior.png", tolerance=0)
    assert prepare_cohort(cohort, out, PaperCanvas(reduce=4)) == []
    (case,) = PreparedData.load(out).cases
    lost = [flag.message for flag in case.flags if flag.code == "label-lost"]
    assert lost == [
        "1 of 3 marks in the anterior view lie outside the canvas and are lost",
        "1 of 3 marks in the anterior view are too small and are lost",
    ]


def test_spacing_of_the_canvas_is_known_where_the_views_tell_it(plain_scan: Scan) -> None:
    from bonescan.prepare.build import _spacing
    from bonescan.preprocess import prepare_canvas

    assert _spacing(plain_scan, prepare_canvas(plain_scan, PaperCanvas(reduce=2))) == (4.8, 4.8)
    assert _spacing(plain_scan, prepare_canvas(plain_scan, ResampledCanvas(spacing_mm=3.6))) == (
        pytest.approx((3.6, 3.6), rel=0.01)
    )
    assert plain_scan.posterior is not None
    other = replace(
        plain_scan, posterior=replace(plain_scan.posterior, pixel_spacing_mm=(2.0, 2.0))
    )
    assert _spacing(other, prepare_canvas(other, PaperCanvas())) is None


def test_cohort_without_a_usable_case_gives_empty_data(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    cohort, out = make_cohort(1), tmp_path / "data"
    (cohort / "a_anterior.png").unlink()
    (line,) = prepare_cohort(cohort, out, PaperCanvas())
    assert "a_anterior.png: not found" in line
    assert PreparedData.load(out).cases == ()


def test_wrong_table_stops_before_anything_is_written(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    cohort, out = make_cohort(1), tmp_path / "data"
    (cohort / "cohort.csv").write_text("patient,study\n")
    with pytest.raises(BadInput, match="column cancer is missing"):
        prepare_cohort(cohort, out, PaperCanvas())
    assert not out.exists()


def test_each_canvas_of_an_experiment_has_a_folder(make_cohort: MakeCohort, tmp_path: Path) -> None:
    plain, smooth = PaperCanvas(reduce=4), PaperCanvas(reduce=4, denoise=Denoise())
    runs = {"a": plain, "b": smooth, "c": plain}
    out = tmp_path / "data"
    folders = folders_of(out, {name: Settings(canvas=canvas) for name, canvas in runs.items()})
    assert list(folders) == [out / "a", out / "b"]
    assert folders_of(out, {"a": Settings()}) == {out: Settings()}
    cohort = make_cohort(1)
    for folder, settings in folders.items():
        assert prepare_cohort(cohort, folder, settings.canvas) == []
    for canvas in (plain, smooth):
        assert PreparedData.on(out, canvas).canvas == canvas
    with pytest.raises(BadInput, match="holds no data on the canvas"):
        PreparedData.on(out, PaperCanvas())
    with pytest.raises(BadInput, match=r"data\.json: not found"):
        PreparedData.on(tmp_path / "nothing", plain)
    # A cohort on one canvas is opened whatever it is; what trains on it checks it.
    assert PreparedData.on(out / "a", smooth).canvas == plain


def test_marks_on_what_was_taken_out_are_said_and_stay(
    make_cohort: MakeCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = {"anterior": np.zeros((1024, 256), np.uint8)}
    hidden["anterior"][296:304, 140:170] = 1
    monkeypatch.setattr(
        "bonescan.preprocess.filters.suppressed", lambda scan, _: (scan, hidden, ())
    )
    out = tmp_path / "data"
    assert prepare_cohort(make_cohort(2), out, PaperCanvas(suppress=Suppress())) == []
    marked, healthy = PreparedData.load(out).cases
    assert [f.message for f in marked.flags if f.code == "label-suppressed"] == [
        "1 of 1 marks in the anterior view lie, at least in part, where the counts were replaced; "
        "the marks stay"
    ]
    assert not [f for f in healthy.flags if f.code == "label-suppressed"]
    assert marked.metastasis.sum() == 2 * 49
    assert (marked.layer("suppressed") == 1).sum() == 240
