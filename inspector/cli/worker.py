"""`inspector worker`: what this program starts to train, export, explain, infer or tune beside the window. Not for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.core.errors import JobError
from inspector.core.untrusted import parse_json

if TYPE_CHECKING:
    from inspector.ml.channel import Channel

KINDS = ("train", "rank", "infer", "explain", "export", "tune")


@click.command(hidden=True)
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--job", required=True, type=click.Path(path_type=Path), help="JSON file that says what to do.")
def worker(kind: str, job: Path) -> int:
    """Do one piece of work, speaking JSON lines on stdin and stdout."""
    from inspector.ml.worker import run

    return run(kind, _read(job), work=_tune if kind == "tune" else None)


def _tune(job: Mapping[str, Any], channel: "Channel") -> Mapping[str, object]:
    from inspector.ml.channel import Report
    from inspector.station.tuning_job import work

    return work(job, Report(channel))


def _read(file: Path) -> dict[str, Any]:
    try:
        job = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError("The job file {file} cannot be read ({detail}).", file=file, detail=error) from error
    if not isinstance(job, dict):
        raise JobError("The job file {file} does not hold an object.", file=file)
    return job
