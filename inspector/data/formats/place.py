"""The folder that a data set is written to."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inspector.core.errors import ConfigError, StorageError

_UNFINISHED = ".unfinished"  # hidden, so that no reader takes it for data


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose content is moved to `folder` at the end; a failed or interrupted write leaves nothing.

    Raises ConfigError unless `folder` is new or empty, because nothing is ever written among a user's files. Raises
    StorageError if writing fails.
    """
    _refuse_used(folder)
    new, unfinished = not folder.exists(), folder / _UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed program
        unfinished.mkdir(parents=True)
        yield unfinished
        for path in sorted(unfinished.iterdir()):
            path.rename(folder / path.name)
        new = False
    except OSError as error:
        raise StorageError(
            "The data cannot be written to {folder} ({detail}).",
            remedy="Free some space on that disk or choose another folder.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if new:
            with suppress(OSError):
                folder.rmdir()


def _refuse_used(folder: Path) -> None:
    try:
        used = folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - {_UNFINISHED})
    except OSError as error:
        raise ConfigError("{folder} cannot be read ({detail}).", folder=folder, detail=error.strerror or error) from error
    if used:
        raise ConfigError("{folder} is not an empty folder.", remedy="Choose a new folder.", folder=folder)
