"""A USB or built-in camera through the operating system's video driver."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, ClassVar, Final

import cv2
from pydantic import Field

from inspector.cameras.base import SILENCE_S, Camera, CameraOptions, GreyOptions, parse_options
from inspector.cameras.capture import Reader, VideoCapture
from inspector.core.config import FormField, Option
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.types import Frame

_NODES: Final = Path("/sys/class/video4linux")
_OPEN_S = 20.0  # some Windows drivers open slowly


class UsbOptions(GreyOptions):
    timeout: Annotated[float, FormField(unit="s")] = Field(
        3.0, ge=0.3, le=60, description="seconds without a frame after which the camera counts as lost"
    )
    width: Annotated[int, FormField(unit="px")] = Field(0, ge=0, le=65535, description="of the frames; 0: as the camera likes")
    height: Annotated[int, FormField(unit="px")] = Field(0, ge=0, le=65535, description="of the frames; 0: as the camera likes")
    fps: Annotated[float, FormField("Frame rate", unit="fps")] = Field(0.0, ge=0, description="0: as the camera likes")
    fourcc: Annotated[str, FormField("Pixel format")] = Field(
        "", pattern="^(.{4})?$", description="four letters, for example MJPG; empty: as the camera likes"
    )


class UsbCamera(Camera):
    """Yields the newest frame of the camera with this number ("usb:0") or device path ("usb:/dev/video2")."""

    options_model: ClassVar[type[CameraOptions]] = UsbOptions

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address or "0", options)
        self._options = parse_options(UsbOptions, name, options)
        self.how = self._options.reading()
        if not self.address.isdecimal() and not self.address.startswith("/dev/"):
            raise ConfigError("{address!r} is not a USB camera.", remedy="Write usb:0 for the first one.", address=address)

    @property
    def patience_s(self) -> float | None:
        return max(_OPEN_S, self._options.timeout) + SILENCE_S

    def frames(self, stop: Event) -> Iterator[Frame]:
        reader = Reader(self.name, UsbDevice(self.address, self._options)).start()
        source = f"usb:{self.address}"
        try:
            for newest in reader.frames(stop, open_timeout=_OPEN_S, timeout=self._options.timeout, source=source):
                self.lose(newest.missed)
                if isinstance(newest.picture, InspectorError):
                    self.skip("", newest.picture)
                    continue
                try:
                    frame = self.frame(newest.picture, source=source, grabbed=newest.grabbed)
                except ConfigError as error:  # as the source is declared, its values are no temperatures
                    self.skip("", error)
                    continue
                yield frame
        finally:
            reader.close()


class UsbDevice(VideoCapture):
    """The device with the requested settings."""

    def __init__(self, address: str, options: UsbOptions) -> None:
        super().__init__()
        self._address = address
        self._options = options

    def make(self) -> cv2.VideoCapture:
        options, address = self._options, self._address
        capture = cv2.VideoCapture(int(address) if address.isdecimal() else address)
        if options.fourcc and capture.isOpened():
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
        settings = (
            (cv2.CAP_PROP_FRAME_WIDTH, options.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, options.height),
            (cv2.CAP_PROP_FPS, options.fps),
        )
        for setting, value in settings:
            if value and capture.isOpened():
                capture.set(setting, value)
        # By default OpenCV converts each 16-bit pixel of a thermal camera to 8 bits.
        if int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"Y16 "):
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        return capture


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that the operating system lists. `source`: as in a recipe; `name`: as its maker calls it, "" if unknown."""

    source: str
    name: str = ""


def found_cameras() -> tuple[FoundCamera, ...]:
    """Return the cameras that Linux lists, without opening any; elsewhere the numbers that a few cameras would have."""
    if sys.platform != "linux":
        return tuple(FoundCamera(f"usb:{number}") for number in range(4))
    nodes = sorted(_NODES.glob("video*"), key=lambda node: int(node.name.removeprefix("video") or 0))
    found: dict[str, FoundCamera] = {}
    for node in nodes:
        name, index = _said(node / "name"), _said(node / "index")
        if index in ("", "0"):  # further nodes of a camera carry data about its frames
            found[node.name] = FoundCamera(f"usb:/dev/{node.name}", name)
    return tuple(found.values())


def _said(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
