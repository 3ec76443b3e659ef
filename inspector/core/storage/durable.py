"""Files that survive a power cut: their content is on disk before their name is, and their name before anybody relies on it."""

import os
import sys
from contextlib import suppress
from pathlib import Path


def replace_durably(new: Path, path: Path) -> None:
    """Rename the file or folder `new`, whose content is synced first, to `path` in the same folder. Raises OSError.

    A folder at `path` must have been moved away before.
    """
    for folder, _, files in os.walk(new):
        for name in files:
            sync_file(Path(folder) / name)
        sync_folder(Path(folder))
    if new.is_file():
        sync_file(new)
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to disk, where that can be done: some network shares cannot."""
    with suppress(OSError):
        sync_names(folder)


def sync_names(folder: Path) -> None:
    """Write the names in a folder to disk. Windows does so by itself. Raises OSError."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sync_file(path: Path) -> None:
    """Write the content of a file to disk. Raises OSError."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
