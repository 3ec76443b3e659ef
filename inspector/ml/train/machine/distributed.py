"""Distributed training of one network: on the devices of this computer, or on several computers with `torchrun`.

Each process reads the same data, takes its share of every batch and averages its gradients with the others' (DDP). Only the
first process validates, decides, writes and communicates; before every step it tells the others whether to continue.
Batch-normalisation statistics are local to each process during training; the first process's running averages are used for all
(SyncBatchNorm exists only for GPUs, and batches of the usual size do not need it).
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

from inspector.ml.train.machine.accelerator import Accelerator
from inspector.runs.settings import TrainSettings
from inspector.workers.jobs import RankJob
from inspector.workers.messages import Continued, Suspended, WorkerMessage
from inspector.workers.outcome import REMEDIES, Cause, CompanionError
from inspector.workers.process import LOOK_S, End, Outcome, WorkerProcess, is_suspended, world_size

log = logging.getLogger(__name__)

_GRACE_S = 12.0  # a process that has lost another one notices it at the next step, if its library does not hang there
_EXPLAINED_S = 3.0  # how long a lost process may take to report the reason
_LOST = ("gloo", "nccl", "peer", "connection", "process group", "tcpstore", "socket")


def lost(error: BaseException) -> CompanionError | None:
    """Return the error to report if this error means that another process has gone; None for any other error."""
    if world_size() == 1 or not any(word in str(error).lower() for word in _LOST):
        return None
    for other in _OTHERS:
        ended = other.ended(timeout=_EXPLAINED_S)
        if ended is not None:
            return _gone(ended)
    return _companion((str(error).strip().splitlines() or [type(error).__name__])[0][:200], Cause.KILLED)


def check_company() -> None:
    """Raise CompanionError if a process started here has ended. During validation nothing else would notice."""
    for other in _OTHERS:
        ended = other.ended()
        if ended is not None:
            raise _gone(ended)


def _gone(outcome: Outcome) -> CompanionError:
    detail = outcome.problem.text.rstrip(".") if outcome.problem else outcome.end.value
    return _companion(detail, outcome.cause if outcome.cause is not Cause.NONE else Cause.KILLED)


def _companion(detail: str, cause: Cause) -> CompanionError:
    remedy = "Go on from the last epoch, if need be with fewer devices."
    if cause in (Cause.MEMORY, Cause.DISK, Cause.DEVICE):
        remedy = REMEDIES[cause]
    problem = "A process that trained together with this one has ended ({detail})."
    return CompanionError(problem, remedy=remedy, cause=cause, detail=detail)


@contextmanager
def company(
    settings: TrainSettings,
    tell: Callable[[CompanionError], None] | None = None,
    listener: Callable[[WorkerMessage], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Start the other processes for `settings.devices`, unless started by someone else, and end them with the block.

    `tell` says, on another thread, why this process is about to end: another one is lost, and this one hangs waiting for it.
    `listener` gets, on another thread, that something outside has suspended one of the others, and that it goes on. If the
    training is `cancelled` meanwhile, that one is ended, because this process hangs waiting for it.
    """
    if settings.devices == 1 or world_size() > 1:
        try:
            yield
        finally:
            _leave()
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    threads = torch.get_num_threads()
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(settings.devices),
        "LOCAL_WORLD_SIZE": str(settings.devices),
        "RANK": "0",
        "LOCAL_RANK": "0",
    }
    torch.set_num_threads(settings.threads or max(1, threads // settings.devices))
    try:
        _OTHERS.extend(_Other(settings, number, tell, listener, cancelled) for number in range(1, settings.devices))
        yield
    finally:
        _leave()
        for other in _OTHERS:
            other.end()
        _OTHERS.clear()
        os.environ.clear()
        os.environ |= before
        torch.set_num_threads(threads)


class _Other:
    """Another training process on this computer. If it fails while needed, this process must not wait for it forever."""

    def __init__(
        self,
        settings: TrainSettings,
        number: int,
        tell: Callable[[CompanionError], None] | None,
        listener: Callable[[WorkerMessage], None] | None,
        cancelled: Callable[[], bool],
    ) -> None:
        job = RankJob(
            settings=settings.model_copy(update={"run": None}).model_dump(mode="json"),
            environment={"RANK": str(number), "LOCAL_RANK": str(number)},
        )
        self._tell = tell
        self._over, self._gone = threading.Event(), threading.Event()
        self._outcome: Outcome | None = None
        self._listener, self._cancelled = listener, cancelled
        self._worker = WorkerProcess(job, listener=self._hear, ended=self._ended)

    def end(self) -> None:
        """Wait for the process to end, or end it."""
        self._over.set()
        self._worker.close()

    def ended(self, *, timeout: float = 0.0) -> Outcome | None:
        """Return the outcome of the process if it ended while still needed; None if it is running after `timeout` seconds."""
        return self._outcome if self._gone.wait(timeout) else None

    def _hear(self, message: WorkerMessage) -> None:
        if not isinstance(message, Suspended | Continued):
            return
        if isinstance(message, Suspended):
            threading.Thread(target=self._end_if_cancelled, args=(message.pid,), name="suspended-process", daemon=True).start()
        if self._listener is not None:
            self._listener(message)

    def _end_if_cancelled(self, pid: int) -> None:
        while is_suspended(pid) and not self._over.wait(LOOK_S / 2):
            if self._cancelled():
                self._over.set()
                self._worker.cancel()

    def _ended(self, outcome: Outcome) -> None:
        if outcome.end is End.SUCCEEDED or self._over.is_set():
            return
        self._outcome = outcome
        self._gone.set()
        threading.Thread(target=self._give_up, args=(outcome,), name="lost-process", daemon=True).start()

    def _give_up(self, outcome: Outcome) -> None:
        if self._over.wait(_GRACE_S):
            return
        log.error("a process that trains together with this one ended: %s", outcome.problem)
        try:
            if self._tell is not None:
                self._tell(_gone(outcome))
        finally:
            os._exit(1)


# The processes started here: as global to the process as RANK in its environment.
_OTHERS: list[_Other] = []


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


class Lockstep:
    """Keeps the processes in step: before every step the first process broadcasts whether to continue, and its clock."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._device = accelerator.device
        self.count, self.first = accelerator.count, accelerator.rank == 0
        self.shard = (accelerator.rank, accelerator.count)

    def meet(self, word: int, seconds: float) -> tuple[int, float]:
        """Return the first process's word and clock in every process."""
        if self.count == 1:
            return word, seconds
        told = torch.tensor([float(word), seconds], dtype=torch.float64, device=self._device)
        dist.broadcast(told, 0)
        return int(told[0]), float(told[1])

    def same(self, value: Any) -> Any:  # noqa: ANN401 - whatever the first process has
        """Return the first process's value in every process; plain data and tensors."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0)
        return box[0]

    def mean(self, total: float, count: int) -> float:
        """Return the mean over all processes."""
        if self.count > 1:
            sums = torch.tensor([total, float(count)], dtype=torch.float64, device=self._device)
            dist.all_reduce(sums)
            total, count = float(sums[0]), int(sums[1])
        return total / max(count, 1)
