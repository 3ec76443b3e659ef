"""Where a data set is written to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.core.errors import ConfigError, StorageError


def empty_folder(folder: Path) -> None:
    """Raises ConfigError unless the folder is new or empty: nothing is ever written among somebody's files."""
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise ConfigError("{folder} cannot be read ({detail}).", folder=folder, detail=error.strerror or error) from error
    if used:
        raise ConfigError("{folder} is not an empty folder.", remedy="Choose a new folder.", folder=folder)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            "The data cannot be written to {folder} ({detail}).",
            remedy="Free some space on that disk or choose another folder.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
