"""Worker processes: `inspector worker KIND`, a child without a window that reads its job and exchanges lines of `messages`.

This is the parent's end: start the process, exchange messages, and report its end exactly once, with the cause.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, TypeVar

import psutil
from pydantic import BaseModel

from inspector.core.errors import JobError
from inspector.core.installed import installation, program_command
from inspector.core.message import message
from inspector.workers.jobs import Job
from inspector.workers.messages import (
    SILENT_S,
    Alive,
    Command,
    Continued,
    Done,
    Failed,
    ParentMessage,
    Suspended,
    WorkerMessage,
    worker_message,
)
from inspector.workers.outcome import (
    REMEDIES,
    UNEXPECTED,
    Cause,
    End,
    Outcome,
    end_of_process,
    frozen,
    last_words,
    oom_kills,
    read_outcome,
)
from inspector.workers.protocol import LineDecoder

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent.parent
_PIECE = 65536
_LAST_LINES = 80  # enough for the traceback of a crash
_ENDING_S = 10.0  # maximum time from a worker's last message to its end
LOOK_S = 1.0  # interval of checks for signs of life, and whether a process is suspended;
SUSPENDED_LOOKS = 3  # so many in a row must find it so
_STALLED_S = 5.0  # a check this late shows that this process stood still
_SEND_S = 5.0  # after this time without reading, a worker gets no more messages
R = TypeVar("R", bound=BaseModel)

__all__ = [
    "Cause",
    "End",
    "Outcome",
    "WorkerProcess",
    "is_suspended",
    "rank",
    "usable_cores",
    "worker_command",
    "world_size",
]


def worker_command(kind: str) -> list[str]:
    """Return the command line of a worker: this program again, run from source or installed."""
    return program_command("worker", kind)


def world_size() -> int:
    """Return how many processes train together, according to `torchrun` or `ml.train.distributed`; 1: only this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def rank() -> int:
    """Return the rank of this process among the processes that train together; the parent talks to rank 0."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def usable_cores() -> Sequence[int]:
    """Return the numbers of the processor cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


# Threads of OpenMP without work sleep instead of spinning. libgomp, which torch brings along on Linux, reads the first; Intel's
# library, which it brings along on Windows, reads both. They must be set before the library is loaded.
PASSIVE: Mapping[str, str] = MappingProxyType({"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"})


def _environment(kind: str) -> dict[str, str]:
    # A worker that infers answers frames one by one: waking its threads would be part of each answer.
    environment = {**({} if kind == "infer" else PASSIVE), **os.environ}
    environment.update(PYTHONIOENCODING="utf-8", PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    if installation() is None:
        paths = [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def is_suspended(pid: int) -> bool:
    """Return whether the system lets a process not go on at all (SIGSTOP, a suspended process)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False  # it has ended, which its outcome tells


class WorkerProcess:
    """Work in a separate process, started by the constructor.

    `listener` gets every message but the last, and is told when something outside suspends the process; then `ended` gets the
    outcome, once. Both are called on threads of this object, one at a time, and must return quickly.
    """

    def __init__(
        self,
        job: Job,
        *,
        listener: Callable[[WorkerMessage], None] | None = None,
        ended: Callable[[Outcome], None] | None = None,
        grace: float = 5.0,
    ) -> None:
        """Start `inspector worker KIND` and send the job.

        Raises JobError if the process cannot start. `grace`: seconds between cancelling, terminating and killing.
        """
        self._kind = job.kind
        self._listener, self._on_end = listener, ended
        self._grace = grace
        self._send_lock = threading.Lock()
        self._stop_lock = threading.Lock()
        self._listening = threading.Lock()  # two threads call the listener
        self._canceller: threading.Thread | None = None
        self._ended = threading.Event()
        self._cancelled = False
        self._detached = False
        self._killing = False
        self._oom_kills = oom_kills()
        self._heard = time.monotonic()  # when the last message came
        self._frozen = 0.0  # seconds of silence after which it was ended
        self._last: Done | Failed | None = None
        self._broken = ""
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._outcome: Outcome | None = None
        line = job.line()
        self._process = self._start()
        self._stderr_thread = threading.Thread(target=self._read_stderr, name=f"worker-{job.kind}-stderr", daemon=True)
        self._thread = threading.Thread(target=self._read, args=(line,), name=f"worker-{job.kind}", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name=f"worker-{job.kind}-watch", daemon=True)
        self._send_lock.acquire()  # the job goes first; `_read` sends it, because it may exceed a pipe's buffer
        self._stderr_thread.start()
        self._thread.start()
        if not job.serving:  # who asks a serving worker waits for its answer
            self._watcher.start()

    def _start(self) -> "subprocess.Popen[bytes]":
        # A group of its own, so that Ctrl-C in a terminal reaches the parent only, which then cancels in order.
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            return subprocess.Popen(
                worker_command(self._kind),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=_environment(self._kind),
                creationflags=flags,
                start_new_session=sys.platform != "win32",
            )
        except OSError as error:
            raise JobError(
                "The worker process cannot be started ({detail}).",
                remedy="Close other programs, or install the program again.",
                detail=error.strerror or error,
            ) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, or None while the process runs."""
        return self._outcome

    def send(self, message: ParentMessage) -> None:
        """Send one message. A worker that has died is no error here: `ended` reports its end."""
        if not self._send_lock.acquire(timeout=_SEND_S):
            log.debug("worker %s does not read its messages", self._kind)
            return
        try:
            self._write(message.line())
        finally:
            self._send_lock.release()

    def _write(self, line: bytes) -> None:
        """Write a whole line; the caller holds the lock."""
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        try:
            while line:
                line = line[os.write(stdin.fileno(), line) :]
        except OSError as error:
            log.debug("worker %s takes no more messages: %s", self._kind, error)

    def pause(self) -> None:
        """Ask the worker to pause until `resume`; meanwhile it uses no processor but keeps its memory. Returns at once."""
        self.send(Command(type="pause"))

    def resume(self) -> None:
        """Ask the worker to continue after `pause`. Returns at once."""
        self.send(Command(type="resume"))

    def stop(self) -> None:
        """Ask the worker to end now and keep the best epoch so far, which is measured and written as a bundle.

        Returns at once.
        """
        self.send(Command(type="stop"))

    def detach(self, *, timeout: float = 15.0) -> bool:
        """Let the worker continue without this process, and return whether it detached within `timeout` seconds.

        The work must keep a record of itself (training with a run folder). After detaching there is nothing to close, `ended`
        is not called and there is no outcome. A suspended worker is left as it is: it detaches as soon as it goes on.
        """
        self._detached = True
        self.send(Command(type="detach"))
        if self._ends_within(timeout):
            return self._outcome is None
        return is_suspended(self.pid)

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end and return the outcome; None if the process still runs after `timeout` seconds, or was detached."""
        self._ended.wait(timeout)
        return self._outcome

    def result(self, kind: type[R]) -> R:
        """Wait for the end and return the result, in the form that the kind of job defines.

        Raises the error that the work failed with, or JobError if the work was cancelled or crashed.
        """
        outcome = self.wait()
        assert outcome is not None
        if outcome.end is not End.SUCCEEDED:
            raise outcome.error()
        return outcome.read(kind)

    def cancel(self) -> None:
        """Ask the worker to stop; terminate it after `grace` seconds and kill it after `grace` seconds more.

        One that is suspended cannot stop by itself, and is killed at once. Returns at once.
        """
        with self._stop_lock:
            if self._canceller is None and self._outcome is None:
                self._cancelled = True
                self._canceller = threading.Thread(target=self._end, name=f"cancel-{self._kind}", daemon=True)
                self._canceller.start()

    def close(self) -> Outcome:
        """Cancel the work if it still runs, and wait until the process and its threads are gone.

        Must not be called from a callback.
        """
        self.cancel()
        if self._canceller is not None:
            self._canceller.join()
        self._thread.join()
        assert self._outcome is not None
        return self._outcome

    def _end(self) -> None:
        self.send(Command(type="cancel"))
        if not self._ends_within(self._grace):
            self._process.terminate()
            if not self._ends_within(self._grace):
                self._killing = True
                self._process.kill()
        self._ended.wait()

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the end, but not for a process that is suspended; return whether it has ended."""
        until = time.monotonic() + seconds
        while not self._ended.wait(max(0.0, min(LOOK_S / 2, until - time.monotonic()))):
            if time.monotonic() >= until or is_suspended(self.pid):
                return False
        return True

    def _watch(self) -> None:
        """Tell when a process is suspended; end one that shows no sign of life, unless this process stood still itself."""
        looked = time.monotonic()
        looks = 0  # in a row that found it suspended
        while not self._ended.wait(LOOK_S):
            before, looked = looked, time.monotonic()
            if looked - before > 2 * LOOK_S + _STALLED_S:
                self._heard = looked
            if is_suspended(self.pid):
                looks += 1
                if looks == SUSPENDED_LOOKS:
                    self._tell(Suspended(pid=self.pid))
            else:
                if looks >= SUSPENDED_LOOKS:
                    self._tell(Continued())
                looks = 0
            silent = looked - self._heard
            if silent > SILENT_S and self._last is None:
                self._frozen, self._killing = silent, True
                self._process.kill()
                return

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        for piece in _pieces(self._process.stderr):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._note(line)
            if len(rest) > _PIECE:
                self._note(rest)
                rest = b""
        self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if text:
            self._lines.append(text[:2000])
            log.debug("worker %s: %s", self._kind, text)

    def _read(self, job: bytes) -> None:
        assert self._process.stdout is not None
        decoder = LineDecoder(worker_message)
        try:
            try:
                self._write(job)
            finally:
                self._send_lock.release()
            for piece in _pieces(self._process.stdout):
                self._heard = time.monotonic()
                for message in decoder.feed(piece):
                    self._take(message)
        except Exception as error:
            log.debug("worker %s is ended", self._kind, exc_info=True)
            self._broken = str(error)
            self._killing = True
            self._process.kill()
        if self._detached and self._last is None and self._process.poll() is None:
            self._let_go()
        else:
            self._finish()

    def _take(self, message: WorkerMessage) -> None:
        if self._last is not None:
            raise JobError("The worker went on after its last message, with {type}.", type=message.type)
        if isinstance(message, Done | Failed):
            self._last = message
        elif not isinstance(message, Alive):
            self._tell(message)

    def _tell(self, message: WorkerMessage) -> None:
        if self._listener is not None:
            with self._listening:
                self._listener(message)

    def _let_go(self) -> None:
        """Release a detached worker, which has closed its ends of the pipes and lives on."""
        self._stderr_thread.join(5)
        self._close_pipes()
        self._process.returncode = 0  # nobody waits for it any more; this avoids Python's warning about its end
        self._ended.set()

    def _close_pipes(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with self._send_lock:
                _close(stream)

    def _finish(self) -> None:
        # The worker has closed its output, so it is ending; if its clean-up hangs, it is killed after a while.
        try:
            code = self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._stderr_thread.join(5)  # a grandchild may still hold the pipe
        self._close_pipes()
        self._outcome = self._judge(code)
        try:
            if self._on_end is not None:
                self._on_end(self._outcome)
        except Exception:
            log.exception("the listener of worker %s failed", self._kind)
        finally:
            self._ended.set()

    def _judge(self, code: int) -> Outcome:
        if self._last is not None and not self._broken:
            return read_outcome(self._last, exit_code=code)
        details = "\n".join(self._lines)
        if self._frozen:
            return replace(frozen(self._frozen), details=details, exit_code=code)
        cause, how = end_of_process(code, words=details, asked=self._killing, oom=oom_kills() > self._oom_kills)
        name = how if how.startswith("SIG") else ""
        if self._cancelled and not self._broken:
            return Outcome(End.CANCELLED, details=details, signal=name, exit_code=code)
        if self._broken:
            cause = Cause.INTERNAL
        if cause is Cause.KILLED:
            problem = message("The worker process was killed ({how}), perhaps because memory ran out.", how=how)
        elif cause is Cause.MEMORY:
            problem = message("The memory was not enough: the system ended the worker process ({how}).", how=how)
        else:
            problem = message(
                UNEXPECTED,
                how=how,
                detail=(self._broken or last_words(list(self._lines)) or "it said nothing").rstrip("."),
            )
        return Outcome(
            End.CRASHED,
            problem=problem,
            remedy=message(REMEDIES.get(cause, REMEDIES[Cause.INTERNAL])),
            details=details,
            signal=name,
            exit_code=code,
            cause=cause,
        )


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the data of a pipe as it arrives, until its end."""
    while True:
        try:
            piece = os.read(stream.fileno(), _PIECE)
        except OSError:
            return
        if not piece:
            return
        yield piece


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        try:
            stream.close()
        except OSError as error:
            log.debug("closing a pipe: %s", error)
