"""What each canvas pixel is: air, body without metastasis, metastasis (section 3.4)."""

from bonescan.masks.joint import joint_labels
from bonescan.masks.labels import label_map

__all__ = ["joint_labels", "label_map"]
