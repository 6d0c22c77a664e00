"""What each canvas pixel is: air, body without metastasis, metastasis (section 3.4)."""

from bonescan.masks.labels import label_map

__all__ = ["label_map"]
