"""`python -m inspector` and the `inspector` command."""

import atexit
import os
import sys
import threading
from contextlib import suppress


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    codes: list[int] = []
    atexit.register(_leave_threads, codes)  # the first to be registered is the last to be called
    try:
        from inspector.cli.main import run

        code: int | str = run()
    except ImportError as error:
        code = _incomplete(error)
    codes.append(code if isinstance(code, int) else 1)
    if isinstance(code, int):
        _give_up_unwritten()
    sys.exit(code)


def _give_up_unwritten() -> None:
    """Close a standard stream that cannot be written to its end: Python would try again, fail, and end with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                stream.close()


def _leave_threads(codes: list[int]) -> None:
    """End the process at once if a thread was left behind, in an engine, a driver or a disk that hangs.

    While the interpreter is finalised, Python ends a thread that returns from C code. Inside most libraries this aborts the
    process, or the library's memory is gone already: all work is done, and the command would end as a crash.
    """
    if codes and threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, or a windowed program without them
                stream.flush()
        os._exit(codes[0])


def _incomplete(error: ImportError) -> str:
    """Return the sentence for an installed program with a missing or damaged file; elsewhere raise the error again.

    Windows shows it in a box where the program has no console.
    """
    from inspector.core.installed import installation

    if installation() is None:
        raise error
    detail = " ".join(str(error).split())
    sentence = f"inspector: a file of the program is missing or damaged ({detail}). Install the program again."
    if sys.platform == "win32" and sys.stderr is None:
        import ctypes

        ctypes.windll.user32.MessageBoxW(None, sentence, "Inspector", 0x10)  # MB_ICONERROR
    return sentence


if __name__ == "__main__":
    main()
