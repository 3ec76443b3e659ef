"""Pictures over HTTP: MJPEG streams and snapshot addresses, read without FFmpeg and decoded strictly."""

import hashlib
import http.client
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from socket import SHUT_RDWR, socket

from inspector.cameras.capture import Capture, Picture
from inspector.cameras.network.login import Login
from inspector.cameras.network.multipart import LIMIT, Parts
from inspector.core.addresses import Address, hide_secrets, parse_address
from inspector.core.errors import CameraError
from inspector.imaging.files import MAX_PIXELS
from inspector.imaging.formats.jpeg import JpegDamage, coded_part, decode_jpeg, read_header

_PIECE = 1 << 16  # bytes per read from the connection
_REDIRECTS = 3
_AGAIN = 0.02  # seconds between two snapshots if the camera repeats one
_JPEG = frozenset({"image/jpeg", "image/jpg", "image/pjpeg"})
_FAULTS = (OSError, http.client.HTTPException, ValueError)
_REMEMBERED = 1024  # pictures that a new one is compared with: far more than a camera has buffers


class Sent:
    """The recent pictures of a camera. Outlives a connection, because a new connection often begins with an old picture.

    A sensor has noise, so two identical pictures were taken at the same time.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()  # checksums, oldest first

    def is_newest(self, data: bytes) -> bool:
        """Return whether this file holds the newest picture."""
        return bool(self._known) and next(reversed(self._known)) == _checksum(data)

    def take(self, data: bytes) -> bool:
        """Add a file; return whether its picture was sent before."""
        key = _checksum(data)
        known = key in self._known
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(coded_part(data), digest_size=16).digest()


class HttpCapture:
    """An MJPEG stream (multipart), a snapshot address that is polled, or another video, which FFmpeg reads.

    The certificate of an https camera is not checked: cameras use self-signed ones.
    """

    rate = 0.0
    buffers = True

    def __init__(
        self,
        url: str,
        *,
        open_timeout: float,
        timeout: float,
        rate: float,
        sent: Sent | None,
        video: Callable[[str], Capture],
    ) -> None:
        """`rate`: most snapshots per second, 0: no limit. `video`: makes the reader of another kind of video.

        `sent`: the pictures sent before this connection; None: a picture may be repeated.
        """
        self._address = parse_address(url)
        self._source = hide_secrets(url)
        self._login = Login(self._address.user, self._address.password)
        self._open_timeout = open_timeout
        self._timeout = timeout
        self._period = 1.0 / rate if rate > 0 else 0.0
        self._sent = sent
        self._make_video = video
        self._video: Capture | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket | None = None
        self._response: http.client.HTTPResponse | None = None  # keeps the socket open after the connection was closed
        self._parts: Parts | None = None
        self._data = b""
        self._whole = True
        self._again = False
        self._pending: bytes | None = None
        self._due = 0.0
        self._gone = threading.Event()

    @property
    def in_opencv(self) -> bool:
        return self._video is not None

    def open(self) -> bool:
        try:
            response = self._get(self._open_timeout)
            kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
            begin = b"" if kind.startswith(("image/", "video/", "multipart/")) else response.peek(64).lstrip()
            if kind.startswith("multipart/") or begin.startswith(b"--"):
                self._parts = Parts(lambda: response.read1(_PIECE), response.headers.get_boundary())
                self._wait_at_most(self._timeout)
            elif kind in _JPEG or begin.startswith(b"\xff\xd8"):
                self.buffers = False
                self._pending = self._body(response)
            elif kind.startswith(("video/", "audio/", "application/")):
                return self._open_video()
            else:
                raise CameraError(
                    "{source} gives {kind}, which is neither MJPEG, a JPEG snapshot nor another video.",
                    remedy="Check the address.",
                    source=self._source,
                    kind=kind or "data without a Content-Type",
                )
        except _FAULTS:
            return False
        return True

    def grab(self) -> bool:
        if self._video is not None:
            return self._video.grab()
        try:
            return self._next_part() if self._parts is not None else self._next_snapshot()
        except _FAULTS:
            return False

    def retrieve(self) -> Picture | Callable[[], Picture]:
        if self._video is not None:
            return self._video.retrieve()
        if self._again:
            return CameraError(
                "{source} has sent a picture a second time; it is an old one.",
                remedy="Check the camera. If its pictures may be equal, set its option allow_repeats.",
                source=self._source,
            )
        return partial(self._decode, self._data, self._whole)

    def _decode(self, data: bytes, whole: bool) -> Picture:
        """Decode one file. A picture that is not taken in time is not decoded."""
        try:
            if not whole:
                raise JpegDamage("bytes of it are missing")
            header = read_header(data)
            if header.width * header.height > MAX_PIXELS:
                raise JpegDamage(f"{header.width} x {header.height} pixels are too many")
            return decode_jpeg(data, header=header)
        except JpegDamage as error:
            return CameraError(
                "The picture of {source} is damaged: {detail}.",
                remedy="Check the camera and its network.",
                source=self._source,
                detail=error,
            )

    def interrupt(self) -> None:
        self._gone.set()
        if self._video is not None:
            self._video.interrupt()
        connected = self._socket
        if connected is not None:
            try:
                connected.shutdown(SHUT_RDWR)
            except OSError:
                return  # already closed

    def release(self) -> None:
        if self._video is not None:
            self._video.release()
        self._close_connection()

    def _next_part(self) -> bool:
        while self._parts is not None and not self._gone.is_set():
            part = self._parts.next()
            if part is None:
                return False
            if part.kind in _JPEG or part.body.startswith(b"\xff\xd8"):
                self._take(part.body, whole=part.whole)
                return True
        return False

    def _next_snapshot(self) -> bool:
        while not self._gone.wait(max(0.0, self._due - time.monotonic())):
            self._due = time.monotonic() + self._period
            data = self._pending if self._pending is not None else self._body(self._get(self._timeout))
            self._pending = None
            if self._sent is None or not self._sent.is_newest(data):
                self._take(data)
                return True
            # A camera without a newer picture repeats the last one.
            self._due = max(self._due, time.monotonic() + _AGAIN)
        return False

    def _take(self, data: bytes, *, whole: bool = True) -> None:
        self._data, self._whole = data, whole
        self._again = self._sent is not None and self._sent.take(data)

    def _open_video(self) -> bool:
        self.release()
        self._video = self._make_video(self._address.url)
        good = self._video.open()
        self.rate = self._video.rate
        return good

    def _get(self, timeout: float) -> http.client.HTTPResponse:
        """Request the address; log in and follow redirections if required."""
        for _ in range(2 + _REDIRECTS):
            response = self._request(timeout)
            if response.status == 200:
                return response
            location = response.headers.get("Location")
            if response.status == 401 and self._login.take(response.headers.get_all("WWW-Authenticate") or ()):
                self._drain(response)
            elif response.status in (301, 302, 303, 307, 308) and location:
                self._redirect(location)
            else:
                break
        raise refused(self._source, response.status)

    def _request(self, timeout: float) -> http.client.HTTPResponse:
        """Send a request on the open connection, or on a new one if the camera has closed it."""
        kept = self._connection is not None
        try:
            return self._ask(timeout)
        except (ConnectionError, http.client.RemoteDisconnected):
            if not kept or self._gone.is_set():
                raise
            self._close_connection()
            return self._ask(timeout)

    def _ask(self, timeout: float) -> http.client.HTTPResponse:
        address = self._address
        if self._connection is None:
            self._connection = _connection(address, timeout)
        self._connection.timeout = timeout
        if self._connection.sock is None:
            self._connection.connect()
            self._socket = self._connection.sock
        self._wait_at_most(timeout)
        headers = {"Accept": "*/*", "User-Agent": "inspector"}
        answer = self._login.answer("GET", address.path)
        if answer is not None:
            headers["Authorization"] = answer
        path = address.path if address.path.isascii() else address.path.encode().decode("latin-1")
        self._connection.putrequest("GET", path.replace(" ", "%20"), skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        self._response = self._connection.getresponse()
        return self._response

    def _wait_at_most(self, timeout: float) -> None:
        """Set the time-out of a read a little longer than the consumer's, which notices silence first."""
        if self._socket is not None and self._socket.fileno() >= 0:
            self._socket.settimeout(timeout + 1.0)

    def _drain(self, response: http.client.HTTPResponse) -> None:
        response.read(_PIECE)
        if not response.isclosed() or response.will_close:
            self._close_connection()

    def _redirect(self, location: str) -> None:
        """Follow a redirection on the same host. Raises CameraError for another host, which must not get the password."""
        there = parse_address(location) if "://" in location else None
        path = there.path if there is not None else location if location.startswith("/") else f"/{location}"
        old = self._address
        if there is not None and (there.scheme not in ("http", "https") or there.host.lower() != old.host.lower()):
            raise refused(self._source, 302)
        scheme, port = (there.scheme, there.port) if there is not None else (old.scheme, old.port)
        self._address = Address(scheme, old.host, port, path, old.user, old.password)
        self._close_connection()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        """Return the body; if it is truncated, what there is of it. The decoder then detects the truncation."""
        try:
            body = response.read(LIMIT)
        except http.client.IncompleteRead as error:
            body = error.partial
        if not response.isclosed() or response.will_close:
            self._close_connection()
        return body

    def _close_connection(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connection(address: Address, timeout: float) -> http.client.HTTPConnection:
    if address.scheme == "http":
        return http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)


def refused(source: str, status: int) -> CameraError:
    """Return the error for a camera that answers with an error status."""
    if status in (401, 403):
        return CameraError(
            "{source} refuses the user or the password.",
            remedy="Write them into the address, before the host: USER:PASSWORD@HOST.",
            source=source,
        )
    return CameraError(
        "{source} answers with the error {status}.", remedy="Check the path of the address.", source=source, status=status
    )
