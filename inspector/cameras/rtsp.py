"""A network camera: RTSP, or MJPEG and other video over HTTP."""

from collections.abc import Iterator, Mapping
from threading import Event
from urllib.parse import urlsplit

import cv2
from pydantic import Field

from inspector.cameras.base import SILENCE_S, Camera, CameraOptions, parse_options
from inspector.cameras.capture import Reader
from inspector.core.config import Option
from inspector.core.errors import ConfigError
from inspector.core.types import Frame


class StreamOptions(CameraOptions):
    timeout: float = Field(3.0, ge=0.3, le=60, description="seconds without a frame after which the camera counts as lost")
    open_timeout: float = Field(8.0, ge=0.5, le=120, description="seconds a connection may take; a new key frame is waited for")


class StreamCamera(Camera):
    """Yields the newest frame of a stream; frames that nobody took in time are dropped.

    If the camera changes its picture size while it streams, frames go on, scaled to the size they had when the connection
    was made (so a recipe's regions still fit); the new size counts from the next connection. A stream that stalls, dies
    or ends raises CameraError within the time-out.
    """

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(StreamOptions, name, options)
        self._url = address
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host:
            raise ConfigError(
                "{address!r} is not the address of a stream.",
                remedy="Write rtsp://HOST/PATH or http://HOST/PATH.",
                address=address,
            )
        # Records and messages must not show a password.
        self.address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def patience_s(self) -> float | None:
        return max(self._options.open_timeout + 1.0, self._options.timeout) + SILENCE_S

    def frames(self, stop: Event) -> Iterator[Frame]:
        timeout = self._options.timeout
        reader = Reader(self.name, self._open)
        try:
            newest = reader.frames(stop, open_timeout=self._options.open_timeout + 1.0, timeout=timeout, source=self.address)
            for pixels, grabbed in newest:
                yield self.frame(pixels, grabbed=grabbed)
        finally:
            reader.close()

    def _open(self) -> cv2.VideoCapture:
        # OpenCV takes time-outs only when opening, and tries a read three times before it gives up.
        opening, reading = round(self._options.open_timeout * 1000), round(self._options.timeout * 1000 / 3)
        return cv2.VideoCapture(
            self._url,
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, opening, cv2.CAP_PROP_READ_TIMEOUT_MSEC, reading],
        )
