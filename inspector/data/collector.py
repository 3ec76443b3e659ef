"""Keeps Python's cyclic garbage collector from stopping the program while a hundred thousand small objects are made.

The collector looks at every object there is, with all threads stopped: half a second with the samples of a large data folder,
again and again while their number grows. Nothing in such a list is cyclic, so there is nothing for it to find.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_held = 0


@contextmanager
def no_collection() -> Iterator[None]:
    """While this is entered, by any thread, nothing is collected; what was made meanwhile is not looked at again afterwards.

    Memory is freed as ever where the last reference goes; only cycles are left, until `look_again()`.
    """
    global _held
    with _lock:
        _held += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _held -= 1
            if not _held:
                gc.freeze()
                gc.enable()


def look_again() -> None:
    """What was made under `no_collection` is gone, or may be collected again."""
    gc.unfreeze()
