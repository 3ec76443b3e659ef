"""`inspector run`: the station without a window."""

import time
from collections.abc import Callable
from pathlib import Path

import click

from inspector.cameras.base import kind_of
from inspector.cli.support.notes import say_masks_left_out
from inspector.cli.support.output import Output
from inspector.cli.support.signals import stop_signals
from inspector.core.message import Message
from inspector.core.registry import ENGINES, find
from inspector.core.types import PRECISIONS, Inspection, Precision
from inspector.inspection.events import CameraChanged, CameraState, Cleared, Event, Fault, Inspected, Judging
from inspector.inspection.parts import weight_of
from inspector.inspection.run_request import resolve_recipe
from inspector.station.edge import Edge
from inspector.station.pipeline import CAPACITY
from inspector.station.station import Station

_WAITING = 64  # inspections that may wait to be printed and saved
_POLL = 0.1  # seconds


@click.command()
@click.option("--source", default="", help="simulated, folder:PATH, video:PATH, usb:N, rtsp://...; default: the recipe's.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Recipe to run; default: the demo line's.")
@click.option("--model", "models", multiple=True, metavar="BUNDLE", help="Bundle to use without a recipe; may be repeated.")
@click.option("--engine", help=f"One of {', '.join(ENGINES)}, instead of the recipe's.")
@click.option(
    "--precision", type=click.Choice(PRECISIONS), help="Instead of the recipe's; others than fp32 are exported first."
)
@click.option("--give-up", type=float, default=20.0, show_default=True, help="Seconds without any camera; 0: wait for ever.")
@click.option("--limit", type=click.IntRange(1), help="End after so many parts.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Save pictures, results.jsonl and a report here.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and nothing else on stdout.")
def run(
    source: str,
    recipe: Path | None,
    models: tuple[str, ...],
    engine: str | None,
    precision: Precision | None,
    give_up: float,
    limit: int | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Inspect until the source ends, --limit parts are through, or Ctrl-C.

    A camera that was there once and is lost is waited for without end; where none gives a frame at all, the run ends.
    Exit code 1: a camera or engine was at fault at the end, or something could not be saved.
    """
    if recipe is not None and models:
        raise click.UsageError("Give either --recipe or --model.")
    if engine is not None:
        find(ENGINES, engine, "engine")
    choice = resolve_recipe(recipe, models, source)
    if choice.note is not None:
        click.echo(f"inspector: {choice.note}", err=True)
    for camera in choice.recipe.cameras.values():
        kind, address = kind_of(camera.source)
        if kind == "folder" and not (camera.options.get("watch") or camera.options.get("masks")):
            say_masks_left_out(Path(address).expanduser(), recursive=bool(camera.options.get("recursive")))
    output = Output(as_json=as_json, folder=out)
    troubles = _Troubles()
    waiting: Edge[Inspection] = Edge(_WAITING, drop="never", capacity=CAPACITY, weigh=weight_of)

    def hear(event: Event) -> None:
        if isinstance(event, Inspected):
            waiting.put(event.inspection)
        else:
            troubles.hear(event)

    station = Station(choice.recipe, base=choice.base, listeners=[hear], engine=engine, precision=precision)
    with stop_signals() as interrupted:
        station.start()
        try:
            _drain(station, waiting, output, limit, lambda: interrupted.is_set() or troubles.hopeless(give_up))
        finally:
            waiting.close()
            stats = station.stats()
            station.stop()
    if station.failure is not None:
        raise station.failure
    output.finish(station.recipe, line=stats)
    return 1 if output.failed or troubles.open else 0


def _drain(station: Station, waiting: Edge[Inspection], output: Output, limit: int | None, enough: Callable[[], bool]) -> None:
    """Print and save on this thread until there is nothing more to come, or enough of it."""
    while not enough() and not output.closed:
        through = station.wait(0)
        inspections = waiting.take(timeout=0 if through else _POLL)
        for inspection in inspections:
            output.show(inspection, station.recipe)
            if limit is not None and output.parts >= limit:
                return
        if through and not inspections:
            return


class _Troubles:
    """Says on stderr what is wrong as it happens, and knows what still is at the end."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self._said: dict[str, Message | None] = {}  # by camera; a problem that lasts is said once
        self._since: float | None = None  # when a camera was first lost, while none has ever given a frame
        self._seen = False

    def hopeless(self, seconds: float) -> bool:
        """Whether no camera has given a frame for so long that there may be none; 0: never."""
        return bool(seconds) and self._since is not None and time.monotonic() - self._since > seconds

    def hear(self, event: Event) -> None:
        match event:
            case CameraChanged(camera=camera, state=CameraState.LOST | CameraState.FAULT):
                self.open.add(camera)
                if not self._seen and self._since is None:
                    self._since = time.monotonic()
                if event.state is CameraState.LOST and self._said.get(camera) == event.problem:
                    return
                self._said[camera] = event.problem
                again = " It will be tried again." if event.state is CameraState.LOST else ""
                remedy = f" {event.remedy}" if event.remedy is not None else ""
                click.echo(f"inspector: {camera}: {event.problem}{remedy}{again}", err=True)
            case CameraChanged(camera=camera):
                self.open.discard(camera)
                if event.state is not CameraState.CONNECTING:
                    self._seen, self._since = True, None
                    self._said.pop(camera, None)
            case Fault(where=where):
                self.open.add(where)
                if where != "recipe":
                    remedy = f" {event.remedy}" if event.remedy is not None else ""
                    click.echo(f"inspector: {where}: {event.problem}{remedy}", err=True)
            case Judging(why=why, note=note):
                if event.tuned:
                    click.echo(f"inspector: {why}", err=True)
                if note is not None:
                    click.echo(f"inspector: {note}", err=True)
            case Cleared(where=where):
                self.open.discard(where)
