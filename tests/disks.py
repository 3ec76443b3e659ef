"""A disk that is soon full, and one that hangs, for tests of what happens then."""

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


class FreezableDisk:
    """A file system at `folder` that can be made to hang: whoever writes to it then waits, and cannot be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rescue: subprocess.Popen[bytes] | None = None

    def freeze(self) -> None:
        """Let every write hang from now on. It thaws by itself after a minute, should the test be killed."""
        subprocess.run(["fsfreeze", "-f", str(self.folder)], check=True)
        rescue = ["bash", "-c", 'read -t 60 _ || fsfreeze -u "$0"', str(self.folder)]
        self._rescue = subprocess.Popen(rescue, stdin=subprocess.PIPE, start_new_session=True)

    def thaw(self) -> None:
        """Let all that hangs go on. Does nothing if nothing hangs."""
        if self._rescue is not None:
            subprocess.run(["fsfreeze", "-u", str(self.folder)], capture_output=True, check=False)
            self._rescue.communicate(b"\n")
            self._rescue = None


@contextlib.contextmanager
def freezable_disk(folder: Path) -> Iterator[FreezableDisk]:
    """A disk of its own at `folder`, which is made. Skips where none may be mounted and frozen."""
    image, tools = folder.with_name(f"{folder.name}.img"), ("mkfs.ext4", "mount", "umount", "fsfreeze", "bash")
    if not all(map(shutil.which, tools)):
        pytest.skip("no disk may be frozen here")
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True, check=False)
    if (
        made.returncode
        or subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, check=False).returncode
    ):
        pytest.skip("no disk may be mounted here")
    disk = FreezableDisk(folder)
    try:
        yield disk
    finally:
        disk.thaw()
        subprocess.run(["umount", "-l", str(folder)], check=True)
