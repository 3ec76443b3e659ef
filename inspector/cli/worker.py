"""`inspector worker`: what this program starts to train, export, explain, infer or tune beside the window. Not for people."""

import click

from inspector.core.registry import WORK


@click.command(hidden=True)
@click.argument("kind", type=click.Choice(list(WORK)))
def worker(kind: str) -> int:
    """Do one piece of work: read the job from stdin and speak JSON lines on stdin and stdout.

    KIND says to people which work it is; the job itself names it, too.
    """
    from inspector.ml.worker import run

    del kind
    return run()
