"""Output lines that a program can parse, whatever names they contain and wherever they are sent."""

import os
import sys
from contextlib import suppress

import click

from inspector.core.message import Message
from inspector.core.text import LineWriter, json_line, one_line


def prepare_streams() -> None:
    """Make printing safe in this process.

    Characters missing from the console's code page are escaped. A closed standard stream is replaced by the null device, so
    that no file opened later takes its number.
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
    """Print one line, with characters that could end or change it escaped.

    A failure on stderr, which may have no reader, is ignored.
    """
    if not err:
        click.echo(one_line(line))
        return
    with suppress(OSError):
        click.echo(one_line(line), err=True)


def say_problem(problem: Message) -> None:
    """Print a problem on stderr."""
    say(f"inspector: {problem}", err=True)


def say_json(value: object) -> None:
    """Print one line of JSON in UTF-8, whatever the console's code page."""
    click.echo(json_line(value), nl=False)


class ResultLines:
    """Lines on standard output during long work; a failed write never ends the work.

    `gone`: the reader closed the pipe, so nothing more is written. `failed`: a line is missing for another reason.
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
        """Write a line for people, with click styles; names in the line have been through `one_line`."""
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
    """Write past Python's buffers, which keep unwritten text and try to write it again at exit."""
    sys.stdout.flush()
    buffer = sys.stdout.buffer
    raw = getattr(buffer, "raw", None)
    if raw is not None:
        written: int | None = raw.write(data)
        return written
    buffer.write(data)
    buffer.flush()
    return len(data)
