"""Two label maps in one number, and out again."""

from __future__ import annotations

import numpy as np

from bonescan.config import FINDINGS, JointLoss, JointMask, Settings, UNetSettings
from bonescan.masks import joint_labels


def test_both_maps_come_out_again_and_metastasis_wins() -> None:
    metastasis = np.array([[True, True, False, False, False]])
    kinds = np.array([[0, 1, 1, 2, 3]], np.uint8)
    regions = np.array([[4, 0, 13, 0, 12]], np.uint8)
    packed = joint_labels(metastasis, kinds, regions)
    assert packed.dtype == np.uint8
    names = [FINDINGS[value] for value in (packed % 4)[0]]
    assert names == [
        "metastasis",
        "metastasis",
        "benign bone",
        "tracer outside bone",
        "nothing of note",
    ]
    np.testing.assert_array_equal(packed // 4, regions)


def test_the_classes_of_a_joint_reader_end_with_metastasis_and_fall_into_two_groups() -> None:
    settings = Settings(mask=JointMask(), model=UNetSettings(), loss=JointLoss())
    assert settings.classes[-1] == "metastasis"
    assert settings.groups == (14, 4)
    assert len(settings.classes) == sum(settings.groups)
    assert settings.classes[1:4] == ("skull", "cervical_spine", "thoracic_spine")
