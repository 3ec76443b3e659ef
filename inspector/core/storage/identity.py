"""Which file a file is: apart from its name and content, so that a copy can be told from it."""

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

_GET_GENERATION = 0x80087601  # FS_IOC_GETVERSION of Linux


def identity_of(file: int) -> str:
    """Return what names an open file on its file system: its inode, and on Linux the generation of that, as text.

    An inode that a deleted file had is soon given to another one (ext4), with another generation.
    """
    generation = 0
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # not every file system has generations; those without do not give inodes again soon
            (generation,) = struct.unpack("=I", fcntl.ioctl(file, _GET_GENERATION, bytes(8))[:4])
    return f"{os.fstat(file).st_ino}-{generation}"


def identity_at(path: Path) -> str:
    """Return `identity_of` the file at this path. Raises OSError."""
    with path.open("rb") as stream:
        return identity_of(stream.fileno())
