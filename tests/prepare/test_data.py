"""The prepared data's files: what goes in comes out, and damage is said in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from bonescan.config import PaperCanvas
from bonescan.errors import BadInput
from bonescan.prepare.data import (
    CaseRecord,
    FlagRecord,
    PlacementRecord,
    PreparedData,
    arrays_digest,
    read_record,
    write_case,
    write_index,
)

SHAPE = (64, 50)


def record(study: str, digest: str) -> CaseRecord:
    place = PlacementRecord(
        view="anterior", source_shape=(64, 25), scaled_shape=(64, 25), source_top=0,
        source_left=0, rows=64, columns=25, canvas_top=0, canvas_left=0, gain=1.5,
    )  # fmt: skip
    return CaseRecord(
        study=study,
        patient=f"p-{study}",
        set="D1",
        cancer="breast",
        site="x",
        made_from="0",
        arrays_sha256=digest,
        views_sha256={"anterior": "1"},
        shape=SHAPE,
        reduce=1,
        canvas_spacing_mm=(2.4, 2.4),
        metastasis_pixels=3,
        layers=("regions",),
        placements=(place,),
        flags=(FlagRecord(code="a", message="b", severity="info"),),
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    records = []
    for study in ("a", "b"):
        grey = (rng.random(SHAPE) * 255).astype(np.float32)
        metastasis = rng.random(SHAPE) < 0.1
        layers = {"regions": rng.integers(0, 13, SHAPE).astype(np.uint8)}
        records.append(record(study, arrays_digest(grey, metastasis, layers)))
        write_case(tmp_path, records[-1], grey, metastasis, layers)
    write_index(tmp_path, PaperCanvas(), records, [])
    return tmp_path


def test_arrays_come_back_bit_for_bit(data: Path) -> None:
    loaded = PreparedData.load(data)
    assert loaded.canvas == PaperCanvas()
    assert [case.study for case in loaded.cases] == ["a", "b"]
    for case in loaded.cases:
        assert case.grey.dtype == np.float32
        assert case.metastasis.dtype == np.bool_
        assert case.grey.shape == case.metastasis.shape == SHAPE
        layers = {"regions": case.layer("regions")}
        assert arrays_digest(case.grey, case.metastasis, layers) == case.record.arrays_sha256
    one = loaded.case("b")
    assert (one.patient, one.set, one.site, one.gains) == ("p-b", "D1", "x", {"anterior": 1.5})
    assert one.canvas.placements[0].source_shape == (64, 25)
    assert one.flags[0].code == "a"
    assert read_record(one.path) == one.record


def test_digest_follows_the_arrays(data: Path) -> None:
    loaded = PreparedData.load(data)
    other = PreparedData(loaded.folder, loaded.canvas, loaded.cases[:1])
    assert loaded.digest != other.digest
    assert loaded.digest == PreparedData.load(data).digest


def test_unknown_names_are_key_errors(data: Path) -> None:
    loaded = PreparedData.load(data)
    with pytest.raises(KeyError, match="no study z"):
        loaded.case("z")
    with pytest.raises(KeyError, match="no layer benign"):
        loaded.cases[0].layer("benign")


def test_damage_is_one_line_with_a_remedy(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="bonescan prepare"):
        PreparedData.load(tmp_path / "nowhere")
    loaded = PreparedData.load(data)
    whole = loaded.cases[0].path.read_bytes()
    loaded.cases[0].path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"a\.npz: damaged"):
        _ = loaded.cases[0].grey
    assert read_record(loaded.cases[0].path) is None
    loaded.cases[1].path.unlink()
    with pytest.raises(BadInput, match=r"b\.npz: missing"):
        PreparedData.load(data)
    index = json.loads((data / "data.json").read_text())
    index["schema_version"] = 99
    (data / "data.json").write_text(json.dumps(index))
    with pytest.raises(BadInput, match="schema 99"):
        PreparedData.load(data)
    (data / "data.json").write_text("{")
    with pytest.raises(BadInput, match=r"data\.json: content is not valid"):
        PreparedData.load(data)


def test_a_failed_write_leaves_nothing_behind(data: Path) -> None:
    (data / "cases" / "c.npz").mkdir()
    grey = np.zeros(SHAPE, np.float32)
    with pytest.raises(BadInput, match=r"c\.npz: cannot be written"):
        write_case(data, record("c", ""), grey, grey > 0, {})
    assert sorted(path.name for path in (data / "cases").iterdir()) == ["a.npz", "b.npz", "c.npz"]
