"""The child's channel to its parent and to its run folder.

Importing this module is cheap: torch is imported by the job itself, after `hello`.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from inspector.core.errors import InspectorError, StorageError
from inspector.core.message import message
from inspector.core.text import LineWriter
from inspector.runs.folder import ALIVE, CONTROL, MESSAGES, RESERVE, WORKER_LOG, Tail, unwritable
from inspector.workers.jobs import Job, read_job
from inspector.workers.messages import (
    BEAT_S,
    Alive,
    Artifact,
    Command,
    Done,
    EpochDone,
    Failed,
    Log,
    ParentMessage,
    Paused,
    Progress,
    Request,
    Resumed,
    WorkerMessage,
    parent_message,
)
from inspector.workers.outcome import REMEDIES, Cause, End, Outcome
from inspector.workers.protocol import LONGEST_LINE, LineDecoder

log = logging.getLogger(__name__)

ORPHAN_GRACE_S = 10.0
CONTROL_S = 0.5  # interval of checking control.jsonl
_KEEP_S = 10.0  # longest time from its start until training opens its run folder
_RESERVED = 64 * 1024


class Cancelled(Exception):
    """The parent asked to stop, or has gone."""


class Journal:
    """The log of messages in a run folder. Raises StorageError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reserve = folder / RESERVE
        try:
            (folder / WORKER_LOG).unlink(missing_ok=True)  # left by an earlier process
            self._reserve.write_bytes(b"\0" * _RESERVED)
            (folder / ALIVE).touch()
            file = os.open(folder / MESSAGES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self._lines = LineWriter(partial(os.write, file))
            control = folder / CONTROL
            self.control = Tail(control, parent_message, offset=control.stat().st_size if control.exists() else 0)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def write(self, line: bytes, *, last: bool = False) -> None:
        """Append one line. With `last`, the reserved space is released."""
        if last:
            with suppress(OSError):  # a folder that is no longer writable may still accept a line in an open file
                self._reserve.unlink(missing_ok=True)
                (self.folder / ALIVE).unlink(missing_ok=True)
        try:
            self._lines.write(line)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def beat(self) -> None:
        """Leave a sign of life."""
        with suppress(OSError):
            os.utime(self.folder / ALIVE)

    def take_stderr(self) -> None:
        """Redirect this process's stderr into worker.log."""
        try:
            target = os.open(self.folder / WORKER_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError:
            target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.close(target)


class Channel:
    """Messages to and from the parent, on private copies of stdin and stdout: the `Report` of the job in this process.

    File descriptor 1 is pointed at stderr and 0 at nothing, so that no library's print gets between the messages and no child
    of this process holds the pipes open. With a journal, every message is also written to the run folder, commands are also
    read from there, and the parent may detach; the job then continues alone.
    """

    def __init__(self) -> None:
        self._serving = False
        self._out = os.dup(1)
        self._in = os.dup(0)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._lock = threading.Lock()
        self._finished = False
        self._detached = False
        self._journal: Journal | None = None
        self._kept = threading.Event()
        self._cancel = threading.Event()
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._why = Cause.NONE
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def job(self) -> Job:
        """Return the job, the parent's first message, and start listening to the parent.

        Raises JobError, or Cancelled if the parent has gone.
        """
        line = b""
        while b"\n" not in line:
            piece = os.read(self._in, 65536)
            if not piece or len(line) > LONGEST_LINE:
                raise Cancelled
            line += piece
        line, _, rest = line.partition(b"\n")
        job = read_job(line)
        self._serving = job.serving
        threading.Thread(target=self._listen, args=(rest,), name="parent", daemon=True).start()
        if not job.serving:
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        return job

    def keep(self, journal: Journal) -> None:
        """Write every further message to the run folder too, and read commands from there."""
        with self._lock:
            self._journal = journal
        self._kept.set()
        threading.Thread(target=self._watch, args=(journal,), name="control", daemon=True).start()

    def progress(self, message: Progress) -> None:
        self.send(message)

    def metric(self, message: EpochDone) -> None:
        self.send(message)

    def log(self, text: str) -> None:
        self.send(Log(text=text))

    def artifact(self, path: Path, *, what: str = "bundle") -> None:
        self.send(Artifact(path=path, what=what))

    def pause_point(self) -> float:
        lasted = self._wait_while_paused()
        if self.cancelled():
            raise Cancelled
        return lasted

    def send(self, message: WorkerMessage) -> None:
        """Send one message. Raises Cancelled if the parent has gone, StorageError if the run folder cannot be written.

        The pipe is closed after the last message. The parent then does not wait long for this process to end, because a library
        may hang in its own clean-up.
        """
        line = message.line()
        with self._lock:
            if self._finished:
                raise RuntimeError(f"{message.type} after the last message")
            last = self._finished = isinstance(message, Done | Failed)
            try:
                if self._journal is not None:
                    self._journal.write(line, last=last)
            except StorageError:
                if not last:
                    raise
                log.debug("the last message is not in the run folder", exc_info=True)
            if self._detached:
                return
            try:
                while line:
                    line = line[os.write(self._out, line) :]
                if last:
                    os.close(self._out)
            except OSError as error:
                if self._journal is not None:
                    return  # `_listen` reads whether the parent has gone, or let go of this process while that was suspended
                self._lose_parent()
                raise Cancelled from error

    def cancel(self, why: Cause = Cause.NONE) -> None:
        """Ask the job to stop. `why`: PARENT if the parent has gone, KILLED on SIGTERM, NONE if a person asked."""
        if self._serving:
            os._exit(0)  # an orderly exit would take seconds while torch is imported or unloaded
        if not self._cancel.is_set():
            self._why = why
        self._cancel.set()
        self._running.set()
        self._requests.put(None)

    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def stopping(self) -> bool:
        return self._stop.is_set()

    def wait(self, seconds: float) -> None:
        self._cancel.wait(seconds)

    def stopped(self) -> None:
        self._stop.clear()

    def end(self) -> Outcome:
        """Return the outcome of a cancelled run: a request, the loss of the parent, or a shutdown of the system."""
        if self._why is Cause.PARENT:
            problem = message("The program that had started the work was closed or ended.")
        elif self._why is Cause.KILLED and self._detached:
            problem = message("The system ended the work.")
        else:
            return Outcome(End.CANCELLED)
        return Outcome(End.FAILED, problem=problem, remedy=message(REMEDIES[self._why]), cause=self._why)

    def _wait_while_paused(self) -> float:
        if self._running.is_set():
            return 0.0
        began = time.monotonic()
        self.send(Paused())
        self._running.wait()
        if not self.cancelled():
            self.send(Resumed())
        return time.monotonic() - began

    def requests(self) -> Iterator[Request]:
        """Yield the requests to a serving worker until it is cancelled or the parent has gone."""
        while (request := self._requests.get()) is not None and not self.cancelled():
            yield request

    def _listen(self, piece: bytes) -> None:
        """Execute the parent's commands until the parent has gone. `piece`: bytes that arrived together with the job."""
        decoder = LineDecoder(parent_message)
        try:
            while True:
                for message in decoder.feed(piece):
                    if self._hear(message):
                        return
                piece = os.read(self._in, 65536)
                if not piece:
                    break
        except (OSError, InspectorError):
            log.debug("the parent's messages ended", exc_info=True)
        self._lose_parent()
        # The parent has gone. A job that does not notice must not continue for hours with nobody to take the result.
        time.sleep(ORPHAN_GRACE_S)
        try:
            with self._lock:
                if self._journal is not None and not self._finished:
                    self._journal.write(self.end().packet().line(), last=True)
        finally:
            os._exit(1)  # even if the run folder is gone or its disk full

    def _beat(self) -> None:
        """Show signs of life, to the parent and in the run folder, until the last message."""
        line = Alive().line()
        while True:
            time.sleep(BEAT_S)
            with self._lock:
                if self._finished:
                    return
                if self._journal is not None:
                    self._journal.beat()
                if self._detached:
                    continue
                with suppress(OSError):  # the parent has gone, which `_listen` notices as well
                    os.write(self._out, line)

    def _watch(self, journal: Journal) -> None:
        while not self._finished:
            for told in journal.control.read():
                if isinstance(told, Command) and told.type != "detach":
                    self._hear(told)
            time.sleep(CONTROL_S)

    def _hear(self, message: ParentMessage) -> bool:
        """Execute one command and return whether the parent has detached."""
        if not isinstance(message, Command):
            self._requests.put(message)
            return False
        match message.type:
            case "cancel":
                self.cancel()
            case "pause":
                self._running.clear()
                if self.cancelled() or self.stopping():
                    self._running.set()
            case "stop":
                self._stop.set()
                self._running.set()
            case "resume":
                self._running.set()
            case "detach":
                return self._detach()
        return False

    def _detach(self) -> bool:
        """Close the pipes and continue alone. Refused without a run folder, because nobody could find the job again."""
        self._kept.wait(_KEEP_S)
        with self._lock:
            if self._journal is None or self._finished:
                return False
            self._detached = True
            self._journal.take_stderr()
            os.close(self._out)
            os.close(self._in)
        return True

    def _lose_parent(self) -> None:
        self.cancel(Cause.PARENT)
