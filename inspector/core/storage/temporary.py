"""Temporary folders that do not stay behind: what a process left that was killed is removed by the next one."""

import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_WORK: Final = "inspector-work-"
# Without a change, of a process that is not known here: it may be in a container, or on another computer.
_LEFT_S: Final = 86_400.0


@contextmanager
def temporary_folder(parent: Path | None = None, prefix: str = _WORK) -> Iterator[Path]:
    """Yield a folder that is removed at the end. `parent`: by default the system's for temporary files. Raises OSError."""
    folder = make_temporary(parent or Path(tempfile.gettempdir()), prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_temporary(parent: Path, prefix: str, *, left_s: float = _LEFT_S) -> Path:
    """Return a new folder in `parent`, named with the prefix and this process, and remove what others left. Raises OSError.

    `left_s`: seconds without a change after which the folder of a process that is gone is removed.
    """
    for folder in parent.glob(f"{glob.escape(prefix)}*-*"):
        number = folder.name.removeprefix(prefix).partition("-")[0]
        with suppress(OSError):
            old = time.time() - folder.lstat().st_mtime > left_s
            if number.isdecimal() and old and not psutil.pid_exists(int(number)):
                shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))
