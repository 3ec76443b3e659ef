"""Running the bundles over parts: prepare, infer, decode. The station, predict and the review page all use this."""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.core.errors import EngineError, InspectorError
from inspector.core.images import Prepared, prepare, view, whole
from inspector.core.message import Message, message
from inspector.core.types import Floats, Frame, Region
from inspector.engines.base import Engine
from inspector.inspection.events import Cleared, Fault
from inspector.inspection.parts import Findings, Part
from inspector.inspection.program import Program, Runtime, Step
from inspector.inspection.quality import check_age

log = logging.getLogger(__name__)

Report = Callable[[Fault | Cleared], None]
CORES = os.cpu_count() or 1
_Key = tuple[str, Runtime]  # folder of the bundle, and what runs it
RESTARTS, RESTART_PERIOD = 5, 60.0  # an engine is opened again at most this often in so many seconds


def _ignore(_event: Fault | Cleared) -> None:
    """The reporter of those who look at the inspections instead."""


class Budget:
    """At most `limit` attempts in any `period` seconds."""

    def __init__(self, limit: int = RESTARTS, period: float = RESTART_PERIOD) -> None:
        self._limit = limit
        self._period = period
        self._attempts: deque[float] = deque()

    def recent(self, now: float) -> int:
        """Return how many attempts lie in the last period."""
        while self._attempts and now - self._attempts[0] > self._period:
            self._attempts.popleft()
        return len(self._attempts)

    def spend(self, now: float) -> bool:
        """Take one attempt, if there is one left."""
        if self.recent(now) >= self._limit:
            return False
        self._attempts.append(now)
        return True


@dataclass(frozen=True, slots=True)
class _Job:
    """One frame for one step of one part."""

    part: Part
    findings: Findings
    frame: Frame
    step: Step

    @property
    def region(self) -> Region:
        return self.step.region or whole(self.frame.pixels)


@dataclass(slots=True)
class _Leg:
    """At most a batch of jobs on their way through one bundle.

    `ready`: those whose frame is prepared, in the order of the rows of `buffer`. `outputs` waits for the graph's. Seconds.
    """

    runner: "_Runner"
    jobs: Sequence[_Job]
    buffer: Prepared | None = None
    ready: Sequence[_Job] = ()
    outputs: Callable[[], Floats] | None = None
    engine: Engine | None = None
    prepare_s: float = 0.0
    started: float = 0.0


class _Runner:
    """One bundle on one engine, shared by all steps that use it: its batch buffers, and opening it again after a crash."""

    def __init__(self, bundle: Bundle, runtime: Runtime, limit: int, report: Report, hands: ThreadPoolExecutor) -> None:
        self.bundle = bundle
        self._hands = hands
        self.batch = min(limit, bundle.card.max_batch)
        self._runtime = runtime
        self._report = report
        self._engine: Engine | None = None
        self._problem: Message | None = None
        self._logged = ""
        self._budget = Budget()
        self._buffers = [self._new_buffer()]  # those that no batch is in
        self._side_by_side = False
        self._done = 0.0  # when the engine gave its last outputs

    def open(self, *, side_by_side: bool) -> int:
        """Open the engine and let it run once, so that the first part does not wait. Raises ConfigError or EngineError.

        `side_by_side`: be ready for several batches under way; returns how many others there may be.
        """
        engine = self._runtime.open(self.bundle)
        try:
            engine.infer(np.zeros((1, *self.bundle.card.input.shape), self.bundle.card.input.dtype))
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

    def start(self, leg: _Leg, *, beside: bool) -> None:
        """Prepare the frames of a leg and give them to the engine. `beside`: other batches are under way."""
        began = time.monotonic()
        leg.buffer = self._buffers.pop() if self._buffers else self._new_buffer()
        leg.ready = self._prepare(leg.jobs, leg.buffer, spread=not beside)
        leg.started = time.monotonic()
        leg.prepare_s = leg.started - began
        if leg.ready:
            leg.outputs = self._start(leg.buffer[: len(leg.ready)], leg.ready, beside=beside)
            leg.engine = self._engine

    def finish(self, leg: _Leg) -> None:
        """Wait for the engine: every job of a started leg gets a prediction or a failure, whatever happens."""
        raw = self._wait(leg)
        inferred = time.monotonic()
        # Batches side by side share the engine: each has cost the time since the one before was done.
        infer_s = max(0.0, inferred - max(leg.started, self._done))
        self._done = inferred
        if leg.buffer is not None:
            self._buffers.append(leg.buffer)
        if raw is not None:
            for step in dict.fromkeys(id(job.step) for job in leg.ready):
                rows = [row for row, job in enumerate(leg.ready) if id(job.step) == step]
                with self._guard([leg.ready[row] for row in rows]):
                    self._decode(raw if len(rows) == len(leg.ready) else raw[rows], [leg.ready[row] for row in rows])
        decoded = time.monotonic()
        for job in leg.jobs:
            job.findings.spent("prepare", leg.prepare_s / len(leg.jobs))
            job.findings.spent("infer", infer_s / len(leg.jobs))
            job.findings.spent("decode", (decoded - inferred) / len(leg.jobs))

    def _new_buffer(self) -> Prepared:
        return np.empty((self.batch, *self.bundle.card.input.shape), self.bundle.card.input.dtype)

    def _prepare(self, jobs: Sequence[_Job], buffer: Prepared, *, spread: bool) -> list[_Job]:
        """Fill the first rows of the buffer, one for each job that is returned; the others have their failure.

        `spread`: on every core, and before the engine starts: an engine that shares its cores waits for the slowest of them.
        Each core gets one share: handing over costs as much as preparing a small frame.
        """
        size = -(-len(jobs) // CORES) if spread else len(jobs)
        shares = [range(start, min(start + size, len(jobs))) for start in range(0, len(jobs), size)]
        others = [self._hands.submit(self._prepare_rows, jobs, buffer, rows) for rows in shares[1:]]
        done = self._prepare_rows(jobs, buffer, shares[0]) + [good for other in others for good in other.result()]
        ready: list[_Job] = []
        for row, (job, good) in enumerate(zip(jobs, done, strict=True)):
            if good:
                if len(ready) < row:
                    buffer[len(ready)] = buffer[row]
                ready.append(job)
        return ready

    def _prepare_rows(self, jobs: Sequence[_Job], buffer: Prepared, rows: range) -> list[bool]:
        return [self._prepare_row(buffer[row], jobs[row]) for row in rows]

    def _prepare_row(self, out: Prepared, job: _Job) -> bool:
        with self._guard([job]):
            prepare(job.frame.pixels, job.step.card.input, job.region, out=out, bits=job.frame.bits)
            return True
        return False

    def _start(self, batch: Prepared, jobs: Sequence[_Job], *, beside: bool) -> Callable[[], Floats] | None:
        """Give the engine a batch; None, with the reason at every job and a Fault, if it does not work."""
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
            return self._engine.start(batch, beside=beside)
        except Exception as error:  # noqa: BLE001 - stage boundary: an engine may raise anything, and no part may be lost
            self._fail(error, jobs, self._engine)
            return None

    def _wait(self, leg: _Leg) -> Floats | None:
        """Return the graph's outputs [N, ...]; None, with the reason at every job and a Fault, if the engine does not work."""
        if leg.outputs is None:
            return None
        try:
            raw = leg.outputs()
            if len(raw) != len(leg.ready):
                raise EngineError(
                    "The engine of {bundle} gave {got} results for {count} frames.",
                    bundle=self.bundle.name,
                    got=len(raw),
                    count=len(leg.ready),
                )
        except Exception as error:  # noqa: BLE001 - stage boundary: as above
            self._fail(error, leg.ready, leg.engine)
            return None
        if self._problem is not None:
            self._problem = None
            self._report(Cleared(self.bundle.name))
        return raw

    def _reopen(self) -> None:
        if self._engine is None and self._budget.spend(time.monotonic()):
            self.open(side_by_side=self._side_by_side)

    def _fail(self, error: Exception, jobs: Sequence[_Job], engine: Engine | None) -> None:
        """Note a failure of `engine` and close it, unless another was opened while this batch was under way in it."""
        problem = self._describe(error)
        for job in jobs:
            job.findings.fail(problem)
        if problem != self._problem:
            self._problem = problem
            self._report(Fault(self.bundle.name, problem, error.remedy if isinstance(error, InspectorError) else None))
        if engine is not self._engine:
            return
        try:
            self.close()
        except Exception:  # a broken engine may not even close; a new one is opened all the same
            log.exception("The engine of %s cannot be closed", self.bundle.name)

    def _decode(self, raw: Floats, jobs: Sequence[_Job]) -> None:
        """Predictions of the jobs of one step."""
        finite = np.isfinite(raw.reshape(len(raw), -1)).all(axis=1)
        for row in np.flatnonzero(~finite).tolist():
            jobs[row].findings.fail(message("The bundle {bundle} gave values that are not numbers.", bundle=self.bundle.name))
        good = np.flatnonzero(finite).tolist()
        if not good:
            return
        kept = [jobs[row] for row in good]
        step = kept[0].step
        views = [view(job.region, step.card.input, step.model.camera) for job in kept]
        outputs = raw if len(good) == len(raw) else raw[good]
        predictions = step.task.decode(outputs, step.card, views, [job.frame for job in kept])
        for job, prediction in zip(kept, predictions, strict=True):
            job.findings.predictions.append(
                replace(
                    prediction,
                    bundle=step.model.bundle,
                    camera=step.model.camera,
                    engine=step.runtime.engine,
                    precision=step.runtime.precision,
                )
            )

    @contextmanager
    def _guard(self, jobs: Sequence[_Job]) -> Iterator[None]:
        """An exception becomes a failure of these jobs."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - stage boundary: one bad frame must not take the others with it
            problem = self._describe(error)
            for job in jobs:
                job.findings.fail(problem)

    def _describe(self, error: Exception) -> Message:
        """Return the sentence for people; a defect of ours also goes to the log with its traceback, once while it repeats."""
        if isinstance(error, InspectorError):
            return error.problem
        where, detail = self.bundle.name, f"{type(error).__name__}: {error}"
        if detail != self._logged:
            self._logged = detail
            log.error("Internal error at %s", where, exc_info=error)
        return message("Internal error at {where}: {detail}", where=where, detail=detail)


@dataclass(frozen=True, slots=True)
class Flight:
    """Parts that were begun, and what is known of them; the rest is in the engines. `beside`: so are other parts."""

    findings: list[Findings]
    legs: list[_Leg]
    beside: bool


class Analyser:
    """The engines of a program. Opened, used and closed by one thread.

    `others`: how many flights may be under way beside the one that is begun; 0 unless it was opened `side_by_side`.
    """

    def __init__(self, program: Program, *, report: Report = _ignore) -> None:
        """Opens nothing. `report` is told of engines that fail and work again."""
        self.program = program
        self.others = 0
        self._runners: dict[_Key, _Runner] = {}
        self._hands = ThreadPoolExecutor(CORES, thread_name_prefix="station-prepare")  # starts no thread yet
        for step in program.steps:
            key = _key(step)
            if key not in self._runners:
                self._runners[key] = _Runner(step.bundle, step.runtime, program.recipe.max_batch, report, self._hands)

    def open(self, *, side_by_side: bool = False) -> None:
        """Open every engine. Raises ConfigError or EngineError; then none stays open. `side_by_side`: see `others`."""
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
        self._hands.shutdown()

    def can_follow(self, program: Program) -> bool:
        """Return whether the open engines can run another program: the same bundles on the same engines."""
        same = {_key(step) for step in program.steps} == set(self._runners)
        return same and program.recipe.max_batch == self.program.recipe.max_batch

    def follow(self, program: Program) -> None:
        """Go on with a program that `can_follow` agrees to: other rules, limits or regions."""
        self.program = program

    def analyse(self, parts: Sequence[Part]) -> list[Findings]:
        """Return what the bundles say of each part. Never raises for a frame, a bundle or an engine: those are failures."""
        return self.finish(self.begin(parts))

    def begin(self, parts: Sequence[Part], *, beside: bool = False) -> Flight:
        """Give parts to the engines. `beside`: others are under way, or will be, before this one is finished.

        A lone batch has the engines one after the other: two at once would wait for each other's cores.
        """
        findings = [Findings() for _ in parts]
        jobs: dict[_Key, list[_Job]] = {key: [] for key in self._runners}
        now = time.monotonic()
        for part, found in zip(parts, findings, strict=True):
            found.spent("wait", now - part.grabbed())
            for job in self._jobs(part, found, now):
                jobs[_key(job.step)].append(job)
        legs = [
            _Leg(runner, jobs[key][start : start + runner.batch])
            for key, runner in self._runners.items()
            for start in range(0, len(jobs[key]), runner.batch)
        ]
        flight = Flight(findings, legs, beside and self.others > 0)
        for leg in legs if flight.beside else legs[:1]:
            leg.runner.start(leg, beside=flight.beside)
        return flight

    def finish(self, flight: Flight) -> list[Findings]:
        """Wait for parts that were begun: what `analyse` gives."""
        for index, leg in enumerate(flight.legs):
            if index and not flight.beside:
                leg.runner.start(leg, beside=False)
            leg.runner.finish(leg)
        return flight.findings

    def _jobs(self, part: Part, findings: Findings, now: float) -> Iterator[_Job]:
        """Yield the jobs of a part; what cannot be inspected becomes a failure."""
        for step in self.program.steps:
            shot = part.shots.get(step.model.camera)
            if shot is None:
                if not part.failures:
                    findings.fail(message("{camera} gave no frame for this part.", camera=step.model.camera))
                continue
            gate = self.program.recipe.cameras[step.model.camera].gate
            # Why a picture does not fit says more than what it then looks like (too dark).
            problem = step.unfit(shot.frame, gate) if shot.frame is not None else None
            problem = problem or shot.problem
            if problem is None and shot.frame is not None and shot.live:
                problem = check_age(shot.frame, gate, now=now)
            if problem is not None:
                findings.fail(problem)
            elif shot.frame is not None:
                yield _Job(part, findings, shot.frame, step)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _key(step: Step) -> _Key:
    return (str(step.bundle.folder), step.runtime)
