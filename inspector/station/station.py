"""The inspection station: cameras in, verdicts out."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.cameras.base import Camera, open_camera
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.types import Inspection, Precision
from inspector.inspection.events import (
    Cleared,
    Event,
    Fault,
    Inspected,
    Judging,
    StateChanged,
    StationState,
    Stats,
)
from inspector.inspection.program import Program, load_program
from inspector.recipes.recipe import Recipe
from inspector.station.counters import Counters
from inspector.station.pipeline import STOP_SECONDS, Mode, Pipeline, Worker
from inspector.tuning.store import Decision, decide

log = logging.getLogger(__name__)

Listener = Callable[[Event], None]
OpenCamera = Callable[[str, str, dict[str, str | int | float | bool]], Camera]
RECIPE = "recipe"  # where a Fault about the recipe, its bundles or sources is


class Station:
    """Runs one recipe at a time. Five commands go down: start, stop, apply, trigger, wait; facts come up as events.

    No command but `stop` and `wait` blocks. Listeners are called on the station's threads, one event at a time; they must
    be quick and must not call `stop`.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        base: Path | None = None,
        listeners: Sequence[Listener] = (),
        engine: str | None = None,
        precision: Precision | None = None,
        cameras: OpenCamera = open_camera,
    ) -> None:
        """Starts nothing. `base`: the recipe's folder; `engine`, `precision`: see `runtime_of`; `cameras` makes a camera."""
        self._given = recipe
        self._base = base
        self._listeners = tuple(listeners)
        self._engine = engine
        self._precision: Precision | None = precision
        self._open_camera = cameras
        self._commands = threading.RLock()  # one command at a time
        self._telling = threading.RLock()  # one event at a time
        self._state = StationState.STOPPED
        self._mode: Mode = recipe.mode
        self._counters = Counters()
        self._pipeline: Pipeline | None = None
        self._workers: list[Worker] = []
        self._starter: threading.Thread | None = None
        self._attempt = 0  # counts starts, stops and recipes, so that late answers are recognised
        self._latest: Inspection | None = None
        self._failure: InspectorError | None = None
        self._complete: Recipe | None = None
        self._ended = threading.Event()
        self._decision: tuple[object, Decision] | None = None

    @property
    def state(self) -> StationState:
        return self._state

    @property
    def recipe(self) -> Recipe:
        """The recipe that runs or ran last, with all that it left to the bundles; before a start, as it was given."""
        return self._complete or self._given

    @property
    def failure(self) -> InspectorError | None:
        """Why the last start did not succeed, or None."""
        return self._failure

    def start(self, mode: Mode | None = None) -> None:
        """Start; returns at once. `mode` instead of the recipe's. The events tell when it runs, or why it cannot."""
        with self._commands:
            if self._state is not StationState.STOPPED:
                return
            self._state = StationState.STARTING
            self._mode = mode or self._given.mode
            self._counters = Counters()
            self._latest = None
            self._failure = None
            self._ended.clear()
        self.emit(StateChanged(StationState.STARTING))
        self._bring_up(self._given, self._mode)

    def apply(self, recipe: Recipe, *, base: Path | None = None) -> None:
        """Change the recipe; returns at once. While running, the old one goes on until the new one's engines are open.

        A recipe that cannot run is told as a Fault at "recipe", and the old one stays. `base`: the new recipe's folder.
        """
        with self._commands:
            if base is not None:
                self._base = base
            if self._state in (StationState.STOPPED, StationState.STOPPING):
                self._given, self._complete = recipe, None
                return
            mode = self._mode if self._given.mode == recipe.mode else recipe.mode
        self._bring_up(recipe, mode)

    def trigger(self, part: str = "") -> str:
        """Inspect one part now; returns its id. Every trigger gets exactly one verdict. Raises ConfigError when it cannot."""
        pipeline = self._pipeline
        if pipeline is None or self._state is not StationState.RUNNING:
            raise ConfigError("The station is not running yet.", remedy="Start it, and wait until it runs.")
        return pipeline.trigger(part)

    def stop(self) -> None:
        """Stop every thread; takes a few seconds at most, even if a camera hangs. May be called twice."""
        with self._commands:
            if self._state in (StationState.STOPPED, StationState.STOPPING):
                return
            self._state = StationState.STOPPING
            self._attempt += 1
            pipeline, self._pipeline = self._pipeline, None
            workers, self._workers = self._workers, []
            starter = self._starter
        self.emit(StateChanged(StationState.STOPPING))
        if starter is not None:
            starter.join(STOP_SECONDS)
        if pipeline is not None:
            pipeline.stop()
        for worker in workers:
            worker.join(STOP_SECONDS)
        self._stopped()

    def stats(self) -> Stats:
        """Counters since the start, and rates and percentiles over the last parts."""
        pipeline = self._pipeline
        return self._counters.stats({} if pipeline is None else pipeline.edges())

    def latest(self) -> Inspection | None:
        """Return the newest inspection made with the recipe that runs now."""
        return self._latest

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every source has ended and every part has its verdict (or the station was stopped, or cannot start)."""
        return self._ended.wait(timeout)

    def emit(self, event: Event) -> None:
        """Tell every listener. For the pipeline."""
        with self._telling:
            for listener in self._listeners:
                try:
                    listener(event)
                except Exception:
                    log.exception("A listener failed at %s", type(event).__name__)

    def judged(self, inspection: Inspection, program: Program) -> None:
        """Take in a verdict. One of a recipe that runs no more is told, and never becomes the latest. For the pipeline."""
        pipeline = self._pipeline
        if pipeline is not None and pipeline.program is program:
            self._latest = inspection
        self.emit(Inspected(inspection))

    def through(self, pipeline: Pipeline) -> None:
        """Note that nothing more will come of a pipeline. For the pipeline."""
        if self._pipeline is pipeline:
            self._ended.set()

    def _stopped(self) -> None:
        with self._commands:
            self._state = StationState.STOPPED
            self._counters.end()
        self._ended.set()
        self.emit(StateChanged(StationState.STOPPED))

    def _bring_up(self, recipe: Recipe, mode: Mode) -> None:
        """Load a recipe's bundles and open its engines, on threads of their own."""
        with self._commands:
            self._attempt += 1
            arguments = (_Attempt(self._attempt, recipe, self._base, mode),)
            self._starter = threading.Thread(target=self._load, args=arguments, name="station-start", daemon=True)
            self._starter.start()

    def _load(self, attempt: "_Attempt") -> None:
        try:
            program = self._decided(load_program(attempt.recipe, attempt.base, engine=self._engine, precision=self._precision))
            with self._commands:
                if attempt.number != self._attempt:
                    return
                pipeline = self._pipeline
                if pipeline is None or not _same_sources(pipeline, program, attempt.mode):
                    models = {name: attempt.recipe.cameras[name] for name in sorted(program.cameras())}
                    cameras = {name: self._open_camera(name, model.source, model.options) for name, model in models.items()}
                    pipeline = Pipeline(program, cameras, mode=attempt.mode, owner=self, counters=self._counters)
                elif pipeline.adopt(program):
                    self._given, self._complete = attempt.recipe, program.recipe
                    pipeline = None
                if pipeline is not None:
                    self._hire(program, pipeline, attempt)
            if pipeline is None:
                self.emit(Cleared(RECIPE))
                self._tell(program)
        except InspectorError as error:
            self._refuse(attempt, error)
        except Exception as error:
            log.exception("The recipe cannot be loaded")
            self._refuse(attempt, InspectorError("Internal error while loading the recipe: {detail}", detail=error))

    def _decided(self, program: Program) -> Program:
        """Return the program with the variants that were tuned for this machine, unless a person asked for others.

        Tested once for the same bundles: a recipe that only got other rules must not slow the line that runs.
        """
        if self._engine is not None or self._precision is not None:
            return program
        key = (program.recipe.name, program.recipe.max_batch, tuple((step.bundle, step.runtime) for step in program.steps))
        if self._decision is None or self._decision[0] != key:
            self._decision = key, decide(program)
        return self._decision[1].apply(program)

    def _tell(self, program: Program) -> None:
        if program.why is not None:
            self.emit(Judging(program.why, program.note, program.tuned))

    def _hire(self, program: Program, pipeline: Pipeline, attempt: "_Attempt") -> None:
        def ready(worker: Worker, error: InspectorError | None) -> None:
            if error is not None:
                self._refuse(attempt, error)
            else:
                self._go(attempt, pipeline, worker)

        self._workers = [worker for worker in self._workers if worker.alive]
        self._workers.append(Worker(program, pipeline, ready=ready))

    def _go(self, attempt: "_Attempt", pipeline: Pipeline, worker: Worker) -> None:
        """The engines of an attempt are open: let it take over. Runs on the worker's thread."""
        with self._commands:
            if attempt.number != self._attempt:
                return
            old, starting = self._pipeline, self._state is StationState.STARTING
        if old is not None and old is not pipeline:
            old.stop()  # before the new one opens the same cameras
        with self._commands:
            if attempt.number != self._attempt:
                return
            self._pipeline = pipeline
            self._given, self._complete = attempt.recipe, worker.program.recipe
            self._mode = attempt.mode
            self._state = StationState.RUNNING
            self._ended.clear()
        self.emit(StateChanged(StationState.RUNNING) if starting else Cleared(RECIPE))
        self._tell(worker.program)
        pipeline.start(worker)

    def _refuse(self, attempt: "_Attempt", error: InspectorError) -> None:
        """An attempt failed: a start ends there, an applied recipe leaves the old one in place."""
        with self._commands:
            if attempt.number != self._attempt:
                return
            starting = self._state is StationState.STARTING
            self._failure = error if starting else None
        self.emit(Fault(RECIPE, error.problem, error.remedy))
        if starting:
            self._stopped()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try to run a recipe."""

    number: int
    recipe: Recipe
    base: Path | None
    mode: Mode


def _same_sources(pipeline: Pipeline, program: Program, mode: Mode) -> bool:
    """Return whether a running pipeline can go on reading its cameras for another program."""
    old, new = pipeline.program, program
    if pipeline.mode != mode or old.cameras() != new.cameras():
        return False
    if (old.recipe.join_ms, old.recipe.trigger_ms) != (new.recipe.join_ms, new.recipe.trigger_ms):
        return False
    pairs = [(old.recipe.cameras[name], new.recipe.cameras[name]) for name in new.cameras()]
    return all(before.source == after.source and before.options == after.options for before, after in pairs)
