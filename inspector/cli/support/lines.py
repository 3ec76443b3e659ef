"""What the commands print: lines that can be read by a program, whatever names are in them and wherever they go."""

import os
import sys
from contextlib import suppress

import click

from inspector.core.text import LineWriter, json_line, one_line


def prepare_streams() -> None:
    """Make printing safe in this process: a character that the console's code page lacks is escaped, and a standard stream that
    was closed leads nowhere, so that no file that is opened later takes its number.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(line: str, *, err: bool = False) -> None:
    """Print one line; what could end or change it is escaped. On stderr, where nobody may listen, a failure is passed over."""
    if not err:
        click.echo(one_line(line))
        return
    with suppress(OSError):
        click.echo(one_line(line), err=True)


def say_json(value: object) -> None:
    """Print one line of JSON, in UTF-8 whatever the console's code page."""
    click.echo(json_line(value), nl=False)


class ResultLines:
    """Lines on standard output that come with long work: what cannot be written never ends the work.

    `gone`: the reader of the pipe went away, so nothing more is written. `failed`: a line is missing for another reason.
    """

    def __init__(self) -> None:
        self.gone = False
        self.failed = False
        self._said: set[str] = set()
        self._writer = LineWriter(_write)

    def json(self, value: object) -> None:
        """Write a value as a line of JSON."""
        self._put(json_line(value))

    def text(self, line: str) -> None:
        """Write a line for people, with the styles of click; names in it have been through `one_line`."""
        stream = sys.stdout
        if stream is None:
            return
        plain = line if stream.isatty() else click.unstyle(line)
        self._put(f"{plain}\n".encode(stream.encoding or "utf-8", "backslashreplace"))

    def _put(self, line: bytes) -> None:
        if self.gone or sys.stdout is None:
            return
        try:
            self._writer.write(line)
        except BrokenPipeError:
            self.gone = True
        except OSError as error:
            self.failed = True
            detail = error.strerror or str(error)
            if detail not in self._said:
                self._said.add(detail)
                say(f"inspector: standard output cannot be written ({detail}); the work goes on.", err=True)


def _write(data: bytes) -> int | None:
    """Past the buffers of Python, which keep what could not be written and try it once more at the end."""
    sys.stdout.flush()
    buffer = sys.stdout.buffer
    raw = getattr(buffer, "raw", None)
    if raw is not None:
        written: int | None = raw.write(data)
        return written
    buffer.write(data)
    buffer.flush()
    return len(data)
