"""`inspector run`: the station without a window."""

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import click

from inspector.archive.contents import RunContext
from inspector.archive.recording.heat import heat_keepers
from inspector.archive.recording.journal import holds_parts
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.server import server_url
from inspector.cameras.base import kind_of
from inspector.cli.support.lines import say
from inspector.cli.support.notes import say_masks_left_out
from inspector.cli.support.output import PrintingSink
from inspector.cli.support.signals import stop_signals
from inspector.core.message import Message
from inspector.core.registry import ENGINES, find
from inspector.core.types import PRECISIONS, Precision
from inspector.inspection.run_request import RunRequest, resolve_recipe
from inspector.inspection.status import CameraState, StationStatus
from inspector.results.saving import PictureSink, RecordSink, RunFolder
from inspector.results.sink import Sink
from inspector.station.heat_maps import HeatSink
from inspector.station.part_ids import PartIds, station_folder
from inspector.station.station import RECIPE, Station
from inspector.station.tally import Tallies, Tally, TallyFile, TallySink, lot_name

_POLL = 0.1  # seconds
_REST_S = 10.0  # for the parts that are left to be explained when a person ends the run


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
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Save pictures, results.jsonl and a report here, in a new folder for each start.",
)
@click.option(
    "--archive/--no-archive", default=True, show_default=True, help="Record every part in the archive before it is told."
)
@click.option(
    "--heat/--no-heat",
    default=None,
    help="Keep where bundles looked in each NG part.  [default: the recipe's]",
)
@click.option("--lot", help="Lot of the parts; another one than before begins the counters anew.  [default: as before]")
@click.option("--count-anew", is_flag=True, help="Begin the counters of the shift or lot at 0.")
@click.option("--order", default="", help="Work order, for the archive.")
@click.option("--shift", default="", help="Name of the shift, for the archive.")
@click.option("--line", default="", help="Name of the line, for the archive.")
@click.option("--operator", default="", help="Who runs the line, for the archive.")
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
    archive: bool,
    heat: bool | None,
    as_json: bool,
    lot: str | None,
    count_anew: bool,
    **context: str,
) -> int:
    """Inspect until the source ends, --limit parts are through, or Ctrl-C.

    If a camera that has delivered frames is lost, the run waits for it without end; if no camera ever delivers a frame, the run
    ends. Exit code 1: a camera or engine was at fault at the end, or something could not be saved.
    """
    if recipe is not None and models:
        raise click.UsageError("Give either --recipe or --model.")
    if engine is not None:
        find(ENGINES, engine, "engine")
    resolved = _with_heat(resolve_recipe(recipe, models, source), heat, kept=archive or out is not None)
    if resolved.note is not None:
        say(f"inspector: {resolved.note}", err=True)
    for camera in resolved.recipe.cameras.values():
        kind, address = kind_of(camera.source)
        if kind == "folder" and not (camera.options.get("watch") or camera.options.get("masks")):
            say_masks_left_out(Path(address).expanduser(), recursive=bool(camera.options.get("recursive")))
    folder = None if out is None else RunFolder(out)
    if folder is not None:
        say(f"Saving to {folder.folder}", err=True)
    pictures = None if folder is None else PictureSink(folder)
    printer = PrintingSink(as_json=as_json)
    tallies = Tallies(station_folder())
    counters = tallies.of(simulated=resolved.recipe.is_simulated)
    _begin_counting(counters, lot, anew=count_anew)
    archiving = archive_sinks(RunContext(lot=counters.tally.lot, **context), url=server_url()) if archive else []
    saving: list[Sink] = []
    if folder is not None and pictures is not None:
        saving = [RecordSink(folder, alone=not archive), pictures]
    keepers = heat_keepers(archiving) if folder is None else [*heat_keepers(archiving), folder.heat]
    maps = HeatSink(keepers, base=resolved.base)
    console = _Console()
    station = Station(
        resolved.recipe,
        base=resolved.base,
        sinks=[*archiving, *saving, maps, TallySink(tallies, lambda: resolved.recipe), printer],
        listeners=[console.hear],
        engine=engine,
        precision=precision,
        limit=limit,
        ids=PartIds(recorded=holds_parts),
        lot=lambda inspection: tallies.of_part(inspection, resolved.recipe).tally.lot,
    )
    with stop_signals() as interrupted:
        station.start()
        try:
            while not interrupted.is_set() and not station.wait(_POLL):
                if console.hopeless(give_up) or (printer.closed and folder is None):
                    break
        finally:
            station.stop()  # saves and prints all inspected parts before it returns
            _explain_the_rest(maps, interrupted)
    status = station.status
    if status.failure is not None:
        raise status.failure
    if not printer.closed:
        say(_counts(counters.tally), err=True)
    if pictures is not None and folder is not None and pictures.report is not None and maps.made:
        pictures.close(status)  # again, with the heat maps
    lost = None if folder is None else folder.losses
    if lost is not None:
        say(f"inspector: {lost}", err=True)
    elif pictures is not None and pictures.report is not None:
        say(f"Report: {pictures.report}", err=True)
    return 1 if lost is not None or printer.failed or status.faults or status.lost or maps.problem else 0


def _with_heat(request: RunRequest, heat: bool | None, *, kept: bool) -> RunRequest:
    """Return the request with heat maps kept or not, where that was said. `kept`: there is a place to keep them."""
    if heat is None:
        return request
    if heat and not kept:
        raise click.UsageError("--heat needs a place to keep the maps: the archive, or --out.")
    recipe = request.recipe
    archive = recipe.archive.model_copy(update={"heat": heat})
    return replace(request, recipe=recipe.model_copy(update={"archive": archive}))


def _explain_the_rest(maps: HeatSink, interrupted: threading.Event) -> None:
    """Wait until the NG parts that are left are explained: a person who ends the run waits a few seconds for it."""
    ended = interrupted.is_set()
    until = time.monotonic() + _REST_S if ended else math.inf
    if not maps.finish(0):
        say("Explaining the last NG parts; Ctrl-C leaves them out.", err=True)
    while not maps.finish(_POLL) and time.monotonic() < until and (ended or not interrupted.is_set()):
        pass
    maps.give_up()
    if maps.problem is not None:
        say(f"inspector: {maps.problem}", err=True)
    if maps.missed:
        say(f"inspector: {maps.missed} NG parts have no heat map.", err=True)


def _begin_counting(counters: TallyFile, lot: str | None, *, anew: bool) -> None:
    """Begin to count at 0 if this is another lot, or if asked for. `lot` None: as before."""
    name = counters.tally.lot if lot is None else lot_name(lot)
    if anew or name != counters.tally.lot:
        try:
            counters.reset(name)
        except OSError as error:
            say(f"inspector: the counters cannot be kept ({error.strerror or error})", err=True)


def _counts(tally: Tally) -> str:
    """Return the counters of the shift or lot as a line."""
    what = f"Lot {tally.lot}" if tally.lot else "Shift or lot"
    share = "" if tally.yield_share is None else f", yield {tally.yield_share * 100:.1f} %"
    return (
        f"{what} since {tally.since.astimezone():%Y-%m-%d %H:%M}: {tally.parts} parts, {tally.ok} OK, {tally.ng} NG, "
        f"{tally.review} REVIEW, {tally.not_inspected} NOT_INSPECTED{share}"
    )


class _Console:
    """Reports problems on stderr as they happen."""

    def __init__(self) -> None:
        self._status = StationStatus()
        self._first_loss: float | None = None
        self._said: set[tuple[str, str]] = set()  # a lasting or recurring problem is reported once

    def hopeless(self, seconds: float) -> bool:
        """Return whether no camera has delivered a frame for so long that none may exist. 0 means wait forever."""
        cameras = self._status.cameras.values()
        if not seconds or not self._status.lost or any(camera.seen for camera in cameras):
            return False
        return self._first_loss is not None and time.monotonic() - self._first_loss > seconds

    def hear(self, status: StationStatus) -> None:
        before, self._status = self._status, status
        if status.lost and self._first_loss is None:
            self._first_loss = time.monotonic()
        for name, camera in status.cameras.items():
            if camera.state is CameraState.STREAMING:
                self._said = {said for said in self._said if said[0] != name}
            elif camera.troubled and camera.problem is not None:
                again = " It will be tried again." if camera.state is CameraState.LOST else ""
                self._say(name, camera.problem, camera.remedy, again)
        for where, fault in status.faults.items():
            if where != RECIPE and before.faults.get(where) != fault:
                self._say(where, fault.problem, fault.remedy)
        judging = status.judging
        if judging is not None and judging != before.judging:
            for sentence in (judging.why if judging.tuned else None, judging.note):
                if sentence is not None:
                    say(f"inspector: {sentence}", err=True)

    def _say(self, where: str, problem: Message, remedy: Message | None, more: str = "") -> None:
        if (where, problem.text) in self._said:
            return
        self._said.add((where, problem.text))
        said = f" {remedy}" if remedy is not None else ""
        say(f"inspector: {where}: {problem}{said}{more}", err=True)
