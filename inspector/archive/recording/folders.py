"""Whether a folder of the archive can be reached: its disk may be unplugged, or its network share away."""

import errno
import os
from pathlib import Path

from inspector.core.errors import StorageError


def is_there(folder: Path) -> bool:
    """Return whether there is such a folder. Raises StorageError if its disk or share does not say."""
    try:
        return folder.is_dir()
    except OSError as error:
        raise away(folder, error) from error


def away(folder: Path, error: OSError | None = None) -> StorageError:
    """Return the error for a folder of the archive that is on a disk or share which is not there at the moment."""
    return StorageError(
        "The folder {folder} of the archive is not there ({detail}).",
        remedy="Connect its disk or its share again. If it is gone for good, choose another one and restore a back-up.",
        folder=folder,
        detail=os.strerror(errno.ENOENT) if error is None else error.strerror or error,
    )
