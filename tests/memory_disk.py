"""Where what the tests write is kept: in memory, if there is enough.

Stores are set to wait for the disk at every write, 4 ms of a busy one; that they do wait is theirs, and what
a killed one had written outlives it here as there.
"""

import shutil
from pathlib import Path

_SHARED = Path("/dev/shm")
_BYTES_MIN = 4 << 30


def folder():
    """A folder for temporary ones, or None for the usual one."""
    if _SHARED.is_dir() and shutil.disk_usage(_SHARED).free >= _BYTES_MIN:
        return str(_SHARED)
    return None
