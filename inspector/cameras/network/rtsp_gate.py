"""A gate between an RTSP camera and FFmpeg that forwards only complete pictures.

FFmpeg connects to the gate on this computer, and the gate to the camera. Requests and answers are forwarded with the address
replaced. The gate logs in, so FFmpeg never has the password. The video comes over the same connection (interleaved, RFC 2326,
10.12) in numbered packets, and pictures that `rtp.Track` finds spoilt are not forwarded. Closing the gate ends any wait of
FFmpeg.
"""

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from inspector.cameras.network.login import Login
from inspector.cameras.network.rtp import Interlaced, Track, Unrecoverable, announces_fields, codecs
from inspector.core.addresses import Address, parse_address

_PIECE = 1 << 16
_MOST = 1 << 20  # largest size of one request or answer in bytes
_DOLLAR = 0x24
_LOOK = 0.5  # seconds between checks of a connection
_REMOTE = re.compile(rb"rtsps?://[^/\s;,\"]+", re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]+)", re.IGNORECASE | re.MULTILINE)
_CHALLENGE = re.compile(rb"^www-authenticate:[ \t]*(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(rb"^cseq:[ \t]*([0-9]+)", re.IGNORECASE | re.MULTILINE)
_CHANNELS = re.compile(rb"interleaved=([0-9]+)", re.IGNORECASE)


class End(Protocol):
    """One end of a connection."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...


class RtspGate:
    """One connection to one camera. `url` is the address for FFmpeg."""

    def __init__(self, url: str, *, timeout: float, spoilt: Callable[[], None]) -> None:
        """Listens, and connects to the camera when FFmpeg connects. `timeout`: longest time of connecting in seconds.

        `spoilt` is called on a thread of the gate for every picture that must not be judged. Raises OSError.
        """
        self._address = parse_address(url)
        self._timeout = timeout
        self._spoilt = spoilt
        self._login = Login(self._address.user, self._address.password)
        self._origin = self._address.origin.encode()
        self._requests: dict[bytes, bytes] = {}  # recent requests by number, until answered
        self._tracks: dict[int, Track] = {}
        self._codecs: dict[int, str] = {}
        self._sending = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        port = self._listener.getsockname()[1]
        self._local = f"rtsp://127.0.0.1:{port}".encode()
        self.url = self._local.decode() + self._address.path
        self.refused = 0
        """The status the camera refused with, 0 where it did not."""
        self.interlaced = False
        """Whether the connection was ended because the camera sends pictures of two fields."""
        self._ends: list[End] = []
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="rtsp-gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End both connections. May be called from any thread, and more than once."""
        self._closed = True
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def join(self, timeout: float) -> None:
        """Wait until the gate's threads have ended, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _serve(self) -> None:
        try:
            self._listener.settimeout(self._timeout)
            near, _ = self._listener.accept()
            with near:
                self._ends.append(near)
                with self._connect() as far:
                    self._ends.append(far)
                    if not self._closed:
                        self._pass_both_ways(near, far)
        except (OSError, ValueError):
            return  # FFmpeg sees the end of its connection
        finally:
            self._listener.close()

    def _connect(self) -> "socket.socket | _SecureEnd":
        address: Address = self._address
        secure = address.scheme == "rtsps"
        far = socket.create_connection((address.host, address.port or (322 if secure else 554)), self._timeout)
        if secure:
            return _SecureEnd(far, address.host)
        far.settimeout(None)
        return far

    def _pass_both_ways(self, near: socket.socket, far: End) -> None:
        def requests() -> None:
            with suppress(OSError, ValueError):
                _each(near, lambda message: self._to_camera(message, near, far), lambda packet: self._send(far, packet))
            with suppress(OSError):
                far.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=requests, name="rtsp-gate-requests", daemon=True)
        thread.start()
        try:
            _each(far, lambda message: self._to_ffmpeg(message, near, far), lambda packet: self._packet(packet, near))
        finally:
            for end in (near, far):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _send(self, end: End, data: bytes) -> None:
        with self._sending:
            end.sendall(data)

    def _to_camera(self, request: bytes, near: socket.socket, far: End) -> None:
        if request.startswith(b"SETUP ") and b"interleaved" not in request:  # over UDP a loss cannot be told from the end
            number = _CSEQ.search(request)
            near.sendall(b"RTSP/1.0 461 Unsupported Transport\r\nCSeq: " + (number[1] if number else b"0") + b"\r\n\r\n")
            return
        number = _CSEQ.search(request)
        if number is not None:
            if len(self._requests) > 32:
                self._requests.clear()
            self._requests[number[1]] = request
        self._send(far, self._translated(request))

    def _translated(self, request: bytes) -> bytes:
        request = request.replace(self._local, self._origin)
        method, uri, _ = request.split(b" ", 2)
        answer = self._login.answer(method.decode(), uri.decode("latin-1"))
        if answer is None:
            return request
        line, rest = request.split(b"\r\n", 1)
        return line + b"\r\nAuthorization: " + answer.encode() + b"\r\n" + rest

    def _to_ffmpeg(self, answer: bytes, near: socket.socket, far: End) -> None:
        number = _CSEQ.search(answer)
        request = self._requests.pop(number[1], b"") if number is not None else b""
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"RTSP/") else 0
        if status == 401 and request and self._login.take(found.decode("latin-1") for found in _CHALLENGE.findall(answer)):
            self._requests[number[1] if number else b""] = request
            self._send(far, self._translated(request))
            return
        if status >= 300:
            self.refused = status
        if request.startswith(b"SETUP ") and status == 200:
            channel = _CHANNELS.search(answer)
            self._tracks[int(channel[1]) if channel else 0] = Track(self._codecs)
        head, _, body = answer.partition(b"\r\n\r\n")
        if request.startswith(b"DESCRIBE "):
            self._codecs.update(codecs(body))
            if announces_fields(body):
                self.interlaced = True
                raise Interlaced
            named = _REMOTE.search(head)
            if named is not None:
                self._origin = named[0]
        translated = _REMOTE.sub(self._local, body)
        if len(translated) != len(body):
            head = _LENGTH.sub(b"Content-Length: %d" % len(translated), head)
        near.sendall(_REMOTE.sub(self._local, head) + b"\r\n\r\n" + translated)

    def _packet(self, packet: bytes, near: socket.socket) -> None:
        track = self._tracks.get(packet[1])
        if track is None:
            near.sendall(packet)
            return
        try:
            arrived = track.take(packet[4:])
        except Unrecoverable as error:
            self.interlaced = isinstance(error, Interlaced)
            self._spoilt()
            raise
        if arrived.packets:
            near.sendall(b"".join(_framed(packet[1], data) for data in arrived.packets))
        for _ in range(arrived.spoilt):
            self._spoilt()


class _SecureEnd:
    """A TLS connection that one thread reads while another writes. OpenSSL does not allow both at the same moment.

    The certificate is not checked: cameras use self-signed ones.
    """

    def __init__(self, connected: socket.socket, host: str) -> None:
        """Raises OSError."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._end = context.wrap_socket(connected, server_hostname=host)
        self._end.setblocking(False)
        self._using = threading.Lock()

    def __enter__(self) -> "_SecureEnd":
        return self

    def __exit__(self, *_reason: object) -> None:
        self._end.close()

    def recv(self, size: int) -> bytes:
        while True:
            with self._using, suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return self._end.recv(size)
            select.select([self._end], [], [], _LOOK)

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            with self._using, suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                left = left[self._end.send(left) :]
                continue
            select.select([self._end], [self._end], [], _LOOK)

    def shutdown(self, how: int) -> None:
        """End both directions. Raises OSError."""
        self._end.shutdown(how)


def _framed(channel: int, data: bytes) -> bytes:
    return bytes((_DOLLAR, channel)) + len(data).to_bytes(2, "big") + data


def _each(end: End, message: Callable[[bytes], None], packet: Callable[[bytes], None]) -> None:
    """Call back for every message and every interleaved packet (including its four header bytes), until the end."""
    buffer = bytearray()
    while data := end.recv(_PIECE):
        buffer += data
        while (size := _size(buffer)) and len(buffer) >= size:
            piece = bytes(buffer[:size])
            del buffer[:size]
            (packet if piece[0] == _DOLLAR else message)(piece)


def _size(buffer: bytearray) -> int:
    """Return the size in bytes of the message or packet at the start of the buffer; 0 if not yet known. Raises ValueError."""
    while buffer[:2] == b"\r\n":  # some cameras send an empty line as keep-alive
        del buffer[:2]
    if not buffer:
        return 0
    if buffer[0] == _DOLLAR:
        return 4 + int.from_bytes(buffer[2:4], "big") if len(buffer) >= 4 else 0
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        if len(buffer) > _MOST:
            raise ValueError("not RTSP")
        return 0
    length = _LENGTH.search(buffer, 0, head)
    body = int(length[1]) if length else 0
    if body > _MOST:
        raise ValueError("not RTSP")
    return head + 4 + body
