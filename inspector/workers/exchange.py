"""Arrays shared by two processes: memory-mapped files in a folder of their own, the same on every operating system."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.core.storage.temporary import make_temporary

INPUT, OUTPUT = "input.bin", "output.bin"
_PIECE = 1 << 20
_MEMORY = Path("/dev/shm")  # a file system in memory, on Linux
_LEFT_S = 600.0  # no process takes so long to open what it shares; what is open needs no name

Number = type[np.uint8] | type[np.float32]


def make_exchange(shape: tuple[int, ...], dtype: Number) -> tuple[Path, NDArray[Any]]:
    """Return a new folder with the mapped file INPUT, and its array of this shape.

    The folder is in memory if there is room, and named after this process. Raises OSError if the disk is full. What processes
    left behind that were killed is removed.
    """
    roots = [_MEMORY] if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else []
    for root in [*roots, None]:
        folder = make_temporary(root or Path(tempfile.gettempdir()), "inspector-", left_s=_LEFT_S)
        try:
            return folder, make_map(folder / INPUT, shape, dtype)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            if root is None:
                raise
    raise AssertionError("unreachable")


def make_map(path: Path, shape: tuple[int, ...], dtype: Number) -> NDArray[Any]:
    """Create a file of this size and return it mapped for reading and writing.

    Raises OSError if the disk is full. Zeros are really written: with a sparse file on a full disk, the first write to the
    array would end the process.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with path.open("xb") as stream:
        for start in range(0, size, _PIECE):
            stream.write(bytes(min(_PIECE, size - start)))
    return open_map(path, shape, dtype)


def open_map(path: Path, shape: tuple[int, ...], dtype: Number) -> NDArray[Any]:
    """Open and map a file that `make_map` created in the other process."""
    return np.memmap(path, dtype, "r+", shape=shape)
