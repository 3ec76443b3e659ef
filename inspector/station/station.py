"""The inspection station: cameras in, verdicts out."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from inspector.bundles.acceptance import admit
from inspector.cameras.base import Camera, open_camera
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Inspection, Precision
from inspector.inspection.program import Program, load_program
from inspector.inspection.status import CameraStatus, Fault, Judging, Mode, StationState, StationStatus, Stats
from inspector.recipes.recipe import Recipe
from inspector.results.sink import Sink
from inspector.station.counters import Counters
from inspector.station.inspection_thread import InspectionThread
from inspector.station.ledgers import Ledgers, LedgerSink
from inspector.station.outputs import NAMED_S, Outputs
from inspector.station.part_ids import PartIds
from inspector.station.pipeline import STOP_SECONDS, Pipeline
from inspector.tuning.store import Decision, decide

log = logging.getLogger(__name__)

Listener = Callable[[StationStatus], None]
OpenCamera = Callable[[str, str, dict[str, str | int | float | bool]], Camera]
RECIPE = "recipe"  # location of faults of the recipe, its bundles or sources
START = "start"  # location of a fault while the station starts


class Station:
    """Runs one recipe at a time. There are five commands: start, stop, apply, trigger, wait; it reports statuses and verdicts.

    No command except `stop` and `wait` blocks. Listeners receive every new status, one at a time, on the station's threads;
    they must be quick and must not call `stop`. Sinks receive every verdict, each on its own thread.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        base: Path | None = None,
        sinks: Sequence[Sink] = (),
        listeners: Sequence[Listener] = (),
        engine: str | None = None,
        precision: Precision | None = None,
        cameras: OpenCamera = open_camera,
        limit: int | None = None,
        ids: PartIds | None = None,
        lot: Callable[[Inspection], str] | None = None,
    ) -> None:
        """Starts nothing. `base`: the recipe's folder; `engine`, `precision`: see `runtime_of`; `cameras` makes a camera.

        `limit`: most parts to judge; then the sources count as ended. `ids`: names the parts that have no id of their own; by
        default they are numbered from 0 in each run. `lot` returns the name of the lot that a part belongs to.
        """
        self._given = recipe
        self._base = base
        self._sinks = tuple(sinks)
        self._listeners = tuple(listeners)
        self._engine = engine
        self._precision: Precision | None = precision
        self._open_camera = cameras
        self._limit = limit
        self._ids = ids
        self._lot = lot
        self._commands = threading.RLock()  # one command at a time
        self._telling = threading.RLock()  # one status at a time
        self._status = StationStatus(mode=recipe.mode, recipe=recipe)
        self._counters = Counters()
        self._outputs: Outputs | None = None
        self._ledgers = Ledgers()
        self._pipeline: Pipeline | None = None
        self._threads: list[InspectionThread] = []
        self._starter: threading.Thread | None = None
        self._attempt = 0  # counts starts, stops and recipes, so that late answers are recognised
        self._ended = threading.Event()
        self._decision: tuple[object, Decision] | None = None

    @property
    def status(self) -> StationStatus:
        """The current status of the station, with its counters."""
        return replace(self._status, stats=self.stats())

    def start(self, mode: Mode | None = None) -> None:
        """Start and return at once. `mode` overrides the recipe's. The status shows when the station runs, or why it cannot."""
        with self._commands:
            if self._status.state is not StationState.STOPPED:
                return
            self._counters = Counters()
            self._ledgers = Ledgers()
            self._outputs = Outputs(self._sinks, self._counters, self.report, self._ledgers)
            self._ended.clear()
            mode = mode or self._given.mode
            self._publish(StationStatus(StationState.STARTING, mode, self._given))
        self._bring_up(self._given, mode)

    def apply(self, recipe: Recipe, *, base: Path | None = None) -> None:
        """Change the recipe and return at once. A running recipe continues until the new one's engines are open.

        A recipe that cannot run is a fault at "recipe", and the old one stays. `base`: the new recipe's folder.
        """
        with self._commands:
            if base is not None:
                self._base = base
            status = self._status
            if not status.running:
                self._given = recipe
                self._publish(replace(status, recipe=recipe))
                return
            mode = status.mode if self._given.mode == recipe.mode else recipe.mode
        self._bring_up(recipe, mode)

    def trigger(self, part: str = "") -> str:
        """Inspect one part now and return its id. Every trigger gets exactly one verdict. Raises ConfigError if it cannot."""
        pipeline = self._pipeline
        if pipeline is None or self._status.state is not StationState.RUNNING:
            raise ConfigError("The station is not running yet.", remedy="Start it, and wait until it runs.")
        return pipeline.trigger(part)

    def stop(self) -> None:
        """Stop the cameras, then deliver every judged part to every sink; nothing is delivered afterwards.

        Takes a few seconds at most, even if a camera hangs, but waits for sinks as long as they make progress. May be called
        twice.
        """
        with self._commands:
            threads, self._threads = self._threads, []
            running = self._status.running
            if running:
                self._attempt += 1
                pipeline, self._pipeline = self._pipeline, None
                starter = self._starter
                self._publish(replace(self._status, state=StationState.STOPPING))
        if not running:
            for thread in threads:  # of a start that was refused: a process that ends while an engine is closed is aborted
                thread.join(STOP_SECONDS)
            return
        if starter is not None and starter is not threading.current_thread():
            starter.join(STOP_SECONDS)
        if pipeline is not None:
            pipeline.stop()
        for thread in threads:
            thread.join(0 if pipeline is not None else STOP_SECONDS)
        self._stopped()

    def stats(self) -> Stats:
        """Return the counters since the start, and rates and percentiles over the last parts."""
        pipeline, outputs = self._pipeline, self._outputs
        edges = {} if pipeline is None else pipeline.edges()
        return self._counters.stats(edges | ({} if outputs is None else outputs.edges()))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every source has ended and every sink has every verdict (or the station was stopped, or cannot start)."""
        return self._ended.wait(timeout)

    # ---- what the pipeline tells --------------------

    def report(self, where: str, problem: Message | None, remedy: Message | None) -> None:
        """Record a fault, or (`problem` None) that it is over."""
        with self._telling:
            faults = {name: fault for name, fault in self._status.faults.items() if name != where}
            if problem is not None:
                faults[where] = Fault(problem, remedy)
            if faults != self._status.faults:
                self._publish(replace(self._status, faults=MappingProxyType(faults)))

    def camera_is(self, name: str, status: CameraStatus) -> None:
        """Record the status of a camera."""
        with self._telling:
            cameras: Mapping[str, CameraStatus] = MappingProxyType({**self._status.cameras, name: status})
            self._publish(replace(self._status, cameras=cameras))

    def judged(self, inspections: Sequence[Inspection], wait: bool) -> None:
        """Count verdicts and deliver them to the sinks."""
        if self._lot is not None:
            inspections = [replace(inspection, lot=self._lot(inspection)) for inspection in inspections]
        for inspection in inspections:
            self._counters.part(inspection)
        if self._outputs is not None:
            self._outputs.put(inspections, wait)

    def part_opened(self, sequence: int, part: str) -> None:
        """Let the sinks note a part that is under way."""
        if self._outputs is not None:
            self._outputs.part_opened(sequence, part)

    def part_forgotten(self, sequence: int) -> None:
        """Let the sinks note a part that gets no verdict."""
        if self._outputs is not None:
            self._outputs.part_forgotten(sequence)

    def look(self, now: float) -> None:
        """Check for hanging sinks."""
        if self._outputs is not None:
            self._outputs.look(now)

    def through(self, pipeline: Pipeline) -> None:
        """Record that a pipeline has ended, and finish once every sink has everything."""
        if self._pipeline is pipeline and (self._outputs is None or self._outputs.idle):
            self._ended.set()

    # ---- inside --------------------

    def _publish(self, status: StationStatus) -> None:
        """Set the status and notify every listener."""
        with self._telling:
            self._status = status
            for listener in self._listeners:
                try:
                    listener(status)
                except Exception:
                    log.exception("A listener failed at %s", status.state)

    def _stopped(self) -> None:
        outputs = self._outputs
        self._counters.end()
        if outputs is not None:
            outputs.close(lambda: self.status)
        try:
            self._ledgers.close()
        except InspectorError as error:
            self.report(LedgerSink.name, error.problem, error.remedy)
        with self._commands:
            self._publish(replace(self.status, state=StationState.STOPPED))
        self._ended.set()

    def _bring_up(self, recipe: Recipe, mode: Mode) -> None:
        """Load a recipe's bundles and open its engines, on separate threads."""
        with self._commands:
            self._attempt += 1
            arguments = (_Attempt(self._attempt, recipe, self._base, mode),)
            self._starter = threading.Thread(target=self._load, args=arguments, name="station-start", daemon=True)
            self._starter.start()

    def _load(self, attempt: "_Attempt") -> None:
        try:
            with self._named_if_slow():
                program = load_program(attempt.recipe, attempt.base, engine=self._engine, precision=self._precision)
                for bundle in {step.bundle.folder: step.bundle for step in program.steps}.values():
                    admit(bundle)
            program = self._decided(program)
            with self._commands:
                if attempt.number != self._attempt:
                    return
                pipeline = self._pipeline
                if pipeline is not None:
                    program.history.take_over(pipeline.program.history)
                if pipeline is not None and _same_sources(pipeline, program, attempt.mode) and pipeline.adopt(program):
                    self._runs(attempt, program)
                    return
            if pipeline is None or not _same_sources(pipeline, program, attempt.mode):
                # Without the lock, so that the station can be stopped while the disk of a ledger does not answer.
                with self._named_if_slow():
                    if self._ids is not None:
                        self._ids.prepare()
                    pipeline = self._new_pipeline(attempt, program)
            with self._commands:
                if attempt.number == self._attempt:
                    self._hire(program, pipeline, attempt)
        except InspectorError as error:
            self._refuse(attempt, error)
        except Exception as error:
            log.exception("The recipe cannot be loaded")
            self._refuse(attempt, InspectorError("Internal error while loading the recipe: {detail}", detail=error))

    @contextmanager
    def _named_if_slow(self) -> Iterator[None]:
        """Report a step of the start that does not end in time: nothing is supervised yet."""
        named = threading.Event()

        def name() -> None:
            named.set()
            problem = message("The start has waited for a disk or a share for {seconds:.0f} s.", seconds=NAMED_S)
            self.report(START, problem, message("Check the disk, and the network to its share."))

        timer = threading.Timer(NAMED_S, name)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if named.is_set():
                self.report(START, None, None)

    def _new_pipeline(self, attempt: "_Attempt", program: Program) -> Pipeline:
        models = {name: attempt.recipe.cameras[name] for name in sorted(program.cameras())}
        cameras = {name: self._open_camera(name, model.source, model.options) for name, model in models.items()}
        for camera in cameras.values():
            self._ledgers.attach(attempt.recipe.name, camera)
        issue = None if self._ids is None else self._ids.issue
        return Pipeline(
            program, cameras, mode=attempt.mode, owner=self, counters=self._counters, limit=self._limit, issue=issue
        )

    def _decided(self, program: Program) -> Program:
        """Return the program with the variants tuned for this machine, unless a person asked for others.

        Tested once for the same bundles: a recipe with other rules only must not slow the running line.
        """
        if self._engine is not None or self._precision is not None:
            return program
        key = (program.recipe.name, program.recipe.max_batch, tuple((step.bundle, step.runtime) for step in program.steps))
        if self._decision is None or self._decision[0] != key:
            self._decision = key, decide(program)
        return self._decision[1].apply(program)

    def _hire(self, program: Program, pipeline: Pipeline, attempt: "_Attempt") -> None:
        def ready(thread: InspectionThread, error: InspectorError | None) -> None:
            if error is not None:
                self._refuse(attempt, error)
            else:
                self._go(attempt, pipeline, thread)

        self._threads = [thread for thread in self._threads if thread.alive]
        self._threads.append(InspectionThread(program, pipeline, report=self.report, ready=ready))

    def _go(self, attempt: "_Attempt", pipeline: Pipeline, thread: InspectionThread) -> None:
        """Let an attempt whose engines are open take over. Runs on the inspecting thread."""
        with self._commands:
            if attempt.number != self._attempt:
                return
            old, outputs = self._pipeline, self._outputs
            starting = self._status.state is StationState.STARTING
        if old is not None and old is not pipeline:
            old.stop()  # before the new one opens the same cameras
        if starting and outputs is not None:
            try:
                with self._named_if_slow():
                    outputs.open(replace(self.status, recipe=thread.program.recipe))
            except InspectorError as error:
                self._outputs = None
                self._refuse(attempt, error)
                return
        with self._commands:
            late = attempt.number != self._attempt
            if not late:
                self._pipeline = pipeline
        if late:
            if starting and outputs is not None:
                outputs.close(lambda: self.status)
            return
        with self._commands:
            self._ended.clear()
            if old is not pipeline:
                self._publish(replace(self._status, cameras=MappingProxyType({})))
            self._runs(attempt, thread.program)
        pipeline.start(thread)

    def _runs(self, attempt: "_Attempt", program: Program) -> None:
        """Publish that this program runs."""
        self._given = attempt.recipe
        with self._telling:
            faults = {where: fault for where, fault in self._status.faults.items() if where != RECIPE}
            judging = None if program.why is None else Judging(program.why, program.note, program.tuned)
            self._publish(
                replace(
                    self._status,
                    state=StationState.RUNNING,
                    mode=attempt.mode,
                    recipe=program.recipe,
                    faults=MappingProxyType(faults),
                    judging=judging,
                )
            )

    def _refuse(self, attempt: "_Attempt", error: InspectorError) -> None:
        """Record that an attempt failed. A start ends there; after a failed `apply` the old recipe stays."""
        with self._commands:
            if attempt.number != self._attempt:
                return
            starting = self._status.state is StationState.STARTING
            if starting:
                self._publish(replace(self._status, failure=error))
        self.report(RECIPE, error.problem, error.remedy)
        if starting:
            self._stopped()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to run a recipe."""

    number: int
    recipe: Recipe
    base: Path | None
    mode: Mode


def _same_sources(pipeline: Pipeline, program: Program, mode: Mode) -> bool:
    """Return whether a running pipeline can keep its cameras for another program."""
    old, new = pipeline.program, program
    if pipeline.mode != mode or old.cameras() != new.cameras():
        return False
    if (old.recipe.join_ms, old.recipe.trigger_ms) != (new.recipe.join_ms, new.recipe.trigger_ms):
        return False
    pairs = [(old.recipe.cameras[name], new.recipe.cameras[name]) for name in new.cameras()]
    return all(before.source == after.source and before.options == after.options for before, after in pairs)
