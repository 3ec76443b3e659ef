"""A camera is a generator of frames, named by a source string."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import ClassVar

from inspector.core.errors import ConfigError
from inspector.core.registry import CAMERAS
from inspector.core.types import Annotation, Frame, Pixels, Unit

Option = str | int | float | bool


class Camera(ABC):
    """One source of frames.

    `live`: the world goes on whether or not we look (USB, RTSP), so a slow consumer loses frames and a trigger takes
    the next one. Not live (folder, video, demo line): frames wait, and a trigger asks for one.
    """

    live: ClassVar[bool] = True

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        """`name`: as in the recipe. `address`: the source after its kind. Opens nothing.

        Raises ConfigError for an address or option that can never work.
        """
        self.name = name
        self.address = address
        self._sequence = 0

    @abstractmethod
    def frames(self, stop: Event) -> Iterator[Frame]:
        """Open the source and yield frames until it ends, fails, or `stop` is set; close it in `finally`.

        Raises CameraError; the station reports it and, where retryable, calls `frames` again after a pause. Must notice
        `stop` within a second, and silence of the source within its time-out.
        """

    def frame(
        self,
        pixels: Pixels,
        *,
        unit: Unit = "intensity",
        part: str = "",
        source: str = "",
        truth: Annotation | None = None,
    ) -> Frame:
        """Stamp pixels just grabbed with this camera's name, the next sequence number and the time."""
        sequence = self._sequence
        self._sequence += 1
        return Frame(
            pixels, self.name, sequence, time.monotonic(), datetime.now(UTC), unit, part, source or self.address, truth
        )


def kind_of(source: str) -> tuple[str, str]:
    """Split a source string into camera kind and address.

    "simulated", "simulated:thermal", "folder:PATH", "video:PATH", "usb:0", "rtsp://host/path", "http://host/path".
    Raises ConfigError.
    """
    kind, _, address = source.partition(":")
    if kind in ("rtsp", "rtsps", "http", "https"):
        return "rtsp", source
    if kind in CAMERAS:
        return kind, address
    path = Path(source)
    if path.is_dir():
        return "folder", source
    raise ConfigError(
        "{source!r} is not a source.",
        remedy="Use simulated, folder:PATH, video:PATH, usb:N, rtsp://... or http://...",
        source=source,
    )


def open_camera(name: str, source: str, options: Mapping[str, Option] | None = None) -> Camera:
    """Make the camera a source string names. Nothing is opened yet. Raises ConfigError."""
    kind, address = kind_of(source)
    camera: Camera = CAMERAS[kind].load()(name, address, options or {})
    return camera
