"""Every option of every command, from the table of commands itself: nonsense is refused, and never ends in a traceback."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from inspector.archive.recording.journal import archive_folder
from inspector.cli.main import cli
from inspector.core.errors import InspectorError
from tests.archive.recorded import record_run

NONSENSE = ("", "nan", "-1", "x" * 300, "1,2,3,4,5,6,7,8", "0001-01-01", "9999-12-31", "99999999999999999999", "🙂[{%s")


def leaves(
    command: click.Command, context: click.Context, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, click.Context(inner, info_name=name, parent=context), (*path, name))


EVERY = dict(leaves(cli, click.Context(cli)))
# Without what they ask for these do nothing, so that nothing is done by a value that happens to be taken.
ASKING = {path: command for path, command in EVERY.items() if any(option.required for option in command.params)}
ON_THE_ARCHIVE = [("archive", name) for name in ("events", "query", "report")]


def values_of(command: click.Command) -> Iterator[tuple[click.Option, list[str]]]:
    for option in command.params:
        if isinstance(option, click.Option) and not option.is_flag:
            is_text = isinstance(option.type, click.types.StringParamType) and option.callback is None
            for value in NONSENSE[-1:] if is_text else NONSENSE:
                yield option, [option.opts[0], *[value] * max(1, option.nargs)]


@pytest.mark.parametrize("path", ASKING, ids=" ".join)
def test_no_value_of_an_option_ends_in_a_traceback(path: tuple[str, ...]) -> None:
    required = [parameter for parameter in ASKING[path].params if parameter.required]
    for option, words in values_of(ASKING[path]):
        if required != [option]:
            result = CliRunner().invoke(cli, [*path, *words])
            assert isinstance(result.exception, SystemExit), (words, result.exception)
            assert result.exit_code == 2, words
            assert "Usage: " in result.output, words


@pytest.fixture
def archive(own_folders: None) -> Path:
    """The archive of this user, with ten parts."""
    folder = archive_folder()
    record_run(folder, "L1", "P{:03}", count=10)
    return folder


@pytest.mark.parametrize("path", ON_THE_ARCHIVE, ids=" ".join)
def test_no_value_of_a_filter_ends_in_a_traceback(path: tuple[str, ...], archive: Path) -> None:
    for option, words in values_of(EVERY[path]):
        if option.name not in ("out", "folder", "archive", "url"):
            result = CliRunner().invoke(cli, [*path, *words])
            said = result.exception is None or isinstance(result.exception, SystemExit | InspectorError)
            assert said, (words, result.exception)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_and_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    command = EVERY[path]
    assert (command.help or "").strip()
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert (option.help or "").strip(), option.opts
