"""Tables and progress bars on a terminal that show every name as it is, and never end the work that they tell of."""

import sys
from contextlib import suppress
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from inspector.core.text import one_line


class PlainConsole(Console):
    """A console that takes no text for markup, emoji or control codes: names of files and classes come from anywhere."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        """`stderr`: print there, where a failure is ignored; on stdout it is an OSError. `width`: by default the terminal's."""
        stream = cast("IO[str]", _Stderr()) if stderr and sys.stderr is not None else None
        super().__init__(stderr=stderr, file=stream, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - as Rich declares them
        return super().render_str(one_line(text), **options)


class PlainColumn(TextColumn):
    """A column of a progress bar whose text is shown as it is."""

    def render(self, task: Task) -> Text:
        return Text(one_line(self.text_format.format(task=task)), style=self.style, justify=self.justify)


def progress_bar(*columns: ProgressColumn, transient: bool = True) -> Progress:
    """Return a progress bar on stderr. `columns`: by default those of Rich."""
    usual = PlainColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*(columns or usual), console=PlainConsole(stderr=True), transient=transient)


class _Stderr:
    """Standard error, whose disk may be full and whose reader may be gone. While a bar is shown, Rich stands before it."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what else Rich asks of a stream
        return getattr(self._stream, name)

    @property
    def _stream(self) -> IO[str]:
        return cast("IO[str]", getattr(sys.stderr, "rich_proxied_file", sys.stderr))
