"""`inspector worker`: what this program starts to train, export, explain, infer or tune beside the window. Not for people."""

import click

from inspector.core.registry import WORK


@click.command(hidden=True)
@click.argument("kind", type=click.Choice(list(WORK)))
def worker(kind: str) -> int:
    """Process one job: read it from stdin and exchange JSON lines on stdin and stdout.

    KIND tells people which job it is; the job itself names its kind, too.
    """
    from inspector.ml.worker import run

    del kind
    return run()
