"""The program as a person runs it: a process of its own; and a network camera that can be pulled out."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = (sys.executable, "-m", "inspector")


@dataclass(frozen=True)
class Ended:
    """How a command ended. `lines`: what `--json` printed; anything else on stdout is an error here."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def parts(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "verdict" in line]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line, which must be the summary."""
        summary: dict[str, Any] = self.lines[-1]["summary"]
        return summary

    def said(self) -> str:
        """Both streams, for the message of a failing test."""
        return f"exit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


def inspector(*arguments: str | Path, timeout: float = 90) -> Ended:
    """Run the command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"},
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def assert_one_sentence(ended: Ended, code: int, *named: str | Path) -> None:
    """The command failed with this code, and said why in one sentence (and its remedy) that names these things."""
    assert ended.code == code, ended.said()
    assert "Traceback" not in ended.stderr + ended.stdout, ended.said()
    sentences = [line for line in ended.stderr.splitlines() if line.strip()]
    assert len(sentences) == 1, ended.said()
    for name in named:
        assert str(name) in sentences[0], ended.said()
    assert sentences[0].rstrip().endswith("."), ended.said()


def picture(width: int = 96, height: int = 64, *, seed: int = 0) -> np.ndarray:
    """A textured, well-exposed RGB picture."""
    noise = np.random.default_rng(seed).integers(60, 200, (height // 4, width // 4, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)


class MjpegCamera:
    """An MJPEG camera on this machine's loop-back address: its picture changes size, its cable can be pulled."""

    def __init__(self) -> None:
        self.size = (96, 64)
        self.sent = 0
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._pulled = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/line.mjpg"

    def plug_in(self) -> None:
        """Serve, on the same port as before."""
        self._pulled.clear()
        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = False
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="mjpeg camera")
        self._thread.start()

    def pull_out(self) -> None:
        """End every connection and refuse new ones."""
        self._pulled.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                while not camera._pulled.wait(0.03):
                    camera.sent += 1
                    data = cv2.imencode(".jpg", picture(*camera.size, seed=camera.sent))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                    try:
                        self.wfile.write(head + data + b"\r\n")
                    except OSError:
                        return

            def log_message(self, format: str, *values: object) -> None:
                """The test reads what the program says, not what its camera says."""

        return Handler

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.pull_out()


class Running:
    """A command that goes on while the test does something to its surroundings. Its lines are read as they come."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"},
        )
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), name="reader")
            for stream, lines in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.decode("utf-8").rstrip("\n"))  # noqa: PERF401 - others read the list meanwhile
        stream.close()

    def wait_until(self, condition: Callable[["Running"], object], timeout: float = 30) -> None:
        """Wait for what the test expects of the output so far."""
        end = time.monotonic() + timeout
        while not condition(self):
            if time.monotonic() > end or (self.process.poll() is not None and not condition(self)):
                time.sleep(0.2)
                if not condition(self):
                    raise AssertionError(f"it did not happen:\n{self.ended(kill=True).said()}")
            time.sleep(0.05)

    def parts(self) -> Sequence[dict[str, Any]]:
        return [line for line in map(json.loads, list(self.stdout)) if "verdict" in line]

    def ended(self, timeout: float = 30, *, kill: bool = False) -> Ended:
        """Wait for its end (or, with `kill`, end it)."""
        if kill:
            self.process.kill()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.stderr.append(f"[the test ended it after {timeout} s]")
        for reader in self._readers:
            reader.join()
        return Ended(self.process.returncode, "\n".join(self.stdout), "\n".join(self.stderr))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended(kill=self.process.poll() is None)
