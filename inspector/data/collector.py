"""Keeps the cyclic garbage collector from stopping the program while a hundred thousand small objects are created.

The collector visits every object with all threads stopped: half a second with the samples of a large data folder, again and
again while their number grows. These lists hold no cycles, so the collector would find nothing.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_held = 0


@contextmanager
def no_collection() -> Iterator[None]:
    """Suspend garbage collection while any thread is inside this context.

    Objects created meanwhile are exempt from later collections. Reference counting still frees memory as usual; only cycles are
    left, until `look_again()`.
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
    """Include objects created under `no_collection` in garbage collection again."""
    gc.unfreeze()
