"""Drops between the thighs and beside the body are no bone; what touches a bone may be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bonescan.quantify.outside import between_thighs, off_bone
from bonescan.quantify.regions import Skeleton, drop_islands, find_skeleton
from bonescan.scan import REGIONS, Scan, ViewName

#: Pixels so small that nothing in these pictures is far from bone.
FINE = (0.5, 0.5)
Regions = dict[ViewName, NDArray[np.uint8]]


def patches(*boxes: tuple[int, int, int, int]) -> NDArray[np.int32]:
    labels = np.zeros((240, 101), np.int32)
    for number, (top, bottom, left, right) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = number
    return labels


def test_marks_are_told_off_bone_by_their_place(block_scan: Scan, block_regions: Regions) -> None:
    view = block_scan.anterior
    assert view is not None
    skeleton = find_skeleton(view, block_regions["anterior"])
    labels = patches(
        (140, 146, 47, 53),  # between the thighs
        (140, 146, 38, 44),  # the same, but touching the thigh bone
        (118, 124, 47, 53),  # between the hips: a bladder's place, not below the pelvis
        (20, 26, 97, 101),  # beside the body
        (60, 66, 94, 99),  # over the body's edge, and on the humerus
        (140, 146, 76, 82),  # beside the thighs, in soft tissue
    )
    found = off_bone(labels, view.counts > 0, skeleton, FINE)
    assert found.tolist() == [True, False, False, True, False, False]
    found = off_bone(labels, view.counts > 0, None, FINE)
    assert found.tolist() == [False, False, False, True, False, False]
    assert off_bone(patches(), view.counts > 0, skeleton, FINE).shape == (0,)


def test_what_lies_far_from_any_bone_is_on_none(block_scan: Scan, block_regions: Regions) -> None:
    view = block_scan.anterior
    assert view is not None
    skeleton = find_skeleton(view, block_regions["anterior"])
    labels = patches(
        (140, 146, 76, 82),  # beside the thighs, in soft tissue: a vein
        (150, 156, 68, 90),  # as far in the mean, but from the thigh bone outwards
    )
    found = off_bone(labels, view.counts > 0, skeleton, (2.0, 2.0))
    assert found.tolist() == [True, False]
    assert not off_bone(labels, view.counts > 0, skeleton, (1.0, 1.0)).any()
    assert not off_bone(labels, view.counts > 0, skeleton, None).any()


def test_between_the_thighs_needs_both(block_scan: Scan, block_regions: Regions) -> None:
    view = block_scan.anterior
    assert view is not None
    regions = block_regions["anterior"]
    skeleton = find_skeleton(view, regions)
    assert skeleton is not None
    between = between_thighs(skeleton)
    rows, columns = np.nonzero(between)
    assert (rows.min(), rows.max()) == (132, 189)
    assert (columns.min(), columns.max()) == (40, 60)
    regions[:, 61:71][regions[:, 61:71] == 1 + REGIONS.index("femora")] = 0
    one_leg = find_skeleton(view, regions)
    assert one_leg is not None
    assert not between_thighs(one_leg).any()


def test_a_drop_that_a_model_calls_pelvis_is_off_bone_all_the_same(
    block_scan: Scan, block_regions: Regions
) -> None:
    view = block_scan.anterior
    assert view is not None
    regions = block_regions["anterior"]
    pelvis = 1 + REGIONS.index("pelvis")
    labels = patches((136, 142, 47, 53), (150, 156, 47, 53))
    whole = find_skeleton(view, regions)
    assert whole is not None
    crumbed = whole.regions.copy()
    crumbed[151:155, 48:52] = pelvis  # under the second drop, and below the first
    skeleton = Skeleton(crumbed, whole.midline)
    assert off_bone(labels, view.counts > 0, skeleton, FINE).tolist() == [True, True]


def test_an_island_far_from_its_bone_goes(block_scan: Scan, block_regions: Regions) -> None:
    view = block_scan.anterior
    assert view is not None
    regions = block_regions["anterior"]
    lumbar = 1 + REGIONS.index("lumbar_spine")
    drop, chip = np.s_[150:154, 48:52], np.s_[107:110, 30:33]
    regions[drop] = lumbar
    whole = regions.copy()
    kept = drop_islands(view, regions)
    assert not kept[drop].any()
    kept[drop] = lumbar
    np.testing.assert_array_equal(kept, whole)  # paired bones, ribs and other bones stay
    np.testing.assert_array_equal(regions, whole)  # the map that was given is left alone
    regions[chip] = 1 + REGIONS.index("sacrum")  # 10 pixels, that is 50 mm, beside the sacrum
    assert not drop_islands(view, regions)[chip].any()
    regions[chip] = 0
    near = np.s_[107:110, 37:40]  # 3 pixels, that is 15 mm, beside it
    regions[near] = 1 + REGIONS.index("sacrum")
    assert (drop_islands(view, regions)[near] > 0).all()
