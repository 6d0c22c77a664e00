"""What networks cost and what they are worth, as one table and one plot."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "networks.py"
EXPERIMENT = """
title = "Two networks"
floor = "hot_spots"
[base]
canvas = { kind = "paper", reduce = 8 }
mask = { kind = "none" }
[run.small]
model = { kind = "unet", channels = [4, 6] }
[run.large]
model = { kind = "unet", channels = [4, 8, 12] }
"""


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("networks", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "networks", module)
    spec.loader.exec_module(module)
    (tmp_path / "two.toml").write_text(EXPERIMENT)
    call = [str(PATH), str(tmp_path / "two.toml"), "--out", str(tmp_path / "out"), "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", call)
    return module


def write(path: Path, *rows: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def read(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def test_costs_stand_alone(networks: ModuleType, tmp_path: Path) -> None:
    networks.main()
    found = read(tmp_path / "out" / "networks.csv")
    assert list(found) == ["small", "large"]
    assert int(found["small"]["parameters"]) < int(found["large"]["parameters"])
    assert 0 < float(found["small"]["GFLOP"]) < float(found["large"]["GFLOP"])
    assert {row["F1 %"] for row in found.values()} == {""}
    with Image.open(tmp_path / "out" / "networks.png") as picture:
        one_panel = picture.size
    assert one_panel[0] < 1.5 * one_panel[1]


def test_quality_stands_beside_cost(networks: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    head = "run,average,folds,precision,sensitivity,F1,IoU"
    write(
        out / "two_summary.csv",
        head,
        "small,F1 of the means,3,60.0,40.0,48.0,",
        "small,pooled over patients,3,61.0,41.0,49.0,32.0",
        "large,F1 of the means,3,,0.0,0.0,",  # marks nothing
        "hot_spots,F1 of the means,3,20.0,20.0,20.0,",
    )
    write(
        out / "two_lesions.csv",
        "run,area,patients,number,lesions,lesion sensitivity %,false marks a patient,with %",
        "small,whole canvas,test,9,20,55.0,1.5,100.0",
        "small,thorax,test,9,10,50.0,0.5,100.0",
        'small,whole canvas,"D4, not trained on",3,0,,0.3,33.0',
        "large,whole canvas,test,9,20,0.0,0.0,0.0",
        "hot_spots,whole canvas,test,9,20,30.0,7.0,100.0",
    )
    write(
        out / "two_froc.csv",
        "run,studies,lesions,at 1,mean",
        "small,9,20,50.0,41.0",
        "large,9,20,0.0,0.0",
        "hot_spots,9,20,10.0,8.0",
    )
    sys.argv += ["--evaluation", str(out)]
    networks.main()
    found = read(tmp_path / "out" / "networks.csv")
    columns = ("F1 %", "lesions found %", "false marks a patient", "FROC mean %")
    assert [found["small"][name] for name in columns] == ["48.0", "55.0", "1.5", "41.0"]
    assert [found["large"][name] for name in columns] == ["0.0", "0.0", "0.0", "0.0"]
    assert [found["hot_spots"][name] for name in columns] == ["20.0", "30.0", "7.0", "8.0"]
    assert found["hot_spots"]["times small U-Net"] == ""
    with Image.open(tmp_path / "out" / "networks.png") as picture:
        assert picture.width > 2 * picture.height
