"""A disk that hangs: a file system of its own that is frozen, so that whoever writes to it waits and cannot be killed."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from inspector.core.errors import StorageError

_BYTES = 32 << 20
_THAWS_S = 60  # it thaws by itself, should the process that froze it be killed
_TOOLS = ("mkfs.ext4", "mount", "umount", "fsfreeze", "bash")


class FreezableDisk:
    """A file system at `folder` that can be made to hang."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rescue: subprocess.Popen[bytes] | None = None

    def freeze(self) -> None:
        """Let every write hang from now on, for a minute at most."""
        subprocess.run(["fsfreeze", "-f", str(self.folder)], check=True)
        rescue = ["bash", "-c", f'read -t {_THAWS_S} _ || fsfreeze -u "$0"', str(self.folder)]
        self._rescue = subprocess.Popen(rescue, stdin=subprocess.PIPE, start_new_session=True)

    def thaw(self) -> None:
        """Let all that hangs go on. Does nothing if nothing hangs."""
        if self._rescue is not None:
            subprocess.run(["fsfreeze", "-u", str(self.folder)], capture_output=True, check=False)
            self._rescue.communicate(b"\n")
            self._rescue = None


@contextlib.contextmanager
def freezable_disk(folder: Path) -> Iterator[FreezableDisk]:
    """Mount a disk of its own at `folder`, which is made. Raises StorageError where none may be mounted and frozen."""
    image = folder.with_name(f"{folder.name}.img")
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(_BYTES)
    commands = (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(folder)])
    possible = all(map(shutil.which, _TOOLS))
    if not possible or any(subprocess.run(command, capture_output=True, check=False).returncode for command in commands):
        raise StorageError("No disk may be mounted and frozen here.")
    disk = FreezableDisk(folder)
    try:
        yield disk
    finally:
        disk.thaw()
        subprocess.run(["umount", "-l", str(folder)], check=True)
