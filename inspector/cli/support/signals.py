"""Ctrl-C, SIGTERM and SIGHUP as an event, so that work ends in order."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that these signals set instead of ending the program in the middle of its work.

    One that is ignored stays so: a program started with `nohup` outlives its terminal.
    """
    flag = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        flag.set()

    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    wanted = [number for number in stopping() if signal.getsignal(number) is not signal.SIG_IGN]
    old: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, handle) for number in wanted
    }
    try:
        yield flag
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def stopping() -> tuple[signal.Signals, ...]:
    """The signals that ask a program to end, on this system."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))
