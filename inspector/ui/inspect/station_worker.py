"""The thread between the station and the widgets.

`StationWorker` hosts the Qt-free Station: it makes, starts and stops it (which may take seconds) away from the event loop, and
keeps the newest status and inspection in one slot. It notifies the window at most `DISPLAY_HZ` times a second, and never again
before the window has taken the last snapshot. A slow repaint therefore skips pictures; it neither queues them nor slows
inspection.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from PySide6.QtCore import QObject

from inspector.core.errors import InspectorError
from inspector.core.types import Inspection, Verdict
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import Fault, Mode, StationState, StationStatus, Stats
from inspector.recipes.recipe import Recipe
from inspector.results.sink import Sink
from inspector.station.load_shedding import Limits, Shed, Shedder
from inspector.station.tally import Tallies, Tally, TallyFile, TallySink
from inspector.ui.widgets.work_thread import NewsThread

if TYPE_CHECKING:
    from inspector.results.heat import Keep
    from inspector.station.heat_maps import HeatSink

log = logging.getLogger(__name__)

DISPLAY_HZ: Final = 30.0
STATS_S: Final = 0.25
BEHIND_WINDOW: Final = 3  # steps of niceness, of 19; half the weight of the window's own thread
KEPT_NG: Final = 12  # the length of the filmstrip
STATION: Final = "station"  # name for a fault that belongs to no single stage

Listener = Callable[[StationStatus], None]


class StationLike(Protocol):
    """The interface of `station.Station` that the window uses."""

    def start(self, mode: Mode | None = None) -> None: ...
    def stop(self) -> None: ...
    def apply(self, recipe: Recipe, *, base: Path | None = None) -> None: ...
    def trigger(self, part: str = "") -> str: ...
    def stats(self) -> Stats: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Factory(Protocol):
    """A function that makes a station; raises InspectorError."""

    def __call__(
        self,
        recipe: Recipe,
        *,
        base: Path | None,
        sinks: Sequence[Sink],
        listeners: Sequence[Listener],
        lot: Callable[[Inspection], str],
    ) -> StationLike: ...


def make_station(
    recipe: Recipe,
    *,
    base: Path | None,
    sinks: Sequence[Sink],
    listeners: Sequence[Listener],
    lot: Callable[[Inspection], str],
) -> StationLike:
    """Make the real station. Its import happens here, so that the window appears before engines are searched for."""
    from inspector.archive.recording.journal import holds_parts
    from inspector.station.part_ids import PartIds
    from inspector.station.station import Station

    return Station(recipe, base=base, sinks=sinks, listeners=listeners, ids=PartIds(recorded=holds_parts), lot=lot)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The current state of the line.

    `newest`: the newest inspection of this run; `newest_at`: its arrival in monotonic seconds. `ng`: NG parts since the last
    snapshot, oldest first. `shed`: what to leave out because the line needs the processor.
    """

    status: StationStatus = field(default_factory=StationStatus)
    newest: Inspection | None = None
    newest_at: float = 0.0
    ng: tuple[Inspection, ...] = ()
    shed: Shed = Shed.NOTHING


class _DisplaySink(Sink):
    """A sink that puts inspections into the slot; a newer inspection replaces one the window has not taken."""

    name = "display"
    drop = "oldest"

    def __init__(self, put: Callable[[Inspection], None]) -> None:
        self._put = put

    def take(self, inspection: Inspection) -> None:
        self._put(inspection)


class StationWorker(NewsThread):
    """Runs the station.

    Commands return at once and are carried out on this thread, in order. Connect `news` and call `take()` in the slot.
    `save_to`: the folder in which every run gets its own folder with records, pictures and report; None: nothing is saved.
    `archive`: whether every part is recorded in the archive before it is shown. Changed attributes apply from the next start.
    """

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        factory: Factory = make_station,
        limits: Limits | None = None,
        counts: Path | None = None,
    ) -> None:
        """Create the thread. `limits`: load limits at which the window leaves things out.

        `counts`: folder in which the counters of the shift are kept; None: until the window is closed.
        """
        super().__init__(parent, hz=DISPLAY_HZ, look_s=STATS_S)
        self._tallies = Tallies(counts)
        self._limits = limits
        self._shedder = Shedder(limits)
        self.setObjectName("station worker")
        self.save_to: Path | None = None
        self.archive = False
        self._begun_with: tuple[bool, Path | None] = False, None  # `archive` and `save_to` of the run
        self._factory = factory
        self._now = Snapshot()
        self._ng: deque[Inspection] = deque(maxlen=KEPT_NG)
        self._early: list[str] = []  # single parts requested before the engines were ready
        self._station: StationLike | None = None
        self._maps: HeatSink | None = None  # of the run, also after its end
        self._serial = 0  # number of the current run; messages of older stations are ignored

    # ---- called by the window --------------------

    def begin(self, request: RunRequest, mode: Mode | None = None) -> None:
        """Start inspecting; a running station is stopped first."""
        with self._wake:
            self._serial += 1
            serial = self._serial
            status = StationStatus(StationState.STARTING, mode or request.recipe.mode, request.recipe)
            self._now = Snapshot(status, shed=self._now.shed)
            self._early.clear()
        self._command(lambda: self._begin(serial, request, mode))

    def forget(self) -> None:
        """Discard the state of the last run, if no run is active."""
        with self._wake:
            if self._now.status.state is StationState.STOPPED:
                self._now = Snapshot()

    def apply(self, request: RunRequest) -> None:
        """Switch to another recipe without losing a part; cameras in both recipes stay open."""
        self._command(lambda: self._apply(request))

    def end(self) -> None:
        """Stop inspecting."""
        with self._wake:
            if self._now.status.running:
                self._now = replace(self._now, status=replace(self._now.status, state=StationState.STOPPING))
        self._command(self._end)

    def single(self, part: str = "") -> None:
        """Inspect one part as soon as the line runs; the line must be in triggered mode."""
        self._command(lambda: self._single(part))

    def tally(self, *, simulated: bool) -> Tally:
        """Return the counters of the shift, or those of everything simulated."""
        return self._tallies.of(simulated=simulated).tally

    def reset_tally(self, *, simulated: bool, lot: str) -> None:
        """Begin these counters anew, with this lot; "" for none."""
        self._command(lambda: self._reset(self._tallies.of(simulated=simulated), lot))

    @property
    def unheeded(self) -> tuple[str, ...]:
        """What the running line does not follow, because it was started before it was changed: "archive", "save_to"."""
        if not self.status.running:
            return ()
        archive, save_to = self._begun_with
        changed = {"archive": archive != self.archive, "save_to": save_to != self.save_to}
        return tuple(name for name, is_changed in changed.items() if is_changed)

    @property
    def status(self) -> StationStatus:
        """The station's current status, including pending commands."""
        return self._now.status

    def take(self) -> Snapshot:
        """Return the current state of the line, and allow the next `news`."""
        with self._wake:
            snapshot = replace(self._now, ng=tuple(self._ng))
            self._ng.clear()
            self._taken()
            return snapshot

    def close(self) -> None:
        """Stop the station and this thread, and wait for both."""
        self._quit()
        self.wait()

    # ---- in this thread --------------------

    def run(self) -> None:
        """Carry out commands and notify the window until closed."""
        _let_the_window_first()
        self._work()
        with self._guarded(self._failed):
            self._end()
        self._end_maps()

    def _look(self) -> None:
        """Read the station's counters, and stop the station when all sources have ended and every part is judged."""
        station = self._station
        if station is None:
            return
        stats = station.stats()
        with self._wake:
            shed = self._shedder.observe(stats.takt.load, time.monotonic())
            if shed is not self._now.shed or stats != self._now.status.stats:
                self._now = replace(self._now, status=replace(self._now.status, stats=stats), shed=shed)
                self._stir()
            runs = self._now.status.state is StationState.RUNNING
        if runs and station.wait(0.0):
            self._end()

    def _failed(self, error: InspectorError) -> None:
        with self._wake:
            status = self._now.status
            faults = MappingProxyType({**status.faults, STATION: Fault(error.problem, error.remedy)})
            state = StationState.STOPPED if self._station is None else status.state
            self._put(replace(status, state=state, faults=faults))

    def _begin(self, serial: int, request: RunRequest, mode: Mode | None) -> None:
        self._stop_station()
        with self._wake:
            if serial != self._serial:
                return  # another start was requested meanwhile
            self._put(self._now.status)
        counting = TallySink(self._tallies, self._recipe)
        lot = self._tallies.of(simulated=request.recipe.is_simulated).tally.lot
        sinks = [*self._saving(lot, request.base), counting, _DisplaySink(lambda inspection: self._show(serial, inspection))]
        listeners = [lambda status: self._hear(serial, status)]
        station = self._factory(request.recipe, base=request.base, sinks=sinks, listeners=listeners, lot=self._lot_of)
        self._station = station
        station.start(mode)

    def _saving(self, lot: str, base: Path | None) -> list[Sink]:
        sinks: list[Sink] = []
        keepers: list[Keep] = []
        self._end_maps()
        self._begun_with = self.archive, self.save_to
        if self.archive:
            from inspector.archive.contents import RunContext
            from inspector.archive.recording.heat import heat_keepers
            from inspector.archive.recording.sinks import archive_sinks
            from inspector.archive.server import server_url

            sinks += archive_sinks(RunContext(lot=lot), url=server_url())
            keepers += heat_keepers(sinks)
        if self.save_to is not None:
            from inspector.results.saving import PictureSink, RecordSink, RunFolder

            folder = RunFolder(self.save_to)
            sinks += [RecordSink(folder, alone=not self.archive), PictureSink(folder)]
            keepers.append(folder.heat)
        if keepers:
            from inspector.station.heat_maps import HeatSink

            self._maps = HeatSink(keepers, base=base)
            sinks.append(self._maps)
        return sinks

    def _end_maps(self) -> None:
        """End what is still explained of the run before."""
        maps, self._maps = self._maps, None
        if maps is not None:
            maps.give_up()

    def _recipe(self) -> Recipe | None:
        return self._now.status.recipe

    def _lot_of(self, inspection: Inspection) -> str:
        return self._tallies.of_part(inspection, self._recipe()).tally.lot

    def _reset(self, tally: TallyFile, lot: str) -> None:
        try:
            tally.reset(lot)
        except OSError as error:
            log.warning("the counters cannot be kept (%s)", error)
        self._stir()

    def _apply(self, request: RunRequest) -> None:
        if self._station is not None:
            self._station.apply(request.recipe, base=request.base)
            if self._maps is not None:
                self._maps.base = request.base

    def _end(self) -> None:
        self._stop_station()
        with self._wake:
            if self._now.status.state is not StationState.STOPPED and not self._begins():
                self._put(replace(self._now.status, state=StationState.STOPPED))

    def _begins(self) -> bool:
        """Return whether a start is pending."""
        return self._now.status.state is StationState.STARTING

    def _stop_station(self) -> None:
        station, self._station = self._station, None
        if station is None:
            return
        try:
            station.stop()
        finally:
            stats = station.stats()
            with self._wake:
                if not self._begins():
                    self._put(replace(self._now.status, stats=stats))
                self._shedder = Shedder(self._limits)
                self._now = replace(self._now, shed=self._shedder.level)

    def _single(self, part: str) -> None:
        if self._station is None:
            return
        if self._now.status.state is StationState.STARTING:
            self._early.append(part)
        else:
            self._station.trigger(part)

    def _trigger_early(self) -> None:
        early, self._early = self._early, []
        for part in early:
            self._single(part)

    # ---- called by the station, in its threads --------------------

    def _hear(self, serial: int, status: StationStatus) -> None:
        with self._wake:
            if serial != self._serial:
                return  # from a station that is being replaced
            asked = self._now.status.state
            if asked is StationState.STOPPING and status.running:
                status = replace(status, state=asked)
            if status.state is StationState.RUNNING and self._early:
                self._commands.append(self._trigger_early)
            self._put(status)

    def _show(self, serial: int, inspection: Inspection) -> None:
        with self._wake:
            if serial != self._serial:
                return
            if inspection.verdict is Verdict.NG:
                self._ng.append(inspection)
            self._now = replace(self._now, newest=inspection, newest_at=time.monotonic())
            self._stir()

    def _put(self, status: StationStatus) -> None:
        with self._wake:
            if status.stats == Stats():
                status = replace(status, stats=self._now.status.stats)
            self._now = replace(self._now, status=status)
            self._stir()


def _let_the_window_first() -> None:
    """Give this thread, and all threads the station starts from it, a niceness.

    Only Linux inherits niceness. The window needs a few milliseconds for a picture. As one of five threads on two cores it
    would get a fifth of the time, and a button press would wait for the picture (p99 20.0 ms instead of 12.7 ms, demo line at
    full speed). Inspection throughput does not change: what the window does not take at once, it takes later.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        try:
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND_WINDOW)
        except OSError:
            log.debug("the niceness stays as it is", exc_info=True)
