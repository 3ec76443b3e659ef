"""Disk cache for prepared samples that do not fit in memory: written once, read through a memory map."""

import shutil
import tempfile
import weakref
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from inspector.tasks.base import Target

# Share of the free space, so that other programs can still write. Unwritten pages are never mapped: if the disk is
# full by then, writing fails with an error instead of killing the process.
_SHARE_OF_DISK = 0.5
_ALIGN = 64


class Spill:
    """An unlinked file, which the system removes when it is closed, even by a killed process.

    All samples have arrays of the same names, shapes and dtypes, as batches require.
    """

    def __init__(self, folder: Path) -> None:
        """Creates a file in `folder`. Raises OSError if the folder is not writable."""
        self._file = tempfile.TemporaryFile(prefix="inspector-inputs-", dir=folder)  # noqa: SIM115 - see the next line
        self._close = weakref.finalize(self, self._file.close)
        self._room = int(shutil.disk_usage(folder).free * _SHARE_OF_DISK)
        self._places: dict[int, int] = {}
        self._layout: dict[str, tuple[int, tuple[int, ...], np.dtype[Any]]] = {}
        self._size = 0
        self._end = 0
        self._map: NDArray[np.uint8] | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._places)

    def put(self, index: int, arrays: Target) -> bool:
        """Store the arrays of the sample `index`; return False if there is no room."""
        with self._lock:
            if not self._layout:
                self._lay_out(arrays)
            if self._end + self._size > self._room:
                return False
            row = np.zeros(self._size, np.uint8)
            for name, (start, shape, dtype) in self._layout.items():
                array = arrays[name]
                if array.shape != shape or array.dtype != dtype:
                    raise ValueError(f"{name} is {array.dtype} {array.shape}, not {dtype} {shape}")
                row[start : start + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            try:
                self._file.seek(self._end)
                self._file.write(row.data)
                self._file.flush()
            except OSError:
                self._room = 0  # the disk is full; arrays already written stay readable
                return False
            self._places[index] = self._end
            self._end += self._size
            self._map = None
        return True

    def get(self, index: int) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of the sample `index`, read-only; None if they were not stored."""
        place = self._places.get(index)
        if place is None:
            return None
        with self._lock:
            if self._map is None:
                self._map = np.memmap(self._file, np.uint8, mode="r", shape=(self._end,))
            row = self._map[place : place + self._size]
        return {
            name: np.asarray(row[start : start + dtype.itemsize * int(np.prod(shape))]).view(dtype).reshape(shape)
            for name, (start, shape, dtype) in self._layout.items()
        }

    def close(self) -> None:
        """Release the space. Arrays from `get` must not be used any more."""
        self._places, self._map = {}, None
        self._close()

    def _lay_out(self, arrays: Target) -> None:
        start = 0
        for name, array in arrays.items():
            self._layout[name] = (start, array.shape, array.dtype)
            start += -(-array.nbytes // _ALIGN) * _ALIGN
        self._size = start


def spill_folder() -> Path | None:
    """Return a folder on a disk for large temporary files; None if there is none.

    /tmp is often in memory, which is what has run out.
    """
    for folder in (Path("/var/tmp"), Path(tempfile.gettempdir())):
        if folder.is_dir() and not _in_memory(folder):
            return folder
    return None


def _in_memory(folder: Path) -> bool:
    place = folder.resolve()
    mounts = [disk for disk in psutil.disk_partitions(all=True) if place.is_relative_to(disk.mountpoint)]
    nearest = max(mounts, key=lambda disk: len(disk.mountpoint), default=None)
    return nearest is not None and nearest.fstype in ("tmpfs", "ramfs")
