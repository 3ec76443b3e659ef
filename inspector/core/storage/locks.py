"""Locks that let only one process at a time read, change and replace a file."""

import hashlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inspector.core.errors import StorageError
from inspector.core.storage.paths import user_data

WAIT_S = 60.0  # work under a lock takes a second; a stopped process must not block the others forever
_LOCKS = "locks"

log = logging.getLogger(__name__)


class LockedError(StorageError):
    """Another process holds the lock."""


@contextmanager
def alone(place: Path, *, wait: float = WAIT_S) -> Iterator[None]:
    """Hold a lock on the folder `place`, which need not exist, against all other processes and threads.

    The lock is not reentrant: a thread must not take it twice. Another thread may leave the block than the one that entered it.
    The system releases the lock when its process ends, however it ends. The lock file lies in the user's own folder, so `place`
    may be renamed or replaced meanwhile, also on Windows, and may be on a drive without lock support. Other users and other
    computers are therefore not kept out. If even the user's folder cannot be written to, there is no lock. Raises LockedError
    if another process holds the lock for longer than `wait` seconds.
    """
    from filelock import FileLock, Timeout  # takes longer to import than the rest of this package

    where = place.resolve()
    file = user_data() / _LOCKS / f"{hashlib.sha256(str(where).encode()).hexdigest()[:16]}.lock"
    lock = FileLock(file, fallback_to_soft=False, thread_local=False)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
    except Timeout:
        raise LockedError(
            "Another process has been writing to {folder} for more than {wait:g} seconds.",
            remedy="Wait until it is done, or end it, then try again.",
            folder=place,
            wait=wait,
        ) from None
    except OSError as error:
        log.warning("%s is changed without a lock (%s)", place, error.strerror or error)
        yield
        return
    try:
        yield
    finally:
        _release(lock.release, file)


def refuses_locks(folder: Path) -> bool:
    """Return whether the disk of a folder cannot lock files at all, as some network shares. Raises OSError."""
    if sys.platform == "win32":
        return False
    import fcntl

    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # nobody else has this file
            return True
    return False


def _release(release: Callable[[], None], file: Path) -> None:
    """Release the lock and delete its file.

    Where an open file can be deleted, a waiting process finds that its file has no name any more and creates a new one. Where
    an open file cannot be deleted, nobody is waiting for it.
    """
    if sys.platform != "win32":
        file.unlink(missing_ok=True)
    release()
    if sys.platform == "win32":
        with suppress(OSError):
            file.unlink()
