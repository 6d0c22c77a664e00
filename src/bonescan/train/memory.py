"""Memory of freed tensors stays with the process while it trains on a CPU.

The C library of Linux gives a large block back to the system when it is freed, and the system
clears each of its pages again when the next tensor asks for it. A training step frees and asks for
the same gigabytes every time. On the paper's canvas that took a fifth of a step (docs/speed.md).
"""

from __future__ import annotations

import ctypes
import os

#: From glibc's malloc.h: the most blocks that are mapped each by itself; the free memory at the end
#: of the heap above which it is given back, -1 for never.
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
#: With one of these, the user has chosen.
CHOICES = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed, until the process ends.

    Memory then grows to what the largest step needs, and some more where blocks do not fit.

    Returns
    -------
    bool
        False where there is no glibc, or the user has set malloc in the environment
        (``MALLOC_MMAP_MAX_``, ``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_``,
        ``GLIBC_TUNABLES``).
    """
    if any(name in os.environ for name in (*CHOICES, "GLIBC_TUNABLES")):
        return False
    try:
        library = ctypes.CDLL("libc.so.6")
        set_option = library.mallopt
    except (OSError, AttributeError):
        return False
    return bool(set_option(M_MMAP_MAX, 0)) and bool(set_option(M_TRIM_THRESHOLD, -1))
