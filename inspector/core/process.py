"""Worker processes: `inspector worker KIND --job FILE`, a child without a window that speaks the lines of `protocol`.

The parent's end: start, messages both ways, and an end that is always told, once, with its cause.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from inspector.core.errors import JobError
from inspector.core.message import message
from inspector.core.outcome import (
    REMEDIES,
    UNEXPECTED,
    Cause,
    End,
    Outcome,
    end_of_process,
    last_words,
    oom_kills,
    read_outcome,
)
from inspector.core.protocol import LineDecoder, Packet

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent.parent
_PIECE = 65536
_LAST_LINES = 80  # the traceback of a crash among them
_ENDING_S = 10.0  # so long a worker may take to end after its last message
__all__ = ["Cause", "End", "Outcome", "WorkerProcess", "rank", "usable_cores", "worker_command", "world_size"]


def worker_command(kind: str, job: Path) -> list[str]:
    """The command line of a worker: this program again, whether run from source or frozen."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "worker", kind, "--job", str(job)]
    # -P: a file called torch.py or numpy.py in the folder one happens to stand in must not be imported.
    return [sys.executable, "-P", "-m", "inspector", "worker", kind, "--job", str(job)]


def world_size() -> int:
    """How many processes train together, as `torchrun` or `ml.together` say; 1: this one alone."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def rank() -> int:
    """The number of this process among them; 0 is the one that is talked to."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def usable_cores() -> Sequence[int]:
    """The numbers of the processor cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


# Threads of OpenMP without work sleep instead of spinning. libgomp, which torch brings along on Linux, reads the first; Intel's
# library, which it brings along on Windows, reads both. They must be set before the library is loaded.
_PASSIVE: Mapping[str, str] = MappingProxyType({"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"})


def _environment(kind: str) -> dict[str, str]:
    # A worker that infers answers frames one by one: waking its threads would be part of each answer.
    environment = {**({} if kind == "infer" else _PASSIVE), **os.environ}
    environment.update(PYTHONIOENCODING="utf-8", PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    if not getattr(sys, "frozen", False):
        paths = [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


class WorkerProcess:
    """One running worker. Made is started; `on_packet` gets every message but the last on a thread of this object.

    `on_end` is called once, after the last `on_packet`, on the same thread. The callbacks must be quick.
    """

    def __init__(
        self,
        kind: str,
        job: Mapping[str, Any],
        *,
        on_packet: Callable[[Packet], None],
        on_end: Callable[[Outcome], None] | None = None,
    ) -> None:
        """Start `inspector worker kind` with `job` (JSON values) as its job file. Raises JobError if it cannot start."""
        self._kind = kind
        self._on_packet = on_packet
        self._on_end = on_end
        self._send_lock = threading.Lock()
        self._ended = threading.Event()
        self._cancelled = False
        self._detached = False
        self._killing = False
        self._oom_kills = oom_kills()
        self._last: Packet | None = None
        self._broken = ""
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._outcome: Outcome | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="inspector-job-", ignore_cleanup_errors=True)
        try:
            self._process = self._start(job)
        except OSError as error:
            self._folder.cleanup()
            raise JobError(
                "The worker process cannot be started ({detail}).",
                remedy="Close other programs, or install the program again.",
                detail=error.strerror or error,
            ) from error
        self._stderr_thread = threading.Thread(target=self._read_stderr, name=f"worker-{kind}-stderr", daemon=True)
        self._thread = threading.Thread(target=self._read, name=f"worker-{kind}", daemon=True)
        self._stderr_thread.start()
        self._thread.start()

    def _start(self, job: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
        file = Path(self._folder.name) / "job.json"
        file.write_text(json.dumps(job), "utf-8")
        # A group of its own, so that Ctrl-C in a terminal reaches the parent only, which then cancels in order.
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(
            worker_command(self._kind, file),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_environment(self._kind),
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None while it runs."""
        return self._outcome

    @property
    def last_line(self) -> str:
        """The last line it wrote on stderr, or ""."""
        return self._lines[-1] if self._lines else ""

    def send(self, packet: Packet) -> None:
        """Send one message. A worker that has died is not an error here: its end is told by `on_end`."""
        stdin = self._process.stdin
        with self._send_lock:
            if stdin is None or stdin.closed:
                return
            try:
                stdin.write(packet.line())
            except OSError as error:
                log.debug("worker %s takes no more messages: %s", self._kind, error)

    def cancel(self) -> None:
        """Ask it to stop; returns at once."""
        self._cancelled = True
        self.send(Packet("cancel"))

    def detach(self, *, timeout: float = 15.0) -> bool:
        """Let it go on without this process; it must be work that keeps a record of itself (training with a run folder).

        Returns whether it has let go within `timeout` seconds; then there is no `on_end` and no outcome.
        """
        self._detached = True
        self.send(Packet("detach"))
        return self._ended.wait(timeout) and self._outcome is None

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end; None if it still runs after `timeout` seconds, or was detached."""
        self._ended.wait(timeout)
        return self._outcome

    def stop(self, *, grace: float = 5.0) -> Outcome:
        """Cancel; after `grace` seconds terminate; after as much again kill. Returns when the process is gone.

        Not from a callback of this object.
        """
        self.cancel()
        if self.wait(grace) is None:
            self._process.terminate()
            if self.wait(grace) is None:
                self._killing = True
                self._process.kill()
        self._ended.wait()
        self._thread.join()
        assert self._outcome is not None
        return self._outcome

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

    def _read(self) -> None:
        assert self._process.stdout is not None
        decoder = LineDecoder()
        try:
            for piece in _pieces(self._process.stdout):
                for packet in decoder.feed(piece):
                    self._take(packet)
        except Exception as error:
            log.debug("worker %s is ended", self._kind, exc_info=True)
            self._broken = str(error)
            self._killing = True
            self._process.kill()
        if self._detached and self._last is None and self._process.poll() is None:
            self._let_go()
        else:
            self._finish()

    def _take(self, packet: Packet) -> None:
        if self._last is not None:
            raise JobError("The worker went on after its last message, with {type}.", type=packet.type)
        if packet.type in ("done", "failed"):
            self._last = packet
        else:
            self._on_packet(packet)

    def _let_go(self) -> None:
        """It has closed its ends of the pipes, as it does once detached, and lives on."""
        self._stderr_thread.join(5)
        self._close_pipes()
        self._process.returncode = 0  # nobody here waits for it any more; else its end would be warned of
        self._ended.set()

    def _close_pipes(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with self._send_lock:
                _close(stream)
        self._folder.cleanup()

    def _finish(self) -> None:
        # It has closed its messages, so it is ending; one that hangs in its own clean-up is ended after a while.
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
    """What has arrived on a pipe, as it arrives, until its end."""
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
