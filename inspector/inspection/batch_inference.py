"""Inference of the bundles over parts: prepare, infer, decode. Shared by the station, predict and the review page."""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.core.errors import EngineError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Floats, Frame, Prediction, Region
from inspector.engines.base import Engine
from inspector.imaging.preprocessing import Prepared, prepare, view, whole
from inspector.inspection.parts import Part, PartResult
from inspector.inspection.program import Program, Runtime, Step
from inspector.inspection.pulse import Pulse
from inspector.inspection.quality import check_age
from inspector.inspection.status import Report
from inspector.recipes.verdict import threshold_of

log = logging.getLogger(__name__)

CORES = os.cpu_count() or 1
_Key = tuple[str, Runtime]  # folder and runtime of a bundle
RESTARTS, RESTART_PERIOD = 5, 60.0  # most restarts of an engine within this period in seconds


OPEN_PATIENCE_S = 200.0  # longer than any engine takes to open; a worker process has 180 s
FRAME_S = 0.5  # upper bound for preparing or reading a frame of any size on any processor
SLOWER = 4.0  # an engine this many times slower than before still counts as working


def _ignore(_where: str, _problem: Message | None, _remedy: Message | None) -> None:
    """Ignore reports: the default for callers that look at the inspections instead."""


class Budget:
    """Permits at most `limit` attempts in any `period` seconds."""

    def __init__(self, limit: int = RESTARTS, period: float = RESTART_PERIOD) -> None:
        self._limit = limit
        self._period = period
        self._attempts: deque[float] = deque()

    def recent(self, now: float) -> int:
        """Return the number of attempts in the last period."""
        while self._attempts and now - self._attempts[0] > self._period:
            self._attempts.popleft()
        return len(self._attempts)

    def spend(self, now: float) -> bool:
        """Use one attempt; return False if none is left."""
        if self.recent(now) >= self._limit:
            return False
        self._attempts.append(now)
        return True


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of one frame for one step, and their predictions so far. `region`: what they cover."""

    region: Region
    count: int
    predictions: list[Prediction] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FrameTask:
    """One frame for one step of one part; a tile of it, if it is inspected in `tiles`."""

    part: Part
    result: PartResult
    frame: Frame
    step: Step
    region: Region
    tiles: Tiles | None = None

    def answer(self, prediction: Prediction) -> None:
        """Record the prediction; that of a tile is kept until the last one of its frame, which joins them."""
        if self.tiles is None:
            self.result.predictions.append(prediction)
            return
        found = self.tiles.predictions
        found.append(prediction)
        if len(found) == self.tiles.count:  # if a tile failed, the part has a failure and no prediction
            region = self.tiles.region
            joined = self.step.task.join([(one.region, one.answer) for one in found], region, self.step.card)
            self.result.predictions.append(replace(prediction, region=region, answer=joined))


@dataclass(slots=True)
class EngineBatch:
    """At most one batch of tasks on their way through one bundle.

    `ready`: tasks with a prepared frame, in the order of the rows of `buffer`. `outputs` waits for the graph's output. Times
    are in seconds.
    """

    runner: "BundleRunner"
    tasks: Sequence[FrameTask]
    buffer: Prepared | None = None
    ready: Sequence[FrameTask] = ()
    outputs: Callable[[], Floats] | None = None
    engine: Engine | None = None
    prepare_s: float = 0.0
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class _Shared:
    """State shared by the runners of one thread."""

    report: Report
    pulse: Pulse
    prepare_pool: ThreadPoolExecutor


class BundleRunner:
    """One bundle on one engine, shared by all steps that use it.

    Owns the batch buffers and reopens the engine after a crash.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, program: Program, shared: "_Shared") -> None:
        self.bundle = bundle
        self._prepare_pool, self._report, self._pulse = shared.prepare_pool, shared.report, shared.pulse
        self.batch = min(program.recipe.max_batch, bundle.card.max_batch)
        self._runtime = runtime
        self._silence_s = program.recipe.silence_s
        self._frame_s = 0.0  # longest engine time per frame so far
        self._engine: Engine | None = None
        self._problem: Message | None = None
        self._logged = ""
        self._budget = Budget()
        self._buffers = [self._new_buffer()]  # free buffers
        self._side_by_side = False
        self._done = 0.0  # time of the engine's last outputs

    def open(self, *, side_by_side: bool) -> int:
        """Open the engine and run it once, so that the first part does not wait. Raises ConfigError or EngineError.

        `side_by_side`: prepare for concurrent batches. Returns how many may run in addition to one.
        """
        with self._pulse.during(self.bundle.name, OPEN_PATIENCE_S):
            engine = self._runtime.open(self.bundle)
            try:
                began = time.monotonic()
                engine.infer(np.zeros((1, *self.bundle.card.input.shape), self.bundle.card.input.dtype))
                self._frame_s = max(self._frame_s, time.monotonic() - began)
                others = engine.side_by_side() if side_by_side else 0
            except BaseException:
                engine.close()
                raise
        self._engine, self._side_by_side = engine, side_by_side
        return others

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def interrupt(self) -> bool:
        """End the wait for the engine, from another thread. Returns False if the engine cannot be interrupted."""
        engine = self._engine
        return engine is not None and engine.interrupt()

    def start(self, batch: EngineBatch, *, beside: bool) -> None:
        """Prepare the frames of a batch and start the engine. `beside`: other batches run at the same time."""
        began = time.monotonic()
        batch.buffer = self._buffers.pop() if self._buffers else self._new_buffer()
        with self._pulse.during(self.bundle.name, self._silence_s + FRAME_S * len(batch.tasks)):
            batch.ready = self._prepare(batch.tasks, batch.buffer, spread=not beside)
        batch.started = time.monotonic()
        batch.prepare_s = batch.started - began
        if batch.ready:
            batch.outputs = self._start(batch.buffer[: len(batch.ready)], batch.ready, beside=beside)
            batch.engine = self._engine

    def finish(self, batch: EngineBatch) -> None:
        """Wait for the engine. Every task of a started batch gets a prediction or a failure, whatever happens."""
        raw = self._wait(batch)
        inferred = time.monotonic()
        # Concurrent batches share the engine: each is charged the time since the previous one ended.
        infer_s = max(0.0, inferred - max(batch.started, self._done))
        self._done = inferred
        if raw is not None:
            self._frame_s = max(self._frame_s, infer_s / len(batch.ready))
        if batch.buffer is not None:
            self._buffers.append(batch.buffer)
        if raw is not None:
            for step in dict.fromkeys(id(task.step) for task in batch.ready):
                rows = [row for row, task in enumerate(batch.ready) if id(task.step) == step]
                with (
                    self._guard([batch.ready[row] for row in rows]),
                    self._pulse.during(self.bundle.name, self._silence_s + FRAME_S * len(rows)),
                ):
                    self._decode(raw if len(rows) == len(batch.ready) else raw[rows], [batch.ready[row] for row in rows])
        decoded = time.monotonic()
        for task in batch.tasks:
            task.result.spent("prepare", batch.prepare_s / len(batch.tasks))
            task.result.spent("infer", infer_s / len(batch.tasks))
            task.result.spent("decode", (decoded - inferred) / len(batch.tasks))

    def _new_buffer(self) -> Prepared:
        return np.empty((self.batch, *self.bundle.card.input.shape), self.bundle.card.input.dtype)

    def _prepare(self, tasks: Sequence[FrameTask], buffer: Prepared, *, spread: bool) -> list[FrameTask]:
        """Fill the first rows of the buffer, one for each returned task. The other tasks get their failure.

        `spread`: use every core, and finish before the engine starts, because an engine that shares its cores waits for the
        slowest of them. Each core gets one share: a hand-over costs as much as preparing a small frame.
        """
        size = -(-len(tasks) // CORES) if spread else len(tasks)
        shares = [range(start, min(start + size, len(tasks))) for start in range(0, len(tasks), size)]
        others = [self._prepare_pool.submit(self._prepare_rows, tasks, buffer, rows) for rows in shares[1:]]
        done = self._prepare_rows(tasks, buffer, shares[0]) + [good for other in others for good in other.result()]
        ready: list[FrameTask] = []
        for row, (task, good) in enumerate(zip(tasks, done, strict=True)):
            if good:
                if len(ready) < row:
                    buffer[len(ready)] = buffer[row]
                ready.append(task)
        return ready

    def _prepare_rows(self, tasks: Sequence[FrameTask], buffer: Prepared, rows: range) -> list[bool]:
        return [self._prepare_row(buffer[row], tasks[row]) for row in rows]

    def _prepare_row(self, out: Prepared, task: FrameTask) -> bool:
        with self._guard([task]):
            prepare(task.frame.pixels, task.step.card.input, task.region, out=out, bits=task.frame.bits)
            return True
        return False

    def _start(self, batch: Prepared, tasks: Sequence[FrameTask], *, beside: bool) -> Callable[[], Floats] | None:
        """Start the engine on a batch; if that fails, return None and record the reason at every task and as a Fault."""
        try:
            self._reopen()
            if self._engine is None:
                raise EngineError(
                    "The engine of {bundle} failed {count} times within {seconds:.0f} s and is given a rest.",
                    remedy="Choose another engine, or restart the program.",
                    bundle=self.bundle.name,
                    count=RESTARTS,
                    seconds=RESTART_PERIOD,
                )
            with self._pulse.during(self.bundle.name, self._patience_s(len(tasks))):
                return self._engine.start(batch, beside=beside)
        except Exception as error:  # noqa: BLE001 - stage boundary: an engine may raise anything, and no part may be lost
            self._fail(error, tasks, self._engine)
            return None

    def _wait(self, batch: EngineBatch) -> Floats | None:
        """Return the graph's outputs [N, ...]; None if the engine fails.

        The reason is then recorded at every task and as a Fault.
        """
        if batch.outputs is None:
            return None
        try:
            with self._pulse.during(self.bundle.name, self._patience_s(len(batch.ready))):
                raw = batch.outputs()
            if len(raw) != len(batch.ready):
                raise EngineError(
                    "The engine of {bundle} gave {got} results for {count} frames.",
                    bundle=self.bundle.name,
                    got=len(raw),
                    count=len(batch.ready),
                )
        except Exception as error:  # noqa: BLE001 - stage boundary: as above
            self._fail(error, batch.ready, batch.engine)
            return None
        if self._problem is not None:
            self._problem = None
            self._report(self.bundle.name, None, None)
        return raw

    def _patience_s(self, count: int) -> float:
        """Return the time limit of a batch in seconds: much longer than earlier batches took, including concurrent ones."""
        return max(self._silence_s, SLOWER * self._frame_s * count)

    def _reopen(self) -> None:
        if self._engine is None and self._budget.spend(time.monotonic()):
            self.open(side_by_side=self._side_by_side)

    def _fail(self, error: Exception, tasks: Sequence[FrameTask], engine: Engine | None) -> None:
        """Record a failure of `engine` and close it, unless it was replaced while this batch was running."""
        problem = self._describe(error)
        for task in tasks:
            task.result.fail(problem)
        if problem != self._problem:
            self._problem = problem
            self._report(self.bundle.name, problem, error.remedy if isinstance(error, InspectorError) else None)
        if engine is not self._engine:
            return
        try:
            self.close()
        except Exception:  # a broken engine may fail to close; a new one is opened regardless
            log.exception("The engine of %s cannot be closed", self.bundle.name)

    def _decode(self, raw: Floats, tasks: Sequence[FrameTask]) -> None:
        """Decode the predictions of the tasks of one step."""
        finite = np.isfinite(raw.reshape(len(raw), -1)).all(axis=1)
        for row in np.flatnonzero(~finite).tolist():
            tasks[row].result.fail(message("The bundle {bundle} gave values that are not numbers.", bundle=self.bundle.name))
        good = np.flatnonzero(finite).tolist()
        if not good:
            return
        kept = [tasks[row] for row in good]
        step = kept[0].step
        views = [view(task.region, step.card.input, step.model.camera) for task in kept]
        outputs = raw if len(good) == len(raw) else raw[good]
        predictions = step.task.decode(outputs, step.card, views, [task.frame for task in kept])
        for task, prediction in zip(kept, predictions, strict=True):
            task.answer(
                replace(
                    prediction,
                    bundle=step.model.bundle,
                    camera=step.model.camera,
                    engine=step.runtime.engine,
                    precision=step.runtime.precision,
                    threshold=threshold_of(step.model),
                )
            )

    @contextmanager
    def _guard(self, tasks: Sequence[FrameTask]) -> Iterator[None]:
        """Turn an exception into a failure of these tasks."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - stage boundary: one bad frame must not take the others with it
            problem = self._describe(error)
            for task in tasks:
                task.result.fail(problem)

    def _describe(self, error: Exception) -> Message:
        """Return the message for an error. A defect of ours is also logged with its traceback, once while it repeats."""
        if isinstance(error, InspectorError):
            return error.problem
        where, detail = self.bundle.name, f"{type(error).__name__}: {error}"
        if detail != self._logged:
            self._logged = detail
            log.error("Internal error at %s", where, exc_info=error)
        return message("Internal error at {where}: {detail}", where=where, detail=detail)


@dataclass(frozen=True, slots=True)
class InFlightBatch:
    """Parts whose inference was begun, with their results so far. `beside`: other parts are under way at the same time."""

    result: list[PartResult]
    batches: list[EngineBatch]
    beside: bool


class BatchInference:
    """The engines of a program. Opened, used and closed by one thread.

    `others`: how many flights may be under way in addition to the one being begun; 0 unless opened `side_by_side`.
    """

    def __init__(self, program: Program, *, report: Report = _ignore) -> None:
        """Opens nothing. `report` receives failures and recoveries of engines. `pulse`: records what the thread waits for."""
        self.program = program
        self.others = 0
        self.pulse = Pulse()
        self._runners: dict[_Key, BundleRunner] = {}
        pool = ThreadPoolExecutor(CORES, thread_name_prefix="station-prepare")  # starts its threads on first use
        self._shared = _Shared(report, self.pulse, pool)
        for step in program.steps:
            key = _key(step)
            if key not in self._runners:
                self._runners[key] = BundleRunner(step.bundle, step.runtime, program, self._shared)

    def open(self, *, side_by_side: bool = False) -> None:
        """Open every engine, or none if one raises ConfigError or EngineError. `side_by_side`: see `others`."""
        try:
            others = [runner.open(side_by_side=side_by_side) for runner in self._runners.values()]
        except BaseException:
            self.close()
            raise
        self.others = min(others, default=0)

    def close(self) -> None:
        """Close every engine; may be called twice."""
        for runner in self._runners.values():
            runner.close()
        self._shared.prepare_pool.shutdown()

    def interrupt(self, bundle: str) -> bool:
        """End the wait for the engines of a bundle, from another thread. Returns False if none can be interrupted."""
        ended = [runner.interrupt() for runner in self._runners.values() if runner.bundle.name == bundle]
        return any(ended)

    def can_follow(self, program: Program) -> bool:
        """Return whether the open engines can run another program: the same bundles on the same engines."""
        same = {_key(step) for step in program.steps} == set(self._runners)
        return same and program.recipe.max_batch == self.program.recipe.max_batch

    def follow(self, program: Program) -> None:
        """Continue with a program accepted by `can_follow`: other rules, limits or regions."""
        self.program = program

    def analyse(self, parts: Sequence[Part]) -> list[PartResult]:
        """Return the results of the bundles for each part.

        Never raises for a frame, bundle or engine: these become failures.
        """
        return self.finish(self.begin(parts))

    def begin(self, parts: Sequence[Part], *, beside: bool = False) -> InFlightBatch:
        """Start inference for parts. `beside`: other flights are under way, or will be before this one is finished.

        A lone batch uses the engines one after the other, because two at once would wait for each other's cores.
        """
        result = [PartResult() for _ in parts]
        tasks: dict[_Key, list[FrameTask]] = {key: [] for key in self._runners}
        now = time.monotonic()
        for part, found in zip(parts, result, strict=True):
            found.spent("wait", now - part.grabbed())
            for task in self._tasks(part, found, now):
                tasks[_key(task.step)].append(task)
        batches = [
            EngineBatch(runner, tasks[key][start : start + runner.batch])
            for key, runner in self._runners.items()
            for start in range(0, len(tasks[key]), runner.batch)
        ]
        flight = InFlightBatch(result, batches, beside and self.others > 0)
        for batch in batches if flight.beside else batches[:1]:
            batch.runner.start(batch, beside=flight.beside)
        return flight

    def finish(self, flight: InFlightBatch) -> list[PartResult]:
        """Wait for a flight and return the results, as `analyse` does."""
        for index, batch in enumerate(flight.batches):
            if index and not flight.beside:
                batch.runner.start(batch, beside=False)
            batch.runner.finish(batch)
        return flight.result

    def _tasks(self, part: Part, result: PartResult, now: float) -> Iterator[FrameTask]:
        """Return the tasks of a part. A frame that cannot be inspected becomes a failure."""
        for step in self.program.steps:
            capture = part.captures.get(step.model.camera)
            if capture is None:
                if not part.failures:
                    result.fail(message("{camera} gave no frame for this part.", camera=step.model.camera))
                continue
            gate = self.program.recipe.cameras[step.model.camera].gate
            # The reason why a picture does not fit is more useful than its consequence (too dark).
            problem = step.unfit(capture.frame, gate) if capture.frame is not None else None
            problem = problem or capture.problem
            if problem is None and capture.frame is not None and capture.live:
                problem = check_age(capture.frame, gate, now=now)
            if problem is not None:
                result.fail(problem)
            elif capture.frame is not None:
                yield from _tasks_of(part, result, capture.frame, step)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _tasks_of(part: Part, result: PartResult, frame: Frame, step: Step) -> Iterator[FrameTask]:
    region = step.region or whole(frame.pixels)
    if step.tiling is None:
        yield FrameTask(part, result, frame, step, region)
        return
    places = step.tiling.tiles(region)
    tiles = Tiles(region, len(places))
    for place in places:
        yield FrameTask(part, result, frame, step, place, tiles)


def _key(step: Step) -> _Key:
    return (str(step.bundle.folder), step.runtime)
