"""An engine in a worker process: away from the window, which then neither imports torch nor dies with it."""

import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError, EngineError, InspectorError, JobError
from inspector.core.images import Prepared
from inspector.core.types import Floats, Precision
from inspector.engines.base import Engine
from inspector.engines.checks import check_batch
from inspector.workers.exchange import INPUT, OUTPUT, make_exchange, open_map
from inspector.workers.process import End, Outcome, WorkerProcess
from inspector.workers.protocol import Packet

OPEN_TIMEOUT_S = 180.0
REPLY_TIMEOUT_S = 60.0
_CLOSE_GRACE_S = 3.0


class WorkerLink:
    """A serving worker with one bundle open, and the memory shared with it. Used by one thread at a time.

    `input` [batch, height, width, channels] is written before a `call`; `output` holds the answer after it.
    """

    def __init__(
        self,
        kind: str,
        bundle: Bundle,
        *,
        batch: int,
        started: Callable[[WorkerProcess], None] | None = None,
        **job: object,
    ) -> None:
        """Start `inspector worker kind` and wait until it has opened the bundle. Raises EngineError.

        `started` gets the process as soon as there is one: cancelling it, from any thread, ends this wait and every other.
        """
        self._bundle = bundle
        self._replies: queue.SimpleQueue[Packet | Outcome] = queue.SimpleQueue()
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
        fields = {"bundle": str(bundle.folder.resolve()), "folder": str(self._folder), "batch": batch, **job}
        try:
            self._process = WorkerProcess(kind, fields, on_packet=self._take, on_end=self._replies.put)
            if started is not None:
                started(self._process)
            self.ready: Mapping[str, Any] = self._reply(OPEN_TIMEOUT_S)
            self.output: Floats = open_map(self._folder / OUTPUT, tuple(self.ready["shape"]), np.float32)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | JobError):
                raise EngineError(
                    "The worker of {bundle} cannot be used ({detail}).", bundle=bundle.name, detail=str(error).rstrip(".")
                ) from error
            raise
        # Both ends have them mapped; where the system allows it the names go now, so that not even a crash leaves them behind.
        with suppress(OSError):
            (self._folder / INPUT).unlink()
            (self._folder / OUTPUT).unlink()

    def call(self, **fields: object) -> Mapping[str, Any]:
        """Send a request and wait for the reply's fields.

        Raises ConfigError if the worker refuses the request, EngineError if it dies or hangs.
        """
        if self._process is None:
            raise EngineError("The worker of {bundle} is closed.", bundle=self._bundle.name)
        self._process.send(Packet("request", fields))
        return self._reply(REPLY_TIMEOUT_S)

    @property
    def closed(self) -> bool:
        """Whether the worker is gone: closed, or ended because it died or hung."""
        return self._process is None

    def interrupt(self) -> None:
        """End a worker that does not answer, from another thread: the call that waits for it raises EngineError."""
        process = self._process
        if process is not None and not self._interrupted:
            self._interrupted = True
            # A frozen process takes no request to end, and waiting for its end is nothing the caller has time for.
            ending = threading.Thread(target=lambda: process.stop(grace=0.0), name="worker-end", daemon=True)
            ending.start()

    def close(self) -> None:
        """End the worker; may be called twice."""
        if self._process is not None:
            self._process.stop(grace=_CLOSE_GRACE_S)
            self._process = None
        self.input = self.output = np.zeros(0, np.float32)  # a mapped file cannot be removed on Windows
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take(self, packet: Packet) -> None:
        if packet.type == "reply":
            self._replies.put(packet)

    def _reply(self, timeout: float) -> Mapping[str, Any]:
        try:
            answer = self._replies.get(timeout=timeout)
        except queue.Empty:
            self.close()
            raise EngineError(
                "The worker of {bundle} has not answered for {seconds:.0f} s and was ended.",
                remedy="Start again; use a smaller batch or another engine if it happens again.",
                bundle=self._bundle.name,
                seconds=timeout,
            ) from None
        if isinstance(answer, Outcome):
            self.close()
            raise self._ended(answer)
        if "problem" in answer.fields:
            fields = answer.fields
            raise ConfigError(fields["problem"], remedy=fields["remedy"], **fields["values"])
        return answer.fields

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
        """Raises EngineError or ConfigError, as the engine itself would."""
        super().__init__(bundle, precision=precision, threads=threads)
        size = bundle.card.max_batch
        self._link = WorkerLink("infer", bundle, batch=size, engine=engine, precision=precision, threads=threads)

    def infer(self, batch: Prepared) -> Floats:
        check_batch(self.bundle, batch)
        if self._link.closed:
            raise EngineError("The engine of {bundle} is closed.", bundle=self.bundle.name)
        count = len(batch)
        self._link.input[:count] = batch
        self._link.call(count=count)
        return self._link.output[:count].copy()

    def interrupt(self) -> bool:
        self._link.interrupt()
        return True

    def close(self) -> None:
        self._link.close()
