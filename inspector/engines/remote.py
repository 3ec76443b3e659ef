"""An engine in a worker process, so that the window neither imports torch nor crashes with it."""

import queue
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError, EngineError, InspectorError, JobError
from inspector.core.message import Message
from inspector.core.types import Floats, Precision
from inspector.engines.base import Engine
from inspector.engines.checks import check_batch
from inspector.imaging.preprocessing import Prepared
from inspector.workers.exchange import INPUT, OUTPUT, make_exchange, open_map
from inspector.workers.jobs import ExplainJob, InferJob
from inspector.workers.messages import Explained, Inferred, InferRequest, Ready, Refused, Request, WorkerMessage
from inspector.workers.process import LOOK_S, SUSPENDED_LOOKS, End, Outcome, WorkerProcess, is_suspended

_Reply = Ready | Inferred | Explained | Refused
R = TypeVar("R", Ready, Inferred, Explained)

OPEN_TIMEOUT_S = 180.0
REPLY_TIMEOUT_S = 60.0
_CLOSE_GRACE_S = 3.0


class WorkerLink:
    """A serving worker with one bundle open, and the memory shared with it. Used by one thread at a time.

    `input` [batch, height, width, channels] is written before a `call`; `output` holds the answer after it.
    """

    def __init__(
        self,
        bundle: Bundle,
        make_job: Callable[[Path], InferJob | ExplainJob],
        *,
        started: Callable[[WorkerProcess], None] | None = None,
        batch: int = 1,
        patience: float = 1.0,
    ) -> None:
        """Start the job for the shared folder and wait until the worker has opened the bundle. Raises EngineError.

        `patience`: how many times longer than usual a worker may take that gets little of the processor. `started` receives the
        process as soon as it exists. Cancelling the process, from any thread, ends this wait and every later one.
        """
        self._bundle = bundle
        self._patience = patience
        self._replies: queue.SimpleQueue[_Reply | Outcome] = queue.SimpleQueue()
        spec = bundle.card.input
        try:
            self._folder, self.input = make_exchange((batch, *spec.shape), spec.dtype)
        except OSError as error:
            raise EngineError(
                "There is no room to share frames with the worker of {bundle} ({detail}).",
                remedy="Free some memory or disk space.",
                bundle=bundle.name,
                detail=error.strerror or error,
            ) from error
        self._process: WorkerProcess | None = None
        self._interrupted = False
        try:
            job = make_job(self._folder)
            self._process = WorkerProcess(job, listener=self._take, ended=self._replies.put, grace=_CLOSE_GRACE_S)
            if started is not None:
                started(self._process)
            self.ready = self._reply(Ready, OPEN_TIMEOUT_S)
            self.output: Floats = open_map(self._folder / OUTPUT, self.ready.shape, np.float32)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | JobError):
                raise EngineError(
                    "The worker of {bundle} cannot be used ({detail}).", bundle=bundle.name, detail=str(error).rstrip(".")
                ) from error
            raise
        # Both processes have mapped the files. Where the system allows it the names are removed now, so that even a crash
        # leaves none.
        with suppress(OSError):
            (self._folder / INPUT).unlink()
            (self._folder / OUTPUT).unlink()

    def call(self, request: Request, reply: type[R]) -> R:
        """Send a request and wait for its reply.

        Raises ConfigError if the worker refuses the request, EngineError if it dies, hangs or sends an unexpected answer.
        """
        if self._process is None:
            raise EngineError("The worker of {bundle} is closed.", bundle=self._bundle.name)
        self._process.send(request)
        return self._reply(reply, REPLY_TIMEOUT_S)

    @property
    def closed(self) -> bool:
        """Whether the worker has gone: closed, or ended because it died or hung."""
        return self._process is None

    def interrupt(self) -> None:
        """End a worker that does not answer, from another thread. The call that waits for it raises EngineError."""
        process = self._process
        if process is not None and not self._interrupted:
            self._interrupted = True
            with suppress(psutil.Error):
                psutil.Process(process.pid).kill()  # a frozen process cannot handle a request to end

    def close(self) -> None:
        """End the worker; may be called twice."""
        if self._process is not None:
            self._process.close()
            self._process = None
        self.input = self.output = np.zeros(0, np.float32)  # Windows cannot remove a mapped file
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take(self, message: WorkerMessage) -> None:
        if isinstance(message, Ready | Inferred | Explained | Refused):
            self._replies.put(message)

    def _reply(self, kind: type[R], timeout: float) -> R:
        began = time.monotonic()
        answer = self._next(began + timeout * self._patience)
        if answer is None:
            seconds = time.monotonic() - began
            self.interrupt()
            self.close()
            raise EngineError(
                "The worker of {bundle} has not answered for {seconds:.0f} s and was ended.",
                remedy="Start again; use a smaller batch or another engine if it happens again.",
                bundle=self._bundle.name,
                seconds=seconds,
            )
        if isinstance(answer, kind):
            return answer
        if isinstance(answer, Refused):
            problem, remedy = answer.problem.message, Message("") if answer.remedy is None else answer.remedy.message
            raise ConfigError(problem.template, remedy=remedy.template, **{**remedy.values, **problem.values})
        self.close()
        if isinstance(answer, Outcome):
            raise self._ended(answer)
        raise EngineError(
            "The worker of {bundle} cannot be used ({detail}).",
            bundle=self._bundle.name,
            detail=f"it answered {answer.type}",
        )

    def _next(self, until: float) -> _Reply | Outcome | None:
        """Return the next answer; None at that time (monotonic seconds), or if the worker is suspended meanwhile."""
        looks = 0  # in a row that found it suspended
        while time.monotonic() < until and looks < SUSPENDED_LOOKS:
            with suppress(queue.Empty):
                return self._replies.get(timeout=min(LOOK_S, max(0.0, until - time.monotonic())))
            looks = looks + 1 if self._process is not None and is_suspended(self._process.pid) else 0
        return None

    def _ended(self, outcome: Outcome) -> InspectorError:
        if self._interrupted:
            return EngineError(
                "The worker of {bundle} did not answer and was ended.",
                remedy="Start again; use a smaller batch or another engine if it happens again.",
                bundle=self._bundle.name,
            )
        if outcome.end is End.FAILED and outcome.problem is not None:
            error = outcome.error()
            if isinstance(error, ConfigError | EngineError):
                return error
            return EngineError(outcome.problem.template, remedy="", **outcome.problem.values)
        return EngineError(
            "The worker of {bundle} ended unexpectedly ({how}): {detail}.",
            remedy="Start again; use another engine if it happens again.",
            bundle=self._bundle.name,
            how=outcome.signal or f"exit code {outcome.exit_code}",
            detail=(outcome.details.splitlines() or ["it said nothing"])[-1].rstrip("."),
        )


class RemoteEngine(Engine):
    """Any engine of the registry, in a worker process; frames and outputs go through shared memory."""

    def __init__(self, bundle: Bundle, *, engine: str, precision: Precision = "fp32", threads: int = 0) -> None:
        """Raises EngineError or ConfigError, as the engine itself does."""
        super().__init__(bundle, precision=precision, threads=threads)
        size = bundle.card.max_batch
        place = bundle.folder.resolve()

        def make_job(folder: Path) -> InferJob:
            return InferJob(bundle=place, folder=folder, batch=size, engine=engine, precision=precision, threads=threads)

        self._link = WorkerLink(bundle, make_job, batch=size)

    def infer(self, batch: Prepared) -> Floats:
        check_batch(self.bundle, batch)
        if self._link.closed:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        count = len(batch)
        self._link.input[:count] = batch
        self._link.call(InferRequest(count=count), Inferred)
        return self._link.output[:count].copy()

    def interrupt(self) -> bool:
        self._link.interrupt()
        return True

    def close(self) -> None:
        self._link.close()
