"""Labels of a joint reader: what a bright pixel is, and which bone it shows, in one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bonescan.config import FINDINGS

METASTATIC = FINDINGS.index("metastasis")
#: Kinds of the simulated truth (1 benign bone, 2 tracer outside bone, 3 cold object) as findings.
_FINDING_OF_KIND = np.array([0, 1, 2, 0], np.uint8)


def joint_labels(
    metastasis: NDArray[np.bool_], kinds: NDArray[np.uint8], regions: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Pack two label maps into one, so that they move together.

    Parameters
    ----------
    metastasis : (H, W) bool
    kinds : (H, W) uint8
        0 to 3, see `bonescan.simulate.truth.KINDS`; metastasis wins where both are.
    regions : (H, W) uint8
        0 none, 1-12 skeletal regions, 13 other bones.

    Returns
    -------
    (H, W) uint8
        ``finding + 4 * region``, the finding an index into `bonescan.config.FINDINGS`.
    """
    finding = np.where(metastasis, METASTATIC, _FINDING_OF_KIND[kinds])
    packed: NDArray[np.uint8] = (finding + len(FINDINGS) * regions).astype(np.uint8)
    return packed
