"""A network camera: RTSP, or MJPEG and other video over HTTP."""

from collections.abc import Iterator, Mapping
from threading import Event
from urllib.parse import urlsplit

import cv2
from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, Option, parse_options
from inspector.cameras.capture import Reader
from inspector.core.errors import ConfigError
from inspector.core.types import Frame


class StreamOptions(CameraOptions):
    timeout: float = Field(3.0, ge=0.3, le=60, description="seconds without a frame after which the camera counts as lost")


class StreamCamera(Camera):
    """Yields the newest frame of a stream; frames that nobody took in time are dropped.

    A camera that changes its picture size in the middle goes on with the new size (what a recipe's regions make of that
    is the station's to say). A stream that stalls, dies or ends raises CameraError within the time-out.
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

    def frames(self, stop: Event) -> Iterator[Frame]:
        timeout = self._options.timeout
        reader = Reader(self.name, self._open)
        try:
            newest = reader.frames(stop, open_timeout=timeout + 1.0, timeout=timeout, source=self.address)
            for pixels, grabbed in newest:
                yield self.frame(pixels, grabbed=grabbed)
        finally:
            reader.close()

    def _open(self) -> cv2.VideoCapture:
        # OpenCV takes time-outs only when opening, and tries a read three times before it gives up.
        milliseconds = round(self._options.timeout * 1000)
        return cv2.VideoCapture(
            self._url,
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, max(100, milliseconds // 3)],
        )
