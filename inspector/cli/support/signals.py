"""Ctrl-C, SIGTERM and SIGHUP as an event, so that work ends in order."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yield an event that these signals set instead of interrupting the program."""
    flag = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        flag.set()

    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    old: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, handle) for number in stop_requests()
    }
    try:
        yield flag
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def stop_requests() -> tuple[signal.Signals, ...]:
    """Return the signals that ask this program to end.

    An ignored signal is left out: under `nohup` the program outlives its terminal.
    """
    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return tuple(number for number in known if signal.getsignal(number) is not signal.SIG_IGN)
