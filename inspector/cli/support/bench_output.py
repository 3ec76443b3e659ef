"""What the measuring commands share: the option `--json`, a progress bar, and rounded numbers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import click

from inspector.cli.support.terminal import progress_bar
from inspector.core.types import Json

AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON object, and nothing else on stdout.")


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that moves a progress bar on stderr."""
    with progress_bar() as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def rounded(values: Mapping[str, Json], digits: int = 3) -> dict[str, Json]:
    """Return the values with their numbers rounded for printing, including nested ones."""

    def short(value: Json) -> Json:
        if isinstance(value, Mapping):
            return rounded(value, digits)
        return round(value, digits) if isinstance(value, float) else value

    return {key: short(value) for key, value in values.items()}
