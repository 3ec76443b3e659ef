"""A disk that is soon full, for tests of what is said then."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def disk_of(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of so many bytes ("200k", "2m") at `folder`, which is made. Skips where none may be mounted.

    Fails at its end while a process still holds a file of it.
    """
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        held = subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode != 0
        if held:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    assert not held, f"a process holds a file of {folder}"
