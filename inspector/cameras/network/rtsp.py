"""Network cameras: RTSP; MJPEG, snapshots or other video over HTTP."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Annotated, ClassVar

import cv2
from pydantic import Field

from inspector.cameras.base import SILENCE_S, Camera, CameraOptions, parse_options
from inspector.cameras.bitstream import fields
from inspector.cameras.capture import Capture, Reader, VideoCapture
from inspector.cameras.network.http import HttpCapture, Sent, refused
from inspector.cameras.network.rtsp_gate import RtspGate
from inspector.core.addresses import hide_secrets, parse_address
from inspector.core.config import FormField, Option
from inspector.core.errors import CameraError, ConfigError, InspectorError
from inspector.core.types import Frame

# Options that OpenCV reads at every opening. Over UDP a loss cannot be told from a late packet; sound is not needed.
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|allowed_media_types;video")

_LOOKED_AT = 12  # pictures of MPEG-2 of which it is checked that they are not of fields


class StreamOptions(CameraOptions):
    timeout: Annotated[float, FormField(unit="s")] = Field(
        3.0, ge=0.3, le=60, description="seconds without a frame after which the camera counts as lost"
    )
    open_timeout: Annotated[float, FormField("Time to connect", unit="s")] = Field(
        8.0, ge=0.5, le=120, description="seconds a connection may take"
    )
    size: Annotated[str, FormField("Frame size", unit="px")] = Field(
        "", pattern="^([0-9]{1,5}x[0-9]{1,5})?$", description="pixels, for example 1280x720; empty: as the first frame"
    )
    rate: Annotated[float, FormField(unit="1/s")] = Field(
        0.0, ge=0, le=1000, description="snapshots a second at most; 0: as fast as the camera gives them"
    )
    allow_repeats: Annotated[bool, FormField("Equal pictures")] = Field(
        False, description="MJPEG and snapshots: judge a picture that is equal to one before, as of a simulated camera"
    )


class StreamCamera(Camera):
    """Yields the newest frame of a stream; frames that are not taken in time are dropped and counted.

    A picture is rejected and reported through `skip` if it is damaged, differs in size from the first one (or from the option
    `size`), or (MJPEG and snapshots) was sent before. A stream that stalls or ends raises CameraError within the time-out.
    """

    options_model: ClassVar[type[CameraOptions]] = StreamOptions

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(StreamOptions, name, options)
        self._url = address
        self._sent = None if self._options.allow_repeats else Sent()
        self.address = hide_secrets(address)  # the address in records and messages
        width, _, height = self._options.size.partition("x")
        self._size = (int(width), int(height)) if width else None
        try:
            self._http = parse_address(address).scheme in ("http", "https")
        except ValueError:
            raise ConfigError(
                "{address!r} is not the address of a stream.",
                remedy="Write rtsp://HOST/PATH or http://HOST/PATH.",
                address=self.address,
            ) from None

    @property
    def patience_s(self) -> float | None:
        return max(self._opening_s, self._options.timeout) + SILENCE_S

    @property
    def _opening_s(self) -> float:
        """Longest time to connect; video over HTTP is opened twice, the first time for its headers."""
        return (2.0 if self._http else 1.0) * self._options.open_timeout + 1.0

    def frames(self, stop: Event) -> Iterator[Frame]:
        options = self._options
        reader = Reader(self.name, self._capture(lambda: reader.put(self._spoilt(), time.monotonic())))
        newest = reader.frames(stop, open_timeout=self._opening_s, timeout=options.timeout, source=self.address)
        reader.start()
        try:
            for grabbed in newest:
                self.lose(grabbed.missed)
                picture = grabbed.picture
                problem = (
                    picture if isinstance(picture, InspectorError) else self._other_size(picture.shape[1], picture.shape[0])
                )
                if problem is not None:
                    self.skip("", problem)
                elif not isinstance(picture, InspectorError):
                    yield self.frame(picture, grabbed=grabbed.grabbed)
        finally:
            reader.close()

    def _other_size(self, width: int, height: int) -> CameraError | None:
        """Return an error for a picture whose size differs from the size that the recipe's regions refer to."""
        if self._size is None:
            self._size = (width, height)
        if self._size == (width, height):
            return None
        return CameraError(
            "The picture of {source} has {width} x {height} pixels instead of {before_width} x {before_height}.",
            remedy="Set the camera back, or accept the new size: start anew, or set the option size.",
            source=self.address,
            width=width,
            height=height,
            before_width=self._size[0],
            before_height=self._size[1],
        )

    def _spoilt(self) -> CameraError:
        return CameraError(
            "Parts of the video of {source} were lost on the way; this picture would be made up.",
            remedy="Check the network and the load of the camera; shorten its key frame interval.",
            source=self.address,
        )

    def _capture(self, spoilt: Callable[[], None]) -> Capture:
        options = self._options
        times = {"open_timeout": options.open_timeout, "timeout": options.timeout}
        if not self._http:
            return RtspVideo(self._url, spoilt=spoilt, **times)
        return HttpCapture(self._url, rate=options.rate, sent=self._sent, video=lambda url: HttpVideo(url, **times), **times)


class StreamVideo(VideoCapture):
    """A video over a network that FFmpeg reads."""

    def __init__(self, url: str, *, open_timeout: float, timeout: float) -> None:
        super().__init__()
        self._url = url
        self._open_timeout = open_timeout
        # Longer than the time until silence is noticed: when this time-out expires, FFmpeg repeats an old frame.
        self.read_timeout = 2 * timeout + 1

    def make(self, *, packets: bool = False) -> cv2.VideoCapture:
        """Open the stream; `packets`: to read packets instead of pictures."""
        settings = {
            **({cv2.CAP_PROP_FORMAT: -1} if packets else {}),
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: round(self._open_timeout * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: round(self.read_timeout * 1000),
            cv2.CAP_PROP_N_THREADS: 1,  # each additional thread delays by a frame
        }
        return cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, [value for setting in settings.items() for value in setting])


class HttpVideo(StreamVideo):
    """A video over HTTP. Its headers are read first, over a connection of their own."""

    def open(self) -> bool:
        packets = self.make(packets=True)
        try:
            if not packets.isOpened():
                return False
            tag = (int(packets.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little").decode("latin-1").strip("\0 ")
            if fields.announced(packets, tag, pictures=_LOOKED_AT):
                raise interlaced(hide_secrets(self._url))
        finally:
            packets.release()
        return super().open()


def interlaced(source: str) -> CameraError:
    """Return the error for a camera whose pictures are of two fields."""
    return CameraError(
        "{source} sends interlaced video (of fields), which cannot be converted here.",
        remedy="Set the camera to progressive pictures.",
        source=source,
        retryable=False,
    )


class RtspVideo(StreamVideo):
    """An RTSP stream that FFmpeg reads through a gate, which holds back incomplete pictures."""

    def __init__(self, url: str, *, open_timeout: float, timeout: float, spoilt: Callable[[], None]) -> None:
        super().__init__(url, open_timeout=open_timeout, timeout=timeout)
        self._spoilt = spoilt
        self._gate: RtspGate | None = None
        self._source = hide_secrets(url)
        self.read_timeout = 3600.0  # pictures held back are no silence, and the gate ends a blocked read

    def open(self) -> bool:
        gate = self._gate = RtspGate(self._url, timeout=self._open_timeout, spoilt=self._spoilt)
        self._url = gate.url
        if super().open():
            return True
        if gate.interlaced:
            raise interlaced(self._source)
        if gate.refused in (401, 403):
            raise refused(self._source, gate.refused)
        if gate.refused == 461:
            raise CameraError(
                "{source} sends its video over UDP only, where lost pictures cannot be told.",
                remedy="Set the camera to RTP over RTSP (TCP, interleaved).",
                source=self._source,
                retryable=False,
            )
        return False

    def grab(self) -> bool:
        good = super().grab()
        if self._gate is not None and self._gate.interlaced:  # a transport stream does not say so before its pictures come
            raise interlaced(self._source)
        return good

    def interrupt(self) -> None:
        if self._gate is not None:
            self._gate.close()

    def release(self) -> None:
        super().release()
        if self._gate is not None:
            self._gate.close()
            self._gate.join(1.0)
