"""The simulated body: where its bones lie, how it moves, and what must always hold."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from bonescan.errors import BadInput
from bonescan.simulate import simulate_patient
from bonescan.simulate.anatomy import ORGANS, Anatomy, BodyParameters, build_anatomy
from bonescan.simulate.measure import GroupMeasure, measure_groups
from bonescan.simulate.voxels import from_voxels

Triple = NDArray[np.float64]

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "anatomy" / "bone_groups.csv"

TWELVE = {
    "skull", "cervical", "thoracic", "lumbar", "sacrum", "ribs", "sternum", "clavicles",
    "scapulae", "humeri", "pelvis", "femora",
}  # fmt: skip


@pytest.fixture(scope="module")
def reference() -> Anatomy:
    return build_anatomy(BodyParameters())


def extent_of(anatomy: Anatomy, axis: int) -> float:
    where = np.nonzero(anatomy.body)[axis]
    return float(where.max() - where.min() + 1) * anatomy.voxel_mm


def test_measured_bones_match_the_reference_man(reference: Anatomy) -> None:
    """Extents within 10 mm or 5 %, centroids within 15 mm, volumes within 15 %."""
    if not REFERENCE.exists():
        pytest.skip("no ../shared/anatomy/bone_groups.csv beside the repository")
    mine = {(m.group, m.side): m for m in measure_groups(reference)}
    bad = []
    for name, truth in paired_reference().items():
        if name[0] == "liver":
            continue
        found = mine[name]
        if abs(found.volume_cm3 / truth.volume_cm3 - 1) > 0.15:
            bad.append(f"{name} volume {found.volume_cm3:.0f} not {truth.volume_cm3:.0f} cm3")
        for axis, a, b, c, d in zip(
            "xyh", found.extent, truth.extent, found.centroid, truth.centroid, strict=True
        ):
            if abs(a - b) > max(10.0, 0.05 * b):
                bad.append(f"{name} extent along {axis} {a:.0f} not {b:.0f} mm")
            if abs(c - d) > 15.0:
                bad.append(f"{name} centroid {axis} {c:.0f} not {d:.0f} mm")
    assert bad == []


def paired_reference() -> dict[tuple[str, str], GroupMeasure]:
    """Read the reference; right and left are averaged, for the simulated body is symmetric."""
    rows: dict[tuple[str, str], GroupMeasure] = {}
    voxel = np.array([2.137, 2.137, 8.0])
    with REFERENCE.open() as file:
        for row in csv.DictReader(file):
            side = {"both": "M", "x<mid": "R", "x>=mid": "L"}[row["side"]]
            low, high, centre = (
                np.array([float(row[pattern.format(axis)]) for axis in "xyz"])
                for pattern in ("{}_min_mm", "{}_max_mm", "centroid_{}_mm")
            )
            rows[row["group"], side] = measure(row, side, low, high + voxel, centre)
    flip = np.array([-1, 1, 1])
    for group in {group for group, side in rows if side == "R"}:
        right, left = rows[group, "R"], rows[group, "L"]
        volume = (right.volume_cm3 + left.volume_cm3) / 2
        size = (np.array(right.extent) + np.array(left.extent)) / 2
        centre = (np.array(right.centroid) + flip * np.array(left.centroid)) / 2
        for side, mirror in (("R", 1), ("L", flip)):
            row = {"group": group, "volume_cm3": volume}
            rows[group, side] = measure(row, side, 0 * size, size, centre * mirror)
    return rows


def measure(
    row: dict[str, Any], side: str, low: Triple, high: Triple, centre: Triple
) -> GroupMeasure:
    return GroupMeasure(
        row["group"],
        side,
        float(row["volume_cm3"]),
        *((float(p[0]), float(p[1]), float(p[2])) for p in (low, high, centre)),
    )


def test_every_part_is_there_on_both_sides(reference: Anatomy) -> None:
    assert set(np.unique(reference.part)) == set(range(len(reference.parts)))
    names = {(p.name, p.side) for p in reference.parts[1:]}
    assert len(names) == len(reference.parts) - 1
    assert {p.region for p in reference.parts} > TWELVE
    for name, side in names:
        if side == "R":
            assert (name, "L") in names
    ribs = [p for p in reference.parts if p.region == "ribs"]
    assert len(ribs) == 24
    for region, count in (("cervical", 7), ("thoracic", 12), ("lumbar", 5)):
        assert sum(p.region == region for p in reference.parts) == count


def test_neutral_posture_is_its_own_mirror_image(reference: Anatomy) -> None:
    assert np.abs(reference.bone - reference.bone[:, :, ::-1]).max() < 1e-3
    assert (reference.body != reference.body[:, :, ::-1]).mean() < 1e-4
    swap = np.arange(len(reference.parts))
    for index, part in enumerate(reference.parts):
        if part.side in "RL" and index:
            swap[index] = reference.index_of(part.name, "L" if part.side == "R" else "R")
    both = (reference.part > 0) & (reference.part[:, :, ::-1] > 0)
    assert (swap[reference.part] != reference.part[:, :, ::-1])[both].mean() < 0.02


def test_right_is_where_x_is_small_and_front_where_y_is_small(reference: Anatomy) -> None:
    marks = reference.landmarks
    assert marks["hip R"][2] < marks["hip L"][2]
    assert marks["liver"][2] < marks["spleen"][2]
    assert marks["patella L"][1] < marks["knee L"][1]
    assert marks["xiphisternal joint"][1] < marks["T9"][1]
    assert marks["vertex"][0] < marks["C1"][0] < marks["L5"][0] < marks["ankle R"][0]


def test_bone_lies_inside_the_skin_and_the_body_inside_the_grid(reference: Anatomy) -> None:
    for anatomy in (reference, build_anatomy(BodyParameters(sex="F", bmi=17.5, height_mm=1500))):
        assert anatomy.body[anatomy.bone > 0].all()
        skin = ndimage.binary_erosion(anatomy.body)
        assert (anatomy.bone[skin].sum()) > 0.985 * anatomy.bone.sum()
        for axis in range(3):
            used = np.nonzero(anatomy.body.any(axis=tuple({0, 1, 2} - {axis})))[0]
            assert used[0] >= 3
            assert used[-1] <= anatomy.body.shape[axis] - 4


def test_each_bone_is_in_one_piece(reference: Anatomy) -> None:
    loose = []
    for index, box in enumerate(ndimage.find_objects(reference.part), start=1):
        part = reference.parts[index]
        if part.name in ("carpals", "tarsals", "talus") or "phalanges" in part.name:
            continue
        pieces, count = ndimage.label(reference.part[box] == index, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        if count > 1 and sizes.max() < 0.97 * sizes.sum():
            loose.append((part.name, part.side, sizes.tolist()))
    assert loose == []


def test_spine_and_limbs_touch_their_neighbours(reference: Anatomy) -> None:
    """A closing of 6 mm joins the whole skeleton, but for hands, feet, patellae and jaw."""
    solid = ndimage.binary_dilation(reference.bone > 0.3, iterations=2)
    pieces, _ = ndimage.label(solid)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    assert sizes.max() > 0.9 * sizes.sum()


def test_marrow_is_part_of_the_bone_and_lies_in_long_bones(reference: Anatomy) -> None:
    assert (reference.marrow <= reference.bone).all()
    hollow = {reference.parts[k].region for k in np.unique(reference.part[reference.marrow > 0.5])}
    assert hollow == {"humeri", "forearms", "femora", "lower legs"}


def test_organs_lie_in_the_body_and_have_their_volumes(reference: Anatomy) -> None:
    assert reference.body[reference.organ > 0].all()
    cm3 = np.bincount(reference.organ.ravel(), minlength=len(ORGANS)) * 4.0**3 / 1000
    for name, low, high in (("kidney left", 110, 190), ("liver", 1300, 2000), ("spleen", 90, 210)):
        assert low < cm3[ORGANS.index(name)] < high, name
    assert 2000 < reference.lung.sum() * 0.064 < 4500
    full = build_anatomy(BodyParameters(bladder_ml=400))
    bladder = (full.organ == ORGANS.index("bladder")).sum() * 0.064
    assert bladder == pytest.approx(400, rel=0.15)


@pytest.mark.parametrize("height", [1500.0, 1900.0])
def test_height_is_as_asked(height: float, reference: Anatomy) -> None:
    body = build_anatomy(BodyParameters(height_mm=height))
    asked = height / 1760 * extent_of(reference, 0)
    assert extent_of(body, 0) == pytest.approx(asked, rel=0.015)


def test_weight_follows_the_body_mass_index() -> None:
    for height, bmi in ((1600, 19), (1600, 35), (1850, 25)):
        body = build_anatomy(BodyParameters(height_mm=height, bmi=bmi))
        litres = body.body.sum() * 4.0**3 / 1e6
        assert litres == pytest.approx(bmi * (height / 1000) ** 2 / 1.03, rel=0.12)


def test_posture_moves_what_it_names(reference: Anatomy) -> None:
    moved = build_anatomy(BodyParameters(arm_abduction_deg=(0.0, 20.0), head_turn_deg=30.0))
    spine, turned = reference.landmarks, moved.landmarks

    def sideways(marks: Mapping[str, tuple[float, float, float]], name: str) -> float:
        return marks[name][2] - marks["L5"][2]

    assert sideways(turned, "elbow L") > sideways(spine, "elbow L") + 40
    assert sideways(turned, "wrist L") > sideways(spine, "wrist L") + 20  # the table ends there
    assert sideways(turned, "wrist R") == pytest.approx(sideways(spine, "wrist R"), abs=0.1)
    assert sideways(turned, "nasal cavity") > sideways(spine, "nasal cavity") + 25
    bent = build_anatomy(BodyParameters(scoliosis_deg=30.0)).landmarks
    assert sideways(bent, "T8") > 15
    swung = build_anatomy(BodyParameters(scapula_turn_deg=(0.0, 10.0)), voxel_mm=8.0).landmarks
    assert sideways(swung, "scapular tip L") > sideways(spine, "scapular tip L") + 12
    assert sideways(swung, "acromion L") == pytest.approx(sideways(spine, "acromion L"), abs=0.1)
    short = build_anatomy(BodyParameters(wing_height=0.8), voxel_mm=8.0).landmarks
    for upper, lower, share in (
        ("iliac crest L", "acetabular roof L", 0.8),
        ("hip L", "ischial tuberosity L", 1.0),
    ):
        usual = spine[lower][0] - spine[upper][0]
        assert short[lower][0] - short[upper][0] == pytest.approx(share * usual, rel=0.03)
    long = build_anatomy(BodyParameters(head_length=1.2, neck_length=0.8), voxel_mm=8.0).landmarks
    for upper, lower, share in (
        ("orbit L", "upper teeth", 1.2),
        ("frontal sinus", "nasal cavity", 1.2),
        ("C2", "C6", 0.8),
        ("T2", "T8", 1.0),
    ):
        usual = spine[lower][0] - spine[upper][0]
        assert long[lower][0] - long[upper][0] == pytest.approx(share * usual, rel=0.03)
    plantar = build_anatomy(BodyParameters(foot_flexion_deg=(40.0, 40.0))).landmarks
    toe, ankle = "metatarsophalangeal joint 1 L", "ankle L"
    assert plantar[toe][0] - plantar[ankle][0] > spine[toe][0] - spine[ankle][0] + 50


def test_rib_lines_run_through_their_rib() -> None:
    body = build_anatomy(BodyParameters(scoliosis_deg=15.0, rib_slope_deg=10.0, kyphosis_deg=20.0))
    for side in "RL":
        for number in range(1, 13):
            line = body.lines[f"rib {number} {side}"]
            z, y, x = (line[2:-2] / body.voxel_mm).astype(int).T
            own = body.part[z, y, x] == body.index_of(f"rib {number}", side)
            assert own.mean() > 0.7, (number, side)


def test_random_patients_build_and_the_same_seed_gives_the_same() -> None:
    for seed in range(6):
        parameters = BodyParameters.sample(np.random.default_rng(seed))
        body = build_anatomy(parameters)
        assert set(np.unique(body.part)) == set(range(len(body.parts)))
        assert np.isfinite(body.bone).all()
        assert 0.5 < body.bone.sum() * 0.064 / 7000 < 1.5
        columns = np.nonzero((body.bone > 0.2).any(axis=(0, 1)))[0]
        assert (columns[-1] - columns[0]) * body.voxel_mm < 620
        shape = np.array(body.part.shape) * body.voxel_mm
        for name, place in body.landmarks.items():
            assert (np.array(place) > 0).all(), name
            assert (np.array(place) < shape).all(), name
    again = build_anatomy(BodyParameters.sample(np.random.default_rng(5)))
    assert np.array_equal(again.bone, body.bone)


def test_patients_are_men_and_women_of_the_right_age() -> None:
    drawn = [BodyParameters.sample(np.random.default_rng(k)) for k in range(200)]
    assert {p.sex for p in drawn} == {"F", "M"}
    assert all((55 if p.sex == "M" else 35) <= p.age_years <= 85 for p in drawn)
    assert 1500 < np.mean([p.height_mm for p in drawn if p.sex == "F"]) < 1650


def test_impossible_bodies_are_refused() -> None:
    with pytest.raises(ValueError, match="height_mm"):
        BodyParameters(height_mm=900)
    with pytest.raises(ValueError, match="bmi"):
        BodyParameters(bmi=60)


def test_a_voxel_phantom_takes_the_place_of_the_parametric_body(reference: Anatomy) -> None:
    regions = sorted({p.region for p in reference.parts[1:]})
    number = {region: k + 2 for k, region in enumerate(regions)}
    lut = np.array([0] + [number[p.region] for p in reference.parts[1:]])
    ids = lut[reference.part]
    ids[(ids == 0) & reference.body] = 1
    ids[reference.organ == ORGANS.index("liver")] = 99
    table = {1: "soft tissue", 99: "liver"} | {k: region for region, k in number.items()}
    body = from_voxels(ids[::-1], (4.0, 4.0, 4.0), table, feet_first=True)
    assert {p.region for p in body.parts} == {p.region for p in reference.parts}
    assert body.landmarks["liver"][2] < body.landmarks["L3"][2]
    skin = np.argwhere(body.body).min(0) - np.argwhere(reference.body).min(0)
    for name in ("hip L", "T8", "sacroiliac joint R", "costochondral 5 L"):
        moved = np.array(body.landmarks[name]) - skin * 4.0
        assert np.abs(moved - reference.landmarks[name]).max() < 20, name
    scan = simulate_patient(3, 0, body=BodyParameters(), anatomy=body, lesions=2, cancer="prostate")
    assert len(scan.truth.lesions) == 2
    assert {3, 4, 6, 11} <= set(np.unique(scan.truth.regions[1]))  # spine, ribs and pelvis
    with pytest.raises(BadInput, match="lumbar"):
        from_voxels(np.ones((8, 8, 8), int), (4.0, 4.0, 4.0), {1: "ribs"})
    with pytest.raises(BadInput, match="no region"):
        from_voxels(ids, (4.0, 4.0, 4.0), {1: "tail"})
