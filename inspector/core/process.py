"""Worker processes: `inspector worker KIND --job FILE`, a child without a window that speaks the lines of `protocol`.

The parent's end: start, messages both ways, and an end that is always told, once, with its cause.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from inspector.core.errors import BundleError, CameraError, ConfigError, EngineError, InspectorError, JobError, StorageError
from inspector.core.message import Message, message
from inspector.core.protocol import LineDecoder, Packet

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent.parent
_PIECE = 65536
_LAST_LINES = 40
_KINDS: Mapping[str, type[InspectorError]] = {
    kind.__name__: kind for kind in (ConfigError, CameraError, EngineError, BundleError, JobError, StorageError)
}


class End(StrEnum):
    """How a worker process ended."""

    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    FAILED = "failed"  # it said what was wrong
    CRASHED = "crashed"  # it died, was killed, or broke the protocol


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker process ended and what it said last.

    `result`: the fields of its `done`. `problem` and `remedy`: the sentence, if it failed or crashed. `details`: the
    traceback it sent or its last lines on stderr, for a report. `signal`: "SIGKILL", ... if a signal ended it. `kind`: the
    error's class in the worker.
    """

    end: End
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: Message | None = None
    remedy: Message | None = None
    details: str = ""
    signal: str = ""
    exit_code: int = 0
    kind: type[InspectorError] = JobError

    def error(self) -> InspectorError:
        """The outcome as an error for a person, of the kind it was raised as in the worker; JobError for a crash."""
        problem = self.problem or message("The work was cancelled.")
        remedy = self.remedy.template if self.remedy else ""
        return self.kind(problem.template, remedy=remedy, **{**(self.remedy.values if self.remedy else {}), **problem.values})


def worker_command(kind: str, job: Path) -> list[str]:
    """The command line of a worker: this program again, whether run from source or frozen."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "worker", kind, "--job", str(job)]
    # -P: a file called torch.py or numpy.py in the folder one happens to stand in must not be imported.
    return [sys.executable, "-P", "-m", "inspector", "worker", kind, "--job", str(job)]


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
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
            env=_environment(),
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

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end; None if it still runs after `timeout` seconds."""
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
            self._process.kill()
        self._finish()

    def _take(self, packet: Packet) -> None:
        if self._last is not None:
            raise JobError("The worker went on after its last message, with {type}.", type=packet.type)
        if packet.type in ("done", "failed"):
            self._last = packet
        else:
            self._on_packet(packet)

    def _finish(self) -> None:
        # It has closed its messages, so it is ending; one that hangs in its own clean-up is ended after a while.
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._stderr_thread.join(5)  # a grandchild may still hold the pipe
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with self._send_lock:
                _close(stream)
        self._folder.cleanup()
        self._outcome = self._judge(code)
        try:
            if self._on_end is not None:
                self._on_end(self._outcome)
        except Exception:
            log.exception("the listener of worker %s failed", self._kind)
        finally:
            self._ended.set()

    def _judge(self, code: int) -> Outcome:
        last = self._last
        if last is not None and not self._broken:
            if last.type == "failed":
                return _failed(last, code)
            fields = {key: value for key, value in last.fields.items() if key != "status"}
            cancelled = last.fields.get("status") == "cancelled"
            return Outcome(End.CANCELLED if cancelled else End.SUCCEEDED, fields, exit_code=code)
        name = signal.Signals(-code).name if code < 0 and -code in set(signal.Signals) else ""
        if self._cancelled and not self._broken:
            return Outcome(End.CANCELLED, details="\n".join(self._lines), signal=name, exit_code=code)
        return Outcome(
            End.CRASHED,
            problem=message(
                "The worker process ended unexpectedly ({how}): {detail}.",
                how=name or f"exit code {code}",
                detail=(self._broken or self.last_line or "it said nothing").rstrip("."),
            ),
            remedy=message("Try again; if it happens again, make a smaller batch or network, or report it."),
            details="\n".join(self._lines),
            signal=name,
            exit_code=code,
        )


def _failed(packet: Packet, code: int) -> Outcome:
    """The sentence a worker sent: templates and values, so that it can still be translated here."""
    values = {str(key): value for key, value in dict(packet.fields.get("values") or {}).items()}
    remedy = str(packet.fields.get("remedy") or "")
    return Outcome(
        End.FAILED,
        problem=Message(str(packet.fields.get("problem", "The worker failed.")), values),
        remedy=Message(remedy, values) if remedy else None,
        details=str(packet.fields.get("traceback", "")),
        exit_code=code,
        kind=_KINDS.get(str(packet.fields.get("kind")), JobError),
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
