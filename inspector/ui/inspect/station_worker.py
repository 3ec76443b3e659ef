"""The thread between the station and the widgets.

`StationWorker` hosts the Qt-free Station: it makes, starts and stops it (which may take seconds) away from the event
loop, and keeps the newest facts in one slot. It tells the window at most `DISPLAY_HZ` times a second, and never a second
time before the window has taken the first: a slow repaint skips pictures, it neither queues them nor slows inspection.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from PySide6.QtCore import QObject, QThread, Signal

from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Inspection, Verdict
from inspector.inspection.events import (
    CameraChanged,
    CameraState,
    Event,
    Fault,
    Inspected,
    StateChanged,
    StationState,
    Stats,
)
from inspector.inspection.run_request import RunRequest
from inspector.recipes.recipe import Recipe
from inspector.station.load_shedding import Limits, Shed, Shedder

log = logging.getLogger(__name__)

DISPLAY_HZ: Final = 30.0
STATS_S: Final = 0.25
BEHIND_WINDOW: Final = 3  # steps of niceness, of 19; half the weight of the window's own thread
KEPT_NG: Final = 12  # as many as the filmstrip shows
STATION: Final = "station"  # `where` of a fault that is not of one stage

Mode = Literal["free", "triggered"]
Listener = Callable[[Event], None]


class StationLike(Protocol):
    """What the window needs of `station.Station`."""

    def start(self, mode: Mode | None = None) -> None: ...
    def stop(self) -> None: ...
    def trigger(self, part: str = "") -> str: ...
    def stats(self) -> Stats: ...
    @property
    def recipe(self) -> Recipe: ...


class Factory(Protocol):
    """Makes a station; raises InspectorError."""

    def __call__(self, recipe: Recipe, *, base: Path | None, listeners: Sequence[Listener]) -> StationLike: ...


def make_station(recipe: Recipe, *, base: Path | None, listeners: Sequence[Listener]) -> StationLike:
    """The real station; imported here, so that the window is on screen before engines are looked for."""
    from inspector.station.station import Station

    return Station(recipe, base=base, listeners=listeners)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """News since the last one. `inspection`: the newest, or None if there was none. `ng`: NG parts since, oldest first.

    `recipe`: the one that runs, with everything that it left to its bundles; None before the first start. `shed`: what is to
    be left out, because the line needs the processor.
    """

    inspection: Inspection | None
    ng: tuple[Inspection, ...]
    events: tuple[Event, ...]
    stats: Stats
    recipe: Recipe | None = None
    shed: Shed = Shed.NOTHING


class StationWorker(QThread):
    """Commands return at once and are carried out in this thread, in order. Connect `news` and call `take()` in the slot."""

    news = Signal()

    def __init__(self, parent: QObject | None = None, *, factory: Factory = make_station, limits: Limits | None = None) -> None:
        """`limits`: of the load at which the window leaves things out."""
        super().__init__(parent)
        self._limits = limits
        self._shedder = Shedder(limits)
        self.setObjectName("station worker")
        self._factory = factory
        self._wake = threading.Condition()
        self._commands: deque[Callable[[], None]] = deque()
        self._newest: Inspection | None = None
        self._ng: deque[Inspection] = deque(maxlen=KEPT_NG)
        self._events: deque[Event] = deque()
        self._stats = Stats()
        self._recipe: Recipe | None = None
        self._dirty = False
        self._told = False  # `news` was emitted and not yet taken
        self._quit = False
        self._station: StationLike | None = None
        self._choice: tuple[RunRequest, Mode | None] | None = None
        self._ended: dict[str, bool] = {}
        self._serial = 0

    # ---- called by the window --------------------

    def begin(self, choice: RunRequest, mode: Mode | None = None) -> None:
        """Start inspecting; a station that runs is stopped first."""
        self._command(lambda: self._begin(choice, mode))

    def end(self) -> None:
        """Stop inspecting."""
        self._command(self._end)

    def again(self) -> None:
        """Start the last recipe anew: the remedy of a camera or engine that was given up."""
        self._command(self._again)

    def single(self, part: str = "") -> None:
        """Inspect one part now; the station must run in triggered mode."""
        self._command(lambda: self._single(part))

    def take(self) -> Snapshot:
        """The news, and leave to be told again."""
        with self._wake:
            snapshot = Snapshot(
                self._newest, tuple(self._ng), tuple(self._events), self._stats, self._recipe, self._shedder.level
            )
            self._newest = None
            self._ng.clear()
            self._events.clear()
            self._told = False
            self._wake.notify_all()
            return snapshot

    def close(self) -> None:
        """Stop the station and this thread, and wait for both."""
        with self._wake:
            self._quit = True
            self._wake.notify_all()
        self.wait()

    # ---- in this thread --------------------

    def run(self) -> None:
        """Carry out commands and tell the window, until closed."""
        _let_the_window_first()
        next_telling = next_stats = 0.0
        while True:
            command = self._next_command(next_telling, next_stats)
            if self._quit:
                break
            if command is not None:
                self._carry_out(command)
            now = time.monotonic()
            if now >= next_stats:
                next_stats = now + STATS_S
                self._refresh()
            if now >= next_telling and self._tell():
                next_telling = now + 1.0 / DISPLAY_HZ
        self._carry_out(self._end)

    def _next_command(self, next_telling: float, next_stats: float) -> Callable[[], None] | None:
        with self._wake:
            if not self._commands and not self._quit:
                now = time.monotonic()
                due = max(next_telling - now, 0.0) if self._dirty and not self._told else STATS_S
                if self._station is not None:
                    due = min(due, max(next_stats - now, 0.0))
                if due > 0:
                    self._wake.wait(due)
            return self._commands.popleft() if self._commands and not self._quit else None

    def _tell(self) -> bool:
        with self._wake:
            if not self._dirty or self._told:
                return False
            self._dirty, self._told = False, True
        self.news.emit()
        return True

    def _refresh(self) -> None:
        """Take the station's counters, and stop it when all its sources are through and everything is judged."""
        station = self._station
        if station is None:
            return
        stats = station.stats()
        recipe = station.recipe
        with self._wake:
            self._recipe = recipe
            before = self._shedder.level
            if self._shedder.observe(stats.takt.load, time.monotonic()) is not before:
                self._dirty = True
            if stats != self._stats:
                self._stats, self._dirty = stats, True
            through = bool(self._ended) and all(self._ended.values())
        wait = getattr(station, "wait", None)
        if through and wait is not None and wait(0.0):
            self._end()

    def _carry_out(self, command: Callable[[], None]) -> None:
        try:
            command()
        except InspectorError as error:
            self._failed(error.problem, error.remedy)
        except Exception as error:
            log.exception("the station failed")
            self._failed(_defect(error))

    def _failed(self, problem: Message, remedy: Message | None = None) -> None:
        self._put(Fault(STATION, problem, remedy))
        if self._station is None:
            self._put(StateChanged(StationState.STOPPED))

    def _begin(self, choice: RunRequest, mode: Mode | None) -> None:
        self._end()
        self._choice = (choice, mode)
        self._serial += 1
        serial = self._serial
        with self._wake:
            self._newest = None
            self._ended = dict.fromkeys(choice.recipe.cameras, False)
            self._stats, self._dirty = Stats(), True
        self._put(StateChanged(StationState.STARTING))
        station = self._factory(choice.recipe, base=choice.base, listeners=[lambda event: self._hear(serial, event)])
        self._station = station
        station.start(mode)

    def _end(self) -> None:
        station, self._station = self._station, None
        if station is None:
            return
        try:
            station.stop()
        finally:
            stats = station.stats()
            with self._wake:
                self._newest = None
                self._stats = stats
                self._ended = {}
                self._shedder = Shedder(self._limits)
            self._put(StateChanged(StationState.STOPPED))

    def _again(self) -> None:
        if self._choice is not None:
            self._begin(*self._choice)

    def _single(self, part: str) -> None:
        if self._station is not None:
            self._station.trigger(part)

    # ---- called by the station, in its threads --------------------

    def _hear(self, serial: int, event: Event) -> None:
        if serial == self._serial:  # not from a station that is being replaced
            self._put(event)

    def _put(self, event: Event) -> None:
        with self._wake:
            if isinstance(event, Inspected):
                self._newest = event.inspection
                if event.inspection.verdict is Verdict.NG:
                    self._ng.append(event.inspection)
            else:
                self._events.append(event)
                if isinstance(event, CameraChanged) and event.camera in self._ended:
                    self._ended[event.camera] = event.state is CameraState.ENDED
            if not self._dirty:  # once told that there is news, the thread keeps its own time
                self._dirty = True
                self._wake.notify_all()

    def _command(self, command: Callable[[], None]) -> None:
        with self._wake:
            self._commands.append(command)
            self._wake.notify_all()


def _let_the_window_first() -> None:
    """Give this thread, and all that the station starts from it, a niceness; elsewhere than on Linux it is not inherited.

    The window needs a few milliseconds for a picture. As one of five threads on two cores it would have a fifth of the time
    to make it, and a press of a button would wait for it (p99 12.7 against 20.0 ms, the demo line as fast as it goes). As
    much is inspected as before: what the window does not take at once, it takes later.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        try:
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND_WINDOW)
        except OSError:
            log.debug("the niceness stays as it is", exc_info=True)


def _defect(error: Exception) -> Message:
    return message("This program has a defect: {detail}.", detail=f"{type(error).__name__}: {error}")
