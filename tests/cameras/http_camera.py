"""A camera that speaks HTTP, for the tests: what it sends is written down byte by byte."""

import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

MULTIPART = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
Answer = Callable[[str, dict[str, str]], Iterable[bytes]]


def jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """RGB [H, W, 3] as a JPEG file."""
    return cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def part(body: bytes, *, length: int | None = None) -> bytes:
    """One part of a multipart answer; `length` instead of the true Content-Length."""
    size = len(body) if length is None else length
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % size + body + b"\r\n"


def whole(body: bytes, kind: bytes = b"image/jpeg") -> bytes:
    """An answer with one body."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class HttpCamera:
    """Serves `answer(path, headers)`, which yields the bytes to send, for every request until the block ends."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        """The request lines that came."""

    def __enter__(self) -> "HttpCamera":
        self._start(self._accept)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for end in (self._listener, *self._ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has gone already
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            self._ends.append(end)
            self._start(lambda end=end: self._serve(end))

    def _serve(self, end: socket.socket) -> None:
        with end, end.makefile("rb") as lines:
            try:
                while request := lines.readline():
                    headers = {}
                    while line := lines.readline().strip():
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    self.requests.append(request.decode().strip())
                    for data in self._answer(request.decode().split()[1], headers):
                        end.sendall(data)
            except OSError:
                return  # the client has gone


def digest_is_right(header: str, user: str, password: str, path: str) -> bool:
    """Whether an Authorization header holds the digest that RFC 7616 (3.4.1) asks for."""
    given = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}

    def hashed(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    key, what = hashed(f"{user}:{given['realm']}:{password}"), hashed(f"GET:{path}")
    expected = hashed(f"{key}:{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}:{what}")
    return given["username"] == user and given["uri"] == path and given["response"] == expected
