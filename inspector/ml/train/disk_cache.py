"""Prepared samples on disk, for those that memory has no room for: written once, read through a memory map."""

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

# Of the free space, so that others can still write. What has not been written yet is never mapped: a disk that is full by
# then is an error of writing, not a killed process.
_SHARE_OF_DISK = 0.5
_ALIGN = 64


class Spill:
    """A file without a name, which the system removes when it is closed, also by a killed process.

    All samples have arrays of the same names, shapes and dtypes, because they go into batches.
    """

    def __init__(self, folder: Path) -> None:
        """A file in `folder`. Raises OSError if it cannot be written to."""
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
        """Keep the arrays of the sample `index`; False if there is no room for them."""
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
                self._room = 0  # the disk is full after all; what is written already can be read
                return False
            self._places[index] = self._end
            self._end += self._size
            self._map = None
        return True

    def get(self, index: int) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of the sample `index`, read-only; None if it was not kept."""
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
        """Give the space back. Arrays from `get` must not be used any more."""
        self._places, self._map = {}, None
        self._close()

    def _lay_out(self, arrays: Target) -> None:
        start = 0
        for name, array in arrays.items():
            self._layout[name] = (start, array.shape, array.dtype)
            start += -(-array.nbytes // _ALIGN) * _ALIGN
        self._size = start


def spill_folder() -> Path | None:
    """Return where large temporary files go; None if nowhere on a disk. /tmp is often memory, which is what has run out."""
    for folder in (Path("/var/tmp"), Path(tempfile.gettempdir())):
        if folder.is_dir() and not _in_memory(folder):
            return folder
    return None


def _in_memory(folder: Path) -> bool:
    place = folder.resolve()
    mounts = [disk for disk in psutil.disk_partitions(all=True) if place.is_relative_to(disk.mountpoint)]
    nearest = max(mounts, key=lambda disk: len(disk.mountpoint), default=None)
    return nearest is not None and nearest.fstype in ("tmpfs", "ramfs")
