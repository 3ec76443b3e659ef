"""The `inspector` command: imports only the requested subcommand, and turns errors into exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 3 trained, but nothing was learnt.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from traceback import walk_tb
from types import MappingProxyType
from typing import NoReturn

import click

from inspector.cli.support.lines import prepare_streams, say
from inspector.core.errors import ConfigError, InspectorError, StorageError, defect
from inspector.core.storage.data_format import claim_user_data

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "gui": "inspector.cli.gui:gui",
        "run": "inspector.cli.run:run",
        "predict": "inspector.cli.predict:predict",
        "train": "inspector.cli.learning.train:train",
        "runs": "inspector.cli.learning.runs:runs",
        "evaluate": "inspector.cli.learning.evaluate:evaluate",
        "export": "inspector.cli.bundles.export:export",
        "tune": "inspector.cli.bundles.tune:tune",
        "explain": "inspector.cli.explain:explain",
        "thermal": "inspector.cli.thermal:thermal",
        "scales": "inspector.cli.scales:scales",
        "data": "inspector.cli.learning.data:data",
        "register": "inspector.cli.register:command",
        "doctor": "inspector.cli.doctor:doctor",
        "bundle": "inspector.cli.bundles.bundle:bundle",
        "archive": "inspector.cli.archives.archive:archive",
        "bench": "inspector.cli.benches.bench:bench",
        "worker": "inspector.cli.worker:worker",
    }
)


_WITHOUT_DATA = ("doctor", "worker", "bench")
_PRINTING = ("click.utils", "rich.console")


class _LazyGroup(click.Group):
    """A group that imports each command when it is requested."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name != "worker"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def _say_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from inspector import __version__  # reads the package's metadata, which is slow

        say(f"inspector, version {__version__}")
        context.exit()


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version, help="Show the version and exit."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Visual inspection station. Without a command it opens the window."""
    if ctx.invoked_subcommand not in _WITHOUT_DATA:
        claim_user_data()
    if ctx.invoked_subcommand is None:
        command = cli.get_command(ctx, "gui")
        if command is not None:
            ctx.invoke(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: those of the process) and return the exit code."""
    prepare_streams()
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        result = cli.main(args=given, prog_name="inspector", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        with suppress(OSError):  # nobody may read it
            error.show()
        return 2
    except click.Abort:
        return _fail("Interrupted.", 1)
    except ConfigError as error:
        return _fail(str(error), 2)
    except InspectorError as error:
        return _fail(str(error), 1)
    except OSError as error:
        if _is_of_output(error):
            with suppress(OSError):  # closed here, so that the end of the process does not try to write the rest again
                sys.stdout.close()
            return _fail(f"Standard output cannot be written ({error.strerror or error}), so some of it is missing.", 1)
        problem = defect(error)
        if not isinstance(problem, StorageError):
            raise
        return _fail(str(problem), 1)
    return result if isinstance(result, int) else 0


def _is_of_output(error: OSError) -> bool:
    """Return whether standard output was being written: failures of standard error are ignored where it is written."""
    return any(frame.f_globals.get("__name__") in _PRINTING for frame, _ in walk_tb(error.__traceback__))


def _fail(sentence: str, code: int) -> int:
    say(f"inspector: {sentence}", err=True)
    return code


def stop_with(sentence: str, code: int = 1) -> NoReturn:
    """Print a sentence on stderr and end the command with this exit code."""
    say(f"inspector: {sentence}", err=True)
    raise click.exceptions.Exit(code)
